import { useEffect, useState } from "react";
import css from "./copy-button.module.css";
import { Glyph } from "./glyph";

const SAID_MS = 1_600;

/** Copies a text; the button itself says that it did. */
export function CopyButton({ text, label, words = false }: { text: string; label: string; words?: boolean }) {
  const [state, setState] = useState<"idle" | "copied" | "refused">("idle");
  useEffect(() => {
    if (state === "idle") return;
    const timer = setTimeout(() => setState("idle"), SAID_MS);
    return () => clearTimeout(timer);
  }, [state]);
  const said = state === "copied" ? "Copied" : state === "refused" ? "Select and copy by hand" : label;
  return (
    <button
      type="button"
      className={words ? css.words : css.icon}
      aria-label={said}
      title={said}
      onClick={() =>
        copy(text).then(
          () => setState("copied"),
          () => setState("refused"),
        )
      }
    >
      {words ? said : <Glyph name={state === "copied" ? "check" : "copy"} />}
      <span className="visually-hidden" aria-live="polite">
        {state === "idle" ? "" : said}
      </span>
    </button>
  );
}

async function copy(text: string): Promise<void> {
  // The clipboard API exists only on secure origins; a plain http installation on a LAN has none.
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  throw new Error("no clipboard here");
}

/** A line to copy: the text in mono, never cut, and its button. */
export function CopyLine({ text, label }: { text: string; label: string }) {
  return (
    <div className={css.line}>
      <code className={css.text}>{text}</code>
      <CopyButton text={text} label={label} />
    </div>
  );
}
