/** Everyone you can call, with their presence and buttons to call them. */
import { Avatar, CallButtons, GuestMark, Icon } from "@stoa/react/components";
import { useNames, usePeople, useSay, useStoa, useStoaState } from "@stoa/react/hooks";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";

import { useErrorToast } from "../errors";
import { linkTo, useRoute } from "../routes";

/** `Heading`: `h1` when the list is the page, `h2` when it's beside one. */
export function PeopleList({ Heading = "h2" }: { Heading?: "h1" | "h2" }) {
  const { t } = useTranslation();
  const say = useSay();
  const onError = useErrorToast();
  const route = useRoute();
  const [search, setSearch] = useState("");
  const people = usePeople(search);
  const names = useNames();
  const known = useStoaState((s) => s.known.users);
  useSearchOnServer(search.trim());
  return (
    <section className="app-list-section" data-section="people" aria-label={t("people.title")}>
      <Heading>{t("people.title")}</Heading>
      <label className="app-search">
        <Icon name="search" size={17} />
        <input type="search" aria-label={t("people.find")} placeholder={t("people.find")} value={search} onChange={(e) => setSearch(e.target.value)} />
      </label>
      {people.length === 0 ? (
        <p className="app-empty">{known ? t(search ? "people.noMatch" : "people.none") : t("app.reading")}</p>
      ) : (
        <ul className="app-list" aria-label={t("people.title")}>
          {people.map((person) => (
            <li
              key={person.id} className="app-row" data-user-id={person.id} data-presence={person.presence}
              data-here={route.at === "person" && route.id === person.id}
            >
              <Avatar name={person.name} id={person.id} url={person.avatarUrl} presence={person.presence} />
              <span className="app-row-text">
                <a {...linkTo({ at: "person", id: person.id })}><bdi>{names.user(person.id)}</bdi></a>
                <small>{say(`presence.${person.presence}`)}{person.isGuest ? <GuestMark /> : null}</small>
              </span>
              <CallButtons target={{ userId: person.id }} name={names.user(person.id)} onError={onError} />
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

/** Also searches the server once typing pauses. */
function useSearchOnServer(query: string): void {
  const stoa = useStoa();
  useEffect(() => {
    if (query === "") return;
    const timer = setTimeout(() => void stoa.findPeople(query).catch(() => undefined), 250);
    return () => clearTimeout(timer);
  }, [stoa, query]);
}
