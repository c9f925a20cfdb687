/** What a peer-to-peer connection's counters say: whether it's alive, and how good it is. Pure, over plain numbers. */
import type { LineQuality } from "./types";

/**
 * Milliseconds without a byte until a new path is looked for, and until the call moves to the server. Both sides notice at the
 * same time, so the polite one waits a little longer: two offers would collide.
 */
export const SILENCE = { restart: 2_000, politeRestart: 3_500, giveUp: 6_000 } as const;
/** A connection that isn't up by then never will be. */
export const CONNECT_TIMEOUT = 8_000;

/** The counters at one moment. */
export interface Sample {
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
  /** A new path is already being looked for. */
  renewing?: boolean;
  polite?: boolean;
}

/** What to do about a connection. A restart under way isn't started again. */
export function verdict({ silentFor, frozenFor = 0, renewing = false, polite = false }: Trouble): Verdict {
  if (Math.max(silentFor, frozenFor) >= SILENCE.giveUp) return "give_up";
  return silentFor >= (polite ? SILENCE.politeRestart : SILENCE.restart) && !renewing ? "restart" : "fine";
}

function number(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}
