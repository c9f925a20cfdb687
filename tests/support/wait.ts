// Waiting for something that becomes true, with what was last seen in the failure.
import { setTimeout as sleep } from "node:timers/promises";

export { sleep };

export interface WaitOptions {
  /** Milliseconds until it counts as failed. Generous: the machine may be compiling beside us. */
  timeout?: number;
  every?: number;
}

/** Calls `probe` until it answers something truthy, and answers that. A throwing probe counts as "not yet". */
export async function until<T>(
  what: string,
  probe: () => Promise<T | undefined | null | false> | T | undefined | null | false,
  { timeout = 30_000, every = 100 }: WaitOptions = {},
): Promise<T> {
  const end = Date.now() + timeout;
  let last: unknown;
  for (;;) {
    try {
      const seen = await probe();
      if (seen) return seen;
      last = seen;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) break;
    await sleep(every);
  }
  const cause = last instanceof Error ? last.message : JSON.stringify(last);
  throw new Error(`waited ${timeout} ms for: ${what}; last seen: ${cause}`);
}
