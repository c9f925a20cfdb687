import { DisconnectReason, RoomEvent } from "livekit-client";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { Emitter } from "../src/emitter";
import { Lifetime } from "../src/lifetime";
import { Line } from "../src/media/line";
import { PeerMedia } from "../src/media/peer-media";
import type { PeerSignal } from "../src/media/peer-link";
import { firstFrame } from "../src/media/render-probe";
import type { MediaLoss, MediaProblem } from "../src/media/types";
import { FakeMedia, FakeTrack, type Act } from "./fakes/livekit";
import { FakeNetwork } from "./fakes/peer-connection";

const module = vi.hoisted(() => ({ media: undefined as unknown }));
vi.mock("livekit-client", async (original) => {
  const real = await original<typeof import("livekit-client")>();
  const of = (name: string) => ({ get: () => (module.media as Record<string, unknown>)[name], enumerable: true });
  return Object.defineProperties({ ...real }, { Room: of("Room"), VideoPreset: of("VideoPreset"), createLocalTracks: of("createLocalTracks"), createLocalScreenTracks: of("createLocalScreenTracks") });
});

const choice = { microphone: null, camera: null, speaker: null, noiseSuppression: true, callWaiting: true };
let media: FakeMedia;
let open: Line[];
let unhandled: unknown[];
const onUnhandled = (error: unknown): void => void unhandled.push(error);

beforeEach(() => {
  vi.useFakeTimers();
  module.media = media = new FakeMedia();
  [open, unhandled] = [[], []];
  process.on("unhandledRejection", onUnhandled);
  vi.stubGlobal("navigator", { mediaDevices: {} });
  vi.stubGlobal("MediaStream", Object);
});
afterEach(() => {
  for (const line of open) line.close();
  vi.useRealTimers();
  vi.unstubAllGlobals();
  process.off("unhandledRejection", onUnhandled);
  expect(unhandled).toEqual([]);
});

const after = (milliseconds: number) => vi.advanceTimersByTimeAsync(milliseconds);
const all = { audio: true, video: true };

function made() {
  const told = { problems: [] as string[], lost: [] as MediaLoss[], stranded: 0 };
  const [problems, lost, stranded] = [new Emitter<MediaProblem>(), new Emitter<{ callId: string; loss: MediaLoss }>(), new Emitter<string>()];
  problems.on((problem) => void told.problems.push(problem));
  lost.on(({ loss }) => void told.lost.push(loss));
  stranded.on(() => void (told.stranded += 1));
  const line = new Line({ callId: "call-1", userId: "alice", choice: () => choice, problems, lost, stranded });
  open.push(line);
  return { line, told, state: () => line.store.getState() };
}

/** A line that is connected to Bob's browser. */
async function talking() {
  const parts = made();
  const { line } = parts;
  const network = new FakeNetwork();
  const as = <T>(name: string, act: () => T): T => {
    vi.stubGlobal("RTCPeerConnection", network.browser(name));
    return act();
  };
  const later = (name: string, hear: (signal: PeerSignal) => unknown) => (signal: PeerSignal) => void setTimeout(() => as(name, () => hear(signal)), 5);
  const bob: PeerMedia = new PeerMedia("alice", { iceServers: [], polite: true, send: later("alice", (signal) => line.hearPeer("bob", signal)) });
  const prepared = line.prepare(all);
  line.connectPeer("bob", { iceServers: [], polite: false, send: later("bob", (signal) => bob.hear(signal)) }, prepared);
  await prepared;
  as("alice", () => line.beginPeer(true));
  await after(300);
  bob.show({ microphone: true, camera: false, screen: false });
  await after(0);
  expect(parts.state()).toMatchObject({ path: "p2p", connection: "connected" });
  const peerOpen = () => network.connections.some(({ name, signalingState }) => name === "alice" && signalingState !== "closed");
  return { ...parts, network, bob, peerOpen };
}

/** A line that is in the room with everything it sends. */
async function inRoom(want = all) {
  const parts = made();
  await parts.line.connect("wss://stoa.test", "token", parts.line.prepare(want));
  await after(0);
  return { ...parts, room: media.room };
}

describe("a line into the room", () => {
  it("publishes what was opened ahead and is connected", async () => {
    const { state, room, line } = await inRoom();
    expect(state()).toMatchObject({ connection: "connected", path: "sfu", microphoneOn: true, cameraOn: true, missing: {} });
    expect([...room.localParticipant.trackPublications.keys()]).toEqual(["microphone", "camera"]);
    expect(line.inRoom).toBe(true);
  });

  it("opens one room, however often it's told to connect", async () => {
    const { line } = made();
    const [first, second] = [line.connect("", "", Promise.resolve()), line.connect("", "", Promise.resolve())];
    expect(second).toBe(first);
    await first;
    await line.connect("", "", Promise.resolve());
    expect(media.rooms).toHaveLength(1);
  });

  it("says that it was refused, and may be told to connect again", async () => {
    const { line, told } = made();
    media.refusal = new Error("no permission");
    await expect(line.connect("", "", Promise.resolve())).rejects.toThrow("no permission");
    expect([line.inRoom, told.lost]).toEqual([false, []]);
    media.refusal = null;
    await line.connect("", "", Promise.resolve());
    expect(line.inRoom).toBe(true);
  });

  it("says that it reconnects, and that it's back", async () => {
    const { state, room } = await inRoom();
    room.tell(RoomEvent.SignalReconnecting);
    expect(state().connection).toBe("reconnecting");
    room.tell(RoomEvent.Reconnected);
    expect(state().connection).toBe("connected");
  });

  it.each([
    [DisconnectReason.DUPLICATE_IDENTITY, "duplicate"], [DisconnectReason.PARTICIPANT_REMOVED, "removed"],
    [DisconnectReason.ROOM_DELETED, "room_closed"], [DisconnectReason.UNKNOWN_REASON, "failure"],
  ] as const)("tells once why it lost the room: %s is %s", async (reason, loss) => {
    const { line, told, state, room } = await inRoom();
    room.lose(reason);
    room.lose(reason);
    expect([told.lost, line.inRoom, state().connection, state().people]).toEqual([[loss], false, "reconnecting", []]);
  });
});

describe("what is switched", () => {
  it("while the browser asks, counts once it has answered", async () => {
    const { line, state } = made();
    const { reached, release } = media.hold("capture");
    const prepared = line.prepare(all);
    await reached;
    await line.setCamera(false);
    await line.setMicrophone(false);
    release();
    await prepared;
    expect(state()).toMatchObject({ microphoneOn: false, cameraOn: false });
    expect(media.live.map(({ kind, isMuted }) => [kind, isMuted])).toEqual([["audio", true]]);
  });

  it("while the tracks are handed to the room, is carried out in it", async () => {
    const { line, state } = made();
    const { reached, release } = media.hold("publish");
    const entered = line.connect("", "", line.prepare(all));
    await reached;
    await line.setMicrophone(false);
    release();
    await entered;
    await after(0);
    expect([media.room.localParticipant.isMicrophoneEnabled, state().microphoneOn, state().cameraOn]).toEqual([false, false, true]);
  });

  it("in the room, is switched there", async () => {
    const { line, state, room } = await inRoom();
    await line.setCamera(false);
    await line.setScreen(true);
    await line.useDevice("audioinput", "desk");
    await line.useDevice("audiooutput", "loud");
    await after(0);
    expect([room.localParticipant.isCameraEnabled, state().cameraOn, state().screenOn]).toEqual([false, false, true]);
    expect(room.switched).toEqual([["audioinput", "desk"], ["audiooutput", "loud"]]);
  });

  it("twice in a row before there's a room, ends as it was switched last", async () => {
    const { line, state } = made();
    await line.prepare(all);
    await Promise.all([line.setCamera(false), line.setCamera(true), line.setMicrophone(false), line.setMicrophone(true), line.setCamera(false)]);
    expect(state()).toMatchObject({ cameraOn: false, microphoneOn: true });
    expect(media.live.map(({ kind }) => kind)).toEqual(["audio"]);
  });

  it("is opened by the room where it couldn't be opened ahead", async () => {
    const { line, state, room } = await inRoom({ audio: true, video: false });
    await line.setCamera(true);
    await after(0);
    expect([room.localParticipant.isCameraEnabled, state().cameraOn]).toEqual([true, true]);
  });
});

describe("a call on hold", () => {
  it("sends nothing, and afterwards what it sent before", async () => {
    const { line, state, room } = await inRoom();
    await line.setScreen(true);
    await line.hold(true);
    await after(0);
    expect(state()).toMatchObject({ held: true, microphoneOn: false, cameraOn: false, screenOn: false });
    await line.hold(false);
    await after(0);
    expect(state()).toMatchObject({ held: false, microphoneOn: true, cameraOn: true, screenOn: false });
    expect(room.localParticipant.isMicrophoneEnabled).toBe(true);
  });

  it("brings everything back when it was held twice at once, by us and by the server's word for it", async () => {
    const { line, state } = await inRoom();
    const { reached, release } = media.hold("switch");
    const first = line.hold(true);
    await reached;
    // By now the camera is off, and the microphone not yet.
    await after(0);
    expect(state().cameraOn).toBe(false);
    const second = line.hold(true);
    release();
    await Promise.all([first, second]);
    await line.hold(false);
    await after(0);
    expect(state()).toMatchObject({ microphoneOn: true, cameraOn: true });
  });

  it("switches what is switched meanwhile only when it goes on", async () => {
    const { line, state, room } = await inRoom();
    await line.hold(true);
    await line.setCamera(false);
    await line.setMicrophone(true);
    expect(room.localParticipant.isMicrophoneEnabled).toBe(false);
    await line.hold(false);
    await after(0);
    expect(state()).toMatchObject({ microphoneOn: true, cameraOn: false });
  });

  it("goes on only once it's still, when it's resumed at once", async () => {
    const { line, state } = await inRoom();
    const { reached, release } = media.hold("switch");
    const held = line.hold(true);
    await reached;
    const resumed = line.hold(false);
    release();
    await Promise.all([held, resumed]);
    await after(0);
    expect(state()).toMatchObject({ held: false, microphoneOn: true, cameraOn: true });
  });
});

describe("a call that moves from browser to browser into the room", () => {
  it("keeps the peer until both have seen each other's tracks in the room", async () => {
    const { line, state, bob, peerOpen } = await talking();
    let told = 0;
    bob.moved.on(() => void (told += 1));
    await line.connect("", "", Promise.resolve());
    await after(0);
    expect([state().path, peerOpen(), told, line.inRoom]).toEqual(["p2p", true, 0, true]);
    media.room.join("bob");
    await after(10);
    expect([state().path, peerOpen(), told]).toEqual(["p2p", true, 1]);
    bob.sayMoved();
    await after(10);
    expect([state().path, peerOpen()]).toEqual(["sfu", true]);
    await after(300);
    expect([peerOpen(), told]).toEqual([false, 1]);
    expect(state().people.map(({ userId }) => userId)).toEqual(["bob", "alice"]);
    bob.close();
  });

  it("gives the peer up after a while when the other doesn't come", async () => {
    const { line, state, bob, peerOpen } = await talking();
    await line.connect("", "", Promise.resolve());
    await after(11_900);
    expect(state().path).toBe("p2p");
    await after(500);
    expect([state().path, peerOpen()]).toEqual(["sfu", false]);
    bob.close();
  });

  it("asks for the room once when the peer is gone, and shows that it reconnects", async () => {
    const { line, state, told, network, bob } = await talking();
    network.cuts.push({ from: performance.now(), until: Infinity });
    await after(8_000);
    expect([told.stranded, state().connection]).toEqual([1, "reconnecting"]);
    await line.connect("", "", Promise.resolve());
    media.room.join("bob");
    await after(0);
    expect(state()).toMatchObject({ connection: "connected", path: "sfu" });
    bob.close();
  });

  it("goes on with the peer when the room is lost on the way", async () => {
    const { line, state, told, bob, peerOpen } = await talking();
    await line.connect("", "", Promise.resolve());
    media.room.lose();
    await after(1_000);
    expect([told.lost, line.inRoom, peerOpen(), state().people.map(({ userId }) => userId)]).toEqual([["failure"], false, true, ["bob", "alice"]]);
    bob.close();
  });

  it("goes on with the peer when the room refuses", async () => {
    const { line, state, bob, peerOpen } = await talking();
    media.refusal = new Error("full");
    await expect(line.connect("", "", Promise.resolve())).rejects.toThrow("full");
    expect([line.inRoom, peerOpen(), state().connection, state().path]).toEqual([false, true, "connected", "p2p"]);
    bob.close();
  });

  it.each<[string, Act | null]>([["has taken over", null], ["is taking over", "publish"]])("shares a screen in the room that was chosen while the room %s", async (_when, act) => {
    const { line, state, bob } = await talking();
    const picker = media.hold("captureScreen");
    const shared = line.setScreen(true);
    await picker.reached;
    const handover = act === null ? null : media.hold(act);
    const entered = line.connect("", "", Promise.resolve());
    if (handover) await handover.reached;
    else await entered;
    picker.release();
    await after(0);
    handover?.release();
    await Promise.all([shared, entered]);
    await after(0);
    expect([...media.room.localParticipant.trackPublications.keys()].toSorted()).toEqual(["camera", "microphone", "screen_share"]);
    expect(state().screenOn).toBe(true);
    bob.close();
  });
});

describe("a line that is closed", () => {
  const acts: [string, Act, (line: Line) => Promise<unknown>][] = [
    ["the browser asks for the devices", "capture", (line) => line.prepare(all)],
    ["the camera is opened later", "capture", async (line) => (await line.prepare({ audio: true, video: false }), line.setCamera(true))],
    ["what was turned off meanwhile is muted", "mute", (line) => {
      const prepared = line.prepare(all);
      void line.setMicrophone(false);
      return prepared;
    }],
    ["the room is being entered", "connect", (line) => line.connect("", "", line.prepare(all))],
    ["the tracks are handed over", "publish", (line) => line.connect("", "", line.prepare(all))],
    ["a track is switched in the room", "switch", async (line) => (await line.connect("", "", line.prepare(all)), line.setCamera(false))],
    ["it goes on hold", "switch", async (line) => (await line.connect("", "", line.prepare(all)), line.hold(true))],
    ["a microphone is opened anew", "restart", async (line) => (await line.prepare(all), line.useDevice("audioinput", "desk"))],
  ];
  it.each(acts)("while %s leaves nothing open", async (_what, act, begin) => {
    const { line, state, told } = made();
    const { reached, release } = media.hold(act);
    const done = begin(line);
    await Promise.race([reached, done]);
    await reached;
    line.close();
    expect(media.rooms.every(({ left }) => left)).toBe(true);
    release();
    await done;
    await after(20_000);
    expect(media.live).toEqual([]);
    expect([state().connection, told.lost, told.problems, vi.getTimerCount()]).toEqual(["idle", [], [], 0]);
  });

  it("while the media code is loaded asks the browser for nothing", async () => {
    const { line } = made();
    const prepared = line.prepare(all);
    const entered = line.connect("", "", prepared);
    line.close();
    await Promise.all([prepared, entered]);
    expect([media.tracks, media.rooms]).toEqual([[], []]);
  });

  it("while a screen is being chosen shares none", async () => {
    const { line, bob } = await talking();
    const { reached, release } = media.hold("captureScreen");
    const shared = line.setScreen(true);
    await reached;
    line.close();
    bob.close();
    release();
    await shared;
    expect([media.live, vi.getTimerCount()]).toEqual([[], 0]);
  });

  it("while it moves closes both ways", async () => {
    const { line, bob, peerOpen } = await talking();
    await line.connect("", "", Promise.resolve());
    media.room.join("bob");
    await after(0);
    bob.sayMoved();
    await after(10);
    line.close();
    bob.close();
    expect([media.room.left, peerOpen(), vi.getTimerCount()]).toEqual([true, false, 0]);
  });

  it("waits for no first frame or packet of a track", async () => {
    const life = new Lifetime("line");
    const track = new FakeTrack("audio", media, true);
    let arrived = 0;
    const waits = firstFrame(track as never, life).then(() => (arrived += 1));
    await after(9_000);
    expect([arrived, vi.getTimerCount()]).toEqual([0, 1]);
    life.end();
    await waits;
    expect(vi.getTimerCount()).toBe(0);
  });
});
