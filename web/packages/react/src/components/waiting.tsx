/** Calls besides the current one: a waiting call, and parked calls. */
import { participantOf } from "@stoa/client";

import { useParkedCalls, useWaitingCall } from "../hooks/call";
import { useSay, useStoa } from "../hooks/context";
import { useNames } from "../hooks/names";
import { useStoaState } from "../hooks/store";
import { Avatar } from "./avatar";
import { GuestMark } from "./guest";
import { Icon } from "./icons";

interface Props {
  onError: (error: unknown) => void;
}

export function WaitingBanner({ onError }: Props) {
  const stoa = useStoa();
  const say = useSay();
  const names = useNames();
  const incoming = useWaitingCall();
  const picture = useStoaState((s) => (incoming ? s.users[incoming.call.initiatorId]?.avatarUrl : null));
  if (!incoming) return null;
  const { call, callerName } = incoming;
  const video = call.media !== "voice";
  return (
    <section className="stoa-banner stoa-knock" data-tone="ring" role="alert" aria-label={say("waiting.region")}>
      <Avatar name={callerName} id={call.initiatorId} url={picture} />
      <span>{say("waiting.text", { name: names.user(call.initiatorId, callerName) })}</span>
      {participantOf(call, call.initiatorId)?.isGuest ? <GuestMark /> : null}
      <span className="stoa-banner-acts">
        <button type="button" className="stoa-button" data-tone="go" onClick={() => void stoa.acceptAndHold(call.id, { video }).catch(onError)}>
          <Icon name={video ? "video" : "phone"} />{say("waiting.accept")}
        </button>
        <button type="button" className="stoa-button" data-tone="stop" data-quiet onClick={() => void stoa.decline(call.id).catch(onError)}>
          <Icon name="hangUp" />{say("waiting.decline")}
        </button>
      </span>
    </section>
  );
}

export function ParkedBanner({ onError }: Props) {
  const stoa = useStoa();
  const say = useSay();
  const names = useNames();
  const parked = useParkedCalls();
  const talking = useStoaState((s) => s.book.current !== null);
  if (parked.length === 0) return null;
  return (
    <section className="stoa-banner stoa-knock" aria-label={say("parked.region")}>
      {parked.map((call) => (
        <span key={call.id} className="stoa-parked">
          <Icon name="pause" size={18} />
          <span>{say("parked.text", { name: names.call(call).name })}</span>
          <button type="button" className="stoa-button" data-tone="accent" data-quiet={talking} onClick={() => void stoa.switchTo(call.id).catch(onError)}>
            <Icon name="play" size={18} />{say(talking ? "parked.switch" : "parked.resume")}
          </button>
        </span>
      ))}
    </section>
  );
}
