/** What to say of a recording: whose call it was, how far it has come, how large it is, and why it failed. */
import { recordingStage, type Call, type Recording } from "@stoa/client";
import { useNames, useStoaState } from "@stoa/react/hooks";
import { useTranslation } from "react-i18next";

import { en } from "../locales";

type Why = Extract<keyof typeof en, `recording.why.${string}`>;

export interface RecordingWords {
  /** The channel, or who was in the call. */
  title: (recording: Recording, call: Call | null | undefined) => string;
  stage: (recording: Recording) => string;
  /** Why it failed; null if it didn't. */
  why: (recording: Recording) => string | null;
  size: (bytes: number) => string;
  /** A date and a time; `date`: the date alone. */
  moment: (at: string | number) => string;
  date: (at: string | number) => string;
  time: (at: number) => string;
}

export function useRecordingWords(): RecordingWords {
  const { t, i18n } = useTranslation();
  const names = useNames();
  const channels = useStoaState((s) => s.channels);
  const title: RecordingWords["title"] = ({ channelId, startedBy }, call) => {
    if (channelId !== null) return channelId in channels ? names.channel(channelId) : t("recordings.elsewhere");
    if (call) return names.call(call).name;
    return startedBy === null ? t("recordings.someCall") : t("recordings.by", { name: names.user(startedBy) });
  };
  const why: RecordingWords["why"] = ({ error }) => {
    if (error === null) return null;
    const phrase = `recording.why.${error.code}`;
    return t(phrase in en ? (phrase as Why) : "recording.why.other", { message: error.message });
  };
  const stage: RecordingWords["stage"] = (recording) => {
    const at = recordingStage(recording);
    if (at === "live" && recording.status === "paused") return t("recordings.stage.paused");
    if (at === "processing" && recording.progress === null) return t("recordings.stage.saving");
    const reason = why(recording);
    return at === "failed" && reason !== null ? t("recordings.failedBecause", { why: reason }) : t(`recordings.stage.${at}`);
  };
  return {
    title, stage, why,
    size: (bytes) => sizeText(bytes, i18n.language),
    moment: (at) => new Date(at).toLocaleString(i18n.language, { dateStyle: "long", timeStyle: "short" }),
    date: (at) => new Date(at).toLocaleDateString(i18n.language, { dateStyle: "long" }),
    time: (at) => new Date(at).toLocaleTimeString(i18n.language, { hour: "numeric", minute: "2-digit" }),
  };
}

const UNITS = ["kilobyte", "megabyte", "gigabyte", "terabyte"] as const;

/** A size in the unit that keeps it short: “3.2 MB”. */
export function sizeText(bytes: number, language: string): string {
  const power = bytes < 1_000 ? 1 : Math.min(Math.floor(Math.log10(bytes) / 3), UNITS.length);
  const value = bytes / 1000 ** power;
  const shape = { style: "unit", unit: UNITS[power - 1], unitDisplay: "short", maximumFractionDigits: value >= 100 ? 0 : 1 } as const;
  return new Intl.NumberFormat(language, shape).format(value);
}
