/** People and channels, sorted for display. */
import type { Channel, User } from "@stoa/client";
import { useMemo } from "react";

import { useStoaState } from "./store";

/** Namesakes by ID, so that they keep their places. */
const byName = (a: { id: string; name: string }, b: { id: string; name: string }): number => a.name.localeCompare(b.name) || a.id.localeCompare(b.id);

/** Everyone but me, people who are online first. */
export function usePeople(search = ""): readonly User[] {
  const users = useStoaState((s) => s.users);
  const me = useStoaState((s) => s.me?.id ?? "");
  return useMemo(() => {
    const wanted = search.trim().toLocaleLowerCase();
    return Object.values(users)
      .filter((u) => u.id !== me && u.name.toLocaleLowerCase().includes(wanted))
      .sort((a, b) => Number(a.presence === "offline") - Number(b.presence === "offline") || byName(a, b));
  }, [users, me, search]);
}

export function useChannels(): readonly Channel[] {
  const channels = useStoaState((s) => s.channels);
  return useMemo(() => Object.values(channels).sort(byName), [channels]);
}
