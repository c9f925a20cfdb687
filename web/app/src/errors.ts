/** Errors in words: one phrase per code, and a general one for the rest. */
import { codeOf } from "@stoa/client";
import { useTranslation } from "react-i18next";
import { toast } from "sonner";

import { en } from "./locales";

type ErrorPhrase = Extract<keyof typeof en, `error.${string}`>;

export function phraseOf(error: unknown): ErrorPhrase {
  const phrase = `error.${codeOf(error)}`;
  return phrase in en ? (phrase as ErrorPhrase) : "error.other";
}

export function useErrorText(): (error: unknown) => string {
  const { t } = useTranslation();
  return (error) => t(phraseOf(error), { message: error instanceof Error ? error.message : String(error) });
}

/** For actions that report failure in a toast. */
export function useErrorToast(): (error: unknown) => void {
  const text = useErrorText();
  return (error) => void toast.error(text(error));
}
