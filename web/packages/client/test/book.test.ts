import { describe, expect, it } from "vitest";

import type { endCall} from "../src/calls/book";
import { applyEvent, applySnapshot, emptyBook, enterCall, rejoinable, runsElsewhere, type CallBook, type Current } from "../src/calls/book";
import type { CallEvent } from "../src/events";
import { AT, call, me, participant } from "./fixtures";

const bob = { userId: "bob", deviceId: "tab-9" };
const user = { id: "alice", name: "Alice", avatarUrl: null, presence: "online", isGuest: true } as const;
const dialing: Current = { callId: "call-1", call: null, direction: "outgoing", phase: "dialing", target: { userId: "bob" }, since: null };

function play(book: CallBook, who: typeof me, ...events: CallEvent[]) {
  return events.reduce(
    (step, event) => {
      const next = applyEvent(step.book, event, who);
      return { book: next.book, notices: [...step.notices, ...next.notices] };
    },
    { book, notices: [] as ReturnType<typeof applyEvent>["notices"] },
  );
}

const ringing = (): CallBook => enterCall({ ...emptyBook, current: dialing }, call(), me);
const incoming: CallEvent = { name: "call:incoming", data: { callId: "call-1", at: AT, call: call(), caller: user, ringUntil: AT } };
const accepted: CallEvent = { name: "call:accepted", data: { callId: "call-1", at: AT, userId: "bob" } };
const joined: CallEvent = {
  name: "call:participant-joined", data: { callId: "call-1", at: AT, userId: "bob", participant: participant("bob", "connected") },
};
const ended = (change: Parameters<typeof call>[0], reason: Parameters<typeof endCall>[2]): CallEvent => ({
  name: "call:ended",
  data: { callId: "call-1", at: AT, call: call({ status: "ended", endReason: reason, ...change }), reason, endedBy: null, duration: change?.duration ?? null },
});

describe("the caller", () => {
  it("rings, then talks once the other accepts", () => {
    expect(ringing().current).toMatchObject({ phase: "ringing", since: null });
    const { book } = play(ringing(), me, accepted, joined);
    expect(book.current).toMatchObject({ phase: "active", since: AT });
    expect(book.current?.call?.participants[1]?.status).toBe("connected");
  });

  it("does not miss an accept that outruns the answer to its own request", () => {
    const { book } = play({ ...emptyBook, current: dialing }, me, accepted);
    expect(enterCall(book, call(), me).current).toMatchObject({ phase: "active", since: AT });
  });

  it.each([
    ["declined", { kind: "declined", callId: "call-1", userId: "bob" }],
    ["busy", { kind: "busy", callId: "call-1", userId: "bob" }],
    ["no_answer", { kind: "no_answer", callId: "call-1", userId: "bob" }],
    ["timeout", { kind: "no_answer", callId: "call-1", userId: "bob" }],
    ["cancelled", { kind: "cancelled", callId: "call-1" }],
    ["connection_lost", { kind: "lost", callId: "call-1" }],
  ] as const)("is told once when the call ends as %s", (reason, notice) => {
    const { book, notices } = play(ringing(), me, ended({}, reason), ended({}, reason));
    expect(notices).toEqual([notice]);
    expect(book).toMatchObject({ current: null, running: {} });
  });

  it("is told the length of a talk", () => {
    const { notices } = play(ringing(), me, accepted, ended({ duration: 75 }, "completed"));
    expect(notices).toEqual([{ kind: "ended", callId: "call-1", seconds: 75 }]);
  });
});

describe("the one called", () => {
  it("rings once however often it is told", () => {
    const { book } = play(emptyBook, bob, incoming, incoming);
    expect(book.incoming).toHaveLength(1);
    expect(book.incoming[0]).toMatchObject({ callerName: "Alice" });
  });

  it("stops and is told of a missed call when the caller gives up", () => {
    const { book, notices } = play(
      emptyBook, bob, incoming,
      { name: "call:cancelled", data: { callId: "call-1", at: AT } },
      { name: "call:missed", data: { callId: "call-1", at: AT, callerId: "alice", type: "video", channelId: null } },
    );
    expect(book.incoming).toEqual([]);
    expect(notices).toEqual([{ kind: "missed", callId: "call-1", userId: "alice", channelId: null, video: true }]);
  });

  it("stops when another device answers, and says so only where it rang", () => {
    const elsewhere: CallEvent = { name: "call:answered-elsewhere", data: { callId: "call-1", at: AT, deviceId: "phone" } };
    const { book, notices } = play(emptyBook, bob, incoming, elsewhere, elsewhere);
    expect(book.incoming).toEqual([]);
    expect(notices).toEqual([{ kind: "elsewhere", callId: "call-1" }]);
  });

  it("takes no notice of its own device's answer", () => {
    const own: CallEvent = { name: "call:answered-elsewhere", data: { callId: "call-1", at: AT, deviceId: bob.deviceId } };
    expect(play(emptyBook, bob, incoming, own).book.incoming).toHaveLength(1);
  });

  it("no longer rings once it has entered", () => {
    const joining: Current = { callId: "call-1", call: null, direction: "incoming", phase: "joining", target: { callId: "call-1" }, since: null };
    const { book } = play(emptyBook, bob, incoming);
    const entered = enterCall({ ...book, current: joining }, call({ status: "connecting", startedAt: AT }), bob);
    expect(entered.incoming).toEqual([]);
    expect(entered.current).toMatchObject({ phase: "active", since: AT });
  });
});

describe("a group", () => {
  const group = call({
    kind: "group", channelId: "choir",
    participants: [participant("alice", "connecting"), participant("bob", "ringing"), participant("carol", "ringing")],
  });
  const inGroup = enterCall({ ...emptyBook, current: { ...dialing, target: { channelId: "choir" } } }, group, me);

  it("tells of one who declines and goes on ringing the others", () => {
    const declined: CallEvent = { name: "call:declined", data: { callId: "call-1", at: AT, userId: "bob", reason: "declined" } };
    const { book, notices } = play(inGroup, me, declined);
    expect(notices).toEqual([{ kind: "declined", callId: "call-1", userId: "bob" }]);
    expect(book.current?.phase).toBe("ringing");
  });

  it("announces joins and leaves, but not the way back from a lost line", () => {
    const left: CallEvent = { name: "call:participant-left", data: { callId: "call-1", at: AT, userId: "bob", reason: "completed" } };
    expect(play(inGroup, me, joined, left).notices.map((n) => n.kind)).toEqual(["joined", "left"]);
    const lost = { ...group, participants: [participant("alice", "connected"), participant("bob", "disconnected")] };
    expect(play(enterCall(inGroup, lost, me), me, joined).notices).toEqual([]);
  });

  it("shows one who is being rung in, and who then declines", () => {
    const invited: CallEvent = {
      name: "call:participant-invited", data: { callId: "call-1", at: AT, userId: "dora", by: "bob", participant: participant("dora", "invited") },
    };
    const { book, notices } = play(enterCall(ringing(), call({ status: "connected" }), me), me, joined, invited);
    expect(book.current?.call).toMatchObject({ kind: "group", participants: [{ userId: "alice" }, { userId: "bob" }, { userId: "dora", status: "invited" }] });
    expect(notices.map((notice) => notice.kind)).toEqual(["joined"]);
    const declined: CallEvent = { name: "call:declined", data: { callId: "call-1", at: AT, userId: "dora", reason: "busy" } };
    expect(play(book, me, declined).notices).toEqual([{ kind: "busy", callId: "call-1", userId: "dora" }]);
  });

  it("learns of one nobody had named", () => {
    const dora: CallEvent = {
      name: "call:participant-joined", data: { callId: "call-1", at: AT, userId: "dora", participant: participant("dora", "connected") },
    };
    const { book } = play(inGroup, me, dora);
    expect(book.running["call-1"]?.participants.map((p) => p.userId)).toEqual(["alice", "bob", "carol", "dora"]);
  });
});

describe("a look at the server", () => {
  it("makes what rings there ring here, and forgets what is over", () => {
    const { book } = play(emptyBook, bob, incoming);
    const other = call({ id: "call-2", participants: [participant("alice", "connecting"), participant("bob", "ringing")] });
    const next = applySnapshot(book, [other], bob);
    expect(next.incoming.map((i) => [i.call.id, i.callerName])).toEqual([["call-2", "ALICE"]]);
    expect(Object.keys(next.running)).toEqual(["call-2"]);
  });

  it("never rings at the caller", () => {
    expect(applySnapshot(emptyBook, [call()], me).incoming).toEqual([]);
  });

  it("drops the current call that ended unheard, but not one still being asked for", () => {
    expect(applySnapshot(ringing(), [], me).current).toBeNull();
    expect(applySnapshot({ ...emptyBook, current: dialing }, [], me).current).toEqual(dialing);
  });

  it("keeps the current call and learns that it was accepted", () => {
    const running = call({ status: "connected", startedAt: AT, connectedAt: AT, participants: [participant("alice", "connected"), participant("bob", "connected")] });
    expect(applySnapshot(ringing(), [running], me).current).toMatchObject({ phase: "active", since: AT });
  });
});

describe("a call of mine that runs without this tab", () => {
  const held = (deviceId: string, status: "connected" | "disconnected" | "left") =>
    applySnapshot(emptyBook, [call({ status: "connected", participants: [participant("alice", status, { deviceId }), participant("bob", "connected")] })], me);

  it("may be entered after a reload, and once the other device has lost its line", () => {
    expect(rejoinable(held("tab-1", "connected"), me).map((c) => c.id)).toEqual(["call-1"]);
    expect(rejoinable(held("phone", "disconnected"), me)).toHaveLength(1);
  });

  it("is watched, not offered, while another device has it", () => {
    const book = held("phone", "connected");
    expect([rejoinable(book, me).length, runsElsewhere(book, me)]).toEqual([0, true]);
  });

  it("is over for one who left it", () => {
    const book = held("tab-1", "left");
    expect([rejoinable(book, me).length, runsElsewhere(book, me)]).toEqual([0, false]);
  });
});
