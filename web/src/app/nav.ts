// The menu. Only what exists is in it.

import type { LinkProps } from "@tanstack/react-router";
import type { GlyphName } from "../components/glyph";

export interface NavEntry {
  to: NonNullable<LinkProps["to"]>;
  label: string;
  glyph: GlyphName;
  keys?: string;
}

export const MAIN: NavEntry[] = [
  { to: "/", label: "Inbox", glyph: "inbox", keys: "g i" },
  { to: "/incidents", label: "Incidents", glyph: "incident", keys: "g e" },
  { to: "/runs", label: "Runs", glyph: "run", keys: "g r" },
  { to: "/merge-requests", label: "Merge requests", glyph: "merge_request", keys: "g m" },
  { to: "/sandboxes", label: "Sandboxes", glyph: "sandbox", keys: "g s" },
];

export const SETTINGS: NavEntry[] = [
  { to: "/repositories", label: "Repositories", glyph: "repository" },
  { to: "/alert-sources", label: "Alert sources", glyph: "alert_source" },
  { to: "/api-keys", label: "API keys", glyph: "api_key" },
  { to: "/workspace", label: "Workspace", glyph: "people" },
];
