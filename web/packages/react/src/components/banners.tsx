/** Ways into a running call: back into your own, or late into a channel's. */
import type { Channel } from "@stoa/client";

import { useRejoinableCalls, useTalking } from "../hooks/call";
import { useSay, useStoa } from "../hooks/context";
import { useNames } from "../hooks/names";
import { useStoaState } from "../hooks/store";
import { Icon } from "./icons";

export function RejoinBanner({ onError }: { onError: (error: unknown) => void }) {
  const stoa = useStoa();
  const say = useSay();
  const names = useNames();
  const [call] = useRejoinableCalls();
  if (!call) return null;
  const { name, inChannel } = names.call(call);
  const video = call.media !== "voice";
  return (
    <section className="stoa-banner" data-tone="ring" aria-label={say("rejoin.region")}>
      <span className="stoa-banner-pulse" aria-hidden="true" />
      <span>{inChannel ? say("rejoin.textIn", { channel: name }) : say("rejoin.text", { name })}</span>
      <button type="button" className="stoa-button" data-tone="go" onClick={() => void stoa.enter(call.id, { video }).catch(onError)}>
        <Icon name={video ? "video" : "phone"} />{say("rejoin.action")}
      </button>
    </section>
  );
}

export function RunningBanner({ channel, onError }: { channel: Channel; onError: (error: unknown) => void }) {
  const stoa = useStoa();
  const say = useSay();
  const here = useStoaState((s) => s.book.current?.callId);
  const callId = channel.activeCallId;
  const talking = useTalking(callId);
  if (callId === null || callId === here) return null;
  const join = (video: boolean) => (): void => void stoa.enter(callId, { video }).catch(onError);
  const text =
    talking === null || talking === 0
      ? say("running.textNobody")
      : say(talking === 1 ? "running.text_one" : "running.text_other", { count: talking });
  return (
    <section className="stoa-banner" data-tone="go" aria-label={say("running.region")}>
      <span className="stoa-banner-pulse" aria-hidden="true" />
      <span>{text}</span>
      <span className="stoa-banner-acts">
        <button type="button" className="stoa-button" data-tone="go" onClick={join(true)}>
          <Icon name="video" />{say("running.video")}
        </button>
        <button type="button" className="stoa-button" data-tone="go" data-quiet onClick={join(false)}>
          <Icon name="phone" />{say("running.voice")}
        </button>
      </span>
    </section>
  );
}
