/** Past calls as a list: who, which direction, how it ended and how long it was, with a button to call again. */
import { historyLine, type Call, type CallTarget, type HistoryLine } from "@stoa/client";
import { Avatar, Icon, type IconName } from "@stoa/react/components";
import { clockText, useNames, useStoa, useStoaState } from "@stoa/react/hooks";
import { useTranslation } from "react-i18next";

import { useErrorToast } from "../errors";
import { linkTo } from "../routes";

export function HistoryList({ calls, label }: { calls: readonly Call[]; label: string }) {
  const me = useStoaState((s) => s.me?.id ?? "");
  return (
    <ul className="app-list app-history" aria-label={label}>
      {calls.map((call) => <Line key={call.id} line={historyLine(call, me)} />)}
    </ul>
  );
}

function Line({ line }: { line: HistoryLine }) {
  const { t, i18n } = useTranslation();
  const stoa = useStoa();
  const names = useNames();
  const onError = useErrorToast();
  const busy = useStoaState((s) => s.book.current !== null);
  const picture = useStoaState((s) => (line.other.kind === "user" ? s.users[line.other.id]?.avatarUrl : null));
  const name = names.other(line.other);
  const missed = line.result === "missed";
  // A running call is joined, not started again.
  const word = line.enterable ? (line.other.kind === "channel" ? "history.joinIn" : "history.join") : line.other.kind === "user" ? "history.back" : "history.again";
  const act = t(word, { name });
  const target = line.enterable ? { callId: line.callId } : targetOf(line.other);
  const recordings = t(line.other.kind === "channel" ? "history.recordingsIn" : "history.recordings", { name });
  const call = (): void => void stoa.call(target, { video: line.video }).catch(onError);
  return (
    <li className="app-row" data-call-id={line.callId} data-direction={line.direction} data-result={line.result} data-recorded={line.recorded}>
      {line.other.kind === "user" ? (
        <Avatar name={name} id={line.other.id} url={picture} />
      ) : (
        <span className="app-row-sign" aria-hidden="true"><Icon name={line.other.kind === "channel" ? "hash" : "people"} size={19} /></span>
      )}
      <span className="app-row-text">
        <b><bdi>{name}</bdi></b>
        <small>
          <Icon name={wayOf(line)} size={15} />
          {missed ? t("history.result.missed") : t(`history.${line.direction}`)}
          {missed || line.result === "completed" ? null : <span>{t(`history.result.${line.result}`)}</span>}
          {line.seconds === null ? null : <time data-seconds={line.seconds}>{clockText(line.seconds)}</time>}
        </small>
      </span>
      <span className="app-row-when" title={new Date(line.at).toLocaleString(i18n.language)}>{whenText(line.at, i18n.language)}</span>
      {line.recorded ? (
        <a className="stoa-icon-button app-row-recordings" {...linkTo({ at: "recordings", callId: line.callId })} aria-label={recordings} title={recordings}>
          <Icon name="film" size={19} />
        </a>
      ) : null}
      <button
        type="button" className={line.enterable ? "stoa-icon-button app-join" : "stoa-icon-button"} aria-label={act} title={act}
        disabled={busy} onClick={call}
      >
        <Icon name={line.video ? "video" : "phone"} size={19} />
      </button>
    </li>
  );
}

function targetOf(other: HistoryLine["other"]): CallTarget {
  switch (other.kind) {
    case "user":
      return { userId: other.id };
    case "channel":
      return { channelId: other.id };
    case "users":
      return { userIds: [...other.ids] };
  }
}

function wayOf(line: HistoryLine): IconName {
  return line.result === "missed" ? "missed" : line.direction;
}

/** The time if it was today, otherwise the date. */
export function whenText(at: string, language: string, now = new Date()): string {
  const date = new Date(at);
  if (date.toDateString() === now.toDateString()) return date.toLocaleTimeString(language, { hour: "numeric", minute: "2-digit" });
  const year = date.getFullYear() === now.getFullYear() ? {} : ({ year: "numeric" } as const);
  return date.toLocaleDateString(language, { month: "short", day: "numeric", ...year });
}
