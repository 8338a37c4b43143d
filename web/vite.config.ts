import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";
import { compress } from "./build/compress.ts";
import { reducedFonts } from "./build/fonts.ts";

// The policy the server sends with the page. `vite preview` sends it too, so that the screenshots and the
// accessibility run fail on anything the real server would refuse.
const contentSecurityPolicy = [
  "default-src 'self'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "font-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "frame-ancestors 'none'",
  "base-uri 'self'",
].join("; ");

export default defineConfig(async () => ({
  plugins: [react(), paintFirst(), compress()],
  resolve: { alias: await reducedFonts(import.meta.dirname) },
  build: {
    target: "es2022",
    // Fonts must stay files: `font-src 'self'` refuses data URLs.
    assetsInlineLimit: 0,
    manifest: true,
    // One sheet for all pages is smaller than the requests for its parts.
    cssCodeSplit: false,
    modulePreload: { polyfill: false },
    // Each file costs a slow connection a round trip: what many pages share comes as one piece, not as forty.
    rolldownOptions: {
      output: {
        codeSplitting: {
          groups: [
            { name: "parts", test: /src\/(api|app|components|features)\/|react-query/, minShareCount: 2 },
          ],
        },
      },
    },
  },
  server: { port: 5174, proxy: { "^/api/": "http://127.0.0.1:8001" } },
  preview: { proxy: {}, headers: { "Content-Security-Policy": contentSecurityPolicy } },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
}));

/** The page's outline and its style sheet go before the scripts, which only then have something to fill; the font of
 * the first words comes with them. */
function paintFirst(): Plugin {
  return {
    name: "paint-first",
    transformIndexHtml: {
      order: "post",
      handler: (html, { bundle }) => ({
        html: html.replace(/<(script type="module"|link rel="modulepreload")/g, '$& fetchpriority="low"'),
        tags: Object.keys(bundle ?? {})
          .filter((file) => file.includes("/inter-latin-wght-"))
          .map((file) => ({
            tag: "link",
            attrs: { rel: "preload", as: "font", type: "font/woff2", href: `/${file}`, crossorigin: true },
            injectTo: "head" as const,
          })),
      }),
    },
  };
}
