/**
 * Whether the user is typing, so that nothing that pops up (a ringing call, a toast, a menu) takes a key meant for a field.
 * It has no view and no clock of its own.
 */

/** Milliseconds without a key until typing counts as over. */
export const TYPING_REST = 1_500;

export interface TypingClock {
  now(): number;
  /** Runs `act` after this many milliseconds. Call the result to cancel. */
  after(milliseconds: number, act: () => void): () => void;
}

/** Keys that say “I'm done here”: whatever follows them is intended. */
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

  /** A key was pressed. Once typing has begun, every key continues it: the field may vanish in the middle of a sentence. */
  key(inField: boolean): void {
    if (inField || this.typing) this.#last = this.#clock.now();
  }

  /** The pointer was pressed, or a key that leaves the field was released. */
  stop(): void {
    this.#last = Number.NEGATIVE_INFINITY;
    this.#wake();
  }

  /** Runs `act` once nobody is typing: now, or after the pause. Call the result to cancel. */
  whenRested(act: () => void): () => void {
    if (!this.typing) {
      act();
      return () => undefined;
    }
    this.#waiting.add(act);
    this.#wake();
    return () => void this.#waiting.delete(act);
  }

  /** Follows a page's keys before anything on it sees them. Call the result to stop. */
  follow(page: Pick<Window, "addEventListener">): () => void {
    const gone = new AbortController();
    const options = { capture: true, passive: true, signal: gone.signal };
    page.addEventListener("keydown", (event) => this.key(takesText(event.composedPath()[0])), options);
    // Dictation and some on-screen keyboards press no keys.
    page.addEventListener("input", (event) => this.key(takesText(event.composedPath()[0])), options);
    // On release: the press itself must still count as typing.
    page.addEventListener("keyup", (event) => {
      if (LEAVES.has(event.key)) this.stop();
    }, options);
    page.addEventListener("pointerdown", () => this.stop(), options);
    return () => gone.abort();
  }

  /** Nothing that waits is called any more. */
  dispose(): void {
    this.#waiting.clear();
    this.#wake();
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

/** Whether keys pressed on an element write into it. */
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
