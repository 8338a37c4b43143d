// The line icons, drawn for 16 px. States have a set of their own in `state-icon.tsx`.

import type { SVGProps } from "react";

const PATHS = {
  inbox: "M2 9.5 3.8 3h8.4L14 9.5V13H2V9.5Zm0 0h3.6c.2 1.2 1.2 2 2.4 2s2.2-.8 2.4-2H14",
  incident:
    "M4.5 13V9.2a3.5 3.5 0 0 1 7 0V13M2.5 13.5h11M8 1.2v1.6M2.7 3.2l1.1 1.1M13.3 3.2l-1.1 1.1M8 9v1.6",
  run: "M5.8 3.5h5.4a2.2 2.2 0 0 1 0 4.5H4.8a2.2 2.2 0 0 0 0 4.5h5.4M4 5.3a1.8 1.8 0 1 0 0-3.6 1.8 1.8 0 0 0 0 3.6Zm8 9a1.8 1.8 0 1 0 0-3.6 1.8 1.8 0 0 0 0 3.6Z",
  merge_request:
    "M4 5v9M4 5a1.8 1.8 0 1 0 0-3.6A1.8 1.8 0 0 0 4 5Zm8 6V5.8C12 4.6 11.2 4 10 4H7.6m1.8-2.2L7.4 4l2 2.2M12 14.6a1.8 1.8 0 1 0 0-3.6 1.8 1.8 0 0 0 0 3.6Z",
  repository: "M3.5 12.5V3.2c0-.7.5-1.2 1.2-1.2h7.8v9H4.9c-.8 0-1.4.6-1.4 1.5S4.1 14 4.9 14h7.6v-3M6 5h4",
  alert_source:
    "M8 12.8V8.6M8 8.6a1.3 1.3 0 1 0 0-2.6 1.3 1.3 0 0 0 0 2.6ZM5.2 14h5.6M4.6 10.6a4.7 4.7 0 0 1 0-6.6M11.4 4a4.7 4.7 0 0 1 0 6.6M2.4 12.6a7.6 7.6 0 0 1 0-10.6M13.6 2a7.6 7.6 0 0 1 0 10.6",
  api_key: "M9.8 9.4a3.6 3.6 0 1 0-3.2-3.2L1.8 11v3.2H5v-1.8h1.8v-1.8L9.8 9.4ZM10.9 5.1v.01",
  sandbox: "M8 1.8 13.6 5v6L8 14.2 2.4 11V5L8 1.8Zm0 0M2.4 5 8 8.2 13.6 5M8 8.2v6",
  people:
    "M6 7.6a2.3 2.3 0 1 0 0-4.6 2.3 2.3 0 0 0 0 4.6ZM1.8 13.2c.2-2.2 1.9-3.6 4.2-3.6s4 1.4 4.2 3.6M10.4 3.2a2.3 2.3 0 0 1 0 4.2M11.6 9.8c1.5.4 2.4 1.6 2.6 3.4",
  more: "M2.5 4h11M2.5 8h11M2.5 12h11",
  search: "M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9Zm3.3-1.2L14 14",
  right: "m6 3.5 4.5 4.5L6 12.5",
  down: "M3.5 6 8 10.5 12.5 6",
  updown: "M5 6.2 8 3l3 3.2M5 9.8 8 13l3-3.2",
  back: "M13.5 8h-11m4.3-4.3L2.5 8l4.3 4.3",
  dots: "M3.2 8h.01M8 8h.01M12.8 8h.01",
  copy: "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
  check: "m3 8.5 3.2 3.2L13 4.8",
  close: "m4 4 8 8m0-8-8 8",
  merge:
    "M4 5v9M4 5a1.8 1.8 0 1 0 0-3.6A1.8 1.8 0 0 0 4 5Zm0 1.5c.5 3 3 4.5 6.2 4.5m1.8 1.8a1.8 1.8 0 1 0 0-3.6 1.8 1.8 0 0 0 0 3.6Z",
  rerun: "M3 8a5 5 0 1 0 1.6-3.7L2.5 6.2M2.5 2.6v3.6h3.6",
  plusminus: "M8 2v8M4 6h8M4 13.5h8",
  up: "M8 13.5v-11m4.3 4.3L8 2.5 3.7 6.8",
  arrow: "M1.5 8h13m-3.5-3.5L14.5 8 11 11.5",
  plus: "M8 3v10M3 8h10",
  trash: "M2.5 4.5h11M6 4.5V2.5h4v2M4 4.5l.7 9h6.6l.7-9",
  download: "M8 2v8.2m3.5-3.5L8 10.2 4.5 6.7M2.5 13.5h11",
  sun: "M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM8 1v1.6M8 13.4V15M1 8h1.6M13.4 8H15M3 3l1.2 1.2M11.8 11.8 13 13M13 3l-1.2 1.2M4.2 11.8 3 13",
} as const;

export type GlyphName = keyof typeof PATHS;

export function Glyph({
  name,
  size = 16,
  ...rest
}: { name: GlyphName; size?: number } & SVGProps<SVGSVGElement>) {
  return (
    <svg
      viewBox="0 0 16 16"
      width={size}
      height={size}
      fill="none"
      stroke="currentColor"
      strokeWidth={name === "dots" ? 2.2 : 1.35}
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      style={{ flex: "none" }}
      {...rest}
    >
      <path d={PATHS[name]} />
    </svg>
  );
}

export function Mark({ size = 18 }: { size?: number }) {
  return (
    <svg viewBox="0 0 16 16" width={size} height={size} fill="none" strokeLinecap="round" aria-hidden="true">
      <path d="M1.8 14 8 2l6.2 12" stroke="var(--ink)" strokeWidth="1.9" strokeLinejoin="round" />
      <path d="M8 8v4.6M5.7 10.3h4.6" stroke="var(--spark)" strokeWidth="1.5" />
    </svg>
  );
}
