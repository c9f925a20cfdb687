import { describe, expect, it } from "vitest";

import { call, participant } from "../../client/test/fixtures";
import { hueOf, initials } from "../src/components/avatar";
import { lockText } from "../src/components/control-bar";
import { reasonsOf, whichOf } from "../src/components/missing";
import { figure } from "../src/components/quality";
import { layoutOf } from "../src/components/stage";
import { clockText } from "../src/hooks/call";
import { namesOf } from "../src/hooks/names";
import { alike } from "../src/hooks/store";
import { english, isolated, speak, type Phrase } from "../src/hooks/words";

const say = (phrase: Phrase, values?: Record<string, string | number>) => speak(english, phrase, values);

describe("words", () => {
  it("fill in names and leave what isn't given", () => {
    expect(say("incoming.videoIn", { name: "Bob", channel: "Choir" })).toBe("Incoming video call from Bob in Choir");
    expect(say("call.with")).toBe("Call with {{name}}");
  });

  it("use typographic apostrophes, quotes and ellipses", () => {
    expect(Object.values(english).filter((text) => /['"`]|\.\.\./.test(text))).toEqual([]);
  });

  it("isolate a right-to-left name from its sentence", () => {
    expect(say("waiting.text", { name: "Bob" })).toBe("Bob is calling");
    expect(say("waiting.text", { name: "דנה" })).toBe("\u2068דנה\u2069 is calling");
    expect(isolated("سارة (1)")).toBe("\u2068سارة (1)\u2069");
  });
});

describe("a microphone locked by somebody else", () => {
  it("says who did it, or that the host did when this tab joined later", () => {
    expect(lockText(say, "Alice")).toBe("Alice muted you. You can’t unmute until they allow it.");
    expect(lockText(say, "")).toBe("The host muted you. You can’t unmute until they allow it.");
  });
});

describe("names", () => {
  const users = { bob: { id: "bob", name: "Bob", avatarUrl: null, presence: "online", isGuest: true } } as const;
  const channels = { choir: { id: "choir", name: "Choir", members: [], activeCallId: null, createdAt: "" } };
  const names = namesOf(users, channels, "me", say);

  it("are those of people and channels, a count for several, and IDs for strangers", () => {
    expect(names.users(["bob"])).toBe("Bob");
    expect(names.users(["bob", "x", "y"])).toBe("Bob and 2 more");
    expect(names.other({ kind: "channel", id: "choir" })).toBe("Choir");
    expect(names.user("stranger")).toBe("stranger");
    expect(names.target({ channelId: "choir" }, null)).toEqual({ name: "Choir", inChannel: true });
  });
});

describe("people of one name", () => {
  const person = (id: string, name: string) => ({ [id]: { id, name, avatarUrl: null, presence: "online", isGuest: true } }) as const;
  const namesFor = (...people: [id: string, name: string][]) => namesOf(Object.assign({}, ...people.map(([id, name]) => person(id, name))), {}, "me", say);

  it("are told apart by their IDs, whoever they are listed beside", () => {
    const names = namesFor(["ann.lee", "Ann"], ["ann.park", "Ann"], ["bob", "Bob"]);
    expect(["ann.lee", "ann.park", "bob"].map((id) => names.user(id))).toEqual(["Ann (ann.lee)", "Ann (ann.park)", "Bob"]);
    expect(names.users(["ann.lee", "bob"])).toBe("Ann (ann.lee) and 1 more");
    expect(names.target({ userId: "ann.park" }, null).name).toBe("Ann (ann.park)");
    const ours = call({ participants: ["me", "ann.lee"].map((id) => participant(id, "connected")) });
    expect(names.call(ours).name).toBe("Ann (ann.lee)");
  });

  it("are told apart by as much of a long ID as it takes", () => {
    const [one, other, third] = ["guest-00000000000a1234", "guest-00000000000b1234", "guest-00000000000c5678"];
    const names = namesFor([one, "Ann"], [other, "Ann"], [third, "Ann"]);
    expect([one, other, third].map((id) => names.user(id))).toEqual(["Ann (…a1234)", "Ann (…b1234)", "Ann (…5678)"]);
  });

  it("are those who sound alike, and not me, whom nobody has to choose", () => {
    const names = namesFor(["one", "Ann"], ["two", "ann "], ["me", "Bob"], ["bob", "Bob"]);
    expect(["one", "two", "me", "bob"].map((id) => names.user(id))).toEqual(["Ann (one)", "ann  (two)", "Bob", "Bob"]);
  });

  it("may be in a call without being in the directory", () => {
    const names = namesFor(["ann.lee", "Ann"]);
    expect([names.user("stranger", "Ann"), names.user("stranger", "Eve"), names.user("stranger", null)]).toEqual(["Ann (stranger)", "Eve", "stranger"]);
  });
});

describe("a missing camera or microphone", () => {
  it("is explained in one sentence per cause", () => {
    expect([whichOf({}), whichOf({ microphone: "insecure" }), whichOf({ microphone: "microphone_denied", camera: "camera_missing" })]).toEqual([null, "microphone", "both"]);
    expect(reasonsOf(say, { microphone: "microphone_denied", camera: "camera_denied" })).toEqual([english["missing.denied.both"]]);
    expect(reasonsOf(say, { microphone: "microphone_denied", camera: "camera_missing" })).toEqual([english["missing.denied.microphone"], english["missing.absent.camera"]]);
    expect(reasonsOf(say, { microphone: "insecure", camera: "insecure" })).toEqual([english["missing.insecure"]]);
  });
});

describe("what views compare and show", () => {
  it("stays the same if its members are equal", () => {
    expect(alike({ a: 1, b: "x" }, { a: 1, b: "x" })).toBe(true);
    expect(alike({ a: 1 }, { a: 1, b: undefined })).toBe(false);
    expect(alike({ a: undefined }, { b: undefined })).toBe(false);
    expect(alike([1], { 0: 1 })).toBe(false);
    expect(alike({ a: {} }, { a: {} })).toBe(false);
  });

  it("shows durations the way people write them", () => {
    expect([0, 9, 75, 3600, 3904].map(clockText)).toEqual(["0:00", "0:09", "1:15", "1:00:00", "1:05:04"]);
  });

  it("writes units as English does", () => {
    expect([figure(12, "ms", "–"), figure(0.46, "%", "–"), figure(null, "%", "–")]).toEqual(["12 ms", "0.5%", "–"]);
  });

  it("abbreviates names in any script", () => {
    expect(["Bob Lindqvist", "dan", "Αθηνά Παππά", "😀 Smile", "  ", "a b c", "Bob (…f380)", "(?)"].map(initials)).toEqual(["BL", "D", "ΑΠ", "😀S", "", "AC", "B", "("]);
    expect(hueOf("bob")).toBe(hueOf("bob"));
  });

  it("gives a screen the stage", () => {
    const camera = { kind: "camera" } as const;
    expect([layoutOf([]), layoutOf([camera]), layoutOf([camera, camera]), layoutOf([camera, camera, camera])]).toEqual(["solo", "solo", "duo", "grid"]);
    expect(layoutOf([{ kind: "screen" }, camera])).toBe("focus");
  });
});
