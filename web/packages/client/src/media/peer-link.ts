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

export type PeerState = "connecting" | "connected" | "interrupted" | "failed";

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

export class PeerLink {
  readonly events: PeerEvent = { state: new Emitter(), tracks: new Emitter(), message: new Emitter(), open: new Emitter() };

  readonly #options: PeerLinkOptions;
  #pc: RTCPeerConnection | null = null;
  #channel: RTCDataChannel | null = null;
  #session = "";
  #places = new Map<PeerSource, RTCRtpTransceiver>();
  readonly #sending = new Map<PeerSource, MediaStreamTrack>();
  #waiting: { session: string | null; candidate: RTCIceCandidateInit | null }[] = [];
  #makingOffer = false;
  #ignoreOffer = false;
  #stood = false;
  #closed = false;
  /** Signals are handled one at a time: each may have to wait for the browser. */
  #turn: Promise<void> = Promise.resolve();

  constructor(options: PeerLinkOptions) {
    this.#options = options;
  }

  /** Whether a connection has been offered, by us or by them. */
  get begun(): boolean {
    return this.#pc !== null;
  }

  get connected(): boolean {
    return this.#pc?.connectionState === "connected";
  }

  /** Opens a connection and offers it to the other side. */
  offer(): void {
    this.#open(randomSession());
    for (const source of SOURCES) this.#place(source);
  }

  /** Takes a signal from the other side. */
  hear(signal: PeerSignal): Promise<void> {
    this.#turn = this.#turn.then(() => this.#hear(signal)).catch((error: unknown) => {
      // A peer that sends nonsense gets no connection; the timer takes care of the rest.
      if (!this.#closed && signal.kind !== "candidate") console.warn("couldn't handle a signal from the peer", error);
    });
    return this.#turn;
  }

  /** Sends this track in a source's place, or nothing. */
  async send(source: PeerSource, track: MediaStreamTrack | null): Promise<void> {
    if (track) this.#sending.set(source, track);
    else this.#sending.delete(source);
    const place = this.#places.get(source);
    if (place) await fill(place, source, track);
    else if (track && this.#pc && this.#stood) this.#place(source);
  }

  /** What the other side sends from a source; null while that has no place yet. */
  track(source: PeerSource): MediaStreamTrack | null {
    return this.#places.get(source)?.receiver.track ?? null;
  }

  receiver(source: PeerSource): RTCRtpReceiver | null {
    return this.#places.get(source)?.receiver ?? null;
  }

  say(text: string): boolean {
    if (this.#channel?.readyState !== "open") return false;
    this.#channel.send(text);
    return true;
  }

  stats(): Promise<RTCStatsReport> | null {
    return this.#pc?.getStats() ?? null;
  }

  /** Looks for a new path for the same connection. */
  async restart(): Promise<void> {
    const pc = this.#pc;
    if (!pc) return;
    const servers = await this.#options.freshServers?.().catch(() => null);
    if (pc !== this.#pc) return;
    if (servers) pc.setConfiguration({ ...pc.getConfiguration(), iceServers: servers });
    pc.restartIce();
  }

  close(): void {
    this.#closed = true;
    this.#drop();
  }

  #open(session: string): RTCPeerConnection {
    this.#drop();
    const pc = new RTCPeerConnection({ iceServers: this.#options.iceServers, bundlePolicy: "max-bundle" });
    this.#pc = pc;
    this.#session = session;
    this.#stood = false;
    this.#ignoreOffer = false;
    pc.onnegotiationneeded = () => void this.#negotiate(pc);
    pc.onicecandidate = ({ candidate }) => {
      if (pc === this.#pc) this.#options.send({ kind: "candidate", session: this.#session, candidate: candidate?.toJSON() ?? null });
    };
    pc.onconnectionstatechange = () => this.#onState(pc);
    pc.ontrack = ({ track }) => {
      track.onmute = track.onunmute = () => this.events.tracks.emit();
      this.events.tracks.emit();
    };
    const channel = pc.createDataChannel("stoa", { negotiated: true, id: 0 });
    channel.onopen = () => this.events.open.emit();
    channel.onmessage = ({ data }) => {
      if (typeof data === "string" && data.length <= 64 * 1024) this.events.message.emit(data);
    };
    this.#channel = channel;
    return pc;
  }

  #drop(): void {
    const pc = this.#pc;
    this.#pc = this.#channel = null;
    this.#places = new Map();
    this.#waiting = this.#waiting.filter(({ session }) => session !== this.#session);
    if (!pc) return;
    pc.onnegotiationneeded = pc.onicecandidate = pc.onconnectionstatechange = pc.ontrack = null;
    pc.close();
  }

  async #negotiate(pc: RTCPeerConnection): Promise<void> {
    if (pc !== this.#pc) return;
    try {
      this.#makingOffer = true;
      await pc.setLocalDescription();
      if (pc === this.#pc && pc.localDescription) {
        this.#options.send({ kind: "offer", session: this.#session, sdp: pc.localDescription.sdp });
      }
    } catch (error) {
      if (pc === this.#pc) console.warn("couldn't make an offer", error);
    } finally {
      this.#makingOffer = false;
    }
  }

  async #hear(signal: PeerSignal): Promise<void> {
    if (this.#closed) return;
    switch (signal.kind) {
      case "offer":
        return this.#onOffer(signal.session, signal.sdp);
      case "answer":
        if (!this.#isOurs(signal.session) || this.#pc?.signalingState !== "have-local-offer") return;
        await this.#pc.setRemoteDescription({ type: "answer", sdp: signal.sdp });
        return this.#addWaiting();
      case "candidate":
        return this.#onCandidate(signal.session, signal.candidate);
    }
  }

  #isOurs(session: string | null): boolean {
    return session === null || session === this.#session;
  }

  async #onOffer(session: string | null, sdp: string): Promise<void> {
    let pc = this.#pc;
    const same = pc !== null && this.#isOurs(session);
    const colliding = pc !== null && (this.#makingOffer || pc.signalingState !== "stable");
    this.#ignoreOffer = colliding && !this.#options.polite && (same || !this.#stood);
    if (this.#ignoreOffer) return;
    // Rolling back our offer is no use: Chromium 156 then decodes the video but no longer shows it.
    if (colliding && same && this.#stood) {
      this.events.state.emit("failed");
      return;
    }
    // A new connection: the peer came back, or both offered at once and we give way.
    if (!same || pc === null) pc = this.#open(session ?? randomSession());
    await pc.setRemoteDescription({ type: "offer", sdp });
    await this.#takePlaces(pc);
    await pc.setLocalDescription();
    if (pc === this.#pc && pc.localDescription) this.#options.send({ kind: "answer", session: this.#session, sdp: pc.localDescription.sdp });
    await this.#addWaiting();
  }

  async #onCandidate(session: string | null, candidate: RTCIceCandidateInit | null): Promise<void> {
    if (this.#pc?.remoteDescription && this.#isOurs(session)) {
      await this.#pc.addIceCandidate(candidate ?? undefined).catch((error: unknown) => {
        if (!this.#ignoreOffer) throw error;
      });
    } else if (this.#waiting.length < MOST_WAITING_CANDIDATES) {
      this.#waiting.push({ session, candidate });
    }
  }

  async #addWaiting(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { session, candidate } of waiting) if (this.#isOurs(session)) await this.#onCandidate(session, candidate);
  }

  /** Makes a place for a source, to be offered with the next description. */
  #place(source: PeerSource): void {
    if (!this.#pc) return;
    const place = this.#pc.addTransceiver(KINDS[source], { direction: "sendrecv" });
    this.#places.set(source, place);
    const track = this.#sending.get(source);
    if (track) void fill(place, source, track);
  }

  /** Fills the places that the other side offered, by kind and order, with what we send. */
  async #takePlaces(pc: RTCPeerConnection): Promise<void> {
    const taken = new Set(this.#places.values());
    for (const place of pc.getTransceivers()) {
      if (taken.has(place) || place.mid === null || place.direction === "stopped") continue;
      const source = BY_KIND[place.receiver.track.kind]?.find((one) => !this.#places.has(one));
      if (!source) continue;
      this.#places.set(source, place);
      place.direction = "sendrecv";
      await fill(place, source, this.#sending.get(source) ?? null);
    }
    this.events.tracks.emit();
  }

  #onState(pc: RTCPeerConnection): void {
    if (pc !== this.#pc) return;
    switch (pc.connectionState) {
      case "connected":
        this.#stood = true;
        return this.events.state.emit("connected");
      case "disconnected":
        return this.events.state.emit("interrupted");
      case "failed":
        return this.events.state.emit(this.#stood ? "interrupted" : "failed");
      case "new":
      case "connecting":
      case "closed":
        return;
    }
  }
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
