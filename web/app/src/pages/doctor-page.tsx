/** Tests each path between this browser and the server, and says what to change when one doesn't work. */
import type { ConnectionCheck } from "@stoa/client";
import { useEffect, useState } from "react";
import { Trans, useTranslation } from "react-i18next";

import { Mark } from "../parts/mark";
import { tryWay, waysOf, type Leg, type Outcome, type Way } from "./doctor-check";

type Row = { way: Way; outcome: Outcome | null };

export function DoctorPage() {
  const { t } = useTranslation();
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
    <main className="app-doctor" id="content" tabIndex={-1}>
      <a className="app-doctor-home" href="/"><Mark /> Stoa</a>
      <h1>{t("doctor.title")}</h1>
      <p className="app-doctor-what"><Trans i18nKey="doctor.what" components={[<code key="command" />]} /></p>
      {problem === null ? null : <p className="app-error" role="alert">{t("doctor.noList", { problem })}</p>}
      {rows?.length === 0 ? <p>{t("doctor.noWays")}</p> : null}
      {running || rows === null ? null : <p className="app-doctor-verdict" role="status" data-verdict={verdict(rows) !== "none"}>{t(`doctor.verdict.${verdict(rows)}`)}</p>}
      {rows === null || rows.length === 0 ? null : (
        <ul className="app-doctor-ways" aria-label={t("doctor.ways")}>
          {rows.map(({ way, outcome }) => (
            <li key={way.at} data-leg={way.leg} data-result={outcome?.result ?? "trying"}>
              <strong>{t(`doctor.leg.${way.leg}`)}</strong>
              <p role="status">{outcome === null ? t("doctor.trying") : t(`doctor.result.${outcome.result}`, { ...outcome })}</p>
              <code>{way.at}</code>
              {outcome === null || outcome.result === "works" ? null : <p className="app-doctor-advice">{t(advice(way, outcome.result), { at: way.at, port: way.ports.join(", ") })}</p>}
            </li>
          ))}
        </ul>
      )}
      <button type="button" className="stoa-button" data-tone="accent" disabled={running} onClick={again}>{t(running ? "doctor.trying" : "app.tryAgain")}</button>
    </main>
  );
}

/** Tests every path at once, and calls `show` with each result. */
async function examine(show: (change: (rows: Row[] | null) => Row[] | null) => void): Promise<void> {
  const answer = await fetch("/api/connection-check", { headers: { accept: "application/json" } });
  if (!answer.ok) throw new Error(`the server answered with status ${answer.status}`);
  const ways = waysOf((await answer.json()) as ConnectionCheck);
  show(() => ways.map((way) => ({ way, outcome: null })));
  await Promise.all(ways.map(async (way) => {
    const outcome = await tryWay(way).catch((error: unknown): Outcome => ({ result: "unreachable", detail: String(error) }));
    show((rows) => rows?.map((row) => (row.way === way ? { way, outcome } : row)) ?? null);
  }));
}

function advice({ leg }: Way, result: Exclude<Outcome["result"], "works">) {
  if (result !== "unreachable") return `doctor.advice.${result}` as const;
  return `doctor.advice.${leg === "stun" ? "udp" : leg}` as const;
}

/** The best path that is open for media. */
function verdict(rows: Row[]) {
  const works = (leg: Leg) => rows.some(({ way, outcome }) => way.leg === leg && outcome?.result === "works");
  if (works("media_udp")) return "media_udp";
  if (works("udp")) return "udp";
  return works("media_tcp") || works("tcp") || works("tls") ? "tcp" : "none";
}
