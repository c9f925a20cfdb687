import { describe, expect, it } from "vitest";

import { TYPING_REST, TypingWatch } from "../src/typing";

/** A clock that goes only when told to. */
function clock() {
  let now = 0;
  let timers: { at: number; act: () => void }[] = [];
  return {
    now: () => now,
    after: (milliseconds: number, act: () => void) => {
      const timer = { at: now + milliseconds, act };
      timers.push(timer);
      return () => void (timers = timers.filter((one) => one !== timer));
    },
    pass: (milliseconds: number) => {
      const end = now + milliseconds;
      for (;;) {
        const [next] = timers.filter((one) => one.at <= end).sort((a, b) => a.at - b.at);
        if (!next) break;
        now = next.at;
        timers = timers.filter((one) => one !== next);
        next.act();
      }
      now = end;
    },
    get pending() {
      return timers.length;
    },
  };
}

describe("typing", () => {
  it("begins with a key in a field, not elsewhere, and ends after a pause", () => {
    const time = clock();
    const watch = new TypingWatch(time);
    watch.key(false);
    expect(watch.typing).toBe(false);
    watch.key(true);
    time.pass(TYPING_REST - 1);
    expect(watch.typing).toBe(true);
    time.pass(1);
    expect(watch.typing).toBe(false);
  });

  it("continues if the field vanishes in the middle of a sentence", () => {
    const time = clock();
    const watch = new TypingWatch(time);
    watch.key(true);
    for (let key = 0; key < 5; key += 1) {
      time.pass(TYPING_REST - 100);
      watch.key(false);
    }
    expect(watch.typing).toBe(true);
    time.pass(TYPING_REST);
    watch.key(false);
    expect(watch.typing, "a key after the rest is meant").toBe(false);
  });

  it("makes pop-ups wait until the pause after the last key", () => {
    const time = clock();
    const watch = new TypingWatch(time);
    const came: string[] = [];
    watch.whenRested(() => void came.push("at once"));
    expect(came).toEqual(["at once"]);
    watch.key(true);
    watch.whenRested(() => void came.push("ring"));
    watch.whenRested(() => void came.push("gone"))();
    time.pass(1_000);
    watch.key(true);
    time.pass(TYPING_REST - 1);
    expect(came).toEqual(["at once"]);
    time.pass(1);
    expect(came).toEqual(["at once", "ring"]);
    time.pass(60_000);
    expect([came.length, time.pending]).toEqual([2, 0]);
  });

  it("ends at once when the user turns to something else", () => {
    const watch = new TypingWatch(clock());
    let came = 0;
    watch.key(true);
    watch.whenRested(() => void (came += 1));
    watch.stop();
    expect([watch.typing, came]).toEqual([false, 1]);
  });

  it("sees a page's keys before anything on it does, and Escape only on release", () => {
    class Field extends EventTarget {
      constructor(readonly type: string) {
        super();
      }
    }
    const [page, field, box] = [new EventTarget(), new Field("search"), new Field("checkbox")];
    Object.assign(globalThis, { HTMLElement: Field, HTMLInputElement: Field });
    const watch = new TypingWatch(clock());
    const stop = watch.follow(page as Window);
    const say = (type: string, key: string, target: EventTarget) =>
      page.dispatchEvent(Object.assign(new Event(type), { key, composedPath: () => [target, page] }));
    say("keydown", "c", page);
    say("keydown", " ", box);
    expect(watch.typing).toBe(false);
    say("keydown", "c", field);
    expect(watch.typing).toBe(true);
    say("keydown", "Escape", field);
    expect(watch.typing, "the press finds somebody typing").toBe(true);
    say("keyup", "Escape", field);
    expect(watch.typing).toBe(false);
    say("input", "", field);
    expect(watch.typing, "dictated").toBe(true);
    say("pointerdown", "", page);
    expect(watch.typing).toBe(false);
    stop();
    say("keydown", "c", field);
    expect(watch.typing).toBe(false);
    Reflect.deleteProperty(globalThis, "HTMLElement");
    Reflect.deleteProperty(globalThis, "HTMLInputElement");
  });
});
