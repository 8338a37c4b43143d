import { useMemo, useState } from "react";
import type { Alert, AlertException, Frame } from "../../api/types";
import { CodeText } from "../../components/code/code-text";
import { type Carry, ink, languageOf } from "../../components/code/highlight";
import { type DiffFile, touches } from "../../components/diff/parse";
import { plural } from "../../components/format";
import { Glyph } from "../../components/glyph";
import { breakable } from "../../components/inline";
import { counts, framePath, type Stretch, sourceLines, stretches } from "./frames";
import css from "./stack-trace.module.css";

/** The thrown exception first; what caused it stands below, as the interpreter would tell it. */
export function StackTrace({ alert, files }: { alert: Alert; files: DiffFile[] }) {
  const chain = [...alert.exceptions].reverse();
  const [all, setAll] = useState(false);
  if (chain.length === 0) return <p className={css.none}>The alert carries no stack trace.</p>;
  const sum = chain.map(counts).reduce((a, b) => ({ own: a.own + b.own, library: a.library + b.library }));
  return (
    <section aria-label="Stack trace">
      <div className={css.head}>
        <h2>Stack trace</h2>
        <span className={css.meta}>
          newest call first, {plural(sum.own, "frame")} of yours
          {sum.library > 0 && `, ${sum.library} of libraries`}
        </span>
        {sum.library > 0 && (
          <button type="button" className={css.all} aria-pressed={all} onClick={() => setAll(!all)}>
            {all ? "Fold libraries" : `Show all ${sum.own + sum.library}`}
          </button>
        )}
      </div>
      {chain.map((exception, index) => (
        <Exception
          key={`${exception.kind}-${index}`}
          exception={exception}
          files={files}
          all={all}
          cause={index > 0}
          headed={chain.length > 1}
        />
      ))}
    </section>
  );
}

interface ExceptionProps {
  exception: AlertException;
  files: DiffFile[];
  all: boolean;
  cause: boolean;
  headed: boolean;
}

function Exception({ exception, files, all, cause, headed }: ExceptionProps) {
  const parts = useMemo(() => stretches(exception), [exception]);
  return (
    <div className={css.exception}>
      {headed && (
        <p className={css.exceptionHead}>
          {cause && <span className={css.meta}>caused by </span>}
          <code>
            {exception.kind}
            {exception.value && `: ${exception.value}`}
          </code>
        </p>
      )}
      <ol className={css.frames}>
        {parts.map((part, index) => (
          <Part
            key={index}
            part={part}
            kind={exception.kind}
            files={files}
            all={all}
            open={index < 6}
            first={!cause}
          />
        ))}
      </ol>
    </div>
  );
}

interface PartProps {
  part: Stretch;
  kind: string;
  files: DiffFile[];
  all: boolean;
  open: boolean;
  first: boolean;
}

function Part({ part, kind, files, all, open, first }: PartProps) {
  const [shown, setShown] = useState(false);
  if (part.kind === "own") {
    return (
      <li className={css.own}>
        <FrameCard
          frame={part.frame}
          raised={part.suspect && first ? kind : null}
          files={files}
          startsOpen={open}
        />
      </li>
    );
  }
  const visible = all || shown;
  return (
    <li className={css.library}>
      <button type="button" className={css.fold} aria-expanded={visible} onClick={() => setShown(!shown)}>
        <Glyph name={visible ? "down" : "right"} />
        <span>
          {plural(part.frames.length, "library frame")} in <code>{part.names.slice(0, 4).join(", ")}</code>
          {part.names.length > 4 && ` and ${part.names.length - 4} more`}
        </span>
      </button>
      {visible && (
        <ol className={css.libraryFrames}>
          {part.frames.map((frame, index) => (
            <li key={index}>
              <FrameCard frame={frame} raised={null} files={[]} startsOpen={false} />
            </li>
          ))}
        </ol>
      )}
    </li>
  );
}

interface FrameProps {
  frame: Frame;
  /** The exception's type where this frame raised it. */
  raised: string | null;
  files: DiffFile[];
  startsOpen: boolean;
}

function FrameCard({ frame, raised, files, startsOpen }: FrameProps) {
  const [open, setOpen] = useState(startsOpen);
  const path = framePath(frame);
  const touched = touches(files, path, frame.lineno);
  return (
    <div className={css.frame}>
      <button type="button" className={css.frameHead} aria-expanded={open} onClick={() => setOpen(!open)}>
        <code className={css.path}>{breakable(path)}</code>
        {frame.function && (
          <span className={css.meta}>
            in <code className={css.function}>{breakable(frame.function)}</code>
          </span>
        )}
        {frame.lineno !== null && <span className={css.meta}>line {frame.lineno}</span>}
        {touched && (
          <span className={css.touched}>
            <Glyph name="plusminus" size={14} />
            {touched === "line" ? "the patch changes this line" : "the patch changes this file"}
          </span>
        )}
      </button>
      {open && <Source frame={frame} raised={raised} />}
    </div>
  );
}

function Source({ frame, raised }: { frame: Frame; raised: string | null }) {
  const lines = useMemo(() => inked(frame), [frame]);
  const vars = Object.entries(frame.vars ?? {});
  const [varsShown, setVarsShown] = useState(raised !== null && vars.length <= 8);
  if (lines.length === 0) return <p className={css.noSource}>The alert carries no source for this frame.</p>;
  return (
    <div className={css.source}>
      {lines.map((line, index) => (
        <div
          key={index}
          className={css.line}
          data-crash={(line.crash && raised !== null) || undefined}
          data-here={line.crash || undefined}
        >
          <span className={css.number}>{line.number}</span>
          <code className={css.code}>
            <CodeText pieces={line.pieces} />
          </code>
          {line.crash && raised && <span className={css.raised}>{raised} raised here</span>}
        </div>
      ))}
      {vars.length > 0 && (
        <div className={css.vars}>
          <button
            type="button"
            className={css.varsHead}
            aria-expanded={varsShown}
            onClick={() => setVarsShown(!varsShown)}
          >
            <Glyph name={varsShown ? "down" : "right"} size={12} />
            {plural(vars.length, "variable")}
          </button>
          {varsShown && (
            <dl className={css.varList}>
              {vars.map(([name, value]) => (
                <div key={name}>
                  <dt>
                    <code>{name}</code>
                  </dt>
                  <dd>
                    <code>{value}</code>
                  </dd>
                </div>
              ))}
            </dl>
          )}
        </div>
      )}
    </div>
  );
}

function inked(frame: Frame) {
  const language = languageOf(framePath(frame));
  let carry: Carry = null;
  return sourceLines(frame).map((line) => {
    const result = ink(line.text, language, carry);
    carry = result.carry;
    return { ...line, pieces: result.pieces };
  });
}
