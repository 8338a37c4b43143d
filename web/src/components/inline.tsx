import { Fragment } from "react";

/** Text whose `backticked` parts are code. Long names may break after `_`, `/` and `.`, and are never cut. */
export function Inline({ text }: { text: string }) {
  const parts = text.split(/`([^`]+)`/);
  return (
    <>
      {parts.map((part, index) =>
        index % 2 === 1 ? (
          <code key={index}>{breakable(part)}</code>
        ) : (
          <Fragment key={index}>{part}</Fragment>
        ),
      )}
    </>
  );
}

/** The server's words begin small, since they also follow others; by themselves they are a sentence. */
export function Sentence({ text }: { text: string }) {
  return <Inline text={text.slice(0, 1).toUpperCase() + text.slice(1)} />;
}

/** Lets a long identifier or path break where a reader would break it. */
export function breakable(text: string) {
  const parts = text.split(/(?<=[_/.:])/);
  return parts.map((part, index) => (
    <Fragment key={index}>
      {part}
      {index < parts.length - 1 && <wbr />}
    </Fragment>
  ));
}
