/** Beside the stage: the people in the call with the actions for them, or the chat. */
import { isRinging, type ChatMessage, type Participant } from "@stoa/client";
import { DropdownMenu } from "radix-ui";
import { useEffect, useEffectEvent, useRef, useState, type SubmitEvent } from "react";

import { useChat, useIsHost, useMarks, useParticipants } from "../hooks/call";
import { useSay, useStoa } from "../hooks/context";
import { useNames } from "../hooks/names";
import { useMediaState, useStoaState } from "../hooks/store";
import { Avatar } from "./avatar";
import { Icon } from "./icons";
import { RecordingActs } from "./recording";
import { InvitePeople, TransferCall } from "./pick-people";

export type PanelKind = "people" | "chat";

interface PanelProps {
  kind: PanelKind;
  onClose: () => void;
  onError: (error: unknown) => void;
}

export function Panel({ kind, onClose, onError }: PanelProps) {
  const say = useSay();
  const title = say(kind === "people" ? "panel.people" : "panel.chat");
  const [opener] = useState(() => document.activeElement);
  const close = (): void => {
    if (opener instanceof HTMLElement && opener.isConnected) opener.focus({ preventScroll: true });
    onClose();
  };
  const onKey = useEffectEvent((event: KeyboardEvent): void => {
    // Whatever is open over the panel handles the key first; input methods use it for themselves.
    if (event.key !== "Escape" || event.defaultPrevented || event.isComposing) return;
    event.preventDefault();
    close();
  });
  useEffect(() => {
    const listener = (event: KeyboardEvent): void => onKey(event);
    window.addEventListener("keydown", listener);
    return () => window.removeEventListener("keydown", listener);
  }, []);
  return (
    <aside className="stoa-panel" aria-label={title}>
      <header className="stoa-panel-head">
        <strong>{title}</strong>
        <button type="button" className="stoa-icon-button" aria-label={say("panel.close")} title={say("panel.close")} onClick={close}><Icon name="close" /></button>
      </header>
      {kind === "people" ? <PeopleInCall onError={onError} /> : <ChatLog onError={onError} />}
    </aside>
  );
}

function PeopleInCall({ onError }: { onError: (error: unknown) => void }) {
  const { acts } = useStoa();
  const say = useSay();
  const host = useIsHost();
  const participants = useParticipants();
  const { transfer } = useMarks();
  return (
    <>
      <ul className="stoa-panel-list" aria-label={say("panel.people")}>
        {participants.map((p) => <PersonRow key={p.userId} participant={p} host={host} onError={onError} />)}
      </ul>
      <div className="stoa-panel-acts">
        <InvitePeople onError={onError}>
          <button type="button" className="stoa-button"><Icon name="plus" />{say("people.invite")}</button>
        </InvitePeople>
        {transfer ? null : (
          <TransferCall onError={onError}>
            <button type="button" className="stoa-button"><Icon name="transfer" />{say("people.transfer")}</button>
          </TransferCall>
        )}
        {host && participants.length > 2 ? (
          <button type="button" className="stoa-button" onClick={() => void acts.muteAll().catch(onError)}><Icon name="micOff" />{say("people.muteAll")}</button>
        ) : null}
        <RecordingActs onError={onError} />
      </div>
    </>
  );
}

function PersonRow({ participant, host, onError }: { participant: Participant; host: boolean; onError: (error: unknown) => void }) {
  const { acts } = useStoa();
  const say = useSay();
  const names = useNames();
  const { userId } = participant;
  const user = useStoaState((s) => s.users[userId]);
  const mine = useStoaState((s) => s.me?.id === userId);
  const muted = useMediaState((s) => s.people.find((p) => p.userId === userId)?.muted ?? false);
  const { held, locked } = useMarks();
  const name = names.user(userId, participant.name);
  const states = [
    participant.isGuest ? say("person.guest") : null,
    isRinging(participant) ? say("call.ringing") : null,
    participant.status === "disconnected" ? say("call.reconnecting") : null,
    userId in held ? say("hold.tile") : null,
    userId in locked ? say("people.lockedState") : muted && !isRinging(participant) ? say("people.muted") : null,
  ].filter((text) => text !== null);
  const run = (act: Promise<void>): void => void act.catch(onError);
  return (
    <li data-user-id={userId} data-muted={muted} data-locked={userId in locked}>
      <Avatar name={user?.name ?? participant.name} id={userId} url={user?.avatarUrl} />
      <span className="stoa-panel-who"><b><bdi>{mine ? say("people.you", { name }) : name}</bdi></b><small>{states.join(" · ")}</small></span>
      {host && !mine ? (
        <DropdownMenu.Root modal={false}>
          <DropdownMenu.Trigger asChild>
            <button type="button" className="stoa-icon-button" aria-label={say("people.acts", { name })}><Icon name="more" /></button>
          </DropdownMenu.Trigger>
          <DropdownMenu.Content className="stoa-menu" align="end" sideOffset={6}>
            <DropdownMenu.Item onSelect={() => run(acts.mute(userId))}><Icon name="micOff" size={18} />{say("people.mute")}</DropdownMenu.Item>
            {userId in locked ? (
              <DropdownMenu.Item onSelect={() => run(acts.unlock(userId))}><Icon name="mic" size={18} />{say("people.unlock")}</DropdownMenu.Item>
            ) : (
              <DropdownMenu.Item onSelect={() => run(acts.mute(userId, true))}><Icon name="lock" size={18} />{say("people.lock")}</DropdownMenu.Item>
            )}
            <DropdownMenu.Item data-tone="stop" onSelect={() => run(acts.remove(userId))}><Icon name="close" size={18} />{say("people.remove")}</DropdownMenu.Item>
          </DropdownMenu.Content>
        </DropdownMenu.Root>
      ) : null}
    </li>
  );
}

function ChatLog({ onError }: { onError: (error: unknown) => void }) {
  const say = useSay();
  const { messages, say: send } = useChat();
  const [text, setText] = useState("");
  const [failed, setFailed] = useState(false);
  const log = useRef<HTMLDivElement>(null);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (log.current) log.current.scrollTop = log.current.scrollHeight;
  }, [messages]);
  useEffect(() => input.current?.focus(), []);
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    if (text.trim() === "") return;
    send(text).then((sent) => {
      setFailed(!sent);
      if (!sent) return;
      setText("");
      // The send button is disabled now and would lose the focus.
      input.current?.focus();
    }, onError);
  };
  return (
    <>
      <div ref={log} className="stoa-chat" role="log" aria-label={say("chat.log")} tabIndex={0}>
        {messages.length === 0 ? <p className="stoa-empty">{say("chat.none")}</p> : null}
        {messages.length === 0 ? null : (
          <ol>{messages.map((message) => <Message key={`${message.userId}/${message.id}`} message={message} />)}</ol>
        )}
      </div>
      {failed ? <p className="stoa-chat-failed" role="alert">{say("chat.failed")}</p> : null}
      <form className="stoa-chat-form" onSubmit={submit}>
        <input ref={input} aria-label={say("chat.write")} placeholder={say("chat.write")} value={text} maxLength={2000} autoComplete="off" onChange={(e) => setText(e.target.value)} />
        <button type="submit" className="stoa-icon-button" aria-label={say("chat.send")} title={say("chat.send")} disabled={text.trim() === ""}><Icon name="send" /></button>
      </form>
    </>
  );
}

function Message({ message }: { message: ChatMessage }) {
  const say = useSay();
  const names = useNames();
  const mine = useStoaState((s) => s.me?.id === message.userId);
  const at = new Date(message.at);
  return (
    <li data-mine={mine}>
      <small>{mine ? say("person.you") : names.user(message.userId)} <time dateTime={at.toISOString()}>{at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}</time></small>
      <p>{message.text}</p>
    </li>
  );
}
