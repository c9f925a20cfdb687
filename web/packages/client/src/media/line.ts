/**
 * The media of one call, whichever way it goes: browser to browser or through the server's room, and from one to the other
 * without a break. It knows rooms, peers and tracks, but not calls.
 */
import type { DisconnectReason, RemoteTrack, Room } from "livekit-client";
import { createStore, type StoreApi } from "zustand/vanilla";

import type { Emitter } from "../emitter";
import { capture, problemOf, sourceOf } from "./capture";
import { CHAT_TOPIC, decodeChat, encodeChat, LONGEST_TEXT, parse, withMessage, type ChatMessage } from "./chat";
import { measure, sampleOf, type Measure, type Sample } from "./health";
import { LocalSources } from "./local";
import { audioCapture, roomOptions, screenCapture, videoCapture, type CaptureChoice } from "./options";
import { PeerMedia } from "./peer-media";
import type { PeerLinkOptions, PeerSignal } from "./peer-link";
import { keepPeople, mergePeople, peopleIn, selfAlone } from "./people";
import { playAll, pointSound, watchBlocked } from "./raw-track";
import { firstFrame } from "./render-probe";
import { idleMedia, type MediaLoss, type MediaProblem, type MediaState, type Missing, type Source } from "./types";

type LiveKit = typeof import("livekit-client");

/** The longest both ways are kept open while a call moves. */
const MOVE_PATIENCE = 12_000;

let loading: Promise<LiveKit> | undefined;

/** Loads the media code. Call it early, as when a call starts ringing, to have it ready. */
export function loadMedia(): Promise<LiveKit> {
  loading ??= import("livekit-client").catch((error: unknown) => {
    loading = undefined;
    throw error;
  });
  return loading;
}

export interface LineParts {
  callId: string;
  userId: string;
  choice: () => CaptureChoice;
  problems: Emitter<MediaProblem>;
  lost: Emitter<{ callId: string; loss: MediaLoss }>;
  /** The peer-to-peer connection is gone, so the call has to move to the server. */
  stranded: Emitter<string>;
}

export class Line {
  readonly store: StoreApi<MediaState> = createStore(() => idleMedia);
  /** Changes when two people called each other at once and the calls are merged. */
  callId: string;

  readonly #parts: LineParts;
  #local: LocalSources | null = null;
  #room: Room | null = null;
  #peer: PeerMedia | null = null;
  /** Tracks that have arrived through the room while the peer still sends too. */
  readonly #arrived = new Set<RemoteTrack>();
  #peerDone = false;
  #saidMoved = false;
  #preparing = false;
  #drawing = false;
  #closed = false;
  /** The tracks opened early are being published, or have been. Once `settled`, the room decides what's on. */
  #publishing = false;
  #settled = false;
  #entering: Promise<void> | null = null;
  /** What is sent again once the call is resumed. */
  #paused: { microphone: boolean; camera: boolean } | null = null;
  #turn: Promise<void> = Promise.resolve();
  #turns = 0;
  #sample: Sample | null = null;

  constructor(parts: LineParts) {
    this.#parts = parts;
    this.callId = parts.callId;
  }

  get path(): MediaState["path"] {
    return this.store.getState().path;
  }

  get inRoom(): boolean {
    return this.#room !== null || this.#entering !== null;
  }

  /** Opens the microphone and camera early, while waiting for the server's answer. */
  async prepare(want: { audio: boolean; video: boolean }): Promise<void> {
    this.#set({ connection: "connecting", microphoneOn: want.audio, cameraOn: want.video });
    const livekit = await loadMedia();
    const local = this.#sources(livekit);
    this.#preparing = true;
    const got = await capture(livekit, want, this.#parts.choice());
    this.#preparing = false;
    if (this.#closed) {
      got.microphone?.stop();
      got.camera?.stop();
      return;
    }
    // Either may have been turned off while the browser was asking.
    const { microphoneOn, cameraOn } = this.store.getState();
    local.microphone = got.microphone;
    if (cameraOn) local.camera = got.camera;
    else got.camera?.stop();
    if (microphoneOn && want.audio) this.#set({ microphoneOn: got.microphone !== null });
    else await got.microphone?.mute();
    if (cameraOn && want.video) this.#set({ cameraOn: got.camera !== null });
    if (cameraOn && !want.video) await local.setCamera(true);
    this.#draw();
    if (got.microphone) this.#found("microphone");
    if (got.camera) this.#found("camera");
    this.#miss(got.missing);
  }

  /** Prepares a connection to the other browser. Call `beginPeer` once the other side is there. */
  connectPeer(userId: string, options: PeerLinkOptions, prepared: Promise<void>): void {
    this.#peer?.close();
    this.#peerDone = this.#saidMoved = false;
    const peer = new PeerMedia(userId, options);
    this.#peer = peer;
    this.#set({ path: "p2p" });
    peer.changed.on(() => this.#draw());
    peer.chat.on((message) => this.#keep(message));
    peer.moved.on(() => {
      this.#peerDone = true;
      this.#maybeDropPeer();
    });
    peer.life.on((life) => {
      if (peer !== this.#peer) return;
      if (life === "dead") return this.#onPeerDead();
      if (!this.inRoom) this.#set({ connection: life });
      this.#draw();
    });
    watchBlocked((soundBlocked) => this.#set({ soundBlocked }));
    pointSound(this.#parts.choice().speaker);
    void prepared.catch(() => undefined).then(() => {
      if (peer !== this.#peer) return;
      for (const [source, track] of this.#local?.sending() ?? []) peer.send(source, track);
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
    this.#entering ??= this.#enter(url, token, prepared).finally(() => {
      this.#entering = null;
    });
    return this.#entering;
  }

  async #enter(url: string, token: string, prepared: Promise<void>): Promise<void> {
    const livekit = await loadMedia();
    const room = new livekit.Room(roomOptions(livekit, this.#parts.choice()));
    this.#listen(livekit, room);
    // Whichever comes second carries on. A refusal by the server doesn't wait for a slow prompt.
    await room.connect(url, token);
    if (this.#closed) return void room.disconnect();
    this.#room = room;
    this.#set({ connection: "connected", path: this.#peer ? "p2p" : "sfu" });
    this.#draw();
    await prepared.catch(() => undefined);
    if (room === this.#room) await this.#publish(room);
    if (this.#peer) {
      setTimeout(() => this.#dropPeer(), MOVE_PATIENCE);
      this.#maybeDropPeer();
    }
  }

  setMicrophone(on: boolean): Promise<void> {
    if (this.#paused) {
      this.#paused.microphone = on;
      return Promise.resolve();
    }
    if (this.#settled) return this.#switch("audio", (local) => local.setMicrophoneEnabled(on, audioCapture(this.#parts.choice())));
    this.#set({ microphoneOn: on });
    return this.#alone((local) => local.setMicrophone(on));
  }

  setCamera(on: boolean): Promise<void> {
    if (this.#paused) {
      this.#paused.camera = on;
      return Promise.resolve();
    }
    if (this.#settled) return this.#switch("video", (local) => local.setCameraEnabled(on, videoCapture(this.#parts.choice())));
    this.#set({ cameraOn: on });
    return this.#alone((local) => local.setCamera(on));
  }

  /** Tries again to open what couldn't be opened. */
  async openMissing(): Promise<void> {
    const { missing } = this.store.getState();
    if (missing.microphone) await this.setMicrophone(true);
    if (missing.camera) await this.setCamera(true);
  }

  /** Continues without what couldn't be opened. */
  doWithout(): void {
    this.#set({ missing: {} });
  }

  async setScreen(on: boolean): Promise<void> {
    try {
      if (this.#settled) await this.#room?.localParticipant.setScreenShareEnabled(on, screenCapture);
      else if (this.#peer && !this.#publishing) await this.#local?.setScreen(on, () => this.#afterScreen());
    } catch (error) {
      // Closing the picker is a choice, not a problem.
      if (!(error instanceof DOMException && error.name === "NotAllowedError")) this.#parts.problems.emit("screen_failed");
    }
    this.#afterScreen();
  }

  /** Stops what we send and hear, or brings it back as it was. */
  async hold(on: boolean): Promise<void> {
    if (on === (this.#paused !== null)) return;
    if (on) {
      const { microphoneOn, cameraOn } = this.store.getState();
      await this.setScreen(false);
      await Promise.all([this.setMicrophone(false), this.setCamera(false)]);
      this.#paused = { microphone: microphoneOn, camera: cameraOn };
      this.#set({ held: true });
      return;
    }
    const before = this.#paused;
    this.#paused = null;
    this.#set({ held: false });
    if (before) await Promise.all([before.microphone ? this.setMicrophone(true) : null, before.camera ? this.setCamera(true) : null]);
  }

  /** Switches a running call to another device. */
  async useDevice(kind: MediaDeviceKind, deviceId: string): Promise<void> {
    if (kind === "audiooutput") pointSound(deviceId);
    if (this.#room) await this.#room.switchActiveDevice(kind, deviceId, deviceId !== "default");
    else await this.#local?.useDevice(kind, deviceId);
  }

  /** Reopens the microphone after a change in how its sound is processed. */
  async restartMicrophone(): Promise<void> {
    const options = audioCapture(this.#parts.choice());
    for (const publication of this.#room?.localParticipant.audioTrackPublications.values() ?? []) {
      if (publication.source === ("microphone" as typeof publication.source)) await publication.audioTrack?.restartTrack(options);
    }
    if (!this.#room) await this.#local?.restartMicrophone();
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
    const entries = await this.#stats();
    if (entries.length === 0) return null;
    const sample = sampleOf(entries, performance.now());
    const before = this.#sample;
    this.#sample = sample;
    // The first sample has nothing to compare with: everything so far would count as just now.
    return before === null || sample.packetsReceived === before.packetsReceived ? null : measure(before, sample);
  }

  /** Leaves, and releases the devices. */
  close(): void {
    this.#closed = true;
    const room = this.#room;
    this.#room = null;
    this.#peer?.close();
    this.#peer = null;
    this.#local?.stop();
    void room?.removeAllListeners().disconnect();
    this.store.setState(idleMedia, true);
  }

  async #stats(): Promise<unknown[]> {
    const values = (report: RTCStatsReport | null | undefined): unknown[] =>
      report ? [...(report as unknown as ReadonlyMap<string, unknown>).values()] : [];
    if (!this.#room) return values(await this.#peer?.link.stats());
    const reports = Array.from(this.#room.remoteParticipants.values())
      .flatMap((p) => Array.from(p.trackPublications.values()))
      .flatMap((publication) => (publication.track ? [publication.track] : []))
      .map((track) => track.receiver?.getStats() ?? Promise.resolve(undefined));
    return (await Promise.all(reports)).flatMap((report) => values(report));
  }

  #sources(livekit: LiveKit): LocalSources {
    this.#local ??= new LocalSources(livekit, this.#parts.choice, {
      sends: (source, track) => this.#peer?.send(source, track),
      missing: (missing) => this.#miss(missing),
    });
    return this.#local;
  }

  /** Turns one of our own tracks on or off, one change at a time. While they're being published, it waits for the room. */
  #alone(act: (local: LocalSources) => Promise<void>): Promise<void> {
    const local = this.#local;
    if (!local || this.#preparing || this.#publishing) {
      this.#draw();
      return Promise.resolve();
    }
    // Until the browser has answered, `prepare` looks at what was wanted.
    this.#turns += 1;
    this.#turn = this.#turn.then(() => act(local)).catch((error: unknown) => {
      reportError(error);
    });
    return this.#turn.then(() => {
      this.#turns -= 1;
      if (this.#closed) return local.stop();
      // A change still to come isn't shown as it was before.
      if (this.#turns === 0 && !this.#settled && !this.#publishing) this.#set({ microphoneOn: local.microphoneOn, cameraOn: local.cameraOn });
      if (local.microphoneOn) this.#found("microphone");
      if (local.cameraOn) this.#found("camera");
      this.#show();
    });
  }

  #afterScreen(): void {
    if (!this.#settled) this.#set({ screenOn: this.#local?.screenOn ?? false });
    this.#show();
  }

  /** Tells the other browser what's on, and shows it here. */
  #show(): void {
    const local = this.#local;
    if (local && !this.#settled) this.#peer?.show({ microphone: local.microphoneOn, camera: local.cameraOn, screen: local.screenOn });
    else {
      const { microphoneOn, cameraOn, screenOn } = this.store.getState();
      this.#peer?.show({ microphone: microphoneOn, camera: cameraOn, screen: screenOn });
    }
    this.#draw();
  }

  #onPeerDead(): void {
    if (this.#room) return this.#dropPeer();
    this.#set({ connection: "reconnecting" });
    this.#draw();
    if (!this.#entering) this.#parts.stranded.emit(this.callId);
  }

  /** Closes the peer-to-peer connection once the room carries both sides' media. */
  #maybeDropPeer(): void {
    const room = this.#room;
    const peer = this.#peer;
    if (!room || !peer) return;
    const before = peer.person();
    const remote = room.remoteParticipants.get(peer.userId);
    const now = remote ? peopleIn(room, this.#arrived).find((p) => p.userId === peer.userId) : undefined;
    if (!now || (before.camera && !now.camera) || (before.screen && !now.screen) || now.audio.length < before.audio.length) return;
    if (!this.#saidMoved) peer.sayMoved();
    this.#saidMoved = true;
    if (this.#peerDone || !peer.alive) this.#dropPeer();
  }

  #dropPeer(): void {
    const peer = this.#peer;
    if (!peer || !this.#room) return;
    this.#peer = null;
    this.#set({ path: "sfu" });
    this.#draw();
    // The last message to the other side has to get out first.
    setTimeout(() => peer.close(), 300);
  }

  #keep(message: ChatMessage): void {
    this.#set({ chat: withMessage(this.store.getState().chat, message) });
  }

  async #publish(room: Room): Promise<void> {
    const local = this.#local;
    this.#publishing = true;
    await this.#turn;
    const tracks = local?.tracks ?? [];
    const outcome = await Promise.allSettled(
      tracks.map((track) => room.localParticipant.publishTrack(track)),
    );
    if (room !== this.#room) return;
    outcome.forEach((one, index) => {
      const kind = tracks[index]?.kind === "video" ? "video" : "audio";
      if (one.status === "rejected") this.#miss({ [sourceOf(kind)]: problemOf(kind, one.reason) });
    });
    const had = { microphone: local?.microphone ?? null, camera: local?.camera ?? null };
    local?.forget();
    this.#publishing = false;
    this.#settled = true;
    await this.#settle(room, had);
  }

  /** Carries out what was turned on or off while publishing. */
  async #settle(room: Room, had: { microphone: unknown; camera: unknown }): Promise<void> {
    const { microphoneOn, cameraOn } = this.store.getState();
    const { localParticipant: local } = room;
    if ((had.microphone !== null || microphoneOn) && microphoneOn !== local.isMicrophoneEnabled) await this.setMicrophone(microphoneOn);
    if ((had.camera !== null || cameraOn) && cameraOn !== local.isCameraEnabled) await this.setCamera(cameraOn);
    this.#show();
  }

  async #switch(kind: "audio" | "video", act: (local: Room["localParticipant"]) => Promise<unknown>): Promise<void> {
    const local = this.#room?.localParticipant;
    if (!local) return;
    try {
      await act(local);
      if (kind === "audio" ? local.isMicrophoneEnabled : local.isCameraEnabled) this.#found(sourceOf(kind));
    } catch (error) {
      this.#miss({ [sourceOf(kind)]: problemOf(kind, error) });
    }
    this.#draw();
  }

  #listen(livekit: LiveKit, room: Room): void {
    const { RoomEvent } = livekit;
    for (const event of [
      RoomEvent.ParticipantConnected, RoomEvent.ParticipantDisconnected, RoomEvent.ParticipantNameChanged,
      RoomEvent.TrackPublished, RoomEvent.TrackUnpublished, RoomEvent.TrackUnsubscribed,
      RoomEvent.TrackMuted, RoomEvent.TrackUnmuted, RoomEvent.LocalTrackPublished, RoomEvent.LocalTrackUnpublished,
      RoomEvent.ActiveSpeakersChanged, RoomEvent.ConnectionQualityChanged,
    ] as const) {
      room.on(event, () => this.#draw());
    }
    room
      .on(RoomEvent.TrackSubscribed, (track) => {
        if (this.#peer) void firstFrame(track).then(() => this.#onArrived(track));
        else this.#arrived.add(track);
        this.#draw();
      })
      .on(RoomEvent.DataReceived, (payload, participant, _kind, topic) => {
        if (topic !== CHAT_TOPIC || !participant) return;
        const message = decodeChat(parse(new TextDecoder().decode(payload)), participant.identity, Date.now());
        if (message) this.#keep(message);
      })
      .on(RoomEvent.SignalReconnecting, () => this.#set({ connection: "reconnecting" }))
      .on(RoomEvent.Reconnecting, () => this.#set({ connection: "reconnecting" }))
      .on(RoomEvent.Reconnected, () => {
        this.#set({ connection: "connected" });
        this.#draw();
      })
      .on(RoomEvent.AudioPlaybackStatusChanged, () => this.#set({ soundBlocked: !room.canPlaybackAudio }))
      .on(RoomEvent.Disconnected, (reason) => {
        // A failed connect rejects its promise; only a room that was up can be lost.
        if (room !== this.#room) return;
        this.#room = null;
        this.#publishing = this.#settled = false;
        this.#set({ connection: "reconnecting", people: [], screenOn: false });
        this.#parts.lost.emit({ callId: this.callId, loss: lossOf(livekit, reason) });
      });
  }

  #onArrived(track: RemoteTrack): void {
    this.#arrived.add(track);
    this.#draw();
    this.#maybeDropPeer();
  }

  #set(change: Partial<MediaState>): void {
    if (!this.#closed) this.store.setState(change);
  }

  #miss(missing: Missing): void {
    const problems = new Set(Object.values(missing));
    if (problems.size === 0) return;
    this.#set({ missing: { ...this.store.getState().missing, ...missing } });
    for (const problem of problems) this.#parts.problems.emit(problem);
  }

  #found(source: Source): void {
    const { [source]: was, ...missing } = this.store.getState().missing;
    if (was !== undefined) this.#set({ missing });
  }

  /** Reads the room and the peer once for all events of one turn. */
  #draw(): void {
    if (this.#drawing) return;
    this.#drawing = true;
    queueMicrotask(() => {
      this.#drawing = false;
      const before = this.store.getState();
      if (before.connection === "idle" || this.#closed) return;
      const room = this.#room;
      const change: Partial<MediaState> = { people: keepPeople(before.people, this.#people(room, before)) };
      if (this.#settled && room) {
        const local = room.localParticipant;
        change.microphoneOn = local.isMicrophoneEnabled;
        change.cameraOn = local.isCameraEnabled;
        change.screenOn = local.isScreenShareEnabled;
      }
      this.#set(change);
      this.#maybeDropPeer();
    });
  }

  #people(room: Room | null, { microphoneOn }: MediaState): MediaState["people"] {
    const peer = this.#peer;
    const self = selfAlone(this.#parts.userId, this.#local, microphoneOn, peer?.speakingSelf ?? false);
    if (!room) return peer ? [peer.person(), self] : [self];
    const inRoom = peopleIn(room, peer ? this.#arrived : undefined);
    return peer ? mergePeople(inRoom, peer.person(), this.#settled ? null : self) : inRoom;
  }
}

function lossOf({ DisconnectReason: R }: LiveKit, reason: DisconnectReason | undefined): MediaLoss {
  if (reason === R.DUPLICATE_IDENTITY) return "duplicate";
  if (reason === R.PARTICIPANT_REMOVED) return "removed";
  if (reason === R.ROOM_DELETED || reason === R.ROOM_CLOSED) return "room_closed";
  return "failure";
}
