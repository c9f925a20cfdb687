/** Gives the hooks their `Stoa` and the components their words. */
import type { Stoa } from "@stoa/client";
import { createContext, use, useEffect, useMemo, type ReactNode } from "react";

import { english, speak, type Phrase, type Words } from "./words";

/** Returns a phrase with `values` filled in for its `{{names}}`. */
export type Say = (phrase: Phrase, values?: Record<string, string | number>) => string;

const StoaContext = createContext<Stoa | null>(null);
const SayContext = createContext<Say>((phrase, values) => speak(english, phrase, values));

export interface StoaProviderProps {
  /** Disposed of when this unmounts, unless another provider still has it. */
  stoa: Stoa;
  /** Leaves `stoa` running when this unmounts: whoever made it disposes of it. */
  keep?: boolean;
  /** Another language: a translation of `english`. Phrases you leave out stay in English. */
  words?: Partial<Words>;
  /** Or the host app's own translate function. */
  say?: Say;
  children: ReactNode;
}

export function StoaProvider({ stoa, keep = false, words, say, children }: StoaProviderProps) {
  const speaker = useMemo((): Say => say ?? ((phrase, values) => speak({ ...english, ...words }, phrase, values)), [words, say]);
  useEffect(() => hold(stoa, keep), [stoa, keep]);
  useEffect(() => stoa.typing.follow(window), [stoa]);
  return (
    <StoaContext value={stoa}>
      <SayContext value={speaker}>{children}</SayContext>
    </StoaContext>
  );
}

/** How many mounted providers have a `Stoa`. */
const holders = new WeakMap<Stoa, number>();

/** Holds a `Stoa` open. Call the result to let go: if nobody holds it any more, it's disposed of, unless it's to be kept. */
function hold(stoa: Stoa, keep: boolean): () => void {
  const count = (change: number): number => {
    const left = (holders.get(stoa) ?? 0) + change;
    holders.set(stoa, left);
    return left;
  };
  count(1);
  return () => {
    // Strict mode mounts anew in the same turn; only who stays away is done.
    if (count(-1) === 0 && !keep) setTimeout(() => count(0) === 0 && stoa.dispose());
  };
}

export function useStoa(): Stoa {
  const stoa = use(StoaContext);
  if (!stoa) throw new Error("useStoa needs a <StoaProvider> above it");
  return stoa;
}

export function useSay(): Say {
  return use(SayContext);
}
