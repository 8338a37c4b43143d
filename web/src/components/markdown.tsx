// The agent's words and the three paragraphs of a merge request. A small, safe subset of Markdown turned straight
// into elements: no HTML is ever interpreted, and a link leaves only to http(s) or to our own pages.

import { Fragment, type ReactNode } from "react";
import css from "./markdown.module.css";

type Block =
  | { kind: "paragraph"; text: string }
  | { kind: "heading"; text: string }
  | { kind: "code"; text: string }
  | { kind: "quote"; text: string }
  | { kind: "list"; ordered: boolean; items: string[] };

export function Markdown({ text }: { text: string }) {
  return (
    <div className={css.body}>
      {blocks(text).map((block, index) => (
        <Fragment key={index}>{render(block)}</Fragment>
      ))}
    </div>
  );
}

function render(block: Block): ReactNode {
  switch (block.kind) {
    case "heading":
      return <p className={css.heading}>{spans(block.text)}</p>;
    case "code":
      return (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a block that scrolls must be reachable by keyboard.
        <pre className={css.code} tabIndex={0}>
          {block.text}
        </pre>
      );
    case "quote":
      return <blockquote className={css.quote}>{spans(block.text)}</blockquote>;
    case "list": {
      const items = block.items.map((item, index) => <li key={index}>{spans(item)}</li>);
      return block.ordered ? <ol className={css.ordered}>{items}</ol> : <ul className={css.list}>{items}</ul>;
    }
    default:
      return <p>{spans(block.text)}</p>;
  }
}

export function blocks(text: string): Block[] {
  const found: Block[] = [];
  const lines = text.replaceAll("\r\n", "\n").split("\n");
  let index = 0;
  while (index < lines.length) {
    const line = lines[index] ?? "";
    const fence = line.match(/^\s*(```+|~~~+)/)?.[1];
    if (fence) {
      const body: string[] = [];
      index++;
      while (index < lines.length && !lines[index]?.trim().startsWith(fence)) body.push(lines[index++] ?? "");
      index++;
      found.push({ kind: "code", text: body.join("\n") });
      continue;
    }
    const item = /^\s*(?:[-*+]|(\d+)[.)])\s+(.*)$/;
    const first = line.match(item);
    if (first) {
      const items: string[] = [];
      while (index < lines.length) {
        const match = (lines[index] ?? "").match(item);
        if (match) items.push(match[2] ?? "");
        else if (/^\s{2,}\S/.test(lines[index] ?? "") && items.length > 0)
          items.push(`${items.pop()} ${lines[index]?.trim()}`);
        else break;
        index++;
      }
      found.push({ kind: "list", ordered: first[1] !== undefined, items });
      continue;
    }
    const heading = line.match(/^#{1,6}\s+(.*)$/);
    if (heading) {
      found.push({ kind: "heading", text: heading[1] ?? "" });
      index++;
      continue;
    }
    if (line.trim() === "") {
      index++;
      continue;
    }
    const quoted = line.startsWith(">");
    const body: string[] = [];
    while (index < lines.length) {
      const next = lines[index] ?? "";
      if (
        next.trim() === "" ||
        /^(#{1,6}\s|\s*```)/.test(next) ||
        item.test(next) ||
        next.startsWith(">") !== quoted
      )
        break;
      body.push(quoted ? next.replace(/^>\s?/, "") : next);
      index++;
    }
    found.push({ kind: quoted ? "quote" : "paragraph", text: body.join(" ") });
  }
  return found;
}

const SPAN = /`([^`]+)`|\*\*([^*]+)\*\*|\*([^*\s][^*]*)\*|\[([^\]]+)\]\(([^)\s]+)\)/g;

function spans(text: string): ReactNode[] {
  const out: ReactNode[] = [];
  let at = 0;
  for (const match of text.matchAll(SPAN)) {
    if (match.index > at) out.push(text.slice(at, match.index));
    at = match.index + match[0].length;
    const [, code, strong, em, label, href] = match;
    const key = match.index;
    if (code) out.push(<code key={key}>{code}</code>);
    else if (strong) out.push(<strong key={key}>{strong}</strong>);
    else if (em) out.push(<em key={key}>{em}</em>);
    else if (label && href && /^(https?:\/\/|\/(?!\/))/.test(href)) {
      out.push(
        <a key={key} href={href} rel="noreferrer" target={href.startsWith("/") ? undefined : "_blank"}>
          {label}
        </a>,
      );
    } else out.push(match[0]);
  }
  if (at < text.length) out.push(text.slice(at));
  return out;
}
