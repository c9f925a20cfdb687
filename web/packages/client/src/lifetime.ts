/** What is opened together and has to end together: timers, listeners, connections. */
import { StoaError } from "./errors";

export class Lifetime {
  readonly #what: string;
  readonly #ends = new Set<() => void>();
  #over = false;

  /** `what` names the thing that lives, for the error after its end. */
  constructor(what: string) {
    this.#what = what;
  }

  get over(): boolean {
    return this.#over;
  }

  /** Throws `disposed` once this is over. */
  check(): void {
    if (this.#over) throw StoaError.disposed(this.#what);
  }

  /** Has `end` called once: when this ends (right away if it has), or earlier by calling the result. */
  keep(end: () => void): () => void {
    const once = (): void => {
      if (this.#ends.delete(once)) end();
    };
    this.#ends.add(once);
    if (this.#over) once();
    return once;
  }

  /** Calls back after so many milliseconds, unless this ends first. Call the result to cancel. */
  after(milliseconds: number, act: () => void): () => void {
    const timer = setTimeout(() => {
      cancel();
      act();
    }, milliseconds);
    const cancel = this.keep(() => clearTimeout(timer));
    return cancel;
  }

  /** Calls back every so many milliseconds until this ends. Call the result to stop. */
  every(milliseconds: number, act: () => void): () => void {
    const timer = setInterval(act, milliseconds);
    return this.keep(() => clearInterval(timer));
  }

  /** Waits so many milliseconds, or until this ends: the caller has to look whether it's over. */
  pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => end(), milliseconds);
      const end = this.keep(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  end(): void {
    this.#over = true;
    for (const end of [...this.#ends]) end();
  }
}
