// How a page's data reaches the screen.

import { useDeferredValue } from "react";

let settled = false;

/** Told by each page that stands: from then on nothing of the first load is left to do. */
export function pageStands(): void {
  settled = true;
}

/** True once the data is here and its page may be drawn. What arrives while people look on, or during the first load,
 * is drawn in slices between which a slow phone still answers; data that was here already is shown without a skeleton. */
export function useArrived(data: unknown): boolean {
  const here = data !== undefined;
  const arrived = useDeferredValue(here, settled && here);
  return here && arrived;
}
