/** My channels, marking those with a running call, and a button for a new one. */
import type { Channel } from "@stoa/client";
import { CallButtons, Icon } from "@stoa/react/components";
import { useChannels, useSay, useStoa, useStoaState } from "@stoa/react/hooks";
import { useTranslation } from "react-i18next";

import { useErrorToast } from "../errors";
import { linkTo, useRoute } from "../routes";

/** `Heading`: `h1` when the list is the page, `h2` when it's beside one. */
export function ChannelList({ Heading = "h2", onNew }: { Heading?: "h1" | "h2"; onNew: () => void }) {
  const { t } = useTranslation();
  const channels = useChannels();
  const known = useStoaState((s) => s.known.channels);
  return (
    <section className="app-list-section" data-section="channels" aria-label={t("channels.title")}>
      <Heading>{t("channels.title")}</Heading>
      <button type="button" className="stoa-icon-button app-list-add" aria-label={t("channels.new")} title={t("channels.new")} onClick={onNew}>
        <Icon name="plus" />
      </button>
      {channels.length === 0 ? (
        <p className="app-empty">{t(known ? "channels.none" : "app.reading")}</p>
      ) : (
        <ul className="app-list" aria-label={t("channels.title")}>
          {channels.map((channel) => <ChannelRow key={channel.id} channel={channel} />)}
        </ul>
      )}
    </section>
  );
}

function ChannelRow({ channel }: { channel: Channel }) {
  const { t } = useTranslation();
  const say = useSay();
  const stoa = useStoa();
  const onError = useErrorToast();
  const route = useRoute();
  const here = useStoaState((s) => s.book.current?.callId);
  const { activeCallId } = channel;
  const running = activeCallId !== null && activeCallId !== here ? activeCallId : null;
  return (
    <li className="app-row" data-channel-id={channel.id} data-here={route.at === "channel" && route.id === channel.id} data-running={running !== null}>
      <span className="app-row-sign" aria-hidden="true"><Icon name="hash" size={19} /></span>
      <span className="app-row-text">
        <a {...linkTo({ at: "channel", id: channel.id })}><bdi>{channel.name}</bdi></a>
        <small>{running === null ? t("channels.membersCount", { count: channel.members.length }) : say("running.region")}</small>
      </span>
      {running === null ? (
        <CallButtons target={{ channelId: channel.id }} name={channel.name} onError={onError} />
      ) : (
        <button
          type="button" className="stoa-icon-button app-join" aria-label={say("running.joinIn", { channel: channel.name })}
          title={say("running.joinIn", { channel: channel.name })} onClick={() => void stoa.enter(running, { video: true }).catch(onError)}
        >
          <Icon name="video" size={19} />
        </button>
      )}
    </li>
  );
}
