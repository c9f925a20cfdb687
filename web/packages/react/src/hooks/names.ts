/** Display names of people, channels and calls. */
import { participantOf, type Call, type CallTarget, type HistoryLine, type StoaState } from "@stoa/client";
import { useMemo } from "react";

import { useSay, type Say } from "./context";
import { useStoaState } from "./store";

export interface Names {
  /**
   * A person's name, with a mark from their ID if somebody else here has the same name. `otherwise`: the name that a call or its
   * media knows, for somebody who isn't in the directory.
   */
  user: (id: string, otherwise?: string | null) => string;
  channel: (id: string) => string;
  users: (ids: readonly string[]) => string;
  /** Who a call is with from my side, or the name of its channel. */
  call: (call: Call) => { name: string; inChannel: boolean };
  target: (target: CallTarget, call: Call | null) => { name: string; inChannel: boolean };
  other: (other: HistoryLine["other"]) => string;
}

export function useNames(): Names {
  const users = useStoaState((s) => s.users);
  const strangers = useStoaState(strangersOf);
  const channels = useStoaState((s) => s.channels);
  const me = useStoaState((s) => s.me?.id ?? "");
  const say = useSay();
  return useMemo(() => {
    const others = Object.fromEntries(Object.entries(strangers).map(([id, name]) => [id, { name }]));
    return namesOf({ ...others, ...users }, channels, me, say);
  }, [users, strangers, channels, me, say]);
}

/** The names of people who are in my calls but not in the directory, by ID. */
function strangersOf({ users, book }: StoaState): Record<string, string> {
  const people = Object.values(book.running).flatMap((call) => call.participants);
  return Object.fromEntries(people.filter(({ userId }) => !(userId in users)).map(({ userId, name }) => [userId, name]));
}

type Named = Readonly<Record<string, { name: string }>>;

export function namesOf(people: Named, channels: Named, me: string, say: Say): Names {
  const bearers = bearersOf(people, me);
  const user = (id: string, otherwise?: string | null): string => {
    const name = people[id]?.name ?? otherwise ?? id;
    const namesakes = (bearers.get(heard(name)) ?? []).filter((other) => other !== id);
    return id === me || namesakes.length === 0 ? name : say("person.namesake", { name, mark: markOf(id, namesakes) });
  };
  const channel = (id: string): string => channels[id]?.name ?? id;
  const several = (ids: readonly string[], named: (id: string) => string = user): string => {
    const [first, ...rest] = ids;
    if (first === undefined) return say("person.nobody");
    return rest.length === 0 ? named(first) : say("person.several", { first: named(first), count: rest.length });
  };
  const call = (one: Call): { name: string; inChannel: boolean } => {
    if (one.kind === "group" && one.channelId !== null) return { name: channel(one.channelId), inChannel: true };
    const ids = one.participants.map((p) => p.userId).filter((id) => id !== me);
    return { name: several(ids, (id) => user(id, participantOf(one, id)?.name)), inChannel: false };
  };
  const target = (to: CallTarget, running: Call | null): { name: string; inChannel: boolean } => {
    if (running) return call(running);
    if ("userId" in to) return { name: user(to.userId), inChannel: false };
    if ("userIds" in to) return { name: several(to.userIds), inChannel: false };
    if ("channelId" in to) return { name: channel(to.channelId), inChannel: true };
    return { name: say("call.group"), inChannel: false };
  };
  const other = (to: HistoryLine["other"]): string => {
    switch (to.kind) {
      case "user":
        return user(to.id);
      case "channel":
        return channel(to.id);
      case "users":
        return several(to.ids);
    }
  };
  return { user, channel, users: (ids) => several(ids), call, target, other };
}

/** Who goes by each name, apart from me. */
function bearersOf(people: Named, me: string): ReadonlyMap<string, readonly string[]> {
  const bearers = new Map<string, string[]>();
  for (const [id, { name }] of Object.entries(people)) {
    if (id === me) continue;
    const ids = bearers.get(heard(name));
    if (ids) ids.push(id);
    else bearers.set(heard(name), [id]);
  }
  return bearers;
}

/** A name as it's heard: “Ann” and “ann” are the same to somebody who listens. */
function heard(name: string): string {
  return name.normalize("NFKC").trim().toLocaleLowerCase();
}

/** IDs up to this length are somebody's choice and worth reading; longer ones are mostly random. */
const READABLE = 20;
const MARK = 4;

/** What tells an ID from those of its namesakes: all of it, or as much of its end as it takes. */
function markOf(id: string, namesakes: readonly string[]): string {
  if (id.length <= READABLE) return id;
  let length = MARK;
  while (length < id.length && namesakes.some((other) => other.endsWith(id.slice(-length)))) length += 1;
  return length < id.length ? `…${id.slice(-length)}` : id;
}
