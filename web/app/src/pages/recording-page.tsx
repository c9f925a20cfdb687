/** One recording: to watch, to hand on, to keep and to delete. */
import { linkExpiry, mayChange, mayDelete, recordingStage, type Recording } from "@stoa/client";
import { Icon } from "@stoa/react/components";
import { clockText, useNames, useStoa, useStoaState, useWatchedRecording, type WatchedRecording } from "@stoa/react/hooks";
import { useId, useState } from "react";
import { useTranslation } from "react-i18next";
import { toast } from "sonner";

import { useErrorText, useErrorToast } from "../errors";
import { KeepRecording } from "../parts/keep-recording";
import { Player } from "../parts/player";
import { RecordedTracks } from "../parts/recorded-tracks";
import { useRecordingWords } from "../parts/recording-words";
import { Sure } from "../parts/sure";
import { go, linkTo } from "../routes";
import { NothingPage } from "./nothing-page";
import { ReadingPage } from "./reading-page";

export function RecordingPage({ id }: { id: string }) {
  const { t } = useTranslation();
  const textOf = useErrorText();
  const watched = useWatchedRecording(id);
  const { recording, phase, error } = watched;
  if (phase === "gone") return <NothingPage text={t("recording.unknown")} />;
  if (phase === "failed") return <NothingPage text={t("recording.failed", { problem: textOf(error) })} />;
  return recording === null ? <ReadingPage /> : <Shown recording={recording} watched={watched} />;
}

function Shown({ recording, watched }: { recording: Recording; watched: WatchedRecording }) {
  const { t } = useTranslation();
  const stoa = useStoa();
  const names = useNames();
  const words = useRecordingWords();
  const me = useStoaState((s) => s.me?.id ?? "");
  const session = useStoaState((s) => s.session);
  const { fileUrl, startedAt, startedBy, durationSeconds, fileSizeBytes } = recording;
  const title = words.title(recording, watched.call);
  const by = startedBy === null || (watched.call === null && recording.channelId === null) ? null : t("recordings.by", { name: names.user(startedBy) });
  return (
    <div className="app-page app-recording" data-stage={recordingStage(recording)}>
      <a className="app-back" {...linkTo({ at: "recordings" })}><Icon name="back" />{t("recordings.title")}</a>
      <header>
        <h1><bdi>{title}</bdi></h1>
        <p className="app-facts">
          <span>{words.moment(startedAt)}</span>
          {durationSeconds === null ? null : <time data-seconds={durationSeconds}>{clockText(durationSeconds)}</time>}
          {fileSizeBytes === 0 ? null : <span>{words.size(fileSizeBytes)}</span>}
          {by === null ? null : <span>{by}</span>}
        </p>
      </header>
      {fileUrl === null ? null : <Player src={stoa.recordings.link(fileUrl)} audioOnly={recording.audioOnly} label={t("player.label", { name: title })} />}
      <Stage recording={recording} watched={watched} />
      {fileUrl === null ? null : <Share fileUrl={fileUrl} />}
      <KeepRecording recording={recording} mayChange={mayChange(recording, me, session)} keep={watched.keep} />
      {mayDelete(recording, me, session) ? <Delete id={recording.id} /> : null}
    </div>
  );
}

/** How far it has come, and what there is instead of one file. */
function Stage({ recording, watched: { tracks } }: { recording: Recording; watched: WatchedRecording }) {
  const { t } = useTranslation();
  const words = useRecordingWords();
  const { fileUrl, progress } = recording;
  const stage = recordingStage(recording);
  const hint = { live: "recording.live", processing: progress === null ? "recording.saving" : "recording.processing" } as const;
  const left = fileUrl !== null ? "recording.cut" : tracks === null ? null : tracks.length === 0 ? "recording.nothing" : stage === "failed" ? "recording.tracksLeft" : "recording.tracksOnly";
  return (
    <>
      {/* Said when it changes. How many percent it is by now is for the eye, and for whoever asks. */}
      <p className={stage === "ready" ? "stoa-hidden" : "app-stage-now"} role="status">{words.stage(recording)}</p>
      {progress === null ? null : (
        <p className="app-progress">
          <progress max={100} value={progress} aria-label={words.stage(recording)} />
          <span aria-hidden="true">{t("recordings.percent", { percent: progress })}</span>
        </p>
      )}
      {stage === "live" || stage === "processing" ? <p className="app-empty">{t(hint[stage])}</p> : null}
      {(stage === "failed" || stage === "tracks") && left !== null ? <p className="app-empty">{t(left)}</p> : null}
      {tracks !== null && tracks.length > 0 ? <RecordedTracks tracks={tracks} /> : null}
    </>
  );
}

/** The file to take away, and a link to hand on. */
function Share({ fileUrl }: { fileUrl: string }) {
  const { t } = useTranslation();
  const stoa = useStoa();
  const words = useRecordingWords();
  const id = useId();
  const [byHand, setByHand] = useState(false);
  const time = words.time(linkExpiry(fileUrl) ?? 0);
  const copy = (): void => {
    const { clipboard } = navigator as { clipboard?: Clipboard };
    const copied = clipboard ? clipboard.writeText(fileUrl) : Promise.reject(new Error("no clipboard"));
    copied.then(() => void toast(t("recording.copied", { time })), () => setByHand(true));
  };
  return (
    <div className="app-share">
      <a className="stoa-button" data-tone="accent" href={stoa.recordings.link(fileUrl)} download><Icon name="download" />{t("recording.download")}</a>
      <button type="button" className="stoa-button" onClick={copy}><Icon name="link" />{t("recording.copyLink")}</button>
      {byHand ? (
        <div className="app-field">
          <label htmlFor={id}>{t("recording.linkLabel")}</label>
          <input id={id} readOnly autoFocus value={fileUrl} aria-describedby={`${id}-hint`} onFocus={(event) => event.target.select()} />
          <small id={`${id}-hint`}>{t("recording.linkHint", { time })}</small>
        </div>
      ) : null}
    </div>
  );
}

function Delete({ id }: { id: string }) {
  const { t } = useTranslation();
  const stoa = useStoa();
  const onError = useErrorToast();
  const away = (): void => {
    stoa.recordings.delete(id).then(() => {
      toast(t("recording.deleted"));
      go({ at: "recordings" });
    }).catch(onError);
  };
  return (
    <div className="app-acts">
      <Sure title={t("recording.deleteTitle")} text={t("recording.deleteSure")} label={t("recording.delete")} onYes={away} />
    </div>
  );
}
