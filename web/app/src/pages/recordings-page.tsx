/** All recordings that I may see, or those of one call: newest first, with a search. */
import { recordingStage, type Call, type Recording } from "@stoa/client";
import { Icon } from "@stoa/react/components";
import { clockText, useRecordings, type Recordings } from "@stoa/react/hooks";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";

import { useErrorText } from "../errors";
import { whenText } from "../parts/history-list";
import { useRecordingWords } from "../parts/recording-words";
import { linkTo } from "../routes";

/** Milliseconds that typing pauses before the server is asked. */
const PAUSE = 250;

export function RecordingsPage({ callId }: { callId?: string }) {
  const { t } = useTranslation();
  const [search, setSearch] = useState("");
  const found = useRecordings(useSettled(search.trim()), callId);
  return (
    <div className="app-page app-recordings">
      {callId === undefined ? null : <a className="app-back" {...linkTo({ at: "recordings" })}><Icon name="back" />{t("recordings.all")}</a>}
      <h1>{t(callId === undefined ? "recordings.title" : "recordings.ofCall")}</h1>
      {callId === undefined ? (
        <label className="app-search">
          <Icon name="search" size={17} />
          <input
            type="search" aria-label={t("recordings.find")} placeholder={t("recordings.find")} maxLength={100}
            value={search} onChange={(e) => setSearch(e.target.value)}
          />
        </label>
      ) : null}
      <Found found={found} none={t(search.trim() !== "" ? "recordings.noMatch" : callId === undefined ? "recordings.none" : "recordings.noneOfCall")} />
    </div>
  );
}

function Found({ found, none }: { found: Recordings; none: string }) {
  const { t } = useTranslation();
  const textOf = useErrorText();
  const { recordings, calls, next, phase, error } = found;
  const count = recordings.length;
  return (
    <>
      <p className="stoa-hidden" role="status">
        {phase !== "read" ? "" : count === 0 ? none : t(next === null ? "recordings.found" : "recordings.foundMore", { count })}
      </p>
      {phase === "failed" ? (
        <div className="app-lost" role="alert">
          {t("recordings.failed", { problem: textOf(error) })}
          <button type="button" className="stoa-button" onClick={found.again}>{t("app.tryAgain")}</button>
        </div>
      ) : null}
      {count > 0 ? (
        <ul className="app-list app-history" aria-label={t("recordings.title")}>
          {recordings.map((one) => <Line key={one.id} recording={one} call={one.callId === null ? null : calls[one.callId]} />)}
        </ul>
      ) : null}
      {count === 0 && phase !== "failed" ? (
        <div className="app-nothing"><span className="app-nothing-arch" aria-hidden="true" /><p>{phase === "read" ? none : t("app.reading")}</p></div>
      ) : null}
      {next === null || count === 0 ? null : (
        <button type="button" className="stoa-button app-more" disabled={phase === "loading"} onClick={found.more}>{t("history.more")}</button>
      )}
    </>
  );
}

function Line({ recording, call }: { recording: Recording; call: Call | null | undefined }) {
  const { t, i18n } = useTranslation();
  const words = useRecordingWords();
  const { id, startedAt, durationSeconds, fileSizeBytes, progress, channelId, audioOnly } = recording;
  const when = words.moment(startedAt);
  return (
    <li className="app-row" data-recording-id={id} data-stage={recordingStage(recording)}>
      <span className="app-row-sign" aria-hidden="true"><Icon name={channelId !== null ? "hash" : audioOnly ? "sound" : "film"} size={19} /></span>
      <span className="app-row-text">
        {/* Several are of calls with the same people: the time tells them apart. */}
        <a {...linkTo({ at: "recording", id })}><bdi>{words.title(recording, call)}</bdi><span className="stoa-hidden"> {when}</span></a>
        <small>
          <span className="app-stage">{words.stage(recording)}</span>
          {progress === null ? null : <span>{t("recordings.percent", { percent: progress })}</span>}
          {durationSeconds === null ? null : <time data-seconds={durationSeconds}>{clockText(durationSeconds)}</time>}
          {fileSizeBytes === 0 ? null : <span>{words.size(fileSizeBytes)}</span>}
        </small>
      </span>
      <span className="app-row-when" aria-hidden="true" title={when}>{whenText(startedAt, i18n.language)}</span>
    </li>
  );
}

/** A text once it hasn't changed for a moment. Emptied, it counts at once. */
function useSettled(text: string): string {
  const [settled, settle] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => settle(text), PAUSE);
    return () => clearTimeout(timer);
  }, [text]);
  return text === "" ? "" : settled;
}
