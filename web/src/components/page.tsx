// The frame of a page: the top line (where you are, what you can do), the scrolling middle, and on a phone a foot
// for the one primary act.

import { Link, type LinkProps } from "@tanstack/react-router";
import { type ReactNode, useEffect } from "react";
import { pageStands } from "../app/arrival";
import { openPalette } from "../app/palette-door";
import { MOD } from "../app/platform";
import { Connection } from "./connection";
import { Glyph } from "./glyph";
import css from "./page.module.css";

interface Props {
  /** What the browser's tab says. */
  title: string;
  /** True where the page has no head of its own: `here` is its heading then. */
  bare?: boolean;
  here: ReactNode;
  parent?: { label: string; to: LinkProps["to"] };
  actions?: ReactNode;
  /** Instead of `actions` where the screen is narrow. */
  phoneActions?: ReactNode;
  foot?: ReactNode;
  /** Panes of their own scroll; the page itself doesn't. */
  panes?: boolean;
  /** When the last event came, while the page's own stream is broken. */
  streamLostAt?: number | null;
  children: ReactNode;
}

export function Page({
  title,
  bare = false,
  here,
  parent,
  actions,
  phoneActions,
  foot,
  panes = false,
  streamLostAt = null,
  children,
}: Props) {
  useEffect(() => {
    document.title = title === "" ? "AstraForge" : `${title} · AstraForge`;
  }, [title]);
  useEffect(() => {
    if (!bare) pageStands();
  }, [bare]);
  return (
    <main id="main" className={css.page} tabIndex={-1}>
      <header className={css.top}>
        {parent && (
          <Link to={parent.to} className={css.back} aria-label={`Back to ${parent.label}`}>
            <Glyph name="back" />
          </Link>
        )}
        <div className={css.where}>
          {parent && (
            <>
              <Link to={parent.to} className={css.parent}>
                {parent.label}
              </Link>
              <span className={css.slash} aria-hidden="true">
                /
              </span>
            </>
          )}
          {bare ? <h1 className={css.here}>{here}</h1> : <span className={css.here}>{here}</span>}
        </div>
        <div className={css.actions}>{actions}</div>
        <div className={css.phoneActions}>{phoneActions}</div>
        <button type="button" className={css.find} onClick={openPalette}>
          <Glyph name="search" />
          <span>Find or run</span>
          <kbd className={css.key}>{MOD === "⌘" ? "⌘K" : "Ctrl K"}</kbd>
        </button>
      </header>
      <Connection streamLostAt={streamLostAt} />
      <div className={panes ? css.panes : css.scroll}>{children}</div>
      {foot && <div className={css.foot}>{foot}</div>}
    </main>
  );
}

/** The head of a page: one title, one line beneath. */
export function PageHead({ children, aside }: { children: ReactNode; aside?: ReactNode }) {
  return (
    <div className={css.head}>
      <div className={css.headMain}>{children}</div>
      {aside}
    </div>
  );
}

/** Facts on one line, with the dots between them as decoration: where the line breaks, no dot is left over. */
export function Facts({ children, small = false }: { children: ReactNode[]; small?: boolean }) {
  const shown = children.filter(
    (child) => child !== null && child !== undefined && child !== false && child !== "",
  );
  return (
    <span className={css.facts} data-small={small || undefined}>
      <span className={css.factLine}>
        {shown.map((child, index) => (
          <span key={index} className={css.fact}>
            {child}
          </span>
        ))}
      </span>
    </span>
  );
}
