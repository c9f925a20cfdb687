/** The one error type for everything the server refuses. Switch on `code`. */

export class StoaError extends Error {
  override readonly name = "StoaError";

  constructor(
    /** One of the API's stable codes, or `network` if there was no answer. */
    readonly code: string,
    message: string,
    /** The HTTP status; 0 if there was no answer. */
    readonly status: number,
    readonly details?: unknown,
  ) {
    super(message);
  }

  /** Reads the server's `{error: {code, message, details}}`. Anything else becomes `internal`. */
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

/** The stable code of anything that was thrown. */
export function codeOf(error: unknown): string {
  return error instanceof StoaError ? error.code : "internal";
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
