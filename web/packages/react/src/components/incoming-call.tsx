/** The incoming call: an alertdialog that takes the focus once nobody is typing, with three ways to respond. Esc declines. */
import { participantOf, type Incoming } from "@stoa/client";
import { AlertDialog } from "radix-ui";
import { useRef, type MouseEvent } from "react";

import { useIncomingCall } from "../hooks/call";
import { useSay, useStoa, type Say } from "../hooks/context";
import { useNames } from "../hooks/names";
import { useStoaState } from "../hooks/store";
import { useUnaskedFocus } from "../hooks/typing";
import { Avatar } from "./avatar";
import { GuestMark } from "./guest";
import { Icon } from "./icons";

/** Milliseconds after the dialog takes the focus in which keys are ignored: they were meant for something else. */
const DEAF_MS = 500;

export function IncomingCall({ onError }: { onError: (error: unknown) => void }) {
  const incoming = useIncomingCall();
  return incoming ? <Ringing key={incoming.call.id} incoming={incoming} onError={onError} /> : null;
}

function Ringing({ incoming, onError }: { incoming: Incoming; onError: (error: unknown) => void }) {
  const stoa = useStoa();
  const say = useSay();
  const names = useNames();
  const { call } = incoming;
  const caller = names.user(call.initiatorId, incoming.callerName);
  const picture = useStoaState((s) => s.users[call.initiatorId]?.avatarUrl);
  const guest = participantOf(call, call.initiatorId)?.isGuest ?? false;
  const video = call.media !== "voice";
  const channel = call.kind === "group" && call.channelId !== null ? names.channel(call.channelId) : null;
  const focused = useRef(Number.POSITIVE_INFINITY);
  const focus = useUnaskedFocus(() => {
    focused.current = performance.now();
  });

  const accept = (withVideo: boolean) => (event: MouseEvent): void => {
    const byKey = event.detail === 0;
    if (byKey && performance.now() - focused.current < DEAF_MS) return;
    void stoa.accept(call.id, { video: withVideo }).catch(onError);
  };
  const decline = (): void => void stoa.decline(call.id).catch(onError);

  return (
    <AlertDialog.Root open>
      <AlertDialog.Portal>
        <AlertDialog.Overlay className="stoa-veil" />
        <AlertDialog.Content
          className="stoa-incoming"
          {...(guest ? {} : { "aria-describedby": undefined })}
          onEscapeKeyDown={(event) => {
            event.preventDefault();
            // While somebody is typing, Esc is meant for what they type.
            if (!stoa.typing.typing) decline();
          }}
          {...focus}
        >
          <AlertDialog.Title className="stoa-hidden">{titleOf(say, caller, channel, video)}</AlertDialog.Title>
          {guest ? <AlertDialog.Description className="stoa-hidden">{say("person.guestHint")}</AlertDialog.Description> : null}
          <div className="stoa-incoming-who" aria-hidden="true">
            <span className="stoa-incoming-niche"><Avatar name={incoming.callerName} id={call.initiatorId} url={picture} size="huge" /></span>
            <strong><bdi>{caller}</bdi></strong>
            {guest ? <GuestMark /> : null}
            <span>
              {say(video ? "incoming.hintVideo" : "incoming.hintVoice")}
              {channel === null ? null : ` ${say("incoming.hintIn", { channel })}`}
            </span>
          </div>
          <div className="stoa-incoming-answers">
            <button type="button" className="stoa-button" data-tone="go" onClick={accept(true)}>
              <Icon name="video" />{say("incoming.acceptVideo")}
            </button>
            <button type="button" className="stoa-button" data-tone="go" data-quiet={video} onClick={accept(false)}>
              <Icon name="phone" />{say("incoming.acceptVoice")}
            </button>
            <button type="button" className="stoa-button" data-tone="stop" data-quiet onClick={decline}>
              <Icon name="hangUp" />{say("incoming.decline")}
            </button>
          </div>
        </AlertDialog.Content>
      </AlertDialog.Portal>
    </AlertDialog.Root>
  );
}

function titleOf(say: Say, name: string, channel: string | null, video: boolean): string {
  if (channel === null) return say(video ? "incoming.video" : "incoming.voice", { name });
  return say(video ? "incoming.videoIn" : "incoming.voiceIn", { name, channel });
}
