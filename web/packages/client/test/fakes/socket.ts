/** A Socket.IO connection without a server: the test says what the server and the transport do. */
import type { io } from "socket.io-client";

type Listener = (...data: never[]) => void;
interface Auth {
  auth: (give: (credentials: Record<string, unknown>) => void) => void;
}

export class FakeSocket {
  readonly said: [name: string, data: unknown][] = [];
  /** What each handshake brought along. */
  readonly handshakes: Record<string, unknown>[] = [];
  /** Whether Socket.IO would connect it again by itself. */
  active = true;
  closed = false;
  readonly #auth: Auth["auth"];
  readonly #listeners = new Map<string, Listener[]>();

  constructor(options: Auth) {
    this.#auth = options.auth;
    this.connect();
  }

  connect(): void {
    this.#auth((credentials) => void this.handshakes.push(credentials));
  }
  disconnect(): void {
    this.closed = true;
    this.active = false;
  }
  on(name: string, listener: Listener): void {
    this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), listener]);
  }
  removeAllListeners(): void {
    this.#listeners.clear();
  }
  timeout() {
    return {
      emitWithAck: (name: string, data: unknown) => {
        this.said.push([name, data]);
        return Promise.resolve({ ok: true });
      },
    };
  }
  get listening(): number {
    return this.#listeners.size;
  }

  /** Something happens to the connection, or an event comes over it. */
  hear(name: string, ...data: unknown[]): void {
    for (const listener of this.#listeners.get(name) ?? []) listener(...(data as never[]));
  }
  /** The server refuses the handshake with a code: Socket.IO leaves such a socket alone. */
  refuse(code: string): void {
    this.active = false;
    this.hear("connect_error", new Error(code));
  }
  /** The server puts the client out. */
  putOut(code?: string): void {
    if (code !== undefined) this.hear("refused", { error: { code, message: "" } });
    this.active = false;
    this.hear("disconnect", "io server disconnect");
  }
}

export function fakeSockets() {
  const sockets: FakeSocket[] = [];
  const open = ((_url: string, options: Auth) => {
    const socket = new FakeSocket(options);
    sockets.push(socket);
    return socket;
  }) as unknown as typeof io;
  const latest = (): FakeSocket => {
    const socket = sockets.at(-1);
    if (!socket) throw new Error("no socket was opened");
    return socket;
  };
  return { sockets, open, latest };
}
