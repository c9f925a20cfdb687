/** Converts the server's times to this machine's clock. It learns the offset from the events that arrive. */

export class ServerClock {
  #offset: number | null = null;

  /** Records that an event stamped `at` arrived at `now`. The shortest delay seen is the most accurate. */
  observe(at: string, now: number): void {
    const seen = now - Date.parse(at);
    if (Number.isNaN(seen)) return;
    this.#offset = this.#offset === null ? seen : Math.min(this.#offset, seen);
  }

  /** A server time in local milliseconds, never in the future. */
  toLocal(at: string, now: number): number {
    return Math.min(Date.parse(at) + (this.#offset ?? 0), now);
  }
}
