// A piece of a very long list. It is only in the document while it is near the screen; elsewhere a box of the same
// height holds its place, so that scrolling and the scroll bar stay true.

import { type ReactNode, useEffect, useRef, useState } from "react";

const MARGIN = "1200px 0px";

interface Props {
  /** The height to hold before the piece was ever shown. */
  estimate: number;
  /** True where the reader surely starts, to avoid an empty first frame. */
  eager?: boolean;
  children: () => ReactNode;
}

export function LazyChunk({ estimate, eager = false, children }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const height = useRef(estimate);
  const [near, setNear] = useState(eager);

  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const observer = new IntersectionObserver(
      (entries) => {
        for (const entry of entries) {
          if (!entry.isIntersecting && element.offsetHeight > 0) height.current = element.offsetHeight;
          setNear(entry.isIntersecting);
        }
      },
      // `scrollMargin` does for nested scrollers what `rootMargin` does for the window.
      { rootMargin: MARGIN, scrollMargin: MARGIN } as IntersectionObserverInit,
    );
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  return (
    <div ref={box} style={near ? undefined : { height: height.current }}>
      {near ? children() : null}
    </div>
  );
}

/** Cuts a list into pieces of one size. */
export function chunks<T>(items: readonly T[], size: number): T[][] {
  const out: T[][] = [];
  for (let at = 0; at < items.length; at += size) out.push(items.slice(at, at + size));
  return out;
}
