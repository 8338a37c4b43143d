// One thin line where the server is not there. What is on the screen stays, and goes on when it comes back.

import { useSyncExternalStore } from "react";
import { lostSince, onReachable } from "../api/reachable";
import css from "./connection.module.css";
import { useNow } from "./time/now";

/** A restart takes a moment, and nobody needs to know of it. */
const SHOWN_AFTER_MS = 1_500;

export function Connection({ streamLostAt = null }: { streamLostAt?: number | null }) {
  const lost = useSyncExternalStore(onReachable, lostSince);
  const now = useNow();
  const since = streamLostAt ?? lost;
  if (since === null || now - since < SHOWN_AFTER_MS) return null;
  return (
    <div className={css.line} role="status">
      reconnecting · last {streamLostAt === null ? "answer" : "event"} {Math.round((now - since) / 1_000)} s
      ago
    </div>
  );
}
