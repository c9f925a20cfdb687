/** What a peer-to-peer connection's counters say: whether it's alive, and how good it is. Pure, over plain numbers. */
import type { LineQuality } from "./types";

/**
 * Milliseconds without a byte until a new path is looked for, and until the call moves to the server.
 *
 * Both sides lose each other at the same moment, and two offers that cross end the peer-to-peer call. So the polite one leaves it
 * to the other for long enough: it notices up to half a second earlier (each looks twice a second), and the other's offer may take
 * a second to make (fresh relay credentials) and a second to arrive. Both times end between two looks, so that a timer
 * that is a little early or late makes no difference of a whole look.
 */
export const SILENCE = { restart: 1_900, politeRestart: 4_900, giveUp: 6_000 } as const;
/** Milliseconds that a new path has to come up, even where the silence has lasted long enough to give up. */
export const RENEWAL = 2_000;
/** A connection that isn't up by then never will be. */
export const CONNECT_TIMEOUT = 8_000;

/** The counters at one moment, added up over all tracks. */
export interface Sample {
  /** Milliseconds of `performance.now()`. */
  at: number;
  bytesReceived: number;
  packetsReceived: number;
  packetsLost: number;
  framesDecoded: number;
  /** Seconds. */
  jitter: number | null;
  /** Seconds. */
  roundTrip: number | null;
}

/** What happened between two samples. */
export interface Measure {
  /** 0 to 100. */
  loss: number;
  /** Milliseconds. */
  jitter: number | null;
  /** Milliseconds. */
  rtt: number | null;
}

type Entry = Record<string, unknown> & { type: string };

/** Adds up a `getStats` report. */
export function sampleOf(entries: Iterable<unknown>, at: number): Sample {
  const out: Sample = { at, bytesReceived: 0, packetsReceived: 0, packetsLost: 0, framesDecoded: 0, jitter: null, roundTrip: null };
  let [byTransport, byPairs] = [null as number | null, 0];
  for (const entry of entries as Iterable<Entry>) {
    const bytes = number(entry["bytesReceived"]);
    if (entry.type === "transport" && bytes !== null) byTransport = (byTransport ?? 0) + bytes;
    if (entry.type === "candidate-pair") byPairs += bytes ?? 0;
    if (entry.type === "inbound-rtp") {
      out.packetsReceived += number(entry["packetsReceived"]) ?? 0;
      out.framesDecoded += number(entry["framesDecoded"]) ?? 0;
      out.packetsLost += Math.max(number(entry["packetsLost"]) ?? 0, 0);
      const jitter = number(entry["jitter"]);
      if (jitter !== null) out.jitter = Math.max(out.jitter ?? 0, jitter);
    }
    if (entry.type === "candidate-pair" && (entry["nominated"] === true || entry["selected"] === true)) {
      const trip = number(entry["currentRoundTripTime"]);
      if (trip !== null) out.roundTrip = out.roundTrip === null ? trip : Math.min(out.roundTrip, trip);
    }
  }
  // Firefox only counts bytes per candidate pair.
  out.bytesReceived = byTransport ?? byPairs;
  return out;
}

export function measure(before: Sample | null, now: Sample): Measure {
  const received = Math.max(now.packetsReceived - (before?.packetsReceived ?? 0), 0);
  const lost = Math.max(now.packetsLost - (before?.packetsLost ?? 0), 0);
  const toMs = (seconds: number | null): number | null => (seconds === null ? null : Math.round(seconds * 1000));
  return {
    loss: received + lost === 0 ? 0 : Math.round((lost / (received + lost)) * 1000) / 10,
    jitter: toMs(now.jitter),
    rtt: toMs(now.roundTrip),
  };
}

/** Rates a connection by the worst of the three, as the server does. */
export function lineQuality({ loss, jitter, rtt }: Measure): LineQuality {
  if (loss > 8 || (jitter ?? 0) > 80 || (rtt ?? 0) > 500) return "poor";
  if (loss > 2 || (jitter ?? 0) > 35 || (rtt ?? 0) > 250) return "good";
  return "excellent";
}

export type Verdict = "fine" | "restart" | "give_up";

/** How a connection is doing. */
export interface Trouble {
  /** Milliseconds without a byte. */
  silentFor: number;
  /** Milliseconds without a new frame while the camera is on. */
  frozenFor?: number;
  /** Milliseconds for which either side has been looking for a new path; null if none does. */
  renewingFor?: number | null;
  /** Whether we are the side that gives way. */
  polite?: boolean;
}

/** What to do about a connection. A restart under way isn't started again. */
export function verdict({ silentFor, frozenFor = 0, renewingFor = null, polite = false }: Trouble): Verdict {
  const renewed = renewingFor === null || renewingFor >= RENEWAL;
  if (Math.max(silentFor, frozenFor) >= SILENCE.giveUp && renewed) return "give_up";
  return silentFor >= (polite ? SILENCE.politeRestart : SILENCE.restart) && renewingFor === null ? "restart" : "fine";
}

function number(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}
