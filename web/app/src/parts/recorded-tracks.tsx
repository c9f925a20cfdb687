/** What each person sent, where there's no file of the whole call: to play one at a time, and to download. */
import type { RecordedTrack } from "@stoa/client";
import { Avatar, Icon } from "@stoa/react/components";
import { useNames, useStoa, useStoaState } from "@stoa/react/hooks";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { en } from "../locales";
import { Player } from "./player";
import { useRecordingWords } from "./recording-words";

type Source = Extract<keyof typeof en, `recording.source.${string}`>;

export function RecordedTracks({ tracks }: { tracks: readonly RecordedTrack[] }) {
  const { t } = useTranslation();
  const stoa = useStoa();
  const names = useNames();
  const users = useStoaState((s) => s.users);
  const [playing, setPlaying] = useState<string | null>(null);
  const current = tracks.find((one) => one.id === playing);
  const nameOf = ({ userId, name }: RecordedTrack): string => (userId === null ? (name ?? t("recording.someone")) : names.user(userId, name));
  const whatOf = ({ id, source, userId, name }: RecordedTrack): string => {
    const phrase = `recording.source.${source ?? "other"}`;
    const what = t(phrase in en ? (phrase as Source) : "recording.source.other");
    // A new file begins when a camera changes its size, for one.
    const parts = tracks.filter((one) => one.source === source && one.userId === userId && one.name === name);
    return parts.length === 1 ? what : t("recording.part", { what, number: parts.findIndex((one) => one.id === id) + 1 });
  };
  return (
    <>
      {current ? (
        <Player
          key={current.id} asked src={stoa.recordings.link(current.fileUrl)} audioOnly={current.kind === "audio"}
          label={t("recording.track", { name: nameOf(current), what: whatOf(current) })}
        />
      ) : null}
      <h2>{t("recording.tracks")}</h2>
      <ul className="app-list app-recorded" aria-label={t("recording.tracks")}>
        {peopleOf(tracks).map(([key, files]) => {
          const [first] = files;
          const name = nameOf(first);
          return (
            <li key={key}>
              <span className="app-recorded-who">
                <Avatar name={name} id={first.userId ?? key} url={first.userId === null ? null : users[first.userId]?.avatarUrl} size="small" />
                <b><bdi>{name}</bdi></b>
              </span>
              <ul aria-label={name}>
                {files.map((file) => <File key={file.id} file={file} name={name} what={whatOf(file)} here={file.id === playing} onPlay={() => setPlaying(file.id)} />)}
              </ul>
            </li>
          );
        })}
      </ul>
    </>
  );
}

function File({ file, name, what, here, onPlay }: { file: RecordedTrack; name: string; what: string; here: boolean; onPlay: () => void }) {
  const { t } = useTranslation();
  const stoa = useStoa();
  const words = useRecordingWords();
  const play = t("recording.play", { what, name });
  const download = t("recording.downloadTrack", { what, name });
  return (
    <li className="app-row" data-track-id={file.id} data-here={here}>
      <span className="app-row-text">
        <span>{what}</span>
        <small>
          <span>{words.size(file.sizeBytes)}</span>
          {file.width === null || file.height === null ? null : <span>{file.width} × {file.height}</span>}
        </small>
      </span>
      <button type="button" className="stoa-icon-button" aria-label={play} title={play} onClick={onPlay}><Icon name="play" size={19} /></button>
      <a className="stoa-icon-button" href={stoa.recordings.link(file.fileUrl)} download aria-label={download} title={download}><Icon name="download" size={19} /></a>
    </li>
  );
}

/** The files by who sent them, in the order in which people first appear. */
function peopleOf(tracks: readonly RecordedTrack[]): [string, [RecordedTrack, ...RecordedTrack[]]][] {
  const people = new Map<string, [RecordedTrack, ...RecordedTrack[]]>();
  for (const track of tracks) {
    const key = track.userId ?? track.name ?? "";
    const files = people.get(key);
    if (files) files.push(track);
    else people.set(key, [track]);
  }
  return [...people];
}
