import type { Problem } from "./types";

/** An answer that is not a success, in the words of the server where it gave any. */
export class ApiProblem extends Error {
  readonly status: number;
  readonly code: string | null;
  readonly fields: Record<string, string>;

  constructor(status: number, detail: string, code: string | null, fields: Record<string, string>) {
    super(detail);
    this.name = "ApiProblem";
    this.status = status;
    this.code = code;
    this.fields = fields;
  }

  /** True when signing in is the way out. */
  get signedOut(): boolean {
    return this.code === "unauthenticated" || this.status === 401;
  }
}

/** Reads a problem document, an object of field messages, or nothing at all. */
export function toProblem(status: number, body: unknown): ApiProblem {
  const problem =
    typeof body === "object" && body !== null ? (body as Problem & Record<string, unknown>) : {};
  const fields: Record<string, string> = {};
  for (const error of Array.isArray(problem.errors) ? problem.errors : []) {
    if (error?.field && error.detail) fields[error.field] = error.detail;
  }
  for (const [key, value] of Object.entries(problem)) {
    if (Array.isArray(value) && typeof value[0] === "string") fields[key] = value[0];
  }
  const detail = problem.detail ?? problem.title ?? fields.non_field_errors ?? fallback(status);
  return new ApiProblem(status, detail, problem.code ?? null, fields);
}

export function isProblem(error: unknown): error is ApiProblem {
  return error instanceof ApiProblem;
}

function fallback(status: number): string {
  if (status === 0) return "The server cannot be reached. Check that it is running, then retry.";
  if (status === 404) return "There is nothing under this address. It may have been deleted.";
  return `The server answered ${status} without saying why. Its log has the cause.`;
}
