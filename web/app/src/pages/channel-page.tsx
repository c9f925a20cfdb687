/** One channel: its members, a call to all of them, or the one that runs. */
import { Avatar, CallButtons, Icon, RunningBanner } from "@stoa/react/components";
import { useNames, useSay, useStoaState } from "@stoa/react/hooks";
import { useTranslation } from "react-i18next";

import { useErrorToast } from "../errors";
import { linkTo } from "../routes";

export function ChannelPage({ id }: { id: string }) {
  const { t } = useTranslation();
  const onError = useErrorToast();
  const channel = useStoaState((s) => s.channels[id]);
  const here = useStoaState((s) => s.book.current?.callId);
  if (!channel) return <p className="app-page app-empty">{t("channels.unknown")}</p>;
  const running = channel.activeCallId !== null && channel.activeCallId !== here;
  return (
    <div className="app-page">
      <a className="app-back" {...linkTo({ at: "channels" })}><Icon name="back" />{t("people.back")}</a>
      <header className="app-page-head">
        <span className="app-channel-sign" aria-hidden="true"><Icon name="hash" size={52} /></span>
        <div>
          <h1>{channel.name}</h1>
          <p className="app-presence">{t("channels.membersCount", { count: channel.members.length })}</p>
          {running ? null : <CallButtons target={{ channelId: id }} onError={onError} />}
        </div>
      </header>
      <RunningBanner channel={channel} onError={onError} />
      <h2>{t("channels.members")}</h2>
      <ul className="app-list" aria-label={t("channels.members")}>
        {channel.members.map((userId) => <Member key={userId} userId={userId} />)}
      </ul>
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
        {mine ? <b>{t("channels.you", { name })}</b> : <a {...linkTo({ at: "person", id: userId })}>{name}</a>}
        <small>{say(`presence.${presence}`)}</small>
      </span>
      {mine ? null : <CallButtons target={{ userId }} name={name} onError={onError} />}
    </li>
  );
}
