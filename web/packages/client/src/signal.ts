/** The Socket.IO session: connects, reconnects and passes on each event without knowing what it means. */
import { io, type Socket } from "socket.io-client";

import { Emitter } from "./emitter";
import type { ErrorCode } from "./errors";
import { SERVER_EVENTS, type Ack, type ClientEventName, type ServerEvent, type ServerEvents } from "./events";
import { Lifetime } from "./lifetime";

/**
 * Whether events arrive. `connecting`: the first session isn't up yet. `lost`: a session that was up is gone, and not back yet.
 * `refused`: the server doesn't let this device in.
 */
export type Link = "off" | "connecting" | "online" | "lost" | "refused";

/** Milliseconds until a device that was disconnected on purpose tries again, with credentials that may be newer. */
const DISCONNECTED_PAUSE = 1_000;
/** Milliseconds until a refused device tries again: another one may have left by then. */
const REFUSED_PAUSE = 15_000;
const ACK_TIMEOUT = 5_000;

export interface SignalOptions {
  baseUrl?: string;
  deviceId: string;
  token?: (() => string | undefined) | undefined;
  /** Whether a second call may ring during a call. */
  callWaiting?: () => boolean;
}

type Listen = { [K in keyof ServerEvents]: (data: ServerEvents[K]) => void } & {
  /** Answered right here with a newer token, which keeps the session. */
  "auth:expiring": (data: { at: string; expiresAt: string }) => void;
};
type Send = Record<ClientEventName, (data: object, ack: (answer: Ack) => void) => void>;

type StoaSocket = Socket<Listen, Send>;

/** Where the session stands. After a refused handshake there is no socket: Socket.IO wouldn't use it again. */
type Standing =
  | { link: "off" }
  | { link: "refused"; socket: StoaSocket | null }
  | { link: "connecting" | "online" | "lost"; socket: StoaSocket };

/** The ways this browser can carry media. */
function abilities(): string[] {
  return "RTCPeerConnection" in globalThis ? ["p2p", "sfu"] : [];
}

export class Signal {
  readonly events = new Emitter<ServerEvent>();
  readonly link = new Emitter<Link>();
  /** The server refused the handshake, with this code. The same credentials won't work again; `connect` tries with new ones. */
  readonly refused = new Emitter<ErrorCode>();

  readonly #options: SignalOptions;
  readonly #open: typeof io;
  readonly #life = new Lifetime("Signal");
  #standing: Standing = { link: "off" };
  #cancelRetry: () => void = () => undefined;

  constructor(options: SignalOptions, open = io) {
    this.#options = options;
    this.#open = open;
  }

  /** Opens a session unless there is one, or one on its way. The token is asked for at every handshake. */
  connect(): void {
    this.#life.check();
    if (this.#socket) return;
    const { baseUrl, deviceId, token, callWaiting } = this.#options;
    const socket: StoaSocket = this.#open(baseUrl ?? "", {
      transports: ["websocket", "polling"],
      auth: (give) => give({ deviceId, token: token?.(), media: abilities(), callWaiting: callWaiting?.() ?? true }),
      reconnectionDelay: 400,
      reconnectionDelayMax: 4000,
      withCredentials: true,
    });
    this.#become({ link: "connecting", socket });
    this.#listen(socket);
  }

  /** Tells the server again what this device can do and wants. */
  declare(): void {
    void this.say("device:set", { media: abilities(), callWaiting: this.#options.callWaiting?.() ?? true });
  }

  /** Sends something to the server; false if it wasn't accepted. */
  async say(name: ClientEventName, data: object): Promise<boolean> {
    try {
      const answer = (await this.#socket?.timeout(ACK_TIMEOUT).emitWithAck(name, data)) as Ack | undefined;
      return answer?.ok ?? false;
    } catch {
      return false;
    }
  }

  disconnect(): void {
    this.#drop();
    this.#become({ link: "off" });
  }

  /** Disconnects for good. */
  dispose(): void {
    this.disconnect();
    this.#life.end();
    for (const emitter of [this.events, this.link, this.refused]) emitter.clear();
  }

  get #socket(): StoaSocket | null {
    return this.#standing.link === "off" ? null : this.#standing.socket;
  }

  #become(standing: Standing): void {
    this.#standing = standing;
    this.link.emit(standing.link);
  }

  #drop(): void {
    this.#cancelRetry();
    const socket = this.#socket;
    socket?.removeAllListeners();
    socket?.disconnect();
  }

  #listen(socket: StoaSocket): void {
    const { token } = this.#options;
    // What a `refused` before a disconnect said about coming back.
    let turnedAway = false;
    socket.on("connect", () => {
      turnedAway = false;
      this.#become({ link: "online", socket });
    });
    socket.on("auth:expiring", () => {
      const fresh = token?.();
      if (fresh !== undefined) void this.say("auth:refresh", { token: fresh });
    });
    socket.on("refused", ({ error }) => {
      // Other credentials may work right away.
      turnedAway = error.code !== "unauthorized";
    });
    socket.on("disconnect", (reason) => {
      this.#become({ link: turnedAway ? "refused" : "lost", socket });
      // Disconnected by the server on purpose: Socket.IO won't reconnect by itself.
      if (reason !== "io server disconnect") return;
      this.#cancelRetry = this.#life.after(turnedAway ? REFUSED_PAUSE : DISCONNECTED_PAUSE, () => void socket.connect());
    });
    socket.on("connect_error", (error) => {
      if (socket.active) return this.#become({ link: this.#standing.link === "connecting" ? "connecting" : "lost", socket });
      this.#drop();
      this.#become({ link: "refused", socket: null });
      this.refused.emit(error.message);
    });
    for (const name of SERVER_EVENTS) {
      socket.on(name, (data: ServerEvents[typeof name]) => this.events.emit({ name, data } as ServerEvent));
    }
  }
}
