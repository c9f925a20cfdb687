// A server, and clients of other backends on pages of another origin: their tokens are bearer tokens, their origin a configured one.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Browser, Locator, Page } from "playwright-core";
import { io, type Socket } from "socket.io-client";
import { openPage, startBrowser } from "../support/browser.ts";
import type { Persona } from "../support/media.ts";
import { servePages, type Pages } from "../support/pages.ts";
import { Stoa } from "../support/stoa.ts";
import { until } from "../support/wait.ts";

const here = dirname(fileURLToPath(import.meta.url));

export interface Answer {
  status: number;
  body: any; // eslint-disable-line @typescript-eslint/no-explicit-any
}

export class Scene {
  private readonly browsers: Browser[] = [];
  private readonly sockets: Socket[] = [];
  private readonly tokens = new Map<string, Promise<string>>();

  private constructor(
    readonly stoa: Stoa,
    readonly pages: Pages,
  ) {}

  static async open(config = ""): Promise<Scene> {
    const sdk = join(dirname(createRequire(import.meta.url).resolve("socket.io-client")), "..", "..", "dist", "socket.io.esm.min.js");
    const pages = await servePages({
      "/": readFileSync(join(here, "page", "index.html")),
      "/clients.mjs": readFileSync(join(here, "page", "clients.mjs")),
      "/socket.io.mjs": readFileSync(sdk),
    });
    const origin = new URL(pages.url).origin;
    const stoa = await Stoa.start({ config: `[cors]\norigins = ["${origin}"]\n${config}` });
    return new Scene(stoa, pages);
  }

  token(user: string): Promise<string> {
    const known = this.tokens.get(user) ?? this.stoa.token("user", "--id", user, "--name", user);
    this.tokens.set(user, known);
    return known;
  }

  /** `fetch` with the user's bearer token. */
  async ask(user: string, method: string, path: string, body?: unknown): Promise<Answer> {
    const answer = await fetch(this.stoa.url + path, {
      method,
      headers: {
        authorization: `Bearer ${await this.token(user)}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: answer.status, body: await answer.json() };
  }

  /** npm's socket.io-client, connected, and every event it heard. */
  async socket(user: string, namespace = "", transports = ["websocket"]): Promise<Listener> {
    const socket = io(this.stoa.url + namespace, { auth: { token: await this.token(user) }, transports, upgrade: false, forceNew: true });
    this.sockets.push(socket);
    return Listener.of(socket);
  }

  /** A page of its own in a browser whose camera and microphone are this person's. */
  async page(who: Persona): Promise<Page> {
    const browser = await startBrowser(who);
    this.browsers.push(browser);
    const page = await openPage(await browser.newContext(), who.name);
    await page.goto(this.pages.url);
    await page.waitForFunction(() => "clients" in window);
    return page;
  }

  /** Whether media comes from elsewhere than the server. */
  async isPeerToPeer(page: Page): Promise<boolean> {
    const ports = await page.evaluate(() => window.clients.remotePorts());
    const own: number[] = [this.stoa.ports.udp, this.stoa.ports.udp + 1, this.stoa.ports.tcp];
    return ports.length > 0 && ports.every((port) => !own.includes(port));
  }

  async close(): Promise<void> {
    this.sockets.forEach((socket) => socket.disconnect());
    await Promise.all(this.browsers.map((browser) => browser.close()));
    this.pages.close();
    await this.stoa.dispose();
  }
}

/** A socket and what it heard. */
export class Listener {
  readonly heard: { event: string; data: any }[] = []; // eslint-disable-line @typescript-eslint/no-explicit-any

  private constructor(readonly socket: Socket) {
    socket.onAny((event: string, data: unknown) => this.heard.push({ event, data }));
  }

  static async of(socket: Socket): Promise<Listener> {
    const listener = new Listener(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("connect_error", reject);
    });
    return listener;
  }

  /** Waits for an event, from the start of what was heard. */
  next(event: string, fits: (data: any) => boolean = () => true): Promise<any> { // eslint-disable-line @typescript-eslint/no-explicit-any
    return until(`${event} to be heard`, () => this.heard.find((e) => e.event === event && fits(e.data))?.data, { every: 20 });
  }

  /** The acknowledgement of an event. */
  ask(event: string, data: unknown): Promise<any> { // eslint-disable-line @typescript-eslint/no-explicit-any
    return this.socket.timeout(10_000).emitWithAck(event, data);
  }

  names(): string[] {
    return this.heard.map(({ event }) => event);
  }
}

export const videoOf = (page: Page, who: string): Locator => page.locator(`video[data-who="${who}"]`);
export const audioOf = (page: Page, who: string): Locator => page.locator(`audio[data-who="${who}"]`);

type Log = [string, any][]; // eslint-disable-line @typescript-eslint/no-explicit-any

interface CallManager {
  log: Log;
  ready: Promise<void>;
  call(to: string, type: string): Promise<any>; // eslint-disable-line @typescript-eslint/no-explicit-any
  answer(): Promise<any>; // eslint-disable-line @typescript-eslint/no-explicit-any
  end(): Promise<any>; // eslint-disable-line @typescript-eslint/no-explicit-any
}
interface MeshClient {
  log: Log;
  ready: Promise<void>;
  socket: { id: string };
  startCall(callId: string, userId: string): Promise<void>;
  mute(muted: boolean): void;
  video(enabled: boolean): void;
  endCall(): void;
  drop(): void;
}
interface RawManager {
  log: any[]; // eslint-disable-line @typescript-eslint/no-explicit-any
  chat: any[]; // eslint-disable-line @typescript-eslint/no-explicit-any
  api(method: string, path: string, body?: unknown): Promise<any>; // eslint-disable-line @typescript-eslint/no-explicit-any
  initialize(callId: string, peer: string): Promise<void>;
  offer(): Promise<void>;
  send(message: unknown): void;
  sendChatMessage(text: string): void;
  state(): string;
  socket: WebSocket;
}

declare global {
  interface Window {
    clients: {
      CallManager: new (base: string, token: string, transports: string[]) => CallManager;
      MeshClient: new (base: string, token: string) => MeshClient;
      RawManager: new (base: string, token: string) => RawManager;
      remotePorts(): Promise<number[]>;
    };
    manager: CallManager;
    mesh: MeshClient;
    raw: RawManager;
  }
}
