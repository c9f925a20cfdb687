// The bare page as the tests hold it.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Browser, Locator, Page } from "playwright-core";
import { startBrowser, type BrowserOptions } from "../support/browser.ts";
import { hd, type Persona } from "../support/media.ts";
import { servePages, type Pages } from "../support/pages.ts";
import { until } from "../support/wait.ts";

export interface InboundVideo {
  codec: string | undefined;
  width: number;
  decoded: number;
  decoder: string | undefined;
  lost: number;
  pli: number;
  /** In seconds. */
  delay: number;
}
export interface OutboundVideo {
  codec: string | undefined;
  rid: string | undefined;
  width: number;
  sent: number;
  active: boolean;
  scalability: string | undefined;
}
export interface Received {
  bytes: number;
  first: number;
  from: string;
  kind: number;
  topic: string | undefined;
}
export interface PeerEvent {
  event: string;
  at: number;
  detail: unknown;
}

/** `window.peer` of `page/peer.mjs`. */
export interface PeerApi {
  join(url: string, token: string, options?: Record<string, unknown>): Promise<string>;
  publishCamera(options?: Record<string, unknown>, size?: { width: number; height: number }): Promise<string>;
  publishMicrophone(options?: Record<string, unknown>): Promise<string>;
  publishScreen(): Promise<void>;
  send(count: number, options: { reliable: boolean; bytes?: number; topic?: string; to?: string[] }): Promise<void>;
  resize(identity: string, width: number, height: number): void;
  choose(identity: string, quality: "LOW" | "MEDIUM" | "HIGH"): void;
  streams(): Promise<{ inbound: InboundVideo[]; outbound: OutboundVideo[] }>;
  streamsOf(identity: string): Record<string, string>;
  routes(): Promise<{ protocol: string; port: number }[]>;
  /** How this side's end of each connection in use reaches the network. */
  ownRoutes(): Promise<{ candidateType: string; relayProtocol: string | undefined; url: string | undefined }[]>;
  /** The summed energy of all sound that arrived. */
  sound(): Promise<number>;
  mute(muted: boolean): Promise<void>;
  unpublishCamera(): Promise<void>;
  leave(): Promise<void>;
  state(): string;
  others(): string[];
  events(): PeerEvent[];
  data(): Received[];
  frames(identity: string, source?: string): number[];
}

declare global {
  interface Window {
    peer: PeerApi;
  }
}

/** The two ways of LiveKit's protocol. */
export const ways = [
  { way: "one peer connection", path: "/rtc/v1", options: { singlePeerConnection: true } },
  { way: "two peer connections", path: "/rtc", options: { singlePeerConnection: false } },
] as const;

const here = dirname(fileURLToPath(import.meta.url));

/** Serves the bare page on all interfaces, so that a browser in a namespace reaches it too. */
export function serveBarePage(): Promise<Pages> {
  const sdk = join(dirname(createRequire(import.meta.url).resolve("livekit-client")), "livekit-client.esm.mjs");
  return servePages(
    {
      "/": readFileSync(join(here, "page", "index.html")),
      "/peer.mjs": readFileSync(join(here, "page", "peer.mjs")),
      "/livekit-client.mjs": readFileSync(sdk),
    },
    "0.0.0.0",
  );
}

/** A bare page in a browser of its own. */
export class Peer {
  /** Paths of the WebSockets that the page opened. */
  readonly sockets: string[] = [];

  private constructor(
    readonly who: Persona,
    readonly browser: Browser,
    readonly page: Page,
  ) {}

  static async open(who: Persona, pageUrl: string, options: BrowserOptions = {}): Promise<Peer> {
    const browser = await startBrowser(who, { picture: hd, ...options });
    return Peer.inside(browser, who, pageUrl);
  }

  /** A further page in a browser that runs already. */
  static async inside(browser: Browser, who: Persona, pageUrl: string): Promise<Peer> {
    const context = await browser.newContext({ viewport: { width: 1400, height: 900 } });
    const page = await context.newPage();
    const peer = new Peer(who, browser, page);
    page.on("pageerror", (error) => console.log(`[${who.name}] page error: ${error.message}`));
    page.on("console", (message) => {
      if (message.type() === "error" && process.env.STOA_TEST_LOG) console.log(`[${who.name}] ${message.text()}`);
    });
    page.on("websocket", (socket) => peer.sockets.push(new URL(socket.url()).pathname));
    await page.goto(pageUrl);
    await page.waitForFunction(() => window.peer !== undefined);
    return peer;
  }

  get name(): string {
    return this.who.name;
  }
  async close(): Promise<void> {
    await this.browser.close();
  }
  async join(url: string, token: string, options: Record<string, unknown> = {}): Promise<void> {
    await this.page.evaluate(([u, t, o]) => window.peer.join(u, t, o), [url, token, options] as const);
  }
  publishCamera(options: Record<string, unknown> = {}): Promise<string> {
    return this.page.evaluate((o) => window.peer.publishCamera(o), options);
  }
  publishMicrophone(options: Record<string, unknown> = {}): Promise<string> {
    return this.page.evaluate((o) => window.peer.publishMicrophone(o), options);
  }
  video(name: string, source = "camera"): Locator {
    return this.page.locator(`video[data-identity="${name}"][data-source="${source}"]`);
  }
  audio(name: string, source = "microphone"): Locator {
    return this.page.locator(`audio[data-identity="${name}"][data-source="${source}"]`);
  }
  streams(): Promise<{ inbound: InboundVideo[]; outbound: OutboundVideo[] }> {
    return this.page.evaluate(() => window.peer.streams());
  }
  routes(): Promise<{ protocol: string; port: number }[]> {
    return this.page.evaluate(() => window.peer.routes());
  }
  async events(name: string): Promise<PeerEvent[]> {
    return (await this.page.evaluate(() => window.peer.events())).filter(({ event }) => event === name);
  }
  async sawEvent(name: string, detail?: unknown, timeout = 30_000): Promise<PeerEvent> {
    return until(
      `${this.name} to see ${name} ${detail ?? ""}`,
      async () => (await this.events(name)).find((e) => detail === undefined || e.detail === detail),
      { timeout },
    );
  }
  frames(name: string): Promise<number[]> {
    return this.page.evaluate((n) => window.peer.frames(n), name);
  }

  /** Waits until frames of `name` have come without a pause of a second for `steady` ms, after `since`; answers the longest pause. */
  async steadyAfter(name: string, since: number, steady = 3_000, timeout = 30_000): Promise<number> {
    return until(
      `steady frames of ${name} at ${this.name}`,
      async () => {
        const times = await this.frames(name);
        const now = Date.now();
        const recent = times.filter((at) => at > now - steady);
        if (now < since + steady || recent.length < 10 || longestPause(recent) > 1_000) {
          throw new Error(`${recent.length} frames in the last ${steady} ms, the last ${now - (times.at(-1) ?? 0)} ms ago`);
        }
        const before = times.filter((at) => at <= since).at(-1) ?? since;
        return Math.max(1, longestPause([before, ...times.filter((at) => at > since)]));
      },
      { timeout, every: 250 },
    );
  }
}

/** The longest distance between neighbours, in milliseconds. */
export function longestPause(times: number[]): number {
  return times.slice(1).reduce((longest, at, i) => Math.max(longest, at - (times[i] ?? at)), 0);
}
