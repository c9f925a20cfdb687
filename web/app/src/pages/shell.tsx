/** The frame of the app when signed in: lists at the side and a page beside them, or on a phone, one at a time. */
import { Icon, ParkedBanner, RejoinBanner, type IconName } from "@stoa/react/components";
import { useStoa, useStoaState } from "@stoa/react/hooks";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { useErrorToast } from "../errors";
import { AccountMenu } from "../parts/account-menu";
import { ChannelList } from "../parts/channel-list";
import { Mark } from "../parts/mark";
import { useNarrow } from "../parts/narrow";
import { NewChannel } from "../parts/new-channel";
import { PeopleList } from "../parts/people-list";
import { linkTo, useRoute, type Route } from "../routes";
import { AdminPage } from "./admin-page";
import { ChannelPage } from "./channel-page";
import { HistoryPage } from "./history-page";
import { NothingPage } from "./nothing-page";
import { PersonPage } from "./person-page";
import { RecordingPage } from "./recording-page";
import { RecordingsPage } from "./recordings-page";

export function Shell() {
  const { t } = useTranslation();
  const route = useRoute();
  const onError = useErrorToast();
  const narrow = useNarrow();
  const [making, setMaking] = useState(false);
  const makeChannel = (): void => setMaking(true);
  // During a call, the call itself shows what's on hold.
  const talking = useStoaState((s) => s.book.current !== null);
  return (
    <div className="app-shell">
      <a className="app-skip" href="#content">{t("app.skip")}</a>
      {/* The same elements either way, so that open menus stay open when a phone is turned. */}
      <div className="app-side" {...(narrow ? {} : { role: "complementary", "aria-label": t("sidebar") })}>
        <div className="app-side-head" {...(narrow ? { role: "banner" } : {})}>
          <a {...linkTo({ at: "recent" })} className="app-home" aria-current={route.at === "recent" ? "page" : undefined}>
            <Mark /><span>{t("app.name")}</span>
          </a>
          <AccountMenu />
        </div>
        {narrow ? null : <><Ways route={route} /><PeopleList /><ChannelList onNew={makeChannel} /></>}
      </div>
      <main className="app-main" id="content" tabIndex={-1}>
        <LinkLost />
        <RejoinBanner onError={onError} />
        {talking ? null : <ParkedBanner onError={onError} />}
        <Page route={route} narrow={narrow} onNewChannel={makeChannel} />
      </main>
      {narrow ? <Places route={route} /> : null}
      <NewChannel open={making} onOpenChange={setMaking} />
    </div>
  );
}

function Page({ route, narrow, onNewChannel }: { route: Route; narrow: boolean; onNewChannel: () => void }) {
  switch (route.at) {
    case "person":
      return <PersonPage key={route.id} id={route.id} />;
    case "channel":
      return <ChannelPage key={route.id} id={route.id} />;
    // In a wide window, the lists are always there.
    case "people":
      return narrow ? <PeopleList Heading="h1" /> : <HistoryPage />;
    case "channels":
      return narrow ? <ChannelList Heading="h1" onNew={onNewChannel} /> : <HistoryPage />;
    case "recordings":
      return <RecordingsPage key={route.callId ?? ""} {...(route.callId === undefined ? {} : { callId: route.callId })} />;
    case "recording":
      return <RecordingPage key={route.id} id={route.id} />;
    case "recent":
    case "doctor":
      return <HistoryPage />;
    case "admin":
      return <AdminPage />;
    case "nowhere":
      return <NothingPage />;
  }
}

interface Place {
  to: Route;
  icon: IconName;
  label: string;
  here: boolean;
}

/** Where to go in a wide window, besides the lists. Without recordings, only home: the name of the app leads there. */
function Ways({ route }: { route: Route }) {
  const { t } = useTranslation();
  const recordings = useRecordingsPlace(route);
  const recent = useRecentPlace(route);
  if (!recordings) return null;
  return (
    <nav className="app-ways" aria-label={t("places")}>
      {[recent, recordings].map((place) => <PlaceLink key={place.icon} {...place} size={19} />)}
    </nav>
  );
}

function Places({ route }: { route: Route }) {
  const { t } = useTranslation();
  const recordings = useRecordingsPlace(route);
  const places: Place[] = [
    useRecentPlace(route),
    { to: { at: "people" }, icon: "people", label: t("places.people"), here: route.at === "people" || route.at === "person" },
    { to: { at: "channels" }, icon: "hash", label: t("places.channels"), here: route.at === "channels" || route.at === "channel" },
    ...(recordings ? [recordings] : []),
  ];
  return (
    <nav className="app-places" aria-label={t("places")}>
      {places.map((place) => <PlaceLink key={place.icon} {...place} size={22} />)}
    </nav>
  );
}

function PlaceLink({ to, icon, label, here, size }: Place & { size: number }) {
  return <a {...linkTo(to)} aria-current={here ? "page" : undefined}><Icon name={icon} size={size} />{label}</a>;
}

function useRecentPlace(route: Route): Place {
  const { t } = useTranslation();
  return { to: { at: "recent" }, icon: "clock", label: t("places.recent"), here: route.at === "recent" };
}

/** Recordings, where there are any or can be. */
function useRecordingsPlace(route: Route): Place | null {
  const { t } = useTranslation();
  const has = useStoaState((s) => s.hasRecordings);
  if (!has) return null;
  return { to: { at: "recordings" }, icon: "film", label: t("places.recordings"), here: route.at === "recordings" || route.at === "recording" };
}

function LinkLost() {
  const { t } = useTranslation();
  const stoa = useStoa();
  const link = useStoaState((s) => s.link);
  const tooMany = useStoaState((s) => s.refusal === "invalid_state");
  if (link === "refused" && tooMany) {
    return (
      <p className="app-lost" role="alert">
        {t("app.tooManyDevices")}
        <button type="button" className="stoa-button" onClick={() => stoa.tryAgain()}>{t("app.tryAgain")}</button>
      </p>
    );
  }
  return link === "lost" || link === "refused" ? <p className="app-lost" role="status">{t("app.reconnecting")}</p> : null;
}
