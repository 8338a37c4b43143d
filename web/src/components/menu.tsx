// A button that opens a list of acts, in the browser's top layer. Arrows move, Escape and a press elsewhere close it.

import {
  createContext,
  type KeyboardEvent,
  type ReactNode,
  useContext,
  useEffect,
  useId,
  useLayoutEffect,
  useRef,
  useState,
} from "react";
import css from "./menu.module.css";

const EDGE = 8;
const GAP = 8;
const ITEMS = "[role=menuitem]:not(:disabled)";

const CloseContext = createContext<() => void>(() => undefined);

interface Props {
  /** What the button shows. */
  face: ReactNode;
  className: string | undefined;
  /** Where the face is no name. */
  label?: string;
  /** Marks the button as where the reader is. */
  active?: boolean;
  above?: boolean;
  align?: "start" | "end";
  /** As wide as the button, where that is wide enough. */
  fit?: boolean;
  children: ReactNode;
}

export function Menu({
  face,
  className,
  label,
  active = false,
  above = false,
  align = "end",
  fit = false,
  children,
}: Props) {
  const [opened, setOpened] = useState(false);
  const id = useId();
  const button = useRef<HTMLButtonElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const close = () => {
    if (list.current?.contains(document.activeElement)) button.current?.focus();
    setOpened(false);
  };

  useLayoutEffect(() => {
    if (!opened || !list.current || !button.current) return;
    const [shown, anchor] = [list.current, button.current];
    shown.showPopover();
    const put = () => place(shown, anchor.getBoundingClientRect(), { above, align, fit });
    put();
    items(shown)[0]?.focus();
    window.addEventListener("resize", put);
    return () => window.removeEventListener("resize", put);
  }, [opened, above, align, fit]);

  useEffect(() => {
    if (!opened) return;
    const onPress = ({ target }: PointerEvent) => {
      const within =
        target instanceof Node && (list.current?.contains(target) || button.current?.contains(target));
      if (!within) setOpened(false);
    };
    document.addEventListener("pointerdown", onPress, true);
    return () => document.removeEventListener("pointerdown", onPress, true);
  }, [opened]);

  const onKey = (event: KeyboardEvent) => {
    const all = list.current ? items(list.current) : [];
    const at = all.indexOf(document.activeElement as HTMLElement);
    if (event.key === "ArrowDown") all[(at + 1) % all.length]?.focus();
    else if (event.key === "ArrowUp") all.at(at <= 0 ? -1 : at - 1)?.focus();
    else if (event.key === "Home") all[0]?.focus();
    else if (event.key === "End") all.at(-1)?.focus();
    else if (event.key === "Escape" || event.key === "Tab") close();
    else return;
    // From the button, Tab goes on to what follows it.
    if (event.key !== "Tab") event.preventDefault();
  };

  return (
    <>
      <button
        ref={button}
        id={id}
        type="button"
        className={className}
        aria-label={label}
        aria-haspopup="menu"
        aria-expanded={opened}
        data-status={active ? "active" : undefined}
        onClick={() => setOpened(!opened)}
      >
        {face}
      </button>
      {opened && (
        <div
          ref={list}
          popover="manual"
          role="menu"
          aria-labelledby={id}
          tabIndex={-1}
          className={css.list}
          onKeyDown={onKey}
        >
          <CloseContext value={close}>{children}</CloseContext>
        </div>
      )}
    </>
  );
}

interface ItemProps {
  children: ReactNode;
  onClick?: () => void;
  left?: ReactNode;
  right?: ReactNode;
  disabled?: boolean;
  danger?: boolean;
  /** The list stays open, for an act that asks once more. */
  stays?: boolean;
}

export function MenuItem({
  children,
  onClick,
  left,
  right,
  disabled = false,
  danger = false,
  stays = false,
}: ItemProps) {
  const close = useContext(CloseContext);
  return (
    <button
      type="button"
      role="menuitem"
      tabIndex={-1}
      className={css.item}
      disabled={disabled}
      data-danger={danger || undefined}
      onClick={() => {
        if (!stays) close();
        onClick?.();
      }}
    >
      {left}
      <span className={css.name}>{children}</span>
      {right}
    </button>
  );
}

interface LinkProps {
  href: string;
  /** The name of the file that is kept. */
  download?: string;
  children: ReactNode;
}

/** A file to keep, or a page of another place. */
export function MenuLink({ href, download, children }: LinkProps) {
  const close = useContext(CloseContext);
  const away = download ? { download } : { target: "_blank", rel: "noreferrer" };
  return (
    <a role="menuitem" tabIndex={-1} className={css.item} href={href} {...away} onClick={close}>
      <span className={css.name}>{children}</span>
    </a>
  );
}

export function MenuLabel({ children }: { children: ReactNode }) {
  return (
    <div role="presentation" className={css.label}>
      {children}
    </div>
  );
}

export function MenuLine() {
  return <hr className={css.line} />;
}

function items(list: HTMLElement): HTMLElement[] {
  return [...list.querySelectorAll<HTMLElement>(ITEMS)];
}

/** Beside its button, and never beyond the window's edge. */
function place(
  list: HTMLElement,
  anchor: DOMRect,
  { above, align, fit }: { above: boolean; align: "start" | "end"; fit: boolean },
): void {
  const { style } = list;
  style.minWidth = fit ? `${anchor.width}px` : "";
  style.maxHeight = `${(above ? anchor.top : window.innerHeight - anchor.bottom) - GAP - EDGE}px`;
  const { width, height } = list.getBoundingClientRect();
  const left = align === "start" ? anchor.left : anchor.right - width;
  style.left = `${Math.max(EDGE, Math.min(left, window.innerWidth - width - EDGE))}px`;
  style.top = `${above ? anchor.top - GAP - height : anchor.bottom + GAP}px`;
}
