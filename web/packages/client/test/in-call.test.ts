import { describe, expect, it } from "vitest";

import { applyEvent, applySnapshot, emptyBook, rejoinable, type CallBook, type Current } from "../src/calls/book";
import { marksOf, noMarks } from "../src/calls/marks";
import { PeerDesk, signalOf } from "../src/calls/peers";
import type { CallEvent, PeerEvent } from "../src/events";
import { decodeChat, encodeChat, parse, withMessage, type ChatMessage } from "../src/media/chat";
import { lineQuality, measure, sampleOf, verdict } from "../src/media/health";
import { mergePeople } from "../src/media/people";
import { tilesOf } from "../src/media/tiles";
import type { Person, TrackHandle } from "../src/media/types";
import { AT, call, me, participant } from "./fixtures";

const talking = call({ status: "connected", topology: "p2p", participants: [participant("alice", "connected"), participant("bob", "connected")] });
const current: Current = { callId: "call-1", call: talking, direction: "outgoing", phase: "active", target: { userId: "bob" }, since: AT };
const book: CallBook = { ...emptyBook, running: { "call-1": talking }, current };
const step = (from: CallBook, event: CallEvent) => applyEvent(from, event, me);
const of = { callId: "call-1", at: AT };

describe("the recording of a call", () => {
  const recording = { id: "r-1", status: "starting", policy: "ask", decline: "exclude", startedBy: "bob", startedAt: AT, audioOnly: false } as const;
  const running = { ...recording, status: "recording" } as const;
  const asked = step(book, { name: "recording:asked", data: { ...of, recording } });
  const consents = (from: CallBook) => from.current?.call?.participants.map((p) => p.recordingConsentGiven);

  it("asks, and takes whoever started it for someone who agrees", () => {
    expect(asked.book.current?.call).toMatchObject({ isRecorded: false, recording });
    expect(consents(asked.book)).toEqual([null, true]);
    expect(asked.notices).toEqual([]);
  });

  it("is shown from when it starts until it stops, and told", () => {
    const started = step(asked.book, { name: "recording:started", data: { ...of, recording: running, by: null } });
    expect(started.book.current?.call).toMatchObject({ isRecorded: true, recording: running });
    expect(started.notices).toEqual([{ kind: "recording_started", callId: "call-1", by: "bob" }]);
    const paused = step(started.book, { name: "recording:paused", data: { ...of, recording: { ...running, status: "paused" }, by: "alice" } });
    expect(paused.book.current?.call?.recording?.status).toBe("paused");
    const stopped = step(paused.book, { name: "recording:stopped", data: { ...of, recording: running, by: "alice" } });
    expect(stopped.book.current?.call).toMatchObject({ isRecorded: true, recording: null });
    expect(stopped.notices).toEqual([{ kind: "recording_stopped", callId: "call-1", by: "alice" }]);
  });

  it("keeps what everyone answered, and asks anew the next time", () => {
    const agreed = step(asked.book, { name: "recording:consent", data: { ...of, userId: "alice", given: true } });
    expect(consents(agreed.book)).toEqual([true, true]);
    const started = step(agreed.book, { name: "recording:started", data: { ...of, recording: running, by: null } });
    expect(consents(started.book)).toEqual([true, true]);
    const next = step(started.book, { name: "recording:asked", data: { ...of, recording: { ...recording, id: "r-2", startedBy: "alice" } } });
    expect(consents(next.book)).toEqual([true, null]);
  });

  it("is gone when it fails, and the call goes on", () => {
    const failed = step(asked.book, { name: "recording:failed", data: { ...of, recording, by: null, error: { code: "unsupported" } } });
    expect(failed.book.current?.call).toMatchObject({ isRecorded: false, recording: null, status: "connected" });
    expect(failed.notices).toEqual([{ kind: "recording_failed", callId: "call-1", by: null }]);
  });
});

describe("marks on a call", () => {
  it("show a hold, and tell whoever was put on hold by somebody else", () => {
    const held = step(book, { name: "call:held", data: { ...of, userId: "alice", by: "bob" } });
    expect(held.book.marks["call-1"]?.held).toEqual({ alice: "bob" });
    expect(held.notices).toEqual([{ kind: "held", callId: "call-1", by: "bob" }]);
    const resumed = step(held.book, { name: "call:resumed", data: { ...of, userId: "alice", by: "bob" } });
    expect(resumed.book.marks["call-1"]?.held).toEqual({});
    const own = step(book, { name: "call:held", data: { ...of, userId: "alice", by: "alice" } });
    expect(own.notices).toEqual([]);
    expect(step(book, { name: "call:held", data: { ...of, userId: "bob", by: "bob" } }).notices).toEqual([]);
  });

  it("show a lock for somebody who can't unmute, but not for a plain mute", () => {
    const mute = (hard: boolean, muted = true) => ({ name: "call:muted" as const, data: { ...of, userId: "alice", by: "bob", hard, muted } });
    const soft = step(book, mute(false));
    expect(soft.book.marks["call-1"]?.locked ?? {}).toEqual({});
    expect(soft.notices).toEqual([{ kind: "muted", callId: "call-1", by: "bob" }]);
    const hard = step(book, mute(true));
    expect(hard.book.marks["call-1"]?.locked).toEqual({ alice: "bob" });
    const lifted = step(hard.book, mute(true, false));
    expect(lifted.book.marks["call-1"]?.locked).toEqual({});
    expect(lifted.notices).toEqual([{ kind: "unlocked", callId: "call-1", by: "bob" }]);
  });

  it("come with the call for somebody who joins late, and still say who did it", () => {
    const late = call({ participants: [{ ...participant("bob", "connected"), isOnHold: true, isHardMuted: true } as never] });
    expect(marksOf(late)).toMatchObject({ held: { bob: "bob" }, locked: { bob: "" } });
    expect(marksOf(late, { ...noMarks, held: { bob: "alice", gone: "x" } })).toMatchObject({ held: { bob: "alice" } });
  });

  it("show a transfer to somebody who joins while it's under way", () => {
    const transferring = { ...talking, transfer: { userId: "bob", targetUserId: "carol", mode: "blind" as const } };
    expect(marksOf(transferring).transfer).toEqual({ by: "bob", target: "carol", mode: "blind" });
    expect(marksOf({ ...talking, transfer: null } as never, { ...noMarks, transfer: { by: "bob", target: "carol", mode: "blind" } }).transfer).toBeNull();
  });

  it("show a transfer until it's done or has failed", () => {
    const started = step(book, { name: "call:transfer-started", data: { ...of, userId: "alice", targetUserId: "carol", mode: "attended" } });
    expect(started.book.marks["call-1"]?.transfer).toEqual({ by: "alice", target: "carol", mode: "attended" });
    const failed = step(started.book, { name: "call:transfer-failed", data: { ...of, userId: "alice", targetUserId: "carol", mode: "attended", reason: "declined" } });
    expect(failed.book.marks["call-1"]?.transfer).toBeNull();
    expect(failed.notices).toEqual([{ kind: "transfer_failed", callId: "call-1", userId: "carol", reason: "declined" }]);
    // The one who leaves by it is out, and learns that it is done.
    const left = step(started.book, { name: "call:participant-left", data: { ...of, userId: "alice", reason: "completed" } });
    expect(left.book.current).toBeNull();
    const done = step(left.book, { name: "call:transferred", data: { ...of, userId: "alice", targetUserId: "carol", mode: "attended" } });
    expect(done.notices).toEqual([{ kind: "transferred", callId: "call-1", userId: "carol", mine: true }]);
  });

  it("show on the tiles", () => {
    expect(tilesOf(talking, [], "alice", { bob: "bob" }).map((t) => [t.userId, t.held])).toEqual([["bob", true]]);
  });
});

describe("leaving involuntarily", () => {
  it("tells you when you were removed; a lost connection is left to the media", () => {
    const left = (reason: "removed" | "connection_lost") => step(book, { name: "call:participant-left", data: { ...of, userId: "alice", reason } });
    expect(left("removed")).toMatchObject({ book: { current: null }, notices: [{ kind: "removed" }] });
    expect(left("connection_lost").book.current).not.toBeNull();
  });
});

describe("a second call", () => {
  const second = call({ id: "call-2", initiatorId: "carol", participants: [participant("carol", "connecting"), participant("alice", "ringing")] });
  const knocks = { name: "call:waiting" as const, data: { callId: "call-2", at: AT, call: second, caller: { id: "carol", name: "Carol", avatarUrl: null, presence: "online", isGuest: false } as const, ringUntil: AT } };

  it("waits during the first", () => {
    const { book: next } = step(book, knocks);
    expect(next.incoming.map((i) => [i.call.id, i.callerName])).toEqual([["call-2", "Carol"]]);
    expect(next.current?.callId).toBe("call-1");
  });

  it("parks the first one: the way back is offered once, and its end is reported", () => {
    const parked: CallBook = { ...book, current: null, parked: ["call-1"] };
    expect(rejoinable(parked, me)).toEqual([]);
    const gone = step(parked, { name: "call:ended", data: { ...of, call: { ...talking, status: "ended", duration: 7 }, reason: "completed", endedBy: "bob", duration: 7 } });
    expect(gone.book.parked).toEqual([]);
    expect(gone.notices).toEqual([{ kind: "ended", callId: "call-1", seconds: 7 }]);
    expect(applySnapshot(parked, [], me).parked).toEqual([]);
    expect(applySnapshot(parked, [talking], me).parked).toEqual(["call-1"]);
  });
});

describe("two people who call each other at once", () => {
  it("end up in the remaining call, whichever was theirs", () => {
    const winner = { ...talking, id: "call-0" };
    const merged = { name: "call:merged" as const, data: { callId: "call-0", at: AT, call: winner, mergedCallId: "call-1", token: null, livekitUrl: null } };
    const ringing: CallBook = { ...book, incoming: [{ call: winner, callerName: "Bob", ringUntil: AT }], current: { ...current, phase: "ringing", since: null } };
    const { book: next } = step(ringing, merged);
    expect(next.current).toMatchObject({ callId: "call-0", phase: "active" });
    expect(next.incoming).toEqual([]);
    expect(Object.keys(next.running)).toEqual(["call-0"]);
  });

  it("stop the ringing of a call that was merged into a later one", () => {
    const loser = call({ id: "call-9", initiatorId: "bob", participants: [participant("bob", "connecting"), participant("alice", "ringing")] });
    const rung = step(emptyBook, { name: "call:incoming", data: { callId: "call-9", at: AT, call: loser, caller: { id: "bob", name: "Bob", avatarUrl: null, presence: "online", isGuest: false }, ringUntil: AT } }).book;
    const dialing: CallBook = { ...rung, current: { ...current, call: null, phase: "dialing", since: null } };
    const { book: next, notices } = step(dialing, { name: "call:merged", data: { ...of, call: talking, mergedCallId: "call-9", token: null, livekitUrl: null } });
    expect(next.incoming).toEqual([]);
    expect(Object.keys(next.running)).toEqual(["call-1"]);
    expect(next.current).toMatchObject({ callId: "call-1", phase: "active" });
    expect(notices).toEqual([]);
    // The other device of the same person, which only rang.
    expect(step(rung, { name: "call:merged", data: { ...of, call: talking, mergedCallId: "call-9", token: null, livekitUrl: null } }).book.incoming).toEqual([]);
  });

  it("leave nothing behind under the old ID, and a parked call stays parked", () => {
    const winner = { ...talking, id: "call-0" };
    const parked: CallBook = { ...book, current: null, parked: ["call-1"], marks: { "call-1": { ...noMarks, held: { alice: "alice" } } } };
    const { book: next } = step(parked, { name: "call:merged", data: { callId: "call-0", at: AT, call: winner, mergedCallId: "call-1", token: null, livekitUrl: null } });
    expect(next).toMatchObject({ parked: ["call-0"], marks: {}, current: null });
    expect(Object.keys(next.running)).toEqual(["call-0"]);
  });
});

describe("signals between browsers", () => {
  const from = { callId: "call-1", from: "bob" };

  it("are understood in other clients' forms too, and nonsense isn't", () => {
    const sdp = "v=0";
    const events: [PeerEvent, unknown][] = [
      [{ name: "call:offer", data: { ...from, session: "s", offer: { type: "offer", sdp } } }, { kind: "offer", session: "s", sdp }],
      [{ name: "call:answer", data: { ...from, answer: { sdp } } }, { kind: "answer", session: null, sdp }],
      [{ name: "call:offer", data: { ...from, sdp } }, { kind: "offer", session: null, sdp }],
      [{ name: "call:ice-candidate", data: { ...from, candidate: null } }, { kind: "candidate", session: null, candidate: null }],
      [{ name: "call:offer", data: { ...from, offer: 7 } }, null],
      [{ name: "call:ice-candidate", data: { ...from, candidate: "x" } }, null],
    ];
    for (const [event, wanted] of events) expect(signalOf(event)).toEqual(wanted);
  });

  it("are kept until the line is open, up to a limit", () => {
    const desk = new PeerDesk({ iceServers: () => Promise.reject(new Error("not asked")) }, { say: () => Promise.resolve(true) });
    for (let i = 0; i < 100; i += 1) desk.keep("call-1", i < 50 ? "bob" : "mallory", { kind: "candidate", session: "s", candidate: null });
    expect(desk.take("call-1", "bob"), "of the other one only").toHaveLength(50);
    expect(desk.take("call-1", "bob")).toEqual([]);
  });

  it("get new ICE servers once the credentials expire", async () => {
    let asked = 0;
    const fresh = { iceServers: [{ urls: ["turn:a"], username: "u2", credential: "c2" }], expiresAt: new Date(Date.now() + 3_600_000).toISOString() };
    const desk = new PeerDesk({ iceServers: () => Promise.resolve((asked += 1, fresh) as never) }, { say: () => Promise.resolve(true) });
    const old = { iceServers: [{ urls: ["turn:a"], username: "u", credential: "c" }], expiresAt: new Date(Date.now() + 5_000).toISOString() };
    const options = desk.options("call-1", "alice", "bob", old as never);
    expect(options.polite).toBe(false);
    expect((await options.freshServers?.())?.[0]?.username).toBe("u2");
    await options.freshServers?.();
    expect(asked).toBe(1);
  });
});

describe("the health of a peer-to-peer line", () => {
  it("is measured between two samples", () => {
    const report = (bytes: number, received: number, lost: number) => [
      { type: "transport", bytesReceived: bytes },
      { type: "inbound-rtp", packetsReceived: received, packetsLost: lost, jitter: 0.012 },
      { type: "candidate-pair", nominated: true, currentRoundTripTime: 0.08 },
    ];
    const [first, second] = [sampleOf(report(1_000, 100, 0), 0), sampleOf(report(9_000, 190, 10), 5_000)];
    expect(second.bytesReceived).toBe(9_000);
    expect(measure(first, second)).toEqual({ loss: 10, jitter: 12, rtt: 80 });
    expect(lineQuality({ loss: 10, jitter: 12, rtt: 80 })).toBe("poor");
    expect(lineQuality({ loss: 0, jitter: null, rtt: null })).toBe("excellent");
  });

  it("counts bytes per candidate pair if that's all the browser has", () => {
    const firefox = [{ type: "transport" }, { type: "candidate-pair", bytesReceived: 700 }, { type: "candidate-pair", selected: true, bytesReceived: 50 }];
    expect(sampleOf(firefox, 0).bytesReceived).toBe(750);
    const chromium = [{ type: "transport", bytesReceived: 900 }, { type: "candidate-pair", bytesReceived: 700 }];
    expect(sampleOf(chromium, 0).bytesReceived).toBe(900);
  });

  it("looks for a new path first, once, and then gives up", () => {
    expect([0, 1_600, 2_000, 6_100].map((ms) => verdict({ silentFor: ms }))).toEqual(["fine", "fine", "restart", "give_up"]);
    expect(verdict({ silentFor: 3_000, renewingFor: 500 })).toBe("fine");
    expect([4_800, 5_000, 6_100].map((ms) => verdict({ silentFor: ms, polite: true }))).toEqual(["fine", "restart", "give_up"]);
    // A path that was looked for late has its time, too.
    expect([1_900, 2_100].map((ms) => verdict({ silentFor: 6_500, renewingFor: ms, polite: true }))).toEqual(["fine", "give_up"]);
    // A picture that stands still while sound comes through.
    expect([0, 5_900, 6_100].map((ms) => verdict({ silentFor: 0, frozenFor: ms }))).toEqual(["fine", "fine", "give_up"]);
  });
});

describe("chat", () => {
  it("carries only text, and each message once", () => {
    const sent = decodeChat(parse(encodeChat({ id: "1", text: " hello " })), "bob", 5);
    expect(sent).toEqual({ id: "1", userId: "bob", text: "hello", at: 5 });
    for (const bad of ["", "[]", "{", '{"t":"chat"}', '{"t":"chat","id":"1","text":"  "}', '{"t":"state"}']) expect(decodeChat(parse(bad), "bob", 5)).toBeNull();
    const one = sent as ChatMessage;
    expect(withMessage(withMessage([], one), one)).toHaveLength(1);
    expect(withMessage([one], { ...one, userId: "carol" })).toHaveLength(2);
  });
});

describe("people while a call moves into the room", () => {
  const handle = (key: string): TrackHandle => ({ key, attach: () => undefined, detach: () => undefined });
  const person = (userId: string, change: Partial<Person>): Person => ({
    userId, name: null, local: false, speaking: false, muted: false, camera: null, cameraOn: false, screen: null, screenOn: false, audio: [], quality: "good", ...change,
  });
  const [direct, roomy] = [handle("direct"), handle("room")];

  it("are shown as they arrive browser to browser until the room has them", () => {
    const peer = person("bob", { camera: direct, cameraOn: true, audio: [{ source: "microphone", track: direct }] });
    expect(mergePeople([person("me", { local: true })], peer, null).map((p) => p.userId)).toEqual(["bob", "me"]);
    const half = mergePeople([person("bob", { cameraOn: true })], peer, null)[0];
    expect([half?.camera, half?.audio[0]?.track]).toEqual([direct, direct]);
    const whole = mergePeople([person("bob", { camera: roomy, cameraOn: true, audio: [{ source: "microphone", track: roomy }] })], peer, null)[0];
    expect([whole?.camera, whole?.audio[0]?.track]).toEqual([roomy, roomy]);
  });
});
