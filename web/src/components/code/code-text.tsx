import css from "./code-text.module.css";
import type { Ink } from "./highlight";

/** One line of code in ink, with an optional marked part. */
export function CodeText({
  pieces,
  word,
  tone,
}: {
  pieces: Ink[];
  word?: [number, number];
  tone?: "add" | "delete";
}) {
  if (!word || word[0] === word[1]) return pieces.map((piece, index) => <Piece key={index} piece={piece} />);
  const parts: { piece: Ink; marked: boolean }[] = [];
  let at = 0;
  for (const piece of pieces) {
    const end = at + piece.text.length;
    const from = Math.min(Math.max(word[0], at), end);
    const to = Math.min(Math.max(word[1], at), end);
    const cut = (start: number, stop: number, marked: boolean) => {
      if (stop > start)
        parts.push({ piece: { ...piece, text: piece.text.slice(start - at, stop - at) }, marked });
    };
    cut(at, from, false);
    cut(from, to, true);
    cut(to, end, false);
    at = end;
  }
  return parts.map((part, index) =>
    part.marked ? (
      <span key={index} className={css.word} data-tone={tone}>
        <Piece piece={part.piece} />
      </span>
    ) : (
      <Piece key={index} piece={part.piece} />
    ),
  );
}

function Piece({ piece }: { piece: Ink }) {
  return piece.kind === "plain" ? piece.text : <span className={css[piece.kind]}>{piece.text}</span>;
}
