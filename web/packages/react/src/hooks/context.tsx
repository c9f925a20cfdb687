/** Gives the hooks their `Stoa` and the components their words. */
import type { Stoa } from "@stoa/client";
import { createContext, use, useEffect, type ReactNode } from "react";

import { english, speak, type Phrase, type Words } from "./words";

/** Returns a phrase with `values` filled in for its `{{names}}`. */
export type Say = (phrase: Phrase, values?: Record<string, string | number>) => string;

const StoaContext = createContext<Stoa | null>(null);
const SayContext = createContext<Say>((phrase, values) => speak(english, phrase, values));

export interface StoaProviderProps {
  stoa: Stoa;
  /** Another language: a translation of `english`. Phrases you leave out stay in English. */
  words?: Partial<Words>;
  /** Or the host app's own translate function. */
  say?: Say;
  children: ReactNode;
}

export function StoaProvider({ stoa, words, say, children }: StoaProviderProps) {
  const speaker: Say = say ?? ((phrase, values) => speak({ ...english, ...words }, phrase, values));
  useEffect(() => stoa.typing.follow(window), [stoa]);
  return (
    <StoaContext value={stoa}>
      <SayContext value={speaker}>{children}</SayContext>
    </StoaContext>
  );
}

export function useStoa(): Stoa {
  const stoa = use(StoaContext);
  if (!stoa) throw new Error("useStoa needs a <StoaProvider> above it");
  return stoa;
}

export function useSay(): Say {
  return use(SayContext);
}
