/** Tests the paths to a server from this browser: whether each answers, and whether what is relayed arrives. */

import type { ConnectionCheck } from "@stoa/client";

/** How a server is reached: the media server directly over UDP or TCP, or a STUN or TURN server. */
export type Leg = "media_udp" | "media_tcp" | "stun" | "udp" | "tcp" | "tls";

/** A path that is tested as a whole. */
export interface Way {
  leg: Leg;
  /** Where it leads, in words. */
  at: string;
  ports: number[];
  /** All of these must answer. The URLs of one are addresses of the same host: one answer is enough. */
  servers: RTCIceServer[];
}

/** How a test ended. `detail` is what the browser said. */
export type Outcome =
  | { result: "works"; milliseconds: number }
  | { result: "unreachable" | "refused" | "not_relayed"; detail: string };

const PATIENCE = 10_000;
/** Browsers ask a STUN server for 9.5 s (RFC 8489 §6.2.1, with a first wait of 250 ms). */
const GIVEN_UP = 8_000;
/** A port where nothing answers STUN (RFC 863), and how soon a browser gives up on an address it has no route to. */
const DISCARD = 9;
const NO_ROUTE = 2_000;
const UNAUTHORIZED = 401;

/** The media server's own ports, then each URL separately: a browser that's given all of them doesn't say which one failed. */
export function waysOf({ media, iceServers }: ConnectionCheck): Way[] {
  const straight = (["udp", "tcp"] as const).flatMap((transport): Way[] => {
    const found = media.filter((port) => port.transport === transport);
    const ports = found.map(({ port }) => port);
    const at = `${transport.toUpperCase()} ${ports.join(", ")}`;
    return found.length === 0 ? [] : [{ leg: `media_${transport}`, at, ports, servers: found.map(({ server }) => server) }];
  });
  const others = iceServers.flatMap((server) => server.urls.map((url): Way => (
    { leg: legOf(url), at: url, ports: [portOf(url)], servers: [{ ...server, urls: url }] }
  )));
  return [...straight, ...others];
}

function portOf(url: string): number {
  return Number(/:(\d+)(\?|$)/.exec(url)?.[1] ?? (url.startsWith("turns") ? 5349 : 3478));
}

export function legOf(url: string): Leg {
  if (url.startsWith("stun")) return "stun";
  if (url.startsWith("turns:")) return "tls";
  return url.includes("transport=tcp") ? "tcp" : "udp";
}

/** Tests every part of a path at once. It's as good as the worst of them. */
export async function tryWay({ leg, ports, servers }: Way): Promise<Outcome> {
  const attempt = leg === "stun" || leg === "media_udp" ? tryStun : tryRelay;
  const outcomes = await Promise.all(servers.map(attempt));
  const worst = outcomes.reduce((a, b) => (b.result !== "works" || (a.result === "works" && b.milliseconds > a.milliseconds) ? b : a));
  if (worst.result === "works" || ports.length === 1) return worst;
  const failed = ports.filter((_, i) => outcomes[i]?.result !== "works");
  return { ...worst, detail: `${failed.join(", ")}: ${worst.detail}` };
}

/** Tests each address separately, since a browser doesn't say which of several stayed silent. The first answer is enough. */
async function tryStun(server: RTCIceServer): Promise<Outcome> {
  const outcomes = [server.urls].flat().map(tryAddress);
  return new Promise((resolve, reject) => {
    const answered = outcomes.map(async (pending) => {
      const outcome = await pending;
      if (outcome.result === "works") resolve(outcome);
      return outcome;
    });
    Promise.all(answered).then(([first]) => resolve(first ?? { result: "unreachable", detail: "no address" }), reject);
  });
}

async function tryAddress(url: string): Promise<Outcome> {
  const began = performance.now();
  const { candidates, errors, settled } = await ask(url, GIVEN_UP);
  if (candidates.some(({ type }) => type === "srflx")) return works(began);
  // On the server's own network, the answer is an address that the browser already has, so it adds no candidate: the browser just
  // finishes early. It also does when there's no route to the server, but then it does so with any port.
  const took = performance.now();
  if (settled && !(await ask(url.replace(/:\d+$/, `:${DISCARD}`), NO_ROUTE)).settled) return works(began + performance.now() - took);
  return { result: "unreachable", detail: describe(errors) };
}

async function ask(url: string, patience: number): Promise<Gathered> {
  const one = new RTCPeerConnection({ iceServers: [{ urls: url }] });
  try {
    one.createDataChannel("doctor");
    const gathered = gather(one, patience);
    await one.setLocalDescription();
    return await gathered;
  } finally {
    one.close();
  }
}

/** Two connections that may only relay: what one sends must reach the other through the server and come back. */
async function tryRelay(server: RTCIceServer): Promise<Outcome> {
  const config: RTCConfiguration = { iceServers: [server], iceTransportPolicy: "relay" };
  const [one, other] = [new RTCPeerConnection(config), new RTCPeerConnection(config)];
  try {
    const channel = one.createDataChannel("doctor");
    const open = opened(channel);
    other.addEventListener("datachannel", ({ channel: back }) => {
      back.addEventListener("message", ({ data }) => back.send(data as string));
    });
    const gathered = gather(one);
    await join(one, other);
    if ((await within(open)) === null) {
      const { candidates, errors } = await gathered;
      if (candidates.length > 0) return { result: "not_relayed", detail: one.iceConnectionState };
      const refused = errors.some(({ errorCode }) => errorCode >= 300 && errorCode < 700);
      return { result: refused ? "refused" : "unreachable", detail: describe(errors) };
    }
    const asked = performance.now();
    const echo = await within(echoed(channel));
    return echo === null ? { result: "not_relayed", detail: "no echo" } : works(asked);
  } finally {
    one.close();
    other.close();
  }
}

/** Connects two connections of this page to each other, passing on addresses as they're found. */
async function join(one: RTCPeerConnection, other: RTCPeerConnection): Promise<void> {
  const early: (() => void)[] = [];
  let ready = false;
  for (const [from, to] of [[one, other], [other, one]] as const) {
    from.addEventListener("icecandidate", ({ candidate }) => {
      const tell = () => void to.addIceCandidate(candidate ?? undefined).catch(() => undefined);
      if (ready) tell();
      else early.push(tell);
    });
  }
  await one.setLocalDescription();
  await other.setRemoteDescription(described(one));
  await other.setLocalDescription();
  await one.setRemoteDescription(described(other));
  ready = true;
  for (const tell of early) tell();
}

function described(connection: RTCPeerConnection): RTCSessionDescription {
  if (connection.localDescription === null) throw new Error("the browser has no description of the connection");
  return connection.localDescription;
}

interface Gathered {
  candidates: RTCIceCandidate[];
  errors: RTCPeerConnectionIceErrorEvent[];
  /** Whether the browser finished in time. */
  settled: boolean;
}

async function gather(connection: RTCPeerConnection, patience = PATIENCE): Promise<Gathered> {
  const found: Gathered = { candidates: [], errors: [], settled: false };
  const done = new Promise<true>((resolve) => {
    connection.addEventListener("icecandidate", ({ candidate }) => {
      if (candidate === null) resolve(true);
      else if (candidate.candidate !== "") found.candidates.push(candidate);
    });
    connection.addEventListener("icecandidateerror", (event) => found.errors.push(event));
  });
  found.settled = (await within(done, patience)) !== null;
  return found;
}

function opened(channel: RTCDataChannel): Promise<true> {
  return new Promise((resolve) => channel.addEventListener("open", () => resolve(true), { once: true }));
}

function echoed(channel: RTCDataChannel): Promise<true> {
  return new Promise((resolve) => {
    channel.addEventListener("message", () => resolve(true), { once: true });
    channel.send("there and back");
  });
}

async function within<T>(promise: Promise<T>, patience = PATIENCE): Promise<T | null> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), patience);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function works(since: number): Outcome {
  return { result: "works", milliseconds: Math.round(performance.now() - since) };
}

function describe(errors: RTCPeerConnectionIceErrorEvent[]): string {
  const worst = errors.find(({ errorCode }) => errorCode !== UNAUTHORIZED) ?? errors[0];
  return worst === undefined ? "timed out" : `${worst.errorCode} ${worst.errorText}`.trim();
}
