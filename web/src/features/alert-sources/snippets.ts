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

/** Stands in an address for what only the answer that made the source told. */
const TOKEN = "{token}";

/** The address of a source as a person can use it: its DSN, or its webhook, whole while its token is known. */
export function address(source: AlertSource, token: string | null): string | null {
  if (source.dsn) return source.dsn;
  return token ? (source.webhook_url?.replace(TOKEN, token) ?? null) : source.webhook_url;
}

export const isWhole = (text: string) => !text.includes(TOKEN);

export interface Snippet {
  language: string;
  text: (dsn: string) => string;
}

const RELEASE = "my-service@1.0.0";

/** Every SDK speaks the same protocol; those of the languages that runs can prove come first. */
export const SNIPPETS: Snippet[] = [
  {
    language: "Python",
    text: (dsn) => `# pip install sentry-sdk
import sentry_sdk

sentry_sdk.init(
    dsn="${dsn}",
    release="${RELEASE}",
    environment="production",
    include_local_variables=True,
)`,
  },
  {
    language: "Node",
    text: (dsn) => `// npm install @sentry/node, and import this first
const Sentry = require("@sentry/node");

Sentry.init({
  dsn: "${dsn}",
  release: "${RELEASE}",
  environment: "production",
  includeLocalVariables: true,
});`,
  },
  {
    language: "Browser",
    text: (dsn) => `// npm install @sentry/browser
import * as Sentry from "@sentry/browser";

Sentry.init({
  dsn: "${dsn}",
  release: "${RELEASE}",
  environment: "production",
});`,
  },
  {
    language: "Rust",
    text: (dsn) => `// cargo add sentry
let _guard = sentry::init(("${dsn}", sentry::ClientOptions {
    release: Some("${RELEASE}".into()),
    environment: Some("production".into()),
    ..Default::default()
}));`,
  },
  {
    language: "Go",
    text: (dsn) => `// go get github.com/getsentry/sentry-go
err := sentry.Init(sentry.ClientOptions{
	Dsn:              "${dsn}",
	Release:          "${RELEASE}",
	Environment:      "production",
	AttachStacktrace: true,
})`,
  },
  {
    language: "Java",
    text: (dsn) => `// io.sentry:sentry
Sentry.init(options -> {
  options.setDsn("${dsn}");
  options.setRelease("${RELEASE}");
  options.setEnvironment("production");
});`,
  },
  {
    language: "Ruby",
    text: (dsn) => `# bundle add sentry-ruby
Sentry.init do |config|
  config.dsn = "${dsn}"
  config.release = "${RELEASE}"
  config.environment = "production"
end`,
  },
  {
    language: "PHP",
    text: (dsn) => `// composer require sentry/sentry
\\Sentry\\init([
  'dsn' => '${dsn}',
  'release' => '${RELEASE}',
  'environment' => 'production',
]);`,
  },
];

/** What is done at the other end, where that is no program of yours. */
export const STEPS: Record<Exclude<AlertSourceKind, "sentry_sdk" | "generic">, string[]> = {
  sentry_webhook: [
    "In Sentry, make an internal integration with read access to issues and events.",
    "Put the address above into its webhook address, and send `issue` and `error` events.",
    "Add the integration to an alert rule: only its events carry a stack trace, and only those start runs.",
  ],
  glitchtip: [
    "In GlitchTip, open the project’s alerts and add a recipient of the kind general (Slack-compatible).",
    "Put the address above there. GlitchTip signs nothing, so treat the address as a password.",
  ],
};

export function curl(url: string): string {
  return `curl -X POST '${url}' -H 'Content-Type: application/json' -d '{
  "title": "KeyError: SPRING20", "level": "error", "platform": "python",
  "exception": {"type": "KeyError", "value": "SPRING20", "frames": [
    {"filename": "checkout/pricing.py", "function": "discount_for", "lineno": 19, "in_app": true}]},
  "release": "4.18.2", "environment": "production"}'`;
}
