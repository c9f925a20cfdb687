/** One error type for everything the server refuses; callers switch on `code`. */

export class StoaError extends Error {
  override readonly name = "StoaError";

  constructor(
    /** A stable code of the API, or `network` when no answer came. */
    readonly code: string,
    message: string,
    /** The HTTP status; 0 without an answer. */
    readonly status: number,
    readonly details?: unknown,
  ) {
    super(message);
  }

  /** Reads the server's `{error: {code, message, details}}`; anything else becomes `internal`. */
  static from(body: unknown, status: number): StoaError {
    if (isObject(body) && isObject(body["error"])) {
      const { code, message, details } = body["error"];
      if (typeof code === "string") {
        return new StoaError(code, typeof message === "string" ? message : code, status, details);
      }
    }
    return new StoaError("internal", `The server answered with status ${String(status)}.`, status);
  }
}

/** The stable code of whatever was thrown. */
export function codeOf(error: unknown): string {
  return error instanceof StoaError ? error.code : "internal";
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
