/** The one error type for everything the server refuses. Switch on `code`. */

/** Every code the server refuses with, in the order of docs/API.md, which says what each means. */
export const SERVER_CODES = [
  "invalid_request", "invalid_id", "unauthorized", "invalid_credentials", "forbidden", "feature_disabled", "recording_off", "link_expired",
  "link_invalid", "csrf_rejected", "not_found", "call_not_found", "participant_not_found", "recording_not_found", "user_not_found",
  "channel_not_found", "method_not_allowed", "request_timeout", "call_over", "answered_elsewhere", "invalid_state", "call_id_conflict",
  "channel_call_active", "call_full", "already_in_call", "no_common_media", "already_recording", "not_recording", "consent_not_asked",
  "name_taken", "too_many", "recording_not_ready", "recording_on_hold", "recording_quota", "body_too_large", "unsupported_media_type",
  "range_not_satisfiable", "rate_limited", "internal", "storage_full", "unavailable",
] as const;

/** A code of the server's. */
export type ServerCode = (typeof SERVER_CODES)[number];

/** The client's own codes: `network`, no answer came; `disposed`, what was used has been disposed of. */
export type ClientCode = "network" | "disposed";

/** Every known code. A newer server may send others, so a `switch` needs a `default`. */
export type ErrorCode = ServerCode | ClientCode | (string & {});

export class StoaError extends Error {
  override readonly name = "StoaError";

  constructor(
    /** Stable: what a program goes by. */
    readonly code: ErrorCode,
    /** For people; may change. */
    message: string,
    /** The HTTP status, or 0 when the error is not an answer of the server. */
    readonly status: number,
    /** More about it, which differs by code; undefined when there is none. */
    readonly details?: unknown,
  ) {
    super(message);
  }

  /** The error for using something after its `dispose()`. */
  static disposed(what: string): StoaError {
    return new StoaError("disposed", `This ${what} has been disposed of.`, 0);
  }

  /** The error for a request that got no answer. */
  static network(cause: unknown): StoaError {
    return new StoaError("network", cause instanceof Error ? cause.message : "No answer from the server.", 0);
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
export function codeOf(error: unknown): ErrorCode {
  return error instanceof StoaError ? error.code : "internal";
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
