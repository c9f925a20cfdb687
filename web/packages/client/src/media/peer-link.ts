/**
 * One WebRTC connection to one other browser: perfect negotiation, ICE restarts, the four sources in fixed places, and a data
 * channel. It knows nothing of calls or sockets: signals for the other side go out through `send`.
 */
import { Emitter } from "../emitter";

export type PeerSource = "microphone" | "camera" | "screen" | "screenAudio";

/**
 * What the two sides tell each other to get connected. `session` names a connection: a peer that rejoins has a new one. Clients
 * other than Stoa's send none, which means the current one.
 */
export type PeerSignal =
  | { kind: "offer" | "answer"; session: string | null; sdp: string }
  | { kind: "candidate"; session: string | null; candidate: RTCIceCandidateInit | null };

/** `interrupted`: it was up and nothing comes through. `failed`: it has to be given up. */
export type PeerState = "connected" | "interrupted" | "failed";

export interface PeerLinkOptions {
  iceServers: RTCIceServer[];
  /** Gives way if both offer at once. */
  polite: boolean;
  send: (signal: PeerSignal) => void;
  /** Called before each ICE restart, since relay credentials expire. */
  freshServers?: () => Promise<RTCIceServer[]>;
}

export interface PeerEvent {
  state: Emitter<PeerState>;
  /** A source's track came, went, or was muted or unmuted by the network. */
  tracks: Emitter<void>;
  message: Emitter<string>;
  /** The data channel is open. */
  open: Emitter<void>;
}

const KINDS: Record<PeerSource, "audio" | "video"> = { microphone: "audio", camera: "video", screen: "video", screenAudio: "audio" };
const SOURCES: readonly PeerSource[] = ["microphone", "camera", "screen", "screenAudio"];
/** In the order that other clients would send them. */
const BY_KIND: Record<string, readonly PeerSource[]> = { audio: ["microphone", "screenAudio"], video: ["camera", "screen"] };
const MOST_WAITING_CANDIDATES = 100;
const MAX_BITRATE: Partial<Record<PeerSource, number>> = { camera: 2_500_000, screen: 2_500_000 };

/** One RTCPeerConnection and everything that goes with it. */
interface Wire {
  readonly pc: RTCPeerConnection;
  readonly channel: RTCDataChannel;
  readonly session: string;
  /** Which of its transceivers carries which source. */
  readonly places: Map<PeerSource, RTCRtpTransceiver>;
  /** Whether it has been up. */
  stood: boolean;
  /** From the perfect negotiation of the WebRTC specification: an offer of ours is being made. */
  makingOffer: boolean;
  /** From the same: the last offer of theirs met one of ours, and we don't give way. */
  ignoreOffer: boolean;
  /** How many offers of theirs have come. */
  offersHeard: number;
}

type Standing = { at: "idle" } | { at: "open"; wire: Wire } | { at: "closed" };

export class PeerLink {
  readonly events: PeerEvent = { state: new Emitter(), tracks: new Emitter(), message: new Emitter(), open: new Emitter() };

  readonly #options: PeerLinkOptions;
  #standing: Standing = { at: "idle" };
  readonly #sending = new Map<PeerSource, MediaStreamTrack>();
  #waiting: { session: string | null; candidate: RTCIceCandidateInit | null }[] = [];
  /** Signals are handled one after the other, since each may have to wait for the browser. */
  #turn: Promise<void> = Promise.resolve();

  constructor(options: PeerLinkOptions) {
    this.#options = options;
  }

  /** Whether either side has offered a connection. */
  get begun(): boolean {
    return this.#wire !== null;
  }

  get connected(): boolean {
    return this.#wire?.pc.connectionState === "connected";
  }

  /** Opens a connection and offers it. */
  offer(): void {
    const wire = this.#open(randomSession());
    if (wire) for (const source of SOURCES) this.#place(wire, source);
  }

  /** Handles a signal from the other side. */
  hear(signal: PeerSignal): Promise<void> {
    this.#turn = this.#turn.then(() => this.#hear(signal)).catch((error: unknown) => {
      // A peer that sends nonsense gets no connection. The timeout takes care of the rest.
      if (this.#standing.at !== "closed" && signal.kind !== "candidate") console.warn("couldn't handle a signal from the peer", error);
    });
    return this.#turn;
  }

  /** Sends this track as a source, or nothing. */
  async send(source: PeerSource, track: MediaStreamTrack | null): Promise<void> {
    if (track) this.#sending.set(source, track);
    else this.#sending.delete(source);
    const wire = this.#wire;
    const place = wire?.places.get(source);
    if (place) await fill(place, source, track);
    else if (track && wire?.stood) this.#place(wire, source);
  }

  /** What the other side sends as a source; null until it has been negotiated. */
  track(source: PeerSource): MediaStreamTrack | null {
    return this.receiver(source)?.track ?? null;
  }

  receiver(source: PeerSource): RTCRtpReceiver | null {
    return this.#wire?.places.get(source)?.receiver ?? null;
  }

  /** Sends a text; false while the data channel isn't open. */
  say(text: string): boolean {
    const channel = this.#wire?.channel;
    if (channel?.readyState !== "open") return false;
    channel.send(text);
    return true;
  }

  /** The connection's counters; null without a connection. */
  stats(): Promise<RTCStatsReport> | null {
    return this.#wire?.pc.getStats() ?? null;
  }

  /** Looks for a new path for the same connection, unless the other side begins to while we get ready. */
  async restart(): Promise<void> {
    const wire = this.#wire;
    if (!wire) return;
    const heard = wire.offersHeard;
    const servers = await this.#options.freshServers?.().catch(() => null);
    if (!this.#has(wire) || wire.offersHeard !== heard) return;
    if (servers) wire.pc.setConfiguration({ ...wire.pc.getConfiguration(), iceServers: servers });
    wire.pc.restartIce();
  }

  /** Ends the connection for good. */
  close(): void {
    this.#drop();
    this.#standing = { at: "closed" };
    for (const emitter of [this.events.state, this.events.tracks, this.events.message, this.events.open]) emitter.clear();
  }

  get #wire(): Wire | null {
    return this.#standing.at === "open" ? this.#standing.wire : null;
  }

  /** Whether a connection is still the one there is: the browser may have been waited for meanwhile. */
  #has(wire: Wire): boolean {
    return this.#wire === wire;
  }

  /** A fresh connection in place of the one there was; null once this is closed. */
  #open(session: string): Wire | null {
    if (this.#standing.at === "closed") return null;
    this.#drop();
    const pc = new RTCPeerConnection({ iceServers: this.#options.iceServers, bundlePolicy: "max-bundle" });
    const channel = pc.createDataChannel("stoa", { negotiated: true, id: 0 });
    const wire: Wire = { pc, channel, session, places: new Map(), stood: false, makingOffer: false, ignoreOffer: false, offersHeard: 0 };
    this.#standing = { at: "open", wire };
    pc.onnegotiationneeded = () => void this.#negotiate(wire);
    pc.onicecandidate = ({ candidate }) => {
      if (this.#has(wire)) this.#options.send({ kind: "candidate", session, candidate: candidate?.toJSON() ?? null });
    };
    pc.onconnectionstatechange = () => this.#onState(wire);
    pc.ontrack = ({ track }) => {
      track.onmute = track.onunmute = () => this.events.tracks.emit();
      this.events.tracks.emit();
    };
    channel.onopen = () => this.events.open.emit();
    channel.onmessage = ({ data }) => {
      if (typeof data === "string" && data.length <= 64 * 1024) this.events.message.emit(data);
    };
    return wire;
  }

  #drop(): void {
    const wire = this.#wire;
    if (!wire) return;
    const { pc, channel, places, session } = wire;
    this.#standing = { at: "idle" };
    this.#waiting = this.#waiting.filter((one) => one.session !== session);
    pc.onnegotiationneeded = pc.onicecandidate = pc.onconnectionstatechange = pc.ontrack = null;
    channel.onopen = channel.onmessage = null;
    for (const { receiver } of places.values()) receiver.track.onmute = receiver.track.onunmute = null;
    pc.close();
  }

  async #negotiate(wire: Wire): Promise<void> {
    const { pc, session } = wire;
    if (!this.#has(wire)) return;
    try {
      wire.makingOffer = true;
      await pc.setLocalDescription();
      if (this.#has(wire) && pc.localDescription) this.#options.send({ kind: "offer", session, sdp: pc.localDescription.sdp });
    } catch (error) {
      if (this.#has(wire)) console.warn("couldn't make an offer", error);
    } finally {
      wire.makingOffer = false;
    }
  }

  async #hear(signal: PeerSignal): Promise<void> {
    const wire = this.#wire;
    switch (signal.kind) {
      case "offer":
        return this.#onOffer(signal.session, signal.sdp);
      case "answer":
        if (!wire || !isOf(wire, signal.session) || wire.pc.signalingState !== "have-local-offer") return;
        await wire.pc.setRemoteDescription({ type: "answer", sdp: signal.sdp });
        return this.#addWaiting(wire);
      case "candidate":
        return this.#onCandidate(signal.session, signal.candidate);
    }
  }

  async #onOffer(session: string | null, sdp: string): Promise<void> {
    const before = this.#wire;
    const same = before !== null && isOf(before, session);
    if (before) {
      before.offersHeard += 1;
      const colliding = before.makingOffer || before.pc.signalingState !== "stable";
      before.ignoreOffer = colliding && !this.#options.polite && (same || !before.stood);
      if (before.ignoreOffer) return;
      // Rolling our own offer back is no use: Chromium 156 then decodes the picture but no longer shows it.
      if (colliding && same && before.stood) {
        this.events.state.emit("failed");
        return;
      }
    }
    // A different connection: the peer came back, or offered at the same time and we give way.
    const wire = same ? before : this.#open(session ?? randomSession());
    if (!wire) return;
    const { pc } = wire;
    await pc.setRemoteDescription({ type: "offer", sdp });
    if (this.#has(wire)) await this.#takePlaces(wire);
    if (this.#has(wire)) await pc.setLocalDescription();
    if (!this.#has(wire)) return;
    if (pc.localDescription) this.#options.send({ kind: "answer", session: wire.session, sdp: pc.localDescription.sdp });
    await this.#addWaiting(wire);
  }

  async #onCandidate(session: string | null, candidate: RTCIceCandidateInit | null): Promise<void> {
    const wire = this.#wire;
    if (wire?.pc.remoteDescription && isOf(wire, session)) {
      await wire.pc.addIceCandidate(candidate ?? undefined).catch((error: unknown) => {
        if (!wire.ignoreOffer) throw error;
      });
    } else if (this.#standing.at !== "closed" && this.#waiting.length < MOST_WAITING_CANDIDATES) {
      this.#waiting.push({ session, candidate });
    }
  }

  async #addWaiting(wire: Wire): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { session, candidate } of waiting) {
      if (this.#has(wire) && isOf(wire, session)) await this.#onCandidate(session, candidate);
    }
  }

  /** Makes a place for a source of our own, to be offered with the next description. */
  #place(wire: Wire, source: PeerSource): void {
    const place = wire.pc.addTransceiver(KINDS[source], { direction: "sendrecv" });
    wire.places.set(source, place);
    const track = this.#sending.get(source);
    if (track) void fill(place, source, track).catch(() => undefined);
  }

  /** Takes the places the other side offered, by kind and in order, and fills them with what we send. */
  async #takePlaces(wire: Wire): Promise<void> {
    const taken = new Set(wire.places.values());
    for (const place of wire.pc.getTransceivers()) {
      if (taken.has(place) || place.mid === null || place.direction === "stopped") continue;
      const source = BY_KIND[place.receiver.track.kind]?.find((one) => !wire.places.has(one));
      if (!source) continue;
      wire.places.set(source, place);
      place.direction = "sendrecv";
      await fill(place, source, this.#sending.get(source) ?? null);
      if (!this.#has(wire)) return;
    }
    this.events.tracks.emit();
  }

  #onState(wire: Wire): void {
    if (!this.#has(wire)) return;
    switch (wire.pc.connectionState) {
      case "connected":
        wire.stood = true;
        return this.events.state.emit("connected");
      case "disconnected":
        return this.events.state.emit("interrupted");
      case "failed":
        return this.events.state.emit(wire.stood ? "interrupted" : "failed");
      case "new":
      case "connecting":
      case "closed":
        return;
    }
  }
}

/** Whether a signal is about this connection. */
function isOf(wire: Wire, session: string | null): boolean {
  return session === null || session === wire.session;
}

async function fill(place: RTCRtpTransceiver, source: PeerSource, track: MediaStreamTrack | null): Promise<void> {
  await place.sender.replaceTrack(track);
  const most = MAX_BITRATE[source];
  if (!track || most === undefined) return;
  const parameters = place.sender.getParameters();
  // Before the first negotiation there's nothing to set.
  if (parameters.encodings.length === 0) return;
  for (const encoding of parameters.encodings) encoding.maxBitrate = most;
  await place.sender.setParameters(parameters).catch(() => undefined);
}

function randomSession(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(8)), (b) => b.toString(16).padStart(2, "0")).join("");
}
