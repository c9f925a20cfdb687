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
  it("rings, then is connected once the other accepts", () => {
    expect(ringing().current).toMatchObject({ phase: "ringing", since: null });
    const { book } = play(ringing(), me, accepted, joined);
    expect(book.current).toMatchObject({ phase: "active", since: AT });
    expect(book.current?.call?.participants[1]?.status).toBe("connected");
  });

  it("doesn't miss an accept that arrives before the answer to its own request", () => {
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

  it("is told how long the call was", () => {
    const { notices } = play(ringing(), me, accepted, ended({ duration: 75 }, "completed"));
    expect(notices).toEqual([{ kind: "ended", callId: "call-1", seconds: 75 }]);
  });
});

describe("the callee", () => {
  it("rings once, however often it's told", () => {
    const { book } = play(emptyBook, bob, incoming, incoming);
    expect(book.incoming).toHaveLength(1);
    expect(book.incoming[0]).toMatchObject({ callerName: "Alice" });
  });

  it("stops ringing and shows a missed call when the caller gives up", () => {
    const { book, notices } = play(
      emptyBook, bob, incoming,
      { name: "call:cancelled", data: { callId: "call-1", at: AT } },
      { name: "call:missed", data: { callId: "call-1", at: AT, callerId: "alice", type: "video", channelId: null } },
    );
    expect(book.incoming).toEqual([]);
    expect(notices).toEqual([{ kind: "missed", callId: "call-1", userId: "alice", channelId: null, video: true }]);
  });

  it("stops ringing when another device answers, and says so only if it rang", () => {
    const elsewhere: CallEvent = { name: "call:answered-elsewhere", data: { callId: "call-1", at: AT, deviceId: "phone" } };
    const { book, notices } = play(emptyBook, bob, incoming, elsewhere, elsewhere);
    expect(book.incoming).toEqual([]);
    expect(notices).toEqual([{ kind: "elsewhere", callId: "call-1" }]);
  });

  it("ignores its own device's answer", () => {
    const own: CallEvent = { name: "call:answered-elsewhere", data: { callId: "call-1", at: AT, deviceId: bob.deviceId } };
    expect(play(emptyBook, bob, incoming, own).book.incoming).toHaveLength(1);
  });

  it("stops ringing once it has joined", () => {
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

  it("reports somebody who declines, and keeps ringing the others", () => {
    const declined: CallEvent = { name: "call:declined", data: { callId: "call-1", at: AT, userId: "bob", reason: "declined" } };
    const { book, notices } = play(inGroup, me, declined);
    expect(notices).toEqual([{ kind: "declined", callId: "call-1", userId: "bob" }]);
    expect(book.current?.phase).toBe("ringing");
  });

  it("announces who joins and leaves, but not who comes back after losing the connection", () => {
    const left: CallEvent = { name: "call:participant-left", data: { callId: "call-1", at: AT, userId: "bob", reason: "completed" } };
    expect(play(inGroup, me, joined, left).notices.map((n) => n.kind)).toEqual(["joined", "left"]);
    const lost = { ...group, participants: [participant("alice", "connected"), participant("bob", "disconnected")] };
    expect(play(enterCall(inGroup, lost, me), me, joined).notices).toEqual([]);
  });

  it("shows somebody being rung in, who then declines", () => {
    const invited: CallEvent = {
      name: "call:participant-invited", data: { callId: "call-1", at: AT, userId: "dora", by: "bob", participant: participant("dora", "invited") },
    };
    const { book, notices } = play(enterCall(ringing(), call({ status: "connected" }), me), me, joined, invited);
    expect(book.current?.call).toMatchObject({ kind: "group", participants: [{ userId: "alice" }, { userId: "bob" }, { userId: "dora", status: "invited" }] });
    expect(notices.map((notice) => notice.kind)).toEqual(["joined"]);
    const declined: CallEvent = { name: "call:declined", data: { callId: "call-1", at: AT, userId: "dora", reason: "busy" } };
    expect(play(book, me, declined).notices).toEqual([{ kind: "busy", callId: "call-1", userId: "dora" }]);
  });

  it("shows names that follow, in the ring and in the call", () => {
    const { book } = play(play(emptyBook, bob, incoming).book, bob, {
      name: "call:names", data: { callId: "call-1", at: AT, users: [{ userId: "alice", name: "Alice A.", avatarUrl: "/a.png", isGuest: true }] },
    });
    expect(book.incoming[0]).toMatchObject({ callerName: "Alice A.", call: { participants: [{ name: "Alice A." }, { userId: "bob", name: "BOB" }] } });
    expect(book.running["call-1"]?.participants[0]).toMatchObject({ name: "Alice A.", avatarUrl: "/a.png", isGuest: true, status: "connecting" });
  });

  it("learns of somebody who wasn't named before", () => {
    const dora: CallEvent = {
      name: "call:participant-joined", data: { callId: "call-1", at: AT, userId: "dora", participant: participant("dora", "connected") },
    };
    const { book } = play(inGroup, me, dora);
    expect(book.running["call-1"]?.participants.map((p) => p.userId)).toEqual(["alice", "bob", "carol", "dora"]);
  });
});

describe("a snapshot from the server", () => {
  it("rings what is ringing there, and forgets what is over", () => {
    const { book } = play(emptyBook, bob, incoming);
    const other = call({ id: "call-2", participants: [participant("alice", "connecting"), participant("bob", "ringing")] });
    const next = applySnapshot(book, [other], bob);
    expect(next.incoming.map((i) => [i.call.id, i.callerName])).toEqual([["call-2", "ALICE"]]);
    expect(Object.keys(next.running)).toEqual(["call-2"]);
  });

  it("never rings at the caller", () => {
    expect(applySnapshot(emptyBook, [call()], me).incoming).toEqual([]);
  });

  it("drops a current call that ended unnoticed, but not one still being requested", () => {
    expect(applySnapshot(ringing(), [], me).current).toBeNull();
    expect(applySnapshot({ ...emptyBook, current: dialing }, [], me).current).toEqual(dialing);
  });

  it("keeps the current call and learns that it was accepted", () => {
    const running = call({ status: "connected", startedAt: AT, connectedAt: AT, participants: [participant("alice", "connected"), participant("bob", "connected")] });
    expect(applySnapshot(ringing(), [running], me).current).toMatchObject({ phase: "active", since: AT });
  });
});

describe("my call that this tab isn't in", () => {
  const held = (deviceId: string, status: "connected" | "disconnected" | "left") =>
    applySnapshot(emptyBook, [call({ status: "connected", participants: [participant("alice", status, { deviceId }), participant("bob", "connected")] })], me);

  it("can be joined after a reload, or once the other device has lost its connection", () => {
    expect(rejoinable(held("tab-1", "connected"), me).map((c) => c.id)).toEqual(["call-1"]);
    expect(rejoinable(held("phone", "disconnected"), me)).toHaveLength(1);
  });

  it("is watched but not offered while another device is in it", () => {
    const book = held("phone", "connected");
    expect([rejoinable(book, me).length, runsElsewhere(book, me)]).toEqual([0, true]);
  });

  it("is over once I've left it", () => {
    const book = held("tab-1", "left");
    expect([rejoinable(book, me).length, runsElsewhere(book, me)]).toEqual([0, false]);
  });
});
