// The whole diff, fetched when it is first shown: who reads a run or decides by the proof does not wait for it.

import { type ComponentProps, lazy, Suspense } from "react";
import { ListSkeleton } from "../list";

const DiffView = lazy(() => import("./diff-view"));

export function Diff(props: ComponentProps<typeof DiffView>) {
  return (
    <Suspense fallback={<ListSkeleton />}>
      <DiffView {...props} />
    </Suspense>
  );
}
