// Keeps a growing pane at its end while its reader is there; once they scroll up it stays where they are, and a
// button leads back to the newest.

import { type ReactNode, useLayoutEffect, useRef, useState } from "react";
import css from "./follow.module.css";

const NEAR_PX = 48;

interface Props {
  /** Changes whenever the content may have grown. */
  growth: unknown;
  following: boolean;
  className: string | undefined;
  children: ReactNode;
}

export function Follow({ growth, following, className, children, ...rest }: Props & Record<string, unknown>) {
  const pane = useRef<HTMLDivElement>(null);
  const [atEnd, setAtEnd] = useState(following);

  // biome-ignore lint/correctness/useExhaustiveDependencies: `growth` is the reason to run again.
  useLayoutEffect(() => {
    const element = pane.current;
    if (following && atEnd && element) element.scrollTop = element.scrollHeight;
  }, [growth, following, atEnd]);

  const onScroll = () => {
    const element = pane.current;
    if (element) setAtEnd(element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_PX);
  };
  return (
    <div className={css.frame}>
      <div ref={pane} className={className} onScroll={onScroll} {...rest}>
        {children}
      </div>
      {following && !atEnd && (
        <button type="button" className={css.newest} onClick={() => setAtEnd(true)}>
          Newest
        </button>
      )}
    </div>
  );
}
