/** How long a recording is kept, and the dialog to change it. */
import type { Recording } from "@stoa/client";
import { Dialog } from "radix-ui";
import { useId, useState, type SubmitEvent } from "react";
import { useTranslation } from "react-i18next";
import { toast } from "sonner";

import { useErrorText } from "../errors";
import { useRecordingWords } from "./recording-words";

const YEAR = 365;
const CHOICES = [7, 30, 90, YEAR, 5 * YEAR] as const;
const DAY_MS = 86_400_000;

interface KeepProps {
  recording: Recording;
  mayChange: boolean;
  keep: (days: number | null) => Promise<void>;
}

export function KeepRecording({ recording, mayChange, keep }: KeepProps) {
  const { t } = useTranslation();
  const words = useRecordingWords();
  const [open, setOpen] = useState(false);
  const { expiresAt, retentionDays, legalHold } = recording;
  const text = legalHold
    ? t("recording.onHold")
    : expiresAt !== null
      ? t("recording.keptUntil", { date: words.date(expiresAt) })
      : retentionDays !== null
        ? t("recording.keptForDays", { count: retentionDays })
        : t("recording.keptForever");
  return (
    <div className="app-kept">
      <p>{text}</p>
      {mayChange ? (
        <Dialog.Root open={open} onOpenChange={setOpen}>
          <Dialog.Trigger asChild>
            <button type="button" className="stoa-button" aria-label={`${t("recording.change")}: ${t("recording.changeLabel")}`}>{t("recording.change")}</button>
          </Dialog.Trigger>
          <Dialog.Portal>
            <Dialog.Overlay className="stoa-veil" />
            <Dialog.Content className="app-dialog" aria-describedby={undefined}>
              <Dialog.Title>{t("recording.keepTitle")}</Dialog.Title>
              <KeepForm recording={recording} keep={keep} onDone={() => setOpen(false)} />
            </Dialog.Content>
          </Dialog.Portal>
        </Dialog.Root>
      ) : null}
    </div>
  );
}

function KeepForm({ recording, keep, onDone }: Pick<KeepProps, "recording" | "keep"> & { onDone: () => void }) {
  const { t } = useTranslation();
  const textOf = useErrorText();
  const id = useId();
  const { retentionDays } = recording;
  const [days, setDays] = useState(retentionDays);
  const [problem, setProblem] = useState<string | null>(null);
  const choices = [...new Set([...CHOICES, ...(retentionDays === null ? [] : [retentionDays])])].sort((a, b) => a - b);
  const save = (event: SubmitEvent): void => {
    event.preventDefault();
    keep(days).then(
      () => {
        onDone();
        toast(t("recording.kept"));
      },
      (error: unknown) => setProblem(textOf(error)),
    );
  };
  const choiceText = (count: number): string =>
    count % YEAR === 0 ? t("recording.keepYears", { count: count / YEAR }) : t("recording.keepDays", { count });
  return (
    <form className="app-form" onSubmit={save}>
      <div className="app-field">
        <label htmlFor={id}>{t("recording.keepFor")}</label>
        <select
          id={id} className="stoa-select" value={days ?? ""} aria-describedby={`${id}-ends`}
          onChange={(event) => setDays(event.target.value === "" ? null : Number(event.target.value))}
        >
          <option value="">{t("recording.keepDefault")}</option>
          {choices.map((one) => <option key={one} value={one}>{choiceText(one)}</option>)}
        </select>
        <small id={`${id}-ends`} aria-live="polite"><Ends recording={recording} days={days} /></small>
      </div>
      {problem === null ? null : <p className="app-error" role="alert">{problem}</p>}
      <div className="app-form-acts">
        <button type="button" className="stoa-button" onClick={onDone}>{t("recording.cancel")}</button>
        <button type="submit" className="stoa-button" data-tone="accent">{t("recording.save")}</button>
      </div>
    </form>
  );
}

/** When that would be. Only the server knows its own default. */
function Ends({ recording: { endedAt }, days }: { recording: Recording; days: number | null }) {
  const { t } = useTranslation();
  const words = useRecordingWords();
  const [now] = useState(() => Date.now());
  if (days === null || endedAt === null) return null;
  const end = Date.parse(endedAt) + days * DAY_MS;
  return end <= now ? t("recording.keepOver") : t("recording.keepEnds", { date: words.date(end) });
}
