/** A player for one file of a recording: the browser's own controls, and what they lack or hide. */
import { Icon } from "@stoa/react/components";
import { useCurrentCall } from "@stoa/react/hooks";
import { useEffect, useId, useRef, useState, type SyntheticEvent } from "react";
import { useTranslation } from "react-i18next";

const SPEEDS = [0.5, 0.75, 1, 1.25, 1.5, 2] as const;
const JUMP = 10;

interface PlayerProps {
  /** Where the file is. The link ends after a while, and is then replaced by another one to the same file. */
  src: string;
  audioOnly: boolean;
  label: string;
  /** Whether somebody has just asked for it: it starts, and takes the focus. */
  asked?: boolean;
}

export function Player({ src, audioOnly, label, asked = false }: PlayerProps) {
  const { t } = useTranslation();
  const media = useRef<HTMLMediaElement | null>(null);
  const [speed, setSpeed] = useState(1);
  const { used, failed, onError, onLoadedMetadata } = useFreshLink(src, speed);
  const calling = useCurrentCall() !== null;
  useEffect(() => {
    if (calling) media.current?.pause();
  }, [calling]);
  useEffect(() => {
    if (asked) media.current?.focus();
  }, [asked]);
  const id = useId();
  const jump = (seconds: number): void => {
    const { current } = media;
    if (current) current.currentTime = Math.max(0, Math.min(current.currentTime + seconds, current.duration || 0));
  };
  const setRate = (rate: number): void => {
    setSpeed(rate);
    if (media.current) media.current.playbackRate = rate;
  };
  const shared = { src: used, controls: true, preload: "metadata", autoPlay: asked, "aria-label": label, tabIndex: 0, onError, onLoadedMetadata } as const;
  const keep = (element: HTMLMediaElement | null): void => void (media.current = element);
  return (
    <div className="app-player">
      {audioOnly ? <audio {...shared} ref={keep} /> : <video {...shared} ref={keep} playsInline />}
      {failed ? <p className="app-error" role="alert">{t("player.failed")}</p> : (
        <div className="app-player-more" role="group" aria-label={t("player.controls")}>
          <button type="button" className="stoa-button" aria-label={t("player.back")} title={t("player.back")} onClick={() => jump(-JUMP)}>
            <Icon name="rewind" /><span aria-hidden="true">{JUMP}</span>
          </button>
          <button type="button" className="stoa-button" aria-label={t("player.forward")} title={t("player.forward")} onClick={() => jump(JUMP)}>
            <Icon name="forward" /><span aria-hidden="true">{JUMP}</span>
          </button>
          <span className="app-player-speed">
            <label htmlFor={id}>{t("player.speed")}</label>
            <select id={id} className="stoa-select" value={speed} onChange={(event) => setRate(Number(event.target.value))}>
              {SPEEDS.map((one) => <option key={one} value={one}>{one}×</option>)}
            </select>
          </span>
        </div>
      )}
    </div>
  );
}

/** Stays with one link, since a new one starts the media anew; takes the new one when the old one has ended, and goes on from there. */
function useFreshLink(src: string, speed: number) {
  const [used, setUsed] = useState(src);
  const [failed, setFailed] = useState(false);
  const left = useRef<{ at: number; playing: boolean } | null>(null);
  const onError = ({ currentTarget: current }: SyntheticEvent<HTMLMediaElement>): void => {
    if (used === src) return setFailed(true);
    left.current = { at: current.currentTime, playing: !current.paused };
    setUsed(src);
  };
  const onLoadedMetadata = ({ currentTarget: current }: SyntheticEvent<HTMLMediaElement>): void => {
    current.playbackRate = speed;
    setFailed(false);
    if (!left.current) return;
    const { at, playing } = left.current;
    left.current = null;
    current.currentTime = at;
    if (playing) void current.play().catch(() => undefined);
  };
  return { used, failed, onError, onLoadedMetadata };
}
