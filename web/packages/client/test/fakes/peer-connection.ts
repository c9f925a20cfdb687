/**
 * RTCPeerConnections that reach each other inside the test: offers and answers are the words of the specification, paths come up
 * and are cut as the test says, and each act of the browser can be held back.
 */

/** Acts of the browser that a test may hold back. */
export type Act = "setLocalDescription" | "setRemoteDescription" | "addIceCandidate" | "replaceTrack" | "getStats";

interface Described {
  from: number;
  ice: number;
  kinds: ("audio" | "video")[];
}

const CONNECTS_AFTER = 40;

/** What carries packets between the browsers. */
export class FakeNetwork {
  readonly connections: FakePeerConnection[] = [];
  #held: { act: Act; go: Promise<void>; reached: () => void } | null = null;
  /** When nothing arrives, in milliseconds of `performance.now()`, by the `name` of who receives. */
  readonly cuts: { from: number; until: number; to?: string }[] = [];

  /** Whether the browsers count how loud their own microphones are. */
  countsOwnLevel = true;
  /** How many milliseconds later a browser learns that its path is up, by name. */
  readonly lag: Record<string, number> = {};

  /** The class for `globalThis.RTCPeerConnection`, for the browser of that name. */
  browser(name: string) {
    return browserOn(this, name);
  }

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

  /** Whether something sent now arrives there. */
  reaches(name: string, now = performance.now()): boolean {
    return !this.cuts.some(({ from, until, to }) => now >= from && now < until && (to === undefined || to === name));
  }
  /** Milliseconds between two moments in which packets arrived there. */
  carried(name: string, since: number, now: number): number {
    const lost = this.cuts.filter(({ to }) => to === undefined || to === name).map(({ from, until }) => Math.max(0, Math.min(until, now) - Math.max(from, since)));
    return now - since - Math.max(0, ...lost);
  }
}

class FakeTransceiver {
  mid: string | null = null;
  direction: RTCRtpTransceiverDirection;
  readonly receiver: { track: { kind: string; muted: boolean; onmute: unknown; onunmute: unknown } };
  readonly sender;

  constructor(readonly owner: FakePeerConnection, kind: "audio" | "video", direction: RTCRtpTransceiverDirection) {
    this.direction = direction;
    this.receiver = { track: { kind, muted: true, onmute: null, onunmute: null } };
    this.sender = {
      track: null as unknown,
      replaceTrack: async (track: unknown) => {
        await owner.network.passes("replaceTrack");
        owner.mustBeOpen();
        this.sender.track = track;
      },
      getParameters: () => ({ encodings: [] }),
      setParameters: () => Promise.resolve(),
    };
  }
}

export class FakePeerConnection {
  onnegotiationneeded: (() => void) | null = null;
  onicecandidate: ((event: { candidate: null }) => void) | null = null;
  onconnectionstatechange: (() => void) | null = null;
  ontrack: ((event: unknown) => void) | null = null;
  signalingState: RTCSignalingState = "stable";
  connectionState: RTCPeerConnectionState = "new";
  localDescription: RTCSessionDescriptionInit | null = null;
  remoteDescription: RTCSessionDescriptionInit | null = null;
  /** How often its own offer was taken back because another came. */
  rollbacks = 0;
  /** How often a new path was asked for. */
  restarts = 0;
  readonly channel = { readyState: "connecting" as RTCDataChannelState, onopen: null as (() => void) | null, onmessage: null as ((event: { data: string }) => void) | null, send: (data: string) => this.peer?.channel.onmessage?.({ data }) };
  readonly number: number;
  readonly transceivers: FakeTransceiver[] = [];
  #ice = 1;
  #restarting = false;
  #negotiating = false;
  #connectedAt: number | null = null;
  #peer: number | null = null;

  constructor(readonly network: FakeNetwork, readonly name: string, public configuration: RTCConfiguration) {
    this.number = network.connections.push(this) - 1;
  }

  get peer(): FakePeerConnection | undefined {
    const peer = this.#peer === null ? undefined : this.network.connections[this.#peer];
    return peer && peer.#peer === this.number ? peer : undefined;
  }
  mustBeOpen(): void {
    if (this.signalingState === "closed") throw new DOMException("The connection is closed", "InvalidStateError");
  }
  createDataChannel() {
    return this.channel;
  }
  addTransceiver(kind: "audio" | "video", { direction }: { direction: RTCRtpTransceiverDirection }) {
    this.mustBeOpen();
    const made = new FakeTransceiver(this, kind, direction);
    this.transceivers.push(made);
    this.#need();
    return made;
  }
  getTransceivers() {
    return [...this.transceivers];
  }
  getConfiguration() {
    return this.configuration;
  }
  setConfiguration(configuration: RTCConfiguration): void {
    this.mustBeOpen();
    this.configuration = configuration;
  }
  restartIce(): void {
    this.mustBeOpen();
    this.restarts += 1;
    this.#restarting = true;
    this.#need();
  }
  async setLocalDescription(): Promise<void> {
    this.mustBeOpen();
    await this.network.passes("setLocalDescription");
    this.mustBeOpen();
    const offers = this.signalingState !== "have-remote-offer";
    if (this.#restarting) this.#ice += 1;
    this.#restarting = false;
    this.transceivers.forEach((one, index) => (one.mid ??= String(index)));
    const described: Described = { from: this.number, ice: this.#ice, kinds: this.transceivers.map(({ receiver }) => receiver.track.kind as "audio" | "video") };
    this.localDescription = { type: offers ? "offer" : "answer", sdp: JSON.stringify(described) };
    this.signalingState = offers ? "have-local-offer" : "stable";
    this.#negotiating = false;
    if (!offers) this.#settled();
    queueMicrotask(() => this.onicecandidate?.({ candidate: null }));
  }
  async setRemoteDescription(description: RTCSessionDescriptionInit): Promise<void> {
    this.mustBeOpen();
    await this.network.passes("setRemoteDescription");
    this.mustBeOpen();
    const { from, kinds } = JSON.parse(description.sdp ?? "") as Described;
    if (description.type === "offer") {
      if (this.signalingState === "have-local-offer") this.rollbacks += 1;
      for (const kind of kinds.slice(this.transceivers.length)) this.transceivers.push(new FakeTransceiver(this, kind, "recvonly"));
      this.transceivers.forEach((one, index) => (one.mid ??= String(index)));
      this.signalingState = "have-remote-offer";
    } else {
      if (this.signalingState !== "have-local-offer") throw new DOMException("Called in wrong state", "InvalidStateError");
      this.signalingState = "stable";
    }
    this.#peer = from;
    this.remoteDescription = description;
    if (description.type === "answer") this.#settled();
  }
  async addIceCandidate(): Promise<void> {
    this.mustBeOpen();
    await this.network.passes("addIceCandidate");
    this.mustBeOpen();
  }
  async getStats(): Promise<Map<string, unknown>> {
    await this.network.passes("getStats");
    const now = performance.now();
    const bytes = this.#connectedAt === null ? 0 : Math.floor(this.network.carried(this.name, this.#connectedAt, now));
    return new Map<string, unknown>([
      ["transport", { type: "transport", bytesReceived: bytes }],
      ["sound", { type: "inbound-rtp", kind: "audio", packetsReceived: Math.floor(bytes / 20), packetsLost: 0 }],
      ...(this.network.countsOwnLevel ? [["source", { type: "media-source", kind: "audio", audioLevel: 0 }] as const] : []),
    ]);
  }
  close(): void {
    this.signalingState = "closed";
    this.connectionState = "closed";
    this.channel.readyState = "closed";
  }
  /** The browser finds that the connection does otherwise. */
  become(state: RTCPeerConnectionState): void {
    this.connectionState = state;
    this.onconnectionstatechange?.();
  }

  #need(): void {
    if (this.#negotiating) return;
    this.#negotiating = true;
    queueMicrotask(() => {
      if (this.signalingState === "stable") this.onnegotiationneeded?.();
    });
  }
  /** Both are described: where packets get through, the path comes up. */
  #settled(): void {
    setTimeout(() => {
      const { peer } = this;
      if (this.signalingState === "closed" || !peer || !this.network.reaches(this.name) || !this.network.reaches(peer.name)) return;
      for (const one of [this, peer]) setTimeout(() => one.#up(), this.network.lag[one.name] ?? 0);
    }, CONNECTS_AFTER);
  }
  #up(): void {
    if (this.connectionState === "connected" || this.signalingState === "closed") return;
    this.#connectedAt = performance.now();
    this.become("connected");
    this.channel.readyState = "open";
    this.channel.onopen?.();
  }
}

function browserOn(network: FakeNetwork, name: string): typeof RTCPeerConnection {
  return class extends FakePeerConnection {
    constructor(configuration: RTCConfiguration = {}) {
      super(network, name, configuration);
    }
  } as unknown as typeof RTCPeerConnection;
}
