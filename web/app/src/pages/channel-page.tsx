/** A channel: its members, and buttons to call everyone or join the running call. */
import type { Channel } from "@stoa/client";
import { Avatar, CallButtons, GuestMark, Icon, RunningBanner } from "@stoa/react/components";
import { useNames, useSay, useStoa, useStoaState } from "@stoa/react/hooks";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { useErrorToast } from "../errors";
import { EditChannel } from "../parts/new-channel";
import { Sure } from "../parts/sure";
import { go, linkTo } from "../routes";
import { NothingPage } from "./nothing-page";
import { ReadingPage } from "./reading-page";

export function ChannelPage({ id }: { id: string }) {
  const { t } = useTranslation();
  const onError = useErrorToast();
  const channel = useStoaState((s) => s.channels[id]);
  const known = useStoaState((s) => s.known.channels);
  const here = useStoaState((s) => s.book.current?.callId);
  if (!channel) return known ? <NothingPage text={t("channels.unknown")} /> : <ReadingPage />;
  const running = channel.activeCallId !== null && channel.activeCallId !== here;
  return (
    <div className="app-page">
      <a className="app-back" {...linkTo({ at: "channels" })}><Icon name="back" />{t("people.back")}</a>
      <header className="app-page-head">
        <span className="app-channel-sign" aria-hidden="true"><Icon name="hash" size={52} /></span>
        <div>
          <h1><bdi>{channel.name}</bdi></h1>
          <p className="app-presence">{t("channels.membersCount", { count: channel.members.length })}</p>
          {running ? null : <CallButtons target={{ channelId: id }} onError={onError} />}
        </div>
      </header>
      <RunningBanner channel={channel} onError={onError} />
      <h2>{t("channels.members")}</h2>
      <ul className="app-list" aria-label={t("channels.members")}>
        {channel.members.map((userId) => <Member key={userId} userId={userId} />)}
      </ul>
      <ChannelActs channel={channel} />
    </div>
  );
}

/** What else you can do with a channel. */
function ChannelActs({ channel }: { channel: Channel }) {
  const { t } = useTranslation();
  const stoa = useStoa();
  const onError = useErrorToast();
  const [editing, setEditing] = useState(false);
  const away = (act: Promise<void>): void => void act.then(() => go({ at: "channels" })).catch(onError);
  return (
    <div className="app-acts">
      <EditChannel channel={channel} open={editing} onOpenChange={setEditing}>
        <button type="button" className="stoa-button">{t("channels.edit")}</button>
      </EditChannel>
      <Sure title={t("channels.leave")} text={t("channels.leaveSure", { name: channel.name })} onYes={() => away(stoa.leaveChannel(channel.id))} />
      <Sure title={t("channels.delete")} text={t("channels.deleteSure", { name: channel.name })} onYes={() => away(stoa.deleteChannel(channel.id))} />
    </div>
  );
}

function Member({ userId }: { userId: string }) {
  const { t } = useTranslation();
  const say = useSay();
  const names = useNames();
  const onError = useErrorToast();
  const user = useStoaState((s) => s.users[userId]);
  const mine = useStoaState((s) => s.me?.id === userId);
  const name = names.user(userId);
  const presence = user?.presence ?? "offline";
  return (
    <li className="app-row" data-user-id={userId} data-presence={presence}>
      <Avatar name={name} id={userId} url={user?.avatarUrl} presence={presence} />
      <span className="app-row-text">
        {mine ? <b><bdi>{t("channels.you", { name })}</bdi></b> : <a {...linkTo({ at: "person", id: userId })}><bdi>{name}</bdi></a>}
        <small>{say(`presence.${presence}`)}{user?.isGuest ? <GuestMark /> : null}</small>
      </span>
      {mine ? null : <CallButtons target={{ userId }} name={name} onError={onError} />}
    </li>
  );
}
