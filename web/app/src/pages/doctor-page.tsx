/** What keeps calls from working between this browser and the server, leg by leg, and what to change. */
import type { ConnectionCheck } from "@stoa/client";
import { useEffect, useState } from "react";

import { Mark } from "../parts/mark";
import { tryWay, waysOf, type Leg, type Outcome, type Way } from "./doctor-check";

type Row = { way: Way; outcome: Outcome | null };

const NAMES: Record<Leg, string> = {
  media_udp: "Media over UDP",
  media_tcp: "Media over TCP",
  stun: "STUN over UDP",
  udp: "Relay over UDP",
  tcp: "Relay over TCP",
  tls: "Relay over TLS",
};

export function DoctorPage() {
  const [rows, setRows] = useState<Row[] | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [round, setRound] = useState(0);
  const [running, setRunning] = useState(true);

  useEffect(() => {
    let shown = true;
    examine((change) => shown && setRows(change))
      .catch((error: unknown) => shown && setProblem(error instanceof Error ? error.message : String(error)))
      .finally(() => shown && setRunning(false));
    return () => {
      shown = false;
    };
  }, [round]);
  const again = () => {
    setRunning(true);
    setProblem(null);
    setRound((before) => before + 1);
  };

  return (
    <main className="app-doctor" id="content">
      <a className="app-doctor-home" href="/"><Mark /> Stoa</a>
      <h1>Connection check</h1>
      <p className="app-doctor-what">Each way from this browser to the server is tried on its own. Run <code>stoa doctor</code> on the server for the other end.</p>
      {problem === null ? null : <p className="app-error" role="alert">The list of servers cannot be read: {problem}.</p>}
      {rows?.length === 0 ? <p>This server tells you of no way to try. Sign in first.</p> : null}
      {running || rows === null ? null : <p className="app-doctor-verdict" role="status" data-verdict={verdict(rows).good}>{verdict(rows).text}</p>}
      {rows === null || rows.length === 0 ? null : (
        <ul className="app-doctor-ways" aria-label="Ways to the server">
          {rows.map(({ way, outcome }) => (
            <li key={way.at} data-leg={way.leg} data-result={outcome?.result ?? "trying"}>
              <strong>{NAMES[way.leg]}</strong>
              <p role="status">{outcome === null ? "Trying…" : say(outcome)}</p>
              <code>{way.at}</code>
              {outcome === null || outcome.result === "works" ? null : <p className="app-doctor-advice">{advice(way, outcome.result)}</p>}
            </li>
          ))}
        </ul>
      )}
      <button type="button" className="stoa-button" data-tone="accent" disabled={running} onClick={again}>{running ? "Trying…" : "Try again"}</button>
    </main>
  );
}

/** Tries every way at once; `show` is told of each that ends. */
async function examine(show: (change: (rows: Row[] | null) => Row[] | null) => void): Promise<void> {
  const answer = await fetch("/api/connection-check", { headers: { accept: "application/json" } });
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  const ways = waysOf((await answer.json()) as ConnectionCheck);
  show(() => ways.map((way) => ({ way, outcome: null })));
  await Promise.all(ways.map(async (way) => {
    const outcome = await tryWay(way).catch((error: unknown): Outcome => ({ result: "unreachable", detail: String(error) }));
    show((rows) => rows?.map((row) => (row.way === way ? { way, outcome } : row)) ?? null);
  }));
}

function say(outcome: Outcome): string {
  switch (outcome.result) {
    case "works":
      return `Works (${outcome.milliseconds} ms)`;
    case "unreachable":
      return `Nothing answers (${outcome.detail})`;
    case "refused":
      return `It answers, but refuses (${outcome.detail})`;
    case "not_relayed":
      return `It answers, but what is sent through it is lost (${outcome.detail})`;
  }
}

function advice({ leg, at, ports }: Way, result: Exclude<Outcome["result"], "works">): string {
  const port = ports.join(", ");
  if (result === "refused") return "Try again in a minute. If it stays, restart the server: its TURN secret may have been replaced, or its allocations are used up.";
  if (result === "not_relayed") return "On the server, name an address that its clients reach with --announce.";
  switch (leg) {
    case "media_udp":
      return `Not all of ${at} gets through. If it fails everywhere, open each of these ports towards the server in the firewall and forward it on the router, or name an address that clients reach with --announce; if only here, this network blocks UDP, and media takes a way below, with more delay.`;
    case "media_tcp":
      return `${at} does not get through. If it fails everywhere, open it towards the server in the firewall; if only here, media takes another way.`;
    case "stun":
    case "udp":
      return `UDP ${port} does not get through. If it fails everywhere, open it towards the server in the firewall and forward it on the router; if only here, this network blocks UDP, and calls take one of the ways below.`;
    case "tcp":
      return `TCP ${port} does not get through. If it fails everywhere, open it towards the server in the firewall; if only here, this network lets few ports out, and calls need the way over TLS.`;
    case "tls":
      return `TLS on ${port} does not get through: open TCP ${port} towards the server, and give it a certificate that this browser trusts (--domain, or tls.cert and tls.key).`;
  }
}

function verdict(rows: Row[]): { good: boolean; text: string } {
  const works = (leg: Leg) => rows.some(({ way, outcome }) => way.leg === leg && outcome?.result === "works");
  if (works("media_udp")) return { good: true, text: "Calls work from here, straight over UDP." };
  if (works("udp")) return { good: true, text: "Calls work from here, over UDP and the relay." };
  if (works("media_tcp") || works("tcp") || works("tls")) return { good: true, text: "Calls work from here, though UDP is blocked: expect more delay on a bad line." };
  return { good: false, text: "No way for media is open from here. Only calls from browser to browser in one network can work." };
}
