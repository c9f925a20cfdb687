/** Display names of people, channels and calls. */
import { participantOf, type Call, type CallTarget, type Channel, type HistoryLine, type User } from "@stoa/client";
import { useMemo } from "react";

import { useSay, type Say } from "./context";
import { useStoaState } from "./store";

export interface Names {
  user: (id: string) => string;
  channel: (id: string) => string;
  users: (ids: readonly string[]) => string;
  /** Who a call is with from my side, or the name of its channel. */
  call: (call: Call) => { name: string; inChannel: boolean };
  target: (target: CallTarget, call: Call | null) => { name: string; inChannel: boolean };
  other: (other: HistoryLine["other"]) => string;
}

export function useNames(): Names {
  const users = useStoaState((s) => s.users);
  const channels = useStoaState((s) => s.channels);
  const me = useStoaState((s) => s.me?.id ?? "");
  const say = useSay();
  return useMemo(() => namesOf(users, channels, me, say), [users, channels, me, say]);
}

export function namesOf(
  users: Readonly<Record<string, User>>,
  channels: Readonly<Record<string, Channel>>,
  me: string,
  say: Say,
): Names {
  const user = (id: string): string => users[id]?.name ?? id;
  const channel = (id: string): string => channels[id]?.name ?? id;
  const several = (ids: readonly string[]): string => {
    const [first, ...rest] = ids;
    if (first === undefined) return say("person.nobody");
    return rest.length === 0 ? user(first) : say("person.several", { first: user(first), count: rest.length });
  };
  const call = (one: Call): { name: string; inChannel: boolean } => {
    if (one.kind === "group" && one.channelId !== null) return { name: channel(one.channelId), inChannel: true };
    const named = (id: string): string => users[id]?.name ?? participantOf(one, id)?.name ?? id;
    const ids = one.participants.map((p) => p.userId).filter((id) => id !== me);
    const [first, ...rest] = ids;
    const name =
      first === undefined
        ? say("person.nobody")
        : rest.length === 0
          ? named(first)
          : say("person.several", { first: named(first), count: rest.length });
    return { name, inChannel: false };
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
  return { user, channel, users: several, call, target, other };
}
