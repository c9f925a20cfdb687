/**
 * Between the socket and the peers: translates signals to and from the server's form, keeps those that arrive before the
 * line is open, and renews the ICE servers before their credentials expire.
 */
import type { PeerEvent } from "../events";
import type { PeerLinkOptions, PeerSignal } from "../media/peer-link";
import type { Rest } from "../rest";
import type { Signal } from "../signal";
import type { IceServer } from "../types";

/** How many signals are kept for a line that isn't open yet: an offer and its candidates. */
const MOST_EARLY = 60;
const MOST_CALLS = 8;
/** Credentials are renewed this many milliseconds before they expire. */
const EXPIRY_MARGIN = 60_000;

export interface IceGrant {
  iceServers: readonly IceServer[];
  expiresAt?: string | null;
}

export class PeerDesk {
  readonly #rest: Pick<Rest, "iceServers">;
  readonly #signal: Pick<Signal, "say">;
  readonly #early = new Map<string, { from: string; signal: PeerSignal }[]>();
  #grant: IceGrant | null = null;

  constructor(rest: Pick<Rest, "iceServers">, signal: Pick<Signal, "say">) {
    this.#rest = rest;
    this.#signal = signal;
  }

  /** The options of a connection to `other`. When both offer at once, the one whose ID sorts later gives way. */
  options(callId: string, me: string, other: string, grant: IceGrant): PeerLinkOptions {
    this.#grant = grant;
    return {
      iceServers: grant.iceServers.map(toRtc),
      polite: me > other,
      send: (signal) => void this.#signal.say(nameOf(signal), { callId, to: other, ...bodyOf(signal) }),
      freshServers: async () => (await this.#fresh()).map(toRtc),
    };
  }

  /** Keeps a signal until the line of its call is open. */
  keep(callId: string, from: string, signal: PeerSignal): void {
    const list = this.#early.get(callId) ?? [];
    if (list.length >= MOST_EARLY || (list.length === 0 && this.#early.size >= MOST_CALLS)) return;
    this.#early.set(callId, [...list, { from, signal }]);
  }

  /** Takes out what a participant has sent so far. */
  take(callId: string, from: string): PeerSignal[] {
    const list = this.#early.get(callId) ?? [];
    this.#early.delete(callId);
    return list.filter((one) => one.from === from).map((one) => one.signal);
  }

  forget(callId: string): void {
    this.#early.delete(callId);
  }

  async #fresh(): Promise<readonly IceServer[]> {
    const expires = Date.parse(this.#grant?.expiresAt ?? "");
    if (this.#grant && (Number.isNaN(expires) || expires - Date.now() > EXPIRY_MARGIN)) return this.#grant.iceServers;
    this.#grant = await this.#rest.iceServers();
    return this.#grant.iceServers;
  }
}

/** A participant's signal, or null if it isn't one. Clients use several names for the description. */
export function signalOf(event: PeerEvent): PeerSignal | null {
  const session = typeof event.data.session === "string" ? event.data.session.slice(0, 64) : null;
  if (event.name === "call:ice-candidate") {
    const { candidate } = event.data;
    if (candidate !== null && typeof candidate !== "object") return null;
    return { kind: "candidate", session, candidate: candidate as RTCIceCandidateInit | null };
  }
  const { data } = event;
  const sdp = sdpOf("offer" in data ? data.offer : "answer" in data ? data.answer : undefined) ?? sdpOf(data.sdp);
  return sdp === null ? null : { kind: event.name === "call:offer" ? "offer" : "answer", session, sdp };
}

function sdpOf(value: unknown): string | null {
  if (typeof value === "string") return value;
  if (typeof value !== "object" || value === null) return null;
  const { sdp } = value as { sdp?: unknown };
  return typeof sdp === "string" ? sdp : null;
}

function nameOf({ kind }: PeerSignal): PeerEvent["name"] {
  return kind === "candidate" ? "call:ice-candidate" : `call:${kind}`;
}

function bodyOf(signal: PeerSignal): object {
  const { session } = signal;
  if (signal.kind === "candidate") return { session, candidate: signal.candidate };
  return { session, [signal.kind]: { type: signal.kind, sdp: signal.sdp } };
}

function toRtc({ urls, username, credential }: IceServer): RTCIceServer {
  return { urls, ...(username ? { username } : {}), ...(credential ? { credential } : {}) };
}
