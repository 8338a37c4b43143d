// One live line per run: verb, object, clock. And a neutral row where it has been silent for long.

import type { RunSummary } from "../../api/types";
import { breakable } from "../../components/inline";
import { age } from "../../components/time/format";
import { Clock, useNow } from "../../components/time/now";
import { splitLive } from "./live";
import css from "./live-line.module.css";

const SILENT_MS = 60_000;

export function LiveLine({
  run,
  withClock = true,
  brief = false,
}: {
  run: RunSummary;
  withClock?: boolean;
  /** Without the verb, where an icon says that it is running. */
  brief?: boolean;
}) {
  if (!run.live_line) return null;
  const { words, code } = splitLive(run.live_line);
  return (
    <span className={css.line}>
      <span className={css.text}>
        {brief && code ? null : `${words} `}
        {code && <code>{breakable(code)}</code>}
      </span>
      {withClock && run.live_since && (
        <code className={css.clock}>
          <Clock from={run.live_since} />
        </code>
      )}
    </span>
  );
}

/** Says which command is silent and since when. Neutral: silence alone is not a failure. */
export function SilenceRow({
  run,
  lastEventAt,
  onCancel,
}: {
  run: RunSummary;
  lastEventAt: number | null;
  onCancel: () => void;
}) {
  const now = useNow();
  if (!lastEventAt || now - lastEventAt < SILENT_MS) return null;
  return (
    <div className={css.row} role="status">
      <span>
        {run.live_line ? <code>{run.live_line.replace(/^running /, "")}</code> : "The run"} is silent for{" "}
        {age(new Date(lastEventAt).toISOString(), now)}
      </span>
      <button type="button" className={css.act} onClick={onCancel}>
        Cancel the run
      </button>
    </div>
  );
}
