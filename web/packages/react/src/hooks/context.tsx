/** Where the hooks find their `Stoa`, and the words the components speak. */
import type { Stoa } from "@stoa/client";
import { createContext, use, useEffect, type ReactNode } from "react";

import { english, speak, type Phrase, type Words } from "./words";

/** Says a phrase; the values fill its `{{names}}`. */
export type Say = (phrase: Phrase, values?: Record<string, string | number>) => string;

const StoaContext = createContext<Stoa | null>(null);
const SayContext = createContext<Say>((phrase, values) => speak(english, phrase, values));

export interface StoaProviderProps {
  stoa: Stoa;
  /** Another language: the catalogue of `english`, translated. Phrases left out stay English. */
  words?: Partial<Words>;
  /** Or a translator of the host app's own. */
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
