/** Toasts about calls. */
import type { MediaProblem, Notice } from "@stoa/client";
import { clockText, useMediaProblems, useNames, useNotices, useStoa, useStoaState } from "@stoa/react/hooks";
import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import { toast, Toaster } from "sonner";

import { useErrorToast } from "../errors";

export function Notices() {
  const { t } = useTranslation();
  const stoa = useStoa();
  const names = useNames();
  const onError = useErrorToast();
  const tellEnd = useEnds();
  // Other problems show up in the call itself.
  useMediaProblems((problem: MediaProblem) => {
    if (problem === "screen_failed") toast.warning(t("problem.screen_failed"), { id: `problem-${problem}`, duration: 8000 });
  });
  useNotices((notice: Notice) => {
    const id = `call-${notice.callId}`;
    switch (notice.kind) {
      case "missed": {
        const target = notice.channelId === null ? { userId: notice.userId } : { channelId: notice.channelId };
        const again = (): void => void stoa.call(target, { video: notice.video }).catch(onError);
        toast(t("toast.missed", { name: names.user(notice.userId) }), {
          id, duration: 20_000, action: { label: t("toast.callBack"), onClick: again },
        });
        return;
      }
      case "declined":
      case "busy":
        return void toast(t(`toast.${notice.kind}`, { name: names.user(notice.userId) }), { id: `${id}-${notice.userId}` });
      case "no_answer":
        return tellEnd(id, notice.userId === null ? t("toast.nobody") : t("toast.noAnswer", { name: names.user(notice.userId) }));
      // The tiles show it, and the live region announces it.
      case "joined":
      case "left":
        return;
      case "elsewhere":
      case "cancelled":
      case "removed":
      case "lost":
        return tellEnd(id, t(`toast.${notice.kind}`));
      case "muted":
      case "locked":
      case "unlocked":
      case "held":
      case "resumed":
        return void toast(t(`toast.${notice.kind}`, { name: names.user(notice.by) }), { id: `${id}-mark` });
      case "recording_started":
        // Whoever started it knows, and whoever is asked has a dialog that says so.
        if (notice.by === stoa.store.getState().me?.id || stoa.store.getState().book.current?.call?.recording?.policy === "ask") return;
        return void toast(t(notice.by === null ? "toast.recording" : "toast.recordingBy", { name: notice.by === null ? "" : names.user(notice.by) }), {
          id: `${id}-recording`,
        });
      case "recording_stopped":
        return void toast(t("toast.recordingStopped"), { id: `${id}-recording` });
      case "recording_failed":
        return void toast.warning(t("toast.recordingFailed"), { id: `${id}-recording` });
      // The mark in the call shows it.
      case "recording_paused":
      case "recording_resumed":
        return;
      case "transferred":
        return void toast(t(notice.mine ? "toast.transferredByMe" : "toast.transferred", { name: names.user(notice.userId) }), { id });
      case "transfer_failed":
        return void toast.warning(t("toast.transferFailed", { name: names.user(notice.userId) }), { id: `${id}-transfer` });
      case "poor_line":
        return void toast.warning(
          notice.userId === stoa.store.getState().me?.id ? t("toast.poorLine") : t("toast.poorLineOf", { name: names.user(notice.userId) }),
          { id: `${id}-line-${notice.userId}` },
        );
      case "ended":
        return tellEnd(id, notice.seconds === null ? t("toast.ended") : t("toast.endedAfter", { length: clockText(notice.seconds) }));
    }
  });
  return <Toaster position="top-center" containerAriaLabel={t("toasts")} className="app-toaster" toastOptions={{ className: "app-toast" }} />;
}

/** Shows that a call ended, until another one rings or begins, so that nobody takes that one for ended. */
function useEnds(): (id: string, text: string) => void {
  const { store } = useStoa();
  const shown = useRef(new Set<string>());
  const next = useStoaState(({ book }) => book.incoming[0]?.call.id ?? book.current?.callId ?? null);
  useEffect(() => {
    if (next === null) return;
    for (const id of shown.current) toast.dismiss(id);
    shown.current.clear();
  }, [next]);
  return (id, text) => {
    if (store.getState().book.incoming.length > 0) return;
    shown.current.add(id);
    toast(text, { id });
  };
}
