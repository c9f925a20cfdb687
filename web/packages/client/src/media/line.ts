/**
 * The media of one call, whichever way it goes: browser to browser or through the server's room, and from one to the other
 * without a break. It knows rooms, peers and tracks, but not calls.
 */
import type { RemoteTrack, Room } from "livekit-client";
import { createStore, type StoreApi } from "zustand/vanilla";

import type { Emitter } from "../emitter";
import { Lifetime } from "../lifetime";
import { CHAT_TOPIC, encodeChat, LONGEST_TEXT, withMessage, type ChatMessage } from "./chat";
import { measure, sampleOf, type Measure, type Sample } from "./health";
import { loadMedia, type LiveKit } from "./livekit";
import { roomOptions, type CaptureChoice } from "./options";
import { OwnMedia } from "./own-media";
import type { PeerLinkOptions, PeerSignal } from "./peer-link";
import { PeerMedia, type PeerLife } from "./peer-media";
import { keepPeople, mergePeople, peopleIn, selfAlone } from "./people";
import { playAll, pointSound, watchBlocked } from "./raw-track";
import { firstFrame } from "./render-probe";
import { followRoom } from "./room-events";
import { idleMedia, type MediaLoss, type MediaProblem, type MediaState } from "./types";

/** The longest, in milliseconds, that both ways are kept open while a call moves. */
const MOVE_PATIENCE = 12_000;
/** Milliseconds in which the last message to a peer gets out. */
const FAREWELL = 300;

export interface LineParts {
  callId: string;
  userId: string;
  choice: () => CaptureChoice;
  problems: Emitter<MediaProblem>;
  lost: Emitter<{ callId: string; loss: MediaLoss }>;
  /** The peer-to-peer connection is gone, so the call has to move to the server. */
  stranded: Emitter<string>;
}

/**
 * Which way the media goes. `entering`: into the room, `joining`, once the media code is there; a peer carries the call meanwhile.
 * `moving`: both are up, until the room carries everything.
 */
type Way =
  | { at: "idle" }
  | { at: "peer"; peer: PeerMedia }
  | { at: "entering"; peer: PeerMedia | null; entered: Promise<void>; joining: Room | null }
  | { at: "moving"; peer: PeerMedia; room: Room }
  | { at: "room"; room: Room }
  | { at: "closed" };

export class Line {
  readonly store: StoreApi<MediaState> = createStore(() => idleMedia);
  /** Changes when two people called each other at once and the calls are merged. */
  callId: string;

  readonly #parts: LineParts;
  readonly #life = new Lifetime("line");
  readonly #own: OwnMedia;
  #way: Way = { at: "idle" };
  /** Tracks that have arrived through the room while the peer still sends too. */
  readonly #arrived = new Set<RemoteTrack>();
  #drawing = false;
  /** The counters at the last `measure`; null before the first. */
  #sample: Sample | null = null;

  constructor(parts: LineParts) {
    this.#parts = parts;
    this.callId = parts.callId;
    this.#own = new OwnMedia({
      choice: parts.choice,
      problems: parts.problems,
      state: () => this.store.getState(),
      set: (change) => this.#set(change),
      hasPeer: () => this.#peer !== null,
      sends: (source, track) => this.#peer?.send(source, track),
      changed: () => this.#show(),
    });
  }

  get path(): MediaState["path"] {
    return this.store.getState().path;
  }

  /** Whether it is in the room, or on its way in. */
  get inRoom(): boolean {
    return this.#way.at === "entering" || this.#room !== null;
  }

  /** Opens the microphone and camera early, while waiting for the server's answer. */
  prepare(want: { audio: boolean; video: boolean }): Promise<void> {
    this.#set({ connection: "connecting" });
    return this.#own.prepare(want);
  }

  /** Prepares a connection to the other browser. Call `beginPeer` once the other side is there. */
  connectPeer(userId: string, options: PeerLinkOptions, prepared: Promise<void>): void {
    if (this.#way.at !== "idle" && this.#way.at !== "peer") return;
    this.#peer?.close();
    const peer = new PeerMedia(userId, options);
    this.#way = { at: "peer", peer };
    this.#set({ path: "p2p" });
    peer.changed.on(() => this.#draw());
    peer.chat.on((message) => this.#keep(message));
    peer.moved.on(() => this.#maybeDropPeer());
    peer.life.on((life) => this.#onPeerLife(peer, life));
    this.#life.keep(watchBlocked((soundBlocked) => this.#set({ soundBlocked })));
    pointSound(this.#parts.choice().speaker);
    void prepared.catch(() => undefined).then(() => {
      if (peer !== this.#peer) return;
      for (const [source, track] of this.#own.local?.sending() ?? []) peer.send(source, track);
      this.#show();
    });
  }

  beginPeer(offers: boolean): void {
    this.#peer?.begin(offers);
  }

  /** False if no peer is expected yet. Signals from anyone but the peer are ignored. */
  hearPeer(from: string, signal: PeerSignal): boolean {
    if (this.#peer?.userId === from) this.#peer.hear(signal);
    return this.#peer !== null;
  }

  /** Enters the room and publishes our tracks. A peer-to-peer connection stays open until the room carries everything. */
  connect(url: string, token: string, prepared: Promise<void>): Promise<void> {
    const way = this.#way;
    if (way.at === "entering") return way.entered;
    if (way.at !== "idle" && way.at !== "peer") return Promise.resolve();
    const entered = this.#enter(url, token, prepared);
    this.#way = { at: "entering", peer: this.#peer, entered, joining: null };
    return entered;
  }

  setMicrophone(on: boolean): Promise<void> {
    return this.#own.setMicrophone(on);
  }

  setCamera(on: boolean): Promise<void> {
    return this.#own.setCamera(on);
  }

  setScreen(on: boolean): Promise<void> {
    return this.#own.setScreen(on);
  }

  /** Tries again to open what couldn't be opened. */
  openMissing(): Promise<void> {
    return this.#own.openMissing();
  }

  /** Continues without what couldn't be opened. */
  doWithout(): void {
    this.#own.doWithout();
  }

  /** Stops what we send and hear, or brings it back as it was. */
  hold(on: boolean): Promise<void> {
    return this.#own.hold(on);
  }

  /** Switches a running call to another device. */
  async useDevice(kind: MediaDeviceKind, deviceId: string): Promise<void> {
    if (kind !== "audiooutput") return this.#own.useDevice(kind, deviceId);
    pointSound(deviceId);
    await this.#room?.switchActiveDevice(kind, deviceId, deviceId !== "default");
  }

  /** Reopens the microphone after a change in how its sound is processed. */
  restartMicrophone(): Promise<void> {
    return this.#own.restartMicrophone();
  }

  async allowSound(): Promise<void> {
    playAll();
    await this.#room?.startAudio();
  }

  /** Sends a chat message to everyone in the call; false if nobody can be reached. */
  async say(text: string): Promise<boolean> {
    const id = crypto.getRandomValues(new Uint32Array(2)).join("-");
    const message: ChatMessage = { id, userId: this.#parts.userId, text: text.slice(0, LONGEST_TEXT).trim(), at: Date.now() };
    if (message.text === "") return false;
    const byPeer = this.#peer?.say(message) ?? false;
    if (this.#room) {
      await this.#room.localParticipant.publishData(new TextEncoder().encode(encodeChat(message)), { reliable: true, topic: CHAT_TOPIC });
    } else if (!byPeer) return false;
    this.#keep(message);
    return true;
  }

  /** How the connection did since the last call; null if nothing can be measured. */
  async measure(): Promise<Measure | null> {
    const entries = await statsOf(this.#room, this.#peer);
    if (entries.length === 0) return null;
    const sample = sampleOf(entries, performance.now());
    const before = this.#sample;
    this.#sample = sample;
    // The first sample has nothing to compare with: everything so far would count as just now.
    return before === null || sample.packetsReceived === before.packetsReceived ? null : measure(before, sample);
  }

  /** Leaves, and releases the devices. */
  close(): void {
    const [room, peer] = [this.#way.at === "entering" ? this.#way.joining : this.#room, this.#peer];
    this.#way = { at: "closed" };
    this.#own.close();
    peer?.close();
    if (room) leave(room);
    this.#life.end();
    this.store.setState(idleMedia, true);
  }

  get #peer(): PeerMedia | null {
    return "peer" in this.#way ? this.#way.peer : null;
  }

  get #moving(): boolean {
    return this.#way.at === "moving";
  }

  get #room(): Room | null {
    return "room" in this.#way ? this.#way.room : null;
  }

  async #enter(url: string, token: string, prepared: Promise<void>): Promise<void> {
    try {
      const livekit = await loadMedia();
      if (this.#way.at !== "entering") return;
      const room = new livekit.Room(roomOptions(livekit, this.#parts.choice()));
      this.#way = { ...this.#way, joining: room };
      this.#listen(livekit, room);
      // Whichever comes second carries on. A refusal by the server doesn't wait for a slow prompt.
      await room.connect(url, token);
      this.#entered(room);
      await prepared.catch(() => undefined);
      if (room === this.#room) await this.#own.publish(room);
    } catch (error) {
      // Who closed it meanwhile isn't told that it didn't connect.
      if (this.#way.at === "closed") return;
      if (this.#way.at === "entering") this.#way = this.#way.peer ? { at: "peer", peer: this.#way.peer } : { at: "idle" };
      throw error;
    }
    if (!this.#moving) return;
    this.#life.after(MOVE_PATIENCE, () => this.#dropPeer());
    this.#maybeDropPeer();
  }

  #entered(room: Room): void {
    if (this.#way.at !== "entering") return leave(room);
    const { peer } = this.#way;
    this.#way = peer ? { at: "moving", peer, room } : { at: "room", room };
    this.#set({ connection: "connected", path: peer ? "p2p" : "sfu" });
    this.#draw();
  }

  #onPeerLife(peer: PeerMedia, life: PeerLife): void {
    if (peer !== this.#peer) return;
    if (life !== "dead") {
      if (!this.inRoom) this.#set({ connection: life });
      return this.#draw();
    }
    if (this.#way.at === "moving") return this.#dropPeer();
    this.#set({ connection: "reconnecting" });
    this.#draw();
    if (this.#way.at === "peer") this.#parts.stranded.emit(this.callId);
  }

  /** Closes the peer-to-peer connection once the room carries both sides' media. */
  #maybeDropPeer(): void {
    if (this.#way.at !== "moving") return;
    const { room, peer } = this.#way;
    const before = peer.person();
    const remote = room.remoteParticipants.get(peer.userId);
    const now = remote ? peopleIn(room, this.#arrived).find((p) => p.userId === peer.userId) : undefined;
    if (!now || (before.camera && !now.camera) || (before.screen && !now.screen) || now.audio.length < before.audio.length) return;
    peer.sayMoved();
    if (peer.hasMoved || !peer.alive) this.#dropPeer();
  }

  #dropPeer(): void {
    if (this.#way.at !== "moving") return;
    const { room, peer } = this.#way;
    this.#way = { at: "room", room };
    this.#set({ path: "sfu" });
    this.#draw();
    // The last message to the other side has to get out first.
    this.#life.after(FAREWELL, this.#life.keep(() => peer.close()));
  }

  #listen(livekit: LiveKit, room: Room): void {
    followRoom(livekit, room, {
      changed: () => this.#draw(),
      subscribed: (track) => {
        if (this.#peer) void firstFrame(track, this.#life).then(() => this.#onArrived(track));
        else this.#arrived.add(track);
        this.#draw();
      },
      chat: (message) => this.#keep(message),
      connection: (connection) => {
        this.#set({ connection });
        this.#draw();
      },
      soundBlocked: (soundBlocked) => this.#set({ soundBlocked }),
      lost: (loss) => this.#onLost(room, loss),
    });
  }

  /** A room that was up is gone. One that never was has refused `connect`. */
  #onLost(room: Room, loss: MediaLoss): void {
    if (room !== this.#room) return;
    const peer = this.#peer;
    this.#way = peer ? { at: "peer", peer } : { at: "idle" };
    this.#own.lose(room);
    this.#set({ connection: "reconnecting", people: [] });
    if (peer) this.#draw();
    this.#parts.lost.emit({ callId: this.callId, loss });
  }

  #onArrived(track: RemoteTrack): void {
    this.#arrived.add(track);
    this.#draw();
    this.#maybeDropPeer();
  }

  #keep(message: ChatMessage): void {
    this.#set({ chat: withMessage(this.store.getState().chat, message) });
  }

  #set(change: Partial<MediaState>): void {
    if (this.#way.at !== "closed") this.store.setState(change);
  }

  /** Tells the other browser what's on, and shows it here. */
  #show(): void {
    this.#peer?.show(this.#own.shown);
    this.#draw();
  }

  /** Reads the room and the peer once for all events of one turn. */
  #draw(): void {
    if (this.#drawing) return;
    this.#drawing = true;
    queueMicrotask(() => {
      this.#drawing = false;
      const before = this.store.getState();
      if (before.connection === "idle" || this.#way.at === "closed") return;
      this.#set({ people: keepPeople(before.people, this.#people(before)), ...this.#own.inRoom });
      this.#maybeDropPeer();
    });
  }

  #people({ microphoneOn }: MediaState): MediaState["people"] {
    const [room, peer] = [this.#room, this.#peer];
    const self = selfAlone(this.#parts.userId, this.#own.local, microphoneOn, peer?.speakingSelf ?? false);
    if (!room) return peer ? [peer.person(), self] : [self];
    const inRoom = peopleIn(room, peer ? this.#arrived : undefined);
    return peer ? mergePeople(inRoom, peer.person(), this.#own.inRoom ? null : self) : inRoom;
  }
}

function leave(room: Room): void {
  void room.removeAllListeners().disconnect().catch(() => undefined);
}

/** The counters of what arrives: from the room where there is one, else from the peer. */
async function statsOf(room: Room | null, peer: PeerMedia | null): Promise<unknown[]> {
  const values = (report: RTCStatsReport | null | undefined): unknown[] =>
    report ? [...(report as unknown as ReadonlyMap<string, unknown>).values()] : [];
  if (!room) return values(await peer?.link.stats());
  const reports = Array.from(room.remoteParticipants.values())
    .flatMap((participant) => Array.from(participant.trackPublications.values()))
    .flatMap((publication) => (publication.track ? [publication.track] : []))
    .map((track) => track.receiver?.getStats() ?? Promise.resolve(undefined));
  return (await Promise.all(reports)).flatMap((report) => values(report));
}
