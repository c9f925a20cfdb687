/** The Socket.IO session: connects, reconnects and passes on each event without knowing what it means. */
import { io, type Socket } from "socket.io-client";

import { Emitter } from "./emitter";
import { SERVER_EVENTS, type Ack, type ClientEventName, type ServerEvent, type ServerEvents } from "./events";

/** Whether events arrive. `lost`: a session that was up is gone, and not back yet. */
export type Link = "off" | "connecting" | "online" | "lost" | "refused";

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

/** The ways this browser can carry media. */
function abilities(): string[] {
  return "RTCPeerConnection" in globalThis ? ["p2p", "sfu"] : [];
}

export class Signal {
  readonly events = new Emitter<ServerEvent>();
  readonly link = new Emitter<Link>();
  /** The server refused the session. The same credentials won't work again. */
  readonly refused = new Emitter<string>();

  readonly #options: SignalOptions;
  #socket: Socket<Listen, Send> | null = null;
  #stood = false;

  constructor(options: SignalOptions) {
    this.#options = options;
  }

  connect(): void {
    if (this.#socket) return;
    const { baseUrl, deviceId, token, callWaiting } = this.#options;
    const socket: Socket<Listen, Send> = io(baseUrl ?? "", {
      transports: ["websocket", "polling"],
      auth: (give) => give({ deviceId, token: token?.(), media: abilities(), callWaiting: callWaiting?.() ?? true }),
      reconnectionDelay: 400,
      reconnectionDelayMax: 4000,
      withCredentials: true,
    });
    let turnedAway = false;
    this.#socket = socket;
    this.link.emit("connecting");
    socket.on("connect", () => {
      this.#stood = true;
      turnedAway = false;
      this.link.emit("online");
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
      this.link.emit(turnedAway ? "refused" : "lost");
      // Disconnected by the server on purpose: Socket.IO won't reconnect by itself.
      if (reason === "io server disconnect") setTimeout(() => this.#socket?.connect(), turnedAway ? REFUSED_PAUSE : 1000);
    });
    socket.on("connect_error", (error) => {
      this.link.emit(this.#stood ? "lost" : "connecting");
      if (!socket.active) this.refused.emit(error.message);
    });
    for (const name of SERVER_EVENTS) {
      socket.on(name, (data: ServerEvents[typeof name]) => this.events.emit({ name, data } as ServerEvent));
    }
  }

  /** Tells the server again what this device can do and wants. */
  declare(): void {
    void this.say("device:set", { media: abilities(), callWaiting: this.#options.callWaiting?.() ?? true });
  }

  /** Sends something to the server; false if it wasn't accepted. */
  async say(name: ClientEventName, data: object): Promise<boolean> {
    if (!this.#socket) return false;
    try {
      const answer = (await this.#socket.timeout(ACK_TIMEOUT).emitWithAck(name, data)) as Ack;
      return answer.ok;
    } catch {
      return false;
    }
  }

  disconnect(): void {
    this.#socket?.removeAllListeners();
    this.#socket?.disconnect();
    this.#socket = null;
    this.#stood = false;
    this.link.emit("off");
  }
}
