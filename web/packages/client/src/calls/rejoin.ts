/** What to do when a running call loses its room: pure decisions, no timers. */
import type { MediaLoss } from "../media/types";

/** Milliseconds before each attempt to get back in. After the last one the call is given up. */
export const REJOIN_DELAYS: readonly number[] = [300, 700, 1500, 3000, 5000, 5000, 5000, 5000, 5000];

export type AfterLoss = "rejoin" | "await_end" | "taken_elsewhere";

export function afterLoss(loss: MediaLoss): AfterLoss {
  switch (loss) {
    case "failure":
      return "rejoin";
    case "duplicate":
      return "taken_elsewhere";
    // An event about the end of the call, or our removal, is on its way.
    case "room_closed":
    case "removed":
      return "await_end";
  }
}

/** Whether there's no point in asking again after this error. */
export function isFinal(code: string): boolean {
  return !(code === "network" || code === "unavailable" || code === "internal" || code === "rate_limited");
}
