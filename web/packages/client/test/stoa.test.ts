import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { claimDeviceId } from "../src/device-id";
import { Lifetime } from "../src/lifetime";
import { Devices } from "../src/media/devices";
import { Ringer } from "../src/ring";
import { Stoa } from "../src/stoa";
import { TypingWatch } from "../src/typing";
import { call, participant } from "./fixtures";
import { fakeSockets, type FakeSocket } from "./fakes/socket";

const net = vi.hoisted(() => ({ open: undefined as unknown }));
vi.mock("socket.io-client", () => ({ io: (...args: unknown[]) => (net.open as (...args: unknown[]) => unknown)(...args) }));

const alice = { id: "alice", name: "Alice", avatarUrl: null, presence: "online", isGuest: false };
const features = { videoCalls: true };
const unauthorized = { status: 401, body: { error: { code: "unauthorized", message: "" } } };
type Answers = Record<string, unknown>;

/** A server that answers what the test says; answers may be held back. */
function serve(answers: Answers) {
  const asked: string[] = [];
  let held: (() => void)[] | null = null;
  vi.stubGlobal("fetch", async (request: Request) => {
    const what = `${request.method} ${new URL(request.url).pathname}`;
    asked.push(what);
    if (held) await new Promise<void>((resolve) => void held?.push(resolve));
    const found = answers[what] as { status: number; body: unknown } | object | undefined;
    const { status, body } = found && "status" in found && "body" in found ? found : { status: found ? 200 : 404, body: found ?? { error: { code: "not_found", message: "" } } };
    return new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });
  });
  return {
    asked,
    answers,
    hold: () => void (held = []),
    release: () => {
      const waiting = held ?? [];
      held = null;
      for (const go of waiting) go();
    },
  };
}

const home = (): Answers => ({
  "GET /api/session": { user: alice, permissions: [], features },
  "GET /api/users": { users: [alice] },
  "GET /api/channels": { channels: [] },
  "GET /api/calls": { calls: [], next: null },
  "GET /api/calls/active": { calls: [] },
});
const settle = () => vi.advanceTimersByTimeAsync(0);

let sockets: FakeSocket[];
let latest: () => FakeSocket;
const made: Stoa[] = [];
function create(options: { token?: () => string } = {}): Stoa {
  const stoa = new Stoa("tab-1", { baseUrl: "http://stoa.test", ...options });
  made.push(stoa);
  return stoa;
}

beforeEach(() => {
  vi.useFakeTimers();
  ({ sockets, latest, open: net.open } = fakeSockets());
  vi.stubGlobal("document", { visibilityState: "visible" });
});
afterEach(() => {
  for (const stoa of made.splice(0)) stoa.dispose();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("a refused handshake", () => {
  it("is told with its code, and tried again with a fresh token until the session is up", async () => {
    let token = "old";
    serve(home());
    const stoa = create({ token: () => token });
    await stoa.start();
    latest().refuse("unauthorized");
    expect(stoa.store.getState()).toMatchObject({ link: "refused", refusal: "unauthorized" });
    token = "new";
    await settle();
    expect(sockets).toHaveLength(2);
    expect(latest().handshakes[0]).toMatchObject({ token: "new" });
    latest().hear("connect");
    expect(stoa.store.getState()).toMatchObject({ link: "online", refusal: null });
  });

  it("is tried again later and later, not in a loop", async () => {
    serve(home());
    const stoa = create();
    await stoa.start();
    for (let i = 0; i < 3; i += 1) {
      latest().refuse("rate_limited");
      await settle();
    }
    expect(sockets).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(sockets.length).toBe(3);
    expect(stoa.store.getState().link).toBe("connecting");
  });

  it("leaves `start()` to connect anew at once", async () => {
    const server = serve(home());
    const stoa = create();
    await stoa.start();
    server.answers["GET /api/session"] = unauthorized;
    latest().refuse("unauthorized");
    await settle();
    expect([sockets.length, stoa.store.getState().phase]).toEqual([1, "signed_in"]);
    server.answers["GET /api/session"] = home()["GET /api/session"];
    await stoa.start();
    expect(sockets).toHaveLength(2);
  });

  it("finds its way back once the host app's token is good again, without being told", async () => {
    const server = serve(home());
    const stoa = create();
    await stoa.start();
    server.answers["GET /api/session"] = unauthorized;
    latest().refuse("unauthorized");
    await vi.advanceTimersByTimeAsync(20_000);
    expect(sockets).toHaveLength(1);
    server.answers["GET /api/session"] = home()["GET /api/session"];
    await vi.advanceTimersByTimeAsync(15_000);
    expect(sockets).toHaveLength(2);
  });
});

describe("a Stoa that is disposed of", () => {
  const disposed = expect.objectContaining({ name: "StoaError", code: "disposed" });

  it("leaves no socket, no timer and no listener", async () => {
    serve(home());
    const stoa = create();
    const notices: unknown[] = [];
    stoa.notices.on((notice) => void notices.push(notice));
    await stoa.start();
    latest().hear("connect");
    await settle();
    stoa.dispose();
    stoa.dispose();
    expect([vi.getTimerCount(), latest().closed, latest().listening]).toEqual([0, true, 0]);
    stoa.notices.emit({ kind: "lost", callId: "c" });
    expect(notices).toEqual([]);
    expect(stoa.store.getState().link).toBe("off");
  });

  it("refuses every later use with the code `disposed`", async () => {
    const { asked } = serve(home());
    const stoa = create();
    stoa.dispose();
    const uses: (() => unknown)[] = [
      () => stoa.start(), () => stoa.signIn("a", "b"), () => stoa.signInAsGuest("a"), () => stoa.signUp("a", "b"), () => stoa.signInAsAdmin("c"), () => stoa.signOut(),
      () => stoa.call({ userId: "bob" }, { video: true }), () => stoa.accept("c", { video: true }), () => stoa.enter("c", { video: true }),
      () => stoa.acceptAndHold("c", { video: true }), () => stoa.hold(), () => stoa.resume(), () => stoa.switchTo("c"), () => stoa.decline("c"), () => stoa.hangUp(),
      () => stoa.acts.mute("bob"), () => stoa.chooseDevice({ camera: "x" }), () => stoa.createChannel("x", []), () => stoa.changeChannel("x", { name: "y", members: [] }),
      () => stoa.leaveChannel("x"), () => stoa.deleteChannel("x"), () => stoa.findPeople("x"), () => stoa.readHistory(),
      () => stoa.media.setMicrophone(true), () => stoa.media.setCamera(true), () => stoa.media.setScreen(true), () => stoa.media.say("x"), () => stoa.media.allowSound(),
      () => stoa.media.open("c", "alice"), () => stoa.devices.refresh(), () => stoa.tryAgain(), () => stoa.media.doWithout(),
    ];
    for (const use of uses) await expect(async () => use(), use.toString()).rejects.toEqual(disposed);
    expect([asked, vi.getTimerCount()]).toEqual([[], 0]);
  });

  it("stops in the middle of start(), wherever that is", async () => {
    const server = serve(home());
    server.hold();
    const stoa = create();
    const started = stoa.start();
    await settle();
    stoa.dispose();
    server.release();
    await expect(started).rejects.toEqual(disposed);
    expect([sockets, stoa.store.getState().phase, vi.getTimerCount()]).toEqual([[], "loading", 0]);
  });

  it("stops in the middle of looking around, and nothing rings any more", async () => {
    const server = serve({ ...home(), "GET /api/calls/active": { calls: [call({ initiatorId: "bob", participants: [participant("bob", "connecting"), participant("alice", "ringing")] })] } });
    const stoa = create();
    await stoa.start();
    server.hold();
    latest().hear("connect");
    await settle();
    stoa.dispose();
    server.release();
    await settle();
    expect([stoa.store.getState().book.incoming, stoa.store.getState().users, vi.getTimerCount()]).toEqual([[], { alice }, 0]);
  });

  it("waits for nothing after a lost network", async () => {
    vi.stubGlobal("fetch", () => Promise.reject(new TypeError("fetch failed")));
    const stoa = create();
    await stoa.start();
    expect([stoa.store.getState().phase, vi.getTimerCount() > 0]).toEqual(["unreachable", true]);
    stoa.dispose();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("the parts of a Stoa, disposed of", () => {
  it("let the device's ID go, for the next one in the same tab", async () => {
    const held = new Set<string>();
    const kept = new Map<string, string>();
    const storage = { getItem: (k: string) => kept.get(k) ?? null, setItem: (k: string, v: string) => void kept.set(k, v) };
    const locks = {
      request: async (name: string, _options: unknown, then: (lock: object | null) => unknown) => {
        if (held.has(name)) return then(null);
        held.add(name);
        await then({});
        held.delete(name);
      },
    } as unknown as LockManager;
    const life = new Lifetime("Stoa");
    let ids = 0;
    const host = { session: storage, local: storage, locks, random: () => `id-${(ids += 1)}` };
    expect([await claimDeviceId({ ...host, life }), held.size]).toEqual(["id-1", 1]);
    life.end();
    await settle();
    expect(held.size).toBe(0);
    expect(await claimDeviceId({ ...host, life: new Lifetime("Stoa") })).toBe("id-1");
  });

  it("no longer listen to what is plugged in", async () => {
    const target = new EventTarget();
    let read = 0;
    vi.stubGlobal("navigator", { mediaDevices: Object.assign(target, { enumerateDevices: () => Promise.resolve((read += 1, [])) }) });
    const devices = new Devices(null);
    await devices.refresh();
    target.dispatchEvent(new Event("devicechange"));
    expect(read).toBe(2);
    devices.dispose();
    target.dispatchEvent(new Event("devicechange"));
    expect(read).toBe(2);
  });

  it("close the sound and play nothing more", () => {
    let [opened, closed] = [0, 0];
    vi.stubGlobal("AudioContext", class {
      state = "suspended";
      constructor() {
        opened += 1;
      }
      resume = () => Promise.resolve();
      close = () => Promise.resolve(void (closed += 1));
    });
    vi.stubGlobal("navigator", {});
    const ringer = new Ringer();
    ringer.play("ring");
    expect([opened, vi.getTimerCount()]).toEqual([1, 1]);
    ringer.dispose();
    ringer.sign("ended");
    expect([opened, closed, vi.getTimerCount()]).toEqual([1, 1, 0]);
  });

  it("call nobody who waits for the typing to end", () => {
    const typing = new TypingWatch();
    let called = 0;
    typing.key(true);
    typing.whenRested(() => void (called += 1));
    expect(vi.getTimerCount()).toBe(1);
    typing.dispose();
    vi.advanceTimersByTime(10_000);
    expect([called, vi.getTimerCount()]).toEqual([0, 0]);
  });
});

describe("a recording", () => {
  it("that failed isn't brought back by the late answer to its start", async () => {
    const at = "2026-03-01T12:00:00.000Z";
    const recording = { id: "r-1", status: "starting", policy: "announce", decline: "exclude", startedBy: "alice", startedAt: at, audioOnly: false } as const;
    const talking = call({ status: "connected", participants: [participant("alice", "connected"), participant("bob", "connected")] });
    const server = serve({ ...home(), "POST /api/calls/call-1/recording/start": { success: true, call: { ...talking, recording } } });
    const stoa = create();
    await stoa.start();
    latest().hear("connect");
    await settle();
    const current = { callId: "call-1", call: talking, direction: "outgoing", phase: "active", target: { userId: "bob" }, since: at } as const;
    stoa.store.setState(({ book }) => ({ book: { ...book, running: { "call-1": talking }, current } }));
    server.hold();
    const started = stoa.acts.startRecording();
    await settle();
    latest().hear("recording:failed", { callId: "call-1", at, recording, by: null, error: { code: "unsupported" } });
    server.release();
    await started;
    expect(server.asked).toContain("POST /api/calls/call-1/recording/start");
    expect(stoa.store.getState().book.current?.call).toMatchObject({ status: "connected", recording: null });
  });
});

describe("the place for recordings", () => {
  const has = async (answers: Answers, feature: boolean) => {
    serve({ ...home(), "GET /api/session": { user: alice, permissions: [], features: { callRecording: feature } }, ...answers });
    const stoa = create();
    await stoa.start();
    latest().hear("connect");
    await settle();
    return stoa.store.getState().hasRecordings;
  };

  it("is there where calls are recorded, or were", async () => {
    expect(await has({}, true), "recording is on").toBe(true);
    expect(await has({ "GET /api/recordings": { recordings: [{ id: "r" }], next: null } }, false), "some are left").toBe(true);
    expect(await has({ "GET /api/recordings": { recordings: [], next: null } }, false), "there are none").toBe(false);
    expect(await has({}, false), "the server keeps none").toBe(false);
  });
});
