/** Recording: the mark that everyone sees, the question whether I may be recorded, and the buttons of those who may record. */
import type { CallRecording } from "@stoa/client";
import { AlertDialog } from "radix-ui";
import { useRef, type MouseEvent } from "react";

import { useRecording } from "../hooks/call";
import { useSay, useStoa, type Say } from "../hooks/context";
import { useNames } from "../hooks/names";
import { useUnaskedFocus } from "../hooks/typing";
import { Icon } from "./icons";

/** Milliseconds after the dialog takes the focus in which keys are ignored: they were meant for something else. */
const DEAF_MS = 500;

interface Props {
  onError: (error: unknown) => void;
}

export function RecordingMark() {
  const say = useSay();
  const { recording, mine } = useRecording();
  if (!recording) return null;
  const hint = recording.status === "paused" ? "recording.pausedHint" : mine ? "recording.with" : "recording.without";
  return (
    <span className="stoa-recording" data-status={recording.status} title={say(hint)}>
      <span className="stoa-recording-dot" aria-hidden="true" />
      {statusText(say, recording)}
      {mine ? null : <span className="stoa-recording-without">{say("recording.notYou")}</span>}
      <span className="stoa-hidden">{say(hint)}</span>
    </span>
  );
}

function statusText(say: Say, recording: CallRecording): string {
  if (recording.status === "starting") return say("recording.starting");
  return say(recording.status === "paused" ? "recording.paused" : "recording.on");
}

/** Asks for my consent. It takes the focus once nobody is typing. Esc means no, unless that would end the call for me. */
export function RecordingConsent({ onError }: Props) {
  const { recording, asked } = useRecording();
  return recording && asked ? <Question key={recording.id} recording={recording} onError={onError} /> : null;
}

function Question({ recording, onError }: Props & { recording: CallRecording }) {
  const stoa = useStoa();
  const say = useSay();
  const names = useNames();
  const focused = useRef(Number.POSITIVE_INFINITY);
  const focus = useUnaskedFocus(() => {
    focused.current = performance.now();
  });
  const leaves = recording.decline === "leave";
  const give = (given: boolean): void => void stoa.acts.consentToRecording(given).catch(onError);
  const press = (given: boolean) => (event: MouseEvent): void => {
    const byKey = event.detail === 0;
    if (byKey && performance.now() - focused.current < DEAF_MS) return;
    give(given);
  };
  const { startedBy } = recording;
  return (
    <AlertDialog.Root open>
      <AlertDialog.Portal>
        <AlertDialog.Overlay className="stoa-veil" />
        <AlertDialog.Content
          className="stoa-incoming stoa-consent"
          onEscapeKeyDown={(event) => {
            event.preventDefault();
            // While somebody is typing, Esc is meant for what they type.
            if (!leaves && !stoa.typing.typing) give(false);
          }}
          {...focus}
        >
          <div className="stoa-consent-text">
            <AlertDialog.Title>
              <span className="stoa-recording-dot" aria-hidden="true" />
              {startedBy === null ? say("recording.askNobody") : say("recording.ask", { name: names.user(startedBy) })}
            </AlertDialog.Title>
            <AlertDialog.Description>{say(leaves ? "recording.askLeave" : "recording.askText")}</AlertDialog.Description>
          </div>
          <div className="stoa-incoming-answers">
            <button type="button" className="stoa-button" data-tone="accent" onClick={press(true)}><Icon name="record" />{say("recording.agree")}</button>
            <button type="button" className="stoa-button" data-tone={leaves ? "stop" : undefined} data-quiet onClick={press(false)}>
              <Icon name={leaves ? "hangUp" : "close"} />{say(leaves ? "recording.leave" : "recording.decline")}
            </button>
          </div>
        </AlertDialog.Content>
      </AlertDialog.Portal>
    </AlertDialog.Root>
  );
}

/** Start, pause and stop for those who may, and for everyone who was asked a way to change their mind. */
export function RecordingActs({ onError }: Props) {
  const { acts } = useStoa();
  const say = useSay();
  const { recording, mayRecord, asked, mine } = useRecording();
  const run = (act: () => Promise<void>) => () => void act().catch(onError);
  const answered = recording?.policy === "ask" && !asked;
  return (
    <>
      {mayRecord && !recording ? (
        <button type="button" className="stoa-button" onClick={run(() => acts.startRecording())}><Icon name="record" />{say("recording.start")}</button>
      ) : null}
      {mayRecord && recording?.status === "recording" ? (
        <button type="button" className="stoa-button" onClick={run(() => acts.pauseRecording())}><Icon name="pause" />{say("recording.pause")}</button>
      ) : null}
      {mayRecord && recording?.status === "paused" ? (
        <button type="button" className="stoa-button" onClick={run(() => acts.resumeRecording())}><Icon name="play" />{say("recording.resume")}</button>
      ) : null}
      {mayRecord && recording ? (
        <button type="button" className="stoa-button" data-tone="stop" data-quiet onClick={run(() => acts.stopRecording())}>
          <Icon name="record" />{say("recording.stop")}
        </button>
      ) : null}
      {answered && !mine ? (
        <button type="button" className="stoa-button" onClick={run(() => acts.consentToRecording(true))}><Icon name="record" />{say("recording.agree")}</button>
      ) : null}
      {answered && mine && recording.decline === "exclude" ? (
        <button type="button" className="stoa-button" onClick={run(() => acts.consentToRecording(false))}><Icon name="close" />{say("recording.decline")}</button>
      ) : null}
    </>
  );
}
