/** A person: their presence, buttons to call them, and past calls with them. */
import { historyLine } from "@stoa/client";
import { Avatar, CallButtons, GuestMark, Icon } from "@stoa/react/components";
import { useNames, useSay, useStoaState } from "@stoa/react/hooks";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";

import { useErrorToast } from "../errors";
import { HistoryList } from "../parts/history-list";
import { linkTo } from "../routes";
import { NothingPage } from "./nothing-page";
import { ReadingPage } from "./reading-page";

export function PersonPage({ id }: { id: string }) {
  const { t } = useTranslation();
  const say = useSay();
  const onError = useErrorToast();
  const person = useStoaState((s) => s.users[id]);
  const known = useStoaState((s) => s.known.users);
  const me = useStoaState((s) => s.me?.id ?? "");
  const calls = useStoaState((s) => s.history.calls);
  const shared = useMemo(
    () =>
      calls.filter((call) => {
        const { other } = historyLine(call, me);
        return other.kind === "user" && other.id === id;
      }),
    [calls, me, id],
  );
  const name = useNames().user(id);
  if (!person) return known ? <NothingPage text={t("people.unknown")} /> : <ReadingPage />;
  return (
    <div className="app-page">
      <a className="app-back" {...linkTo({ at: "people" })}><Icon name="back" />{t("people.back")}</a>
      <header className="app-page-head">
        <Avatar name={person.name} id={person.id} url={person.avatarUrl} size="huge" />
        <div>
          <h1><bdi>{name}</bdi></h1>
          <p className="app-presence" data-presence={person.presence}>{say(`presence.${person.presence}`)}{person.isGuest ? <GuestMark /> : null}</p>
          {person.id === me ? null : <CallButtons target={{ userId: person.id }} onError={onError} />}
        </div>
      </header>
      {shared.length > 0 ? (
        <>
          <h2>{t("people.callsWith", { name })}</h2>
          <HistoryList calls={shared} label={t("people.callsWith", { name })} />
        </>
      ) : (
        <p className="app-empty">{t("people.noCalls", { name })}</p>
      )}
    </div>
  );
}
