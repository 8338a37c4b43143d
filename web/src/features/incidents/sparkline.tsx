import type { IncidentDetail } from "../../api/types";
import { plural } from "../../components/format";
import { clock, dayOrTime } from "../../components/time/format";
import { useNow } from "../../components/time/now";
import { bars } from "./sightings";
import css from "./sparkline.module.css";

const HEIGHT = 32;
/** Of the drawing's own units, of which a bar has one in width. */
const BAR = 0.76;

/** How often the incident was seen, over time. Red, since every bar is something broken. */
export function Sparkline({ incident }: { incident: IncidentDetail }) {
  const now = useNow();
  if (!incident.sightings) return null;
  const { counts, fromMs, spanMs } = bars(incident.sightings, now);
  const most = Math.max(1, ...counts);
  return (
    <figure className={css.figure}>
      <svg
        viewBox={`0 0 ${counts.length} ${HEIGHT}`}
        preserveAspectRatio="none"
        className={css.bars}
        role="img"
        aria-label={`Seen ${plural(incident.times_seen, "time")}, at most ${most} in ${clock(spanMs)}`}
      >
        {counts.map((count, index) => {
          const height = count === 0 ? 1 : Math.max(3, (count / most) * HEIGHT);
          return (
            <rect
              key={index}
              x={index + (1 - BAR) / 2}
              y={HEIGHT - height}
              width={BAR}
              height={height}
              data-empty={count === 0 || undefined}
            />
          );
        })}
      </svg>
      <figcaption className={css.ends}>
        <span>{dayOrTime(fromMs, now)}</span>
        <span>now</span>
      </figcaption>
    </figure>
  );
}
