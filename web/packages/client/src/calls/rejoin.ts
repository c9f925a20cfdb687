/** What to do when a room is lost under a running call: pure decisions, no timers. */
import type { MediaLoss } from "../media/types";

/** Milliseconds before each try to get back in; after the last the call is given up. */
export const REJOIN_DELAYS: readonly number[] = [300, 700, 1500, 3000, 5000, 5000, 5000, 5000, 5000];

export type AfterLoss = "rejoin" | "await_end" | "taken_elsewhere";

export function afterLoss(loss: MediaLoss): AfterLoss {
  switch (loss) {
    case "failure":
      return "rejoin";
    case "duplicate":
      return "taken_elsewhere";
    // The call's end (or our removal) is on its way as an event of its own.
    case "room_closed":
    case "removed":
      return "await_end";
  }
}

/** Whether a refusal to let us back in is final. */
export function isFinal(code: string): boolean {
  return !(code === "network" || code === "unavailable" || code === "internal" || code === "rate_limited");
}
