import { DisconnectReason } from "livekit-client";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { Notice } from "../src/calls/book";
import { CallController } from "../src/calls/controller";
import { Emitter } from "../src/emitter";
import { StoaError } from "../src/errors";
import type { CallEvent } from "../src/events";
import { MediaSession } from "../src/media/session";
import type { Rest } from "../src/rest";
import type { Signal } from "../src/signal";
import { createStoaStore } from "../src/state";
import type { Call } from "../src/types";
import { FakeMedia, type Act } from "./fakes/livekit";
import { FakeNetwork } from "./fakes/peer-connection";
import { AT, call, me, participant } from "./fixtures";

const module = vi.hoisted(() => ({ media: undefined as unknown }));
vi.mock("livekit-client", async (original) => {
  const real = await original<typeof import("livekit-client")>();
  const of = (name: string) => ({ get: () => (module.media as Record<string, unknown>)[name], enumerable: true });
  return Object.defineProperties({ ...real }, { Room: of("Room"), VideoPreset: of("VideoPreset"), createLocalTracks: of("createLocalTracks"), createLocalScreenTracks: of("createLocalScreenTracks") });
});

const choice = { microphone: null, camera: null, speaker: null, noiseSuppression: true, callWaiting: true };
const after = (milliseconds: number) => vi.advanceTimersByTimeAsync(milliseconds);
const network = () => new StoaError("network", "no answer", 0);
const running = (change: Partial<Call> = {}) =>
  call({ status: "connected", connectedAt: AT, startedAt: AT, participants: [participant("alice", "connected"), participant("bob", "connected")], ...change });
const answerOf = (one: Call, token = "token") => ({ callId: one.id, call: one, livekitUrl: "wss://stoa.test", token, iceServers: [], expiresAt: null });

let media: FakeMedia;
let wires: FakeNetwork;
let unhandled: unknown[];
let disposers: (() => void)[];
const onUnhandled = (error: unknown): void => void unhandled.push(error);

beforeEach(() => {
  vi.useFakeTimers();
  module.media = media = new FakeMedia();
  wires = new FakeNetwork();
  [unhandled, disposers] = [[], []];
  process.on("unhandledRejection", onUnhandled);
  vi.stubGlobal("navigator", { mediaDevices: {} });
  vi.stubGlobal("MediaStream", Object);
  vi.stubGlobal("RTCPeerConnection", wires.browser("alice"));
});
afterEach(() => {
  for (const dispose of disposers) dispose();
  vi.useRealTimers();
  vi.unstubAllGlobals();
  process.off("unhandledRejection", onUnhandled);
  expect(unhandled).toEqual([]);
});

/** A server as the controller asks it: what each request answers (an error is thrown), and which may be held back. */
function desk() {
  const answers: Record<string, unknown> = {
    initiate: answerOf(call()), accept: answerOf(running()), join: answerOf(running()), activeCalls: [running()], call: running(),
    end: running({ status: "ended", endReason: "completed", duration: 5 }), leave: running(), cancel: call({ status: "cancelled", endReason: "cancelled" }),
    hold: running(), resume: running(), decline: running(), setMedia: running(), mediaFailed: running(), reportQuality: undefined,
    iceServers: { iceServers: [], expiresAt: null },
  };
  const asked: [name: string, ...args: unknown[]][] = [];
  let held: { name: string; go: Promise<void>; reached: () => void } | null = null;
  const rest = new Proxy({}, {
    get: (_target, name: string) => async (...args: unknown[]) => {
      asked.push([name, ...args]);
      if (held?.name === name) {
        const { go, reached } = held;
        held = null;
        reached();
        await go;
      }
      const answer = answers[name];
      if (answer instanceof Error) throw answer;
      return answer;
    },
  }) as Rest;
  const hold = (name: string): { reached: Promise<void>; release: () => void } => {
    let [release, reached] = [(): void => undefined, (): void => undefined];
    const go = new Promise<void>((resolve) => (release = resolve));
    const waits = new Promise<void>((resolve) => (reached = resolve));
    held = { name, go, reached };
    return { reached: waits, release };
  };
  const store = createStoaStore();
  const session = new MediaSession(() => choice);
  const notices: Notice[] = [];
  const told = new Emitter<Notice>();
  told.on((notice) => void notices.push(notice));
  const said: [name: string, data: unknown][] = [];
  const signal = { say: (name: string, data: unknown) => Promise.resolve((said.push([name, data]), true)) } as unknown as Signal;
  const calls = new CallController({ rest, signal, store, media: session, notices: told, me: () => me });
  const dispose = (): void => {
    calls.dispose();
    session.dispose();
  };
  disposers.push(dispose);
  const times = (name: string): number => asked.filter(([one]) => one === name).length;
  const kinds = () => notices.map(({ kind }) => kind);
  return { answers, asked, times, hold, store, session, notices, kinds, said, calls, dispose, current: () => store.getState().book.current };
}
type Desk = ReturnType<typeof desk>;

async function inCall(one: Call = running()): Promise<Desk> {
  const made = desk();
  made.answers["join"] = answerOf(one);
  await made.calls.enter("call-1", { video: true } as never);
  await after(0);
  expect(made.current()).toMatchObject({ callId: "call-1", phase: "active" });
  return made;
}

describe("a room that is lost", () => {
  it("is entered again after growing pauses, with what was on", async () => {
    const { answers, times, session, kinds, current } = await inCall();
    await session.setCamera(false);
    answers["join"] = network();
    media.room.lose();
    await after(300);
    expect([times("join"), session.store.getState().connection]).toEqual([2, "reconnecting"]);
    await after(700);
    expect(times("join")).toBe(3);
    answers["join"] = answerOf(running());
    await after(1_500);
    expect([times("join"), media.rooms.length]).toEqual([4, 2]);
    expect(session.store.getState()).toMatchObject({ connection: "connected", microphoneOn: true, cameraOn: false });
    expect([current()?.phase, kinds()]).toEqual(["active", []]);
  });

  it("is given up after the last try, and the person is told once", async () => {
    const { answers, times, kinds, current } = await inCall();
    answers["join"] = network();
    media.room.lose();
    await after(60_000);
    expect([times("join"), kinds(), current()]).toEqual([10, ["lost"], null]);
  });

  it("is given up at once where the call is over", async () => {
    const { answers, times, kinds } = await inCall();
    answers["join"] = new StoaError("call_over", "", 409);
    media.room.lose();
    await after(60_000);
    expect([times("join"), kinds()]).toEqual([2, ["lost"]]);
  });

  it("is left to the device that took the call over", async () => {
    const { times, kinds, current } = await inCall();
    media.room.lose(DisconnectReason.DUPLICATE_IDENTITY);
    await after(60_000);
    expect([times("join"), kinds(), current()]).toEqual([1, ["elsewhere"], null]);
  });

  it("waits for the call's own end where the server closed it", async () => {
    const ends = await inCall();
    media.room.lose(DisconnectReason.ROOM_DELETED);
    await after(1_000);
    ends.calls.onEvent({ name: "call:ended", data: { callId: "call-1", at: AT, call: running({ status: "ended", duration: 9 }), reason: "completed", endedBy: "bob", duration: 9 } });
    await after(60_000);
    expect([ends.times("join"), ends.kinds()]).toEqual([1, ["ended"]]);
    const silent = await inCall();
    media.room.lose(DisconnectReason.ROOM_DELETED);
    await after(1_499);
    expect(silent.kinds()).toEqual([]);
    await after(1);
    expect([silent.kinds(), silent.current()]).toEqual([["lost"], null]);
  });
});

describe("a call from browser to browser", () => {
  const direct = () => running({ topology: "p2p" });

  it("moves into the room that it was given, when the peer can't be reached, and says why", async () => {
    const { asked, session, times } = await inCall(direct());
    expect(media.rooms).toHaveLength(0);
    await after(8_100);
    expect(asked).toContainEqual(["mediaFailed", "call-1", "ice"]);
    expect([media.rooms.length, session.store.getState().connection, times("join")]).toEqual([1, "connected", 1]);
  });

  it("moves when the server says so, once", async () => {
    const { calls, times } = await inCall(direct());
    const moved: CallEvent = { name: "call:topology-changed", data: { callId: "call-1", at: AT, topology: "sfu", token: "new", livekitUrl: "wss://stoa.test" } };
    calls.onEvent(moved);
    calls.onEvent(moved);
    await after(100);
    expect([media.rooms.length, times("mediaFailed")]).toEqual([1, 0]);
  });

  it("joins anew when the room can't be entered", async () => {
    const { calls, times, session } = await inCall(direct());
    media.refusal = new Error("down");
    calls.onEvent({ name: "call:topology-changed", data: { callId: "call-1", at: AT, topology: "sfu", token: "new", livekitUrl: "wss://stoa.test" } });
    await after(100);
    media.refusal = null;
    await after(300);
    expect([times("join"), session.store.getState().path]).toEqual([2, "p2p"]);
  });

  it("tells the server what is on, several changes as one", async () => {
    const { asked, session } = await inCall(direct());
    await after(1_000);
    asked.length = 0;
    await session.setCamera(false);
    await session.setMicrophone(false);
    await after(1_000);
    expect(asked).toEqual([["setMedia", "call-1", { isMuted: true, isVideoEnabled: false, isScreenSharing: false }]]);
  });

  it("goes on under the other's name when both called at once", async () => {
    const { calls, answers, current, times, session } = desk();
    answers["initiate"] = answerOf(call({ id: "call-1", topology: "p2p" }));
    const started = calls.start({ userId: "bob" }, true);
    await after(0);
    await started;
    const winner = running({ id: "call-0" });
    calls.onEvent({ name: "call:merged", data: { callId: "call-0", at: AT, call: winner, mergedCallId: "call-1", token: "t", livekitUrl: "wss://stoa.test" } });
    await after(100);
    expect([current()?.callId, session.of("call-1"), times("join"), media.rooms.length]).toEqual(["call-0", null, 0, 1]);
    expect(session.store.getState()).toMatchObject({ connection: "connected", path: "sfu" });
  });
});

describe("how the line is", () => {
  it("is reported every five seconds, and with the next what couldn't be said", async () => {
    const { calls, answers, asked, said } = await inCall(running({ topology: "p2p" }));
    await after(0);
    const [, offered] = said.find(([name]) => name === "call:offer") ?? [];
    const { session, offer } = offered as { session: string; offer: RTCSessionDescriptionInit };
    const theirs = new (wires.browser("bob"))();
    await theirs.setRemoteDescription(offer);
    await theirs.setLocalDescription();
    calls.onPeer({ name: "call:answer", data: { callId: "call-1", from: "bob", session, answer: theirs.localDescription } });
    await after(4_900);
    answers["reportQuality"] = network();
    const reports = () => asked.flatMap(([name, , said]) => (name === "reportQuality" ? [(said as unknown[]).length] : []));
    // The first look has nothing to compare with.
    await after(15_000);
    expect(reports()).toEqual([1, 2]);
    answers["reportQuality"] = undefined;
    await after(10_000);
    expect(reports()).toEqual([1, 2, 3, 1]);
  });
});

describe("hanging up", () => {
  it("before the server has answered is told to it once it has", async () => {
    const { calls, hold, asked, current } = desk();
    const { reached, release } = hold("initiate");
    const started = calls.start({ userId: "bob" }, true);
    await reached;
    await calls.hangUp();
    expect([current(), asked.map(([name]) => name)]).toEqual([null, ["initiate"]]);
    release();
    await started;
    expect(asked.map(([name]) => name)).toEqual(["initiate", "cancel"]);
    await after(0);
    expect(media.live).toEqual([]);
  });
});

describe("a controller that is disposed of", () => {
  type Step = (desk: Desk) => unknown;
  const rings: Step = ({ calls }) => calls.onEvent({ name: "call:incoming", data: { callId: "call-1", at: AT, call: call({ initiatorId: "bob" }), caller: { id: "bob", name: "Bob", avatarUrl: null, presence: "online", isGuest: false }, ringUntil: AT } });
  const enters: Step = async ({ calls }) => {
    await calls.enter("call-1", true);
    await after(0);
  };
  const holds: Step = async (made) => {
    await enters(made);
    await made.calls.hold(true);
  };
  const parks: Step = async (made) => {
    await enters(made);
    made.answers["accept"] = answerOf(running({ id: "call-2" }), "two");
    await made.calls.acceptAndHold("call-2", true);
  };
  const ends: Step = async (made) => {
    await enters(made);
    made.answers["activeCalls"] = [];
  };
  const merged: CallEvent = { name: "call:merged", data: { callId: "call-0", at: AT, call: running({ id: "call-0" }), mergedCallId: "call-1", token: "t", livekitUrl: "wss://stoa.test" } };
  const nothing: Step = () => undefined;

  it.each<[what: string, request: string, before: Step, begin: Step]>([
    ["calling", "initiate", nothing, ({ calls }) => calls.start({ userId: "bob" }, true)],
    ["accepting", "accept", rings, ({ calls }) => calls.accept("call-1", true)],
    ["entering", "join", nothing, ({ calls }) => calls.enter("call-1", true)],
    ["declining", "decline", rings, ({ calls }) => calls.decline("call-1")],
    ["holding", "hold", enters, ({ calls }) => calls.hold(true)],
    ["resuming", "resume", holds, ({ calls }) => calls.hold(false)],
    ["hanging up", "end", enters, ({ calls }) => calls.hangUp()],
    ["leaving one call for another", "end", enters, ({ calls }) => calls.start({ userId: "carol" }, true)],
    ["looking at the server", "activeCalls", nothing, ({ calls }) => calls.sync()],
    ["asking how its call ended", "call", ends, ({ calls }) => calls.sync()],
    ["getting back into a room", "join", enters, () => (media.room.lose(), after(400))],
    ["merging", "iceServers", enters, ({ calls }) => calls.onEvent(merged)],
    ["parking a call", "hold", parks, ({ calls }) => calls.switchTo("call-1")],
    ["switching to a parked call", "resume", parks, ({ calls }) => calls.switchTo("call-1")],
  ])("does nothing more in the middle of %s", async (_what, request, before, begin) => {
    const made = desk();
    await before(made);
    const { reached, release } = made.hold(request);
    const done = Promise.resolve(begin(made)).then(() => "done", (error: { code?: string }) => error.code ?? String(error));
    await reached;
    const asked = made.asked.length;
    made.dispose();
    const { book } = made.store.getState();
    release();
    expect(["done", "disposed"]).toContain(await done);
    await after(60_000);
    expect(made.asked.slice(asked)).toEqual([]);
    expect(made.store.getState().book).toBe(book);
    expect([made.notices, book.current, book.parked, vi.getTimerCount()]).toEqual([[], null, [], 0]);
    expect([media.live.length, media.rooms.filter(({ left }) => !left).length]).toEqual([0, 0]);
  });

  it.each<[string, Act]>([["the browser asks for the devices", "capture"], ["the room is entered", "connect"], ["the tracks are handed over", "publish"]])("does nothing more while %s", async (_what, act) => {
    const made = desk();
    const { reached, release } = media.hold(act);
    const done = made.calls.enter("call-1", true).then(() => "done", (error: { code?: string }) => error.code ?? String(error));
    await reached;
    made.dispose();
    release();
    expect(["done", "disposed"]).toContain(await done);
    await after(60_000);
    expect([made.times("join"), made.current(), made.notices, vi.getTimerCount(), media.live.length]).toEqual([1, null, [], 0, 0]);
  });

  it("no longer watches a call that runs on another device, nor reports anything", async () => {
    const { calls, answers, times, dispose } = desk();
    answers["activeCalls"] = [running({ participants: [participant("alice", "connected", { deviceId: "phone" }), participant("bob", "connected")] })];
    await calls.sync();
    await after(3_100);
    expect(times("activeCalls")).toBe(2);
    dispose();
    await after(60_000);
    expect([times("activeCalls"), vi.getTimerCount()]).toEqual([2, 0]);
  });
});
