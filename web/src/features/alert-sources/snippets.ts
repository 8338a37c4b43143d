// What to paste into a service so that its crashes arrive here. Pure.

import type { AlertSource, AlertSourceKind } from "../../api/types";

export const KINDS: { value: AlertSourceKind; label: string; description: string }[] = [
  { value: "sentry_sdk", label: "Sentry SDK", description: "Your service sends its errors here directly." },
  {
    value: "sentry_webhook",
    label: "Sentry webhook",
    description: "Your Sentry forwards issue alerts here.",
  },
  { value: "glitchtip", label: "GlitchTip", description: "Your GlitchTip forwards its alerts here." },
  { value: "generic", label: "Generic webhook", description: "Anything that can post JSON." },
];

export const kindLabel = (kind: AlertSourceKind) => KINDS.find((each) => each.value === kind)?.label ?? kind;

export function python(dsn: string): string {
  return `# pip install sentry-sdk
import sentry_sdk

sentry_sdk.init(
    dsn="${dsn}",
    release="my-service@1.0.0",
    environment="production",
    include_local_variables=True,
)`;
}

export function node(dsn: string): string {
  return `// npm install @sentry/node, import this first
const Sentry = require("@sentry/node");

Sentry.init({
  dsn: "${dsn}",
  release: "my-service@1.0.0",
  environment: "production",
});`;
}

/** The address of a source as a person can use it: its DSN, or its webhook. */
export function address(source: AlertSource): string | null {
  return source.dsn ?? source.webhook_url;
}

export function curl(url: string): string {
  return `curl -X POST '${url}' \\
  -H 'Content-Type: application/json' \\
  -d '{"title": "KeyError: AUTUMN15", "level": "error"}'`;
}
