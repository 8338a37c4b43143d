// One client for the whole app: adds the CSRF header, and turns every answer that is not a success into an
// `ApiProblem`. Callers use `ask`, which returns the body or throws.

import createClient, { type Middleware } from "openapi-fetch";
import { ApiProblem, toProblem } from "./problem";
import { answered, unanswered } from "./reachable";
import type { paths } from "./schema";
import type { Ours } from "./types";

const UNSAFE = new Set(["POST", "PUT", "PATCH", "DELETE"]);

const csrf: Middleware = {
  async onRequest({ request }) {
    if (!UNSAFE.has(request.method)) return request;
    if (!csrfToken()) await fetch("/api/auth/csrf/", { credentials: "same-origin" }).catch(() => undefined);
    const token = csrfToken();
    if (token) request.headers.set("X-CSRFToken", token);
    return request;
  },
};

export const api = createClient<paths>({ credentials: "same-origin" });
api.use(csrf);

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The body of a successful answer; throws an `ApiProblem` otherwise, also when there was no answer. */
export async function ask<T>(call: Promise<Answer<T>>): Promise<Ours<T>> {
  let answer: Answer<T>;
  try {
    answer = await call;
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === "AbortError") throw cause;
    unanswered();
    throw toProblem(0, null);
  }
  answered();
  if (!answer.response.ok) throw toProblem(answer.response.status, answer.error);
  return answer.data as Ours<T>;
}

/** For an address that the server itself handed out (an inbox action, a log). Only our own API is called. */
export async function follow(method: string, url: string): Promise<Response> {
  if (!url.startsWith("/api/")) throw new ApiProblem(0, `${url} is not an address of this server.`, null, {});
  const token = csrfToken();
  const response = await fetch(url, {
    method,
    credentials: "same-origin",
    headers: {
      Accept: "application/json, text/plain",
      ...(UNSAFE.has(method) ? { "Content-Type": "application/json", "X-CSRFToken": token } : {}),
    },
    body: UNSAFE.has(method) ? "{}" : undefined,
  });
  if (!response.ok) throw toProblem(response.status, await response.json().catch(() => null));
  return response;
}

function csrfToken(): string {
  return document.cookie.match(/(?:^|;\s*)csrftoken=([^;]+)/)?.[1] ?? "";
}
