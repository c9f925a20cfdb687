/** A LiveKit room and its tracks without a server: the test says who is there, and may hold each act back. */
import { DisconnectReason, RoomEvent } from "livekit-client";

/** Acts of the room or the browser that a test may hold back. */
export type Act = "connect" | "publish" | "capture" | "captureScreen" | "mute" | "restart" | "switch";

export class FakeTrack {
  isMuted = false;
  stopped = false;
  source = "";
  readonly mediaStreamTrack: EventTarget & { kind: string; muted: boolean };

  constructor(readonly kind: "audio" | "video", readonly media: FakeMedia, muted = false) {
    this.mediaStreamTrack = Object.assign(new EventTarget(), { kind, muted });
    media.tracks.push(this);
  }
  stop(): void {
    this.stopped = true;
  }
  async mute(): Promise<void> {
    await this.media.passes("mute");
    this.isMuted = true;
  }
  unmute(): Promise<void> {
    this.isMuted = false;
    return Promise.resolve();
  }
  async restartTrack(): Promise<void> {
    await this.media.passes("restart");
    this.stopped = false;
  }
  attach(): void {}
  detach(): void {}
}

type Publication = { source: string; track: FakeTrack | undefined; isMuted: boolean };

/** What stands in for the module `livekit-client`. */
export class FakeMedia {
  readonly rooms: FakeRoom[] = [];
  /** Every track that was made. */
  readonly tracks: FakeTrack[] = [];
  /** Why the next `connect` fails. */
  refusal: Error | null = null;
  #held: { act: Act; go: Promise<void>; reached: () => void } | null = null;

  readonly Room = roomsOf(this);
  readonly VideoPreset = Object;
  readonly createLocalTracks = async ({ audio, video }: { audio: unknown; video: unknown }): Promise<FakeTrack[]> => {
    await this.passes("capture");
    const kinds = [audio ? ("audio" as const) : [], video ? ("video" as const) : []].flat();
    return kinds.map((kind) => new FakeTrack(kind, this));
  };
  readonly createLocalScreenTracks = async (): Promise<FakeTrack[]> => {
    await this.passes("captureScreen");
    const track = new FakeTrack("video", this);
    track.source = "screen_share";
    return [track];
  };

  /** Holds the next such act back until the result is called; `reached` resolves once somebody waits for it. */
  hold(act: Act): { reached: Promise<void>; release: () => void } {
    let [release, reached] = [(): void => undefined, (): void => undefined];
    const go = new Promise<void>((resolve) => (release = resolve));
    const waits = new Promise<void>((resolve) => (reached = resolve));
    this.#held = { act, go, reached };
    return { reached: waits, release };
  }
  async passes(act: Act): Promise<void> {
    if (this.#held?.act !== act) return;
    const { go, reached } = this.#held;
    this.#held = null;
    reached();
    await go;
  }
  get room(): FakeRoom {
    const room = this.rooms.at(-1);
    if (!room) throw new Error("no room was opened");
    return room;
  }
  get live(): FakeTrack[] {
    return this.tracks.filter(({ stopped }) => !stopped);
  }
}

export class FakeParticipant {
  readonly name = undefined;
  readonly isSpeaking = false;
  readonly connectionQuality = "good";
  readonly trackPublications = new Map<string, Publication>();
  constructor(readonly identity: string, protected readonly media: FakeMedia) {}

  put(source: string, track: FakeTrack): void {
    this.trackPublications.set(source, { source, track, isMuted: track.isMuted });
  }
}

class FakeLocalParticipant extends FakeParticipant {
  readonly said: Uint8Array[] = [];
  get audioTrackPublications() {
    return new Map();
  }
  async publishTrack(track: FakeTrack): Promise<void> {
    await this.media.passes("publish");
    this.put(track.source || (track.kind === "audio" ? "microphone" : "camera"), track);
  }
  publishData(data: Uint8Array): Promise<void> {
    this.said.push(data);
    return Promise.resolve();
  }
  get isMicrophoneEnabled(): boolean {
    return this.#on("microphone");
  }
  get isCameraEnabled(): boolean {
    return this.#on("camera");
  }
  get isScreenShareEnabled(): boolean {
    return this.#on("screen_share");
  }
  setMicrophoneEnabled = (on: boolean) => this.#switch("microphone", "audio", on);
  setCameraEnabled = (on: boolean) => this.#switch("camera", "video", on);
  setScreenShareEnabled = (on: boolean) => (on ? this.#switch("screen_share", "video", on) : Promise.resolve(void this.trackPublications.delete("screen_share")));

  #on(source: string): boolean {
    const found = this.trackPublications.get(source);
    return found !== undefined && !found.isMuted;
  }
  async #switch(source: string, kind: "audio" | "video", on: boolean): Promise<void> {
    await this.media.passes("switch");
    const found = this.trackPublications.get(source);
    if (found) found.isMuted = !on;
    else if (on) this.put(source, new FakeTrack(kind, this.media));
  }
}

export class FakeRoom {
  readonly remoteParticipants = new Map<string, FakeParticipant>();
  readonly localParticipant: FakeLocalParticipant;
  readonly switched: [string, string][] = [];
  readonly canPlaybackAudio = true;
  left = false;
  #listeners = new Map<string, ((...data: unknown[]) => void)[]>();
  #abort: (cause: Error) => void = () => undefined;

  constructor(readonly media: FakeMedia) {
    this.localParticipant = new FakeLocalParticipant("alice", media);
    media.rooms.push(this);
  }
  on(event: string, listener: (...data: unknown[]) => void): this {
    this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), listener]);
    return this;
  }
  removeAllListeners(): this {
    this.#listeners.clear();
    return this;
  }
  async connect(): Promise<void> {
    const aborted = new Promise<never>((_resolve, reject) => (this.#abort = reject));
    await Promise.race([this.media.passes("connect"), aborted]);
    if (this.media.refusal) throw this.media.refusal;
  }
  disconnect(): Promise<void> {
    this.left = true;
    this.#abort(new Error("Client initiated disconnect"));
    for (const { track } of this.localParticipant.trackPublications.values()) track?.stop();
    return Promise.resolve();
  }
  switchActiveDevice(kind: string, id: string): Promise<boolean> {
    this.switched.push([kind, id]);
    return Promise.resolve(true);
  }
  startAudio(): Promise<void> {
    return Promise.resolve();
  }

  /** The room tells something. */
  tell(event: RoomEvent, ...data: unknown[]): void {
    for (const listener of this.#listeners.get(event) ?? []) listener(...data);
  }
  /** Somebody is in the room and their sound arrives. */
  join(identity: string): FakeParticipant {
    const participant = new FakeParticipant(identity, this.media);
    this.remoteParticipants.set(identity, participant);
    const track = new FakeTrack("audio", this.media);
    participant.put("microphone", track);
    this.tell(RoomEvent.ParticipantConnected, participant);
    this.tell(RoomEvent.TrackSubscribed, track, {}, participant);
    return participant;
  }
  /** The room is gone. */
  lose(reason = DisconnectReason.UNKNOWN_REASON): void {
    this.left = true;
    for (const { track } of this.localParticipant.trackPublications.values()) track?.stop();
    this.tell(RoomEvent.Disconnected, reason);
  }
}

function roomsOf(media: FakeMedia): new () => FakeRoom {
  return class extends FakeRoom {
    constructor() {
      super(media);
    }
  };
}
