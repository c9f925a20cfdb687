/**
 * Whether somebody is typing, so that what comes unasked (a ring, a toast, a menu) takes no key that was meant for a field.
 * Owns no view and no clock of its own.
 */

/** Milliseconds without a key after which typing has ended. */
export const TYPING_REST = 1_500;

export interface TypingClock {
  now(): number;
  /** Calls back after so many milliseconds; call the result to call it off. */
  after(milliseconds: number, act: () => void): () => void;
}

/** Keys that say "I am done here": what follows them is meant. */
const LEAVES: ReadonlySet<string> = new Set(["Escape", "Tab"]);

export class TypingWatch {
  readonly #clock: TypingClock;
  #last = Number.NEGATIVE_INFINITY;
  readonly #waiting = new Set<() => void>();
  #stopTimer: (() => void) | null = null;

  constructor(clock: TypingClock = browserClock) {
    this.#clock = clock;
  }

  get typing(): boolean {
    return this.#left > 0;
  }

  /** A key went down. Once typing has begun every key goes on with it: the field may be gone before the sentence is. */
  key(inField: boolean): void {
    if (inField || this.typing) this.#last = this.#clock.now();
  }

  /** The pointer was pressed, or a key that leaves the field was let go. */
  stop(): void {
    this.#last = Number.NEGATIVE_INFINITY;
    this.#wake();
  }

  /** Calls once nobody types: at once, or after the rest. Call the result to no longer wait. */
  whenRested(act: () => void): () => void {
    if (!this.typing) {
      act();
      return () => undefined;
    }
    this.#waiting.add(act);
    this.#wake();
    return () => void this.#waiting.delete(act);
  }

  /** Follows a page's keys, before anything on it hears them; call the result to stop. */
  follow(page: Pick<Window, "addEventListener">): () => void {
    const gone = new AbortController();
    const options = { capture: true, passive: true, signal: gone.signal };
    page.addEventListener("keydown", (event) => this.key(takesText(event.composedPath()[0])), options);
    // Dictation, and some keyboards on screens, press no keys.
    page.addEventListener("input", (event) => this.key(takesText(event.composedPath()[0])), options);
    // Let go, not pressed: the press itself must still find that somebody is typing.
    page.addEventListener("keyup", (event) => {
      if (LEAVES.has(event.key)) this.stop();
    }, options);
    page.addEventListener("pointerdown", () => this.stop(), options);
    return () => gone.abort();
  }

  get #left(): number {
    return this.#last + TYPING_REST - this.#clock.now();
  }

  #wake(): void {
    this.#stopTimer?.();
    this.#stopTimer = null;
    if (this.#waiting.size === 0) return;
    if (this.typing) {
      this.#stopTimer = this.#clock.after(this.#left, () => this.#wake());
      return;
    }
    const due = [...this.#waiting];
    this.#waiting.clear();
    for (const act of due) act();
  }
}

const NO_TEXT: ReadonlySet<string> = new Set(["button", "checkbox", "color", "file", "image", "radio", "range", "reset", "submit"]);

/** Whether keys pressed on something write into it. */
export function takesText(target: EventTarget | null | undefined): boolean {
  if (typeof HTMLElement === "undefined" || !(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement) return !NO_TEXT.has(target.type);
  return target.isContentEditable || target.matches("textarea, select");
}

const browserClock: TypingClock = {
  now: () => performance.now(),
  after: (milliseconds, act) => {
    const timer = setTimeout(act, milliseconds);
    return () => clearTimeout(timer);
  },
};
