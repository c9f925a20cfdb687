/**
 * The other person in a peer-to-peer call: reads their tracks and state into a `Person`, watches the connection, restarts it,
 * and gives up if it doesn't come back.
 */
import { Emitter } from "../emitter";
import { Lifetime } from "../lifetime";
import { decodeChat, encodeChat, parse, type ChatMessage } from "./chat";
import { CONNECT_TIMEOUT, lineQuality, measure, sampleOf, verdict, type Sample } from "./health";
import { LevelMeter, ownLevel } from "./level";
import { PeerLink, type PeerLinkOptions, type PeerSignal, type PeerSource } from "./peer-link";
import { trackHandle } from "./raw-track";
import type { LineQuality, Person } from "./types";

const LOOK_EVERY = 500;
/** How long to wait for whoever just arrived to make the offer, as they should. Not every client does. */
const OFFER_PATIENCE = 1_500;
const SPEAKS = 0.02;
const SPEAKS_ON_FOR = 600;

/** What we tell the other side is on. */
export interface PeerState {
  microphone: boolean;
  camera: boolean;
  screen: boolean;
}

export type PeerLife = "connecting" | "connected" | "reconnecting" | "dead";

/** What has been seen of a connection since it first came up. Times are milliseconds of `performance.now()`. */
interface Watch {
  /** When something last arrived. */
  heardAt: number;
  /** When the picture last moved, or should not have. */
  sawAt: number;
  /** The counters of the last look; null before the first. */
  sample: Sample | null;
  /** Since when either side has been looking for a new path; null if none does. */
  renewingSince: number | null;
}

export class PeerMedia {
  readonly changed = new Emitter<void>();
  readonly life = new Emitter<PeerLife>();
  readonly chat = new Emitter<ChatMessage>();
  /** The other side sees our tracks in the room and no longer needs this connection. */
  readonly moved = new Emitter<void>();
  readonly link: PeerLink;

  readonly #polite: boolean;
  #life: PeerLife = "connecting";
  #mine: PeerState = { microphone: false, camera: false, screen: false };
  #theirs: PeerState | null = null;
  #speaking = false;
  #selfSpeaking = false;
  #spokeAt = 0;
  /** What our own microphone sends, and a meter if the browser doesn't measure it. */
  #microphone: MediaStreamTrack | null = null;
  #meter: LevelMeter | null = null;
  #quality: LineQuality = "unknown";
  /** Null until the connection has been up. */
  #watch: Watch | null = null;
  readonly #timers = new Lifetime("peer");
  #saidMoved = false;
  #hasMoved = false;
  /** Whether the time to connect has begun. */
  #begun = false;

  constructor(
    readonly userId: string,
    options: PeerLinkOptions,
  ) {
    this.#polite = options.polite;
    this.link = new PeerLink(options);
    const { state, tracks, message, open } = this.link.events;
    state.on((now) => {
      if (now === "connected") return this.#live("connected");
      // It may only be a brief cut; the watch decides.
      if (now === "interrupted") return this.#live("reconnecting");
      this.#live("dead");
    });
    tracks.on(() => this.changed.emit());
    open.on(() => this.#tell());
    message.on((text) => this.#hear(text));
  }

  get speakingSelf(): boolean {
    return this.#selfSpeaking;
  }

  get alive(): boolean {
    return this.#life === "connected";
  }

  /** The other side is there: the time to connect starts now. `offers`: it's up to us to make the offer. */
  begin(offers: boolean): void {
    if (this.#life === "dead") return;
    if (offers && !this.link.begun) this.link.offer();
    if (this.#begun) return;
    this.#begun = true;
    this.#timers.after(OFFER_PATIENCE, () => {
      if (!this.link.begun) this.link.offer();
    });
    this.#timers.after(CONNECT_TIMEOUT, () => {
      if (this.#life === "connecting") this.#live("dead");
    });
  }

  hear(signal: PeerSignal): void {
    this.begin(false);
    // The other side is already looking for a new path.
    if (signal.kind === "offer" && this.#watch) this.#watch.renewingSince ??= performance.now();
    void this.link.hear(signal);
  }

  send(source: PeerSource, track: MediaStreamTrack | null): void {
    if (source === "microphone") this.#microphone = track;
    void this.link.send(source, track).catch(() => undefined);
  }

  show(mine: PeerState): void {
    this.#mine = mine;
    this.#tell();
  }

  say(message: Pick<ChatMessage, "id" | "text">): boolean {
    return this.link.say(encodeChat(message));
  }

  /** Tells the other side, once, that we see their room tracks. */
  sayMoved(): void {
    if (!this.#saidMoved) this.#saidMoved = this.link.say(JSON.stringify({ t: "moved" }));
  }

  /** Whether the other side sees our room tracks. */
  get hasMoved(): boolean {
    return this.#hasMoved;
  }

  person(): Person {
    const theirs = this.#theirs;
    const muted = !(theirs?.microphone ?? this.#arrives("microphone"));
    const cameraOn = theirs?.camera ?? this.#arrives("camera");
    const screenOn = theirs?.screen ?? this.#arrives("screen");
    const handle = (source: PeerSource, on: boolean) => {
      const track = on ? this.link.track(source) : null;
      return track ? trackHandle(track) : null;
    };
    const sounds = [["microphone", "microphone"], ["screen_share_audio", "screenAudio"]] as const;
    return {
      userId: this.userId,
      name: null,
      local: false,
      speaking: this.#speaking && !muted,
      muted,
      camera: handle("camera", cameraOn),
      cameraOn,
      screen: handle("screen", screenOn),
      screenOn,
      audio: sounds.flatMap(([source, place]) => {
        const track = handle(place, this.#life !== "connecting" && (place === "microphone" || screenOn));
        return track ? [{ source, track }] : [];
      }),
      quality: this.#life === "reconnecting" ? "lost" : this.#quality,
    };
  }

  close(): void {
    this.#life = "dead";
    this.#timers.end();
    this.#meter?.close();
    this.#meter = null;
    this.link.close();
    for (const emitter of [this.changed, this.life, this.chat, this.moved]) emitter.clear();
  }

  #arrives(source: PeerSource): boolean {
    const track = this.link.track(source);
    return track !== null && !track.muted;
  }

  #live(life: PeerLife): void {
    if (this.#life === life || this.#life === "dead") return;
    // A connection that was never up has nothing to come back to.
    if (life === "reconnecting" && this.#life === "connecting") return;
    this.#life = life;
    if (life === "connected") this.#keepWatch();
    if (life === "dead") this.#timers.end();
    this.life.emit(life);
    this.changed.emit();
  }

  #tell(): void {
    this.link.say(JSON.stringify({ t: "state", ...this.#mine }));
  }

  #hear(text: string): void {
    const said = parse(text);
    if (typeof said !== "object" || said === null) return;
    const { t, microphone, camera, screen } = said as Record<string, unknown>;
    if (t === "state") {
      this.#theirs = { microphone: microphone === true, camera: camera === true, screen: screen === true };
      this.changed.emit();
    }
    if (t === "moved") {
      this.#hasMoved = true;
      this.moved.emit();
    }
    const message = decodeChat(said, this.userId, Date.now());
    if (message) this.chat.emit(message);
  }

  /** Looks at the connection from now on. */
  #keepWatch(): void {
    const now = performance.now();
    if (this.#watch) {
      this.#watch.heardAt = now;
      return;
    }
    this.#watch = { heardAt: now, sawAt: now, sample: null, renewingSince: null };
    this.#timers.every(LOOK_EVERY, () => void this.#look());
  }

  async #look(): Promise<void> {
    const report = await Promise.resolve(this.link.stats()).catch(() => null);
    const watch = this.#watch;
    if (this.#life === "dead" || !watch) return;
    const now = performance.now();
    // Without a connection nothing arrives, and nothing else would ever end the wait.
    if (!report) {
      this.#decide(watch, now - watch.heardAt, 0);
      return;
    }
    const entries = [...(report as unknown as ReadonlyMap<string, unknown>).values()];
    const sample = sampleOf(entries, now);
    const before = watch.sample;
    if (before === null || sample.bytesReceived !== before.bytesReceived) {
      watch.heardAt = now;
      if (this.link.connected) {
        watch.renewingSince = null;
        this.#live("connected");
      }
    }
    // Sound may come through where the picture doesn't.
    if (!this.#theirs?.camera || sample.framesDecoded === 0 || sample.framesDecoded !== before?.framesDecoded) watch.sawAt = now;
    watch.sample = sample;
    this.#decide(watch, now - watch.heardAt, now - watch.sawAt);
    const quality = lineQuality(measure(before, sample));
    const speaking = this.#hears(entries, now);
    if (quality === this.#quality && !speaking) return;
    this.#quality = quality;
    this.changed.emit();
  }

  #decide(watch: Watch, silentFor: number, frozenFor: number): void {
    const { renewingSince } = watch;
    const renewingFor = renewingSince === null ? null : performance.now() - renewingSince;
    switch (verdict({ silentFor, frozenFor, renewingFor, polite: this.#polite })) {
      case "fine":
        return;
      case "restart":
        watch.renewingSince = performance.now();
        this.#live("reconnecting");
        void this.link.restart().catch(() => undefined);
        return;
      case "give_up":
        this.#live("dead");
    }
  }

  /** Updates who is speaking; true if that changed. */
  #hears(entries: readonly unknown[], now: number): boolean {
    const levels = entries as readonly { type: string; kind?: string; audioLevel?: number }[];
    if (levels.some((e) => e.type === "inbound-rtp" && e.kind === "audio" && (e.audioLevel ?? 0) > SPEAKS)) this.#spokeAt = now;
    const speaking = now - this.#spokeAt < SPEAKS_ON_FOR;
    const self = (ownLevel(entries) ?? this.#measured()) > SPEAKS;
    const same = speaking === this.#speaking && self === this.#selfSpeaking;
    this.#speaking = speaking;
    this.#selfSpeaking = self;
    return !same;
  }

  #measured(): number {
    if (!this.#microphone) return 0;
    if (this.#meter?.track !== this.#microphone) {
      this.#meter?.close();
      this.#meter = new LevelMeter(this.#microphone);
    }
    return this.#meter.level();
  }
}
