/** The store that views read: session, link, directory and call book. Only `Stoa` changes it. */
import { createStore, type StoreApi } from "zustand/vanilla";

import { emptyBook, type CallBook } from "./calls/book";
import type { ErrorCode } from "./errors";
import type { Link } from "./signal";
import type { Call, Channel, Participant, Presence, Session, User } from "./types";

/** Who is signed in. `unreachable`: the server gave no useful answer; where the network is down, it's asked again. */
export type SessionPhase = "loading" | "unreachable" | "signed_out" | "signed_in";

/** The user's recent calls. */
export interface History {
  /** Newest first. */
  calls: readonly Call[];
  /** Where the next page begins; null after the last one. */
  next: string | null;
  phase: "unread" | "loading" | "read";
}

/** Everything about the session but the media. */
export interface StoaState {
  phase: SessionPhase;
  /** The server's last answer about the session, with its features; null until it has answered. */
  session: Session | null;
  /** Null while nobody is signed in. */
  me: User | null;
  link: Link;
  /** Why the server doesn't let this device in, while `link` is `refused`: `invalid_state` if the user has too many. Else null. */
  refusal: ErrorCode | null;
  /** Everyone we know of, by ID: from the directory and from calls. */
  users: Readonly<Record<string, User>>;
  /** The channels we are a member of, by ID. */
  channels: Readonly<Record<string, Channel>>;
  /** Which of the two lists have been read. Until then, an empty one means nothing. */
  known: { users: boolean; channels: boolean };
  book: CallBook;
  history: History;
  /** Whether there can be recordings to look at: calls are recorded here, or some were. */
  hasRecordings: boolean;
}

export type StoaStore = StoreApi<StoaState>;

const signedOut = {
  me: null,
  users: {},
  channels: {},
  known: { users: false, channels: false },
  book: emptyBook,
  history: { calls: [], next: null, phase: "unread" },
  hasRecordings: false,
} satisfies Partial<StoaState>;

export function createStoaStore(): StoaStore {
  return createStore<StoaState>(() => ({ phase: "loading", session: null, link: "off", refusal: null, ...signedOut }));
}

/** The state once nobody is signed in. */
export function forgetUser(): Partial<StoaState> {
  return { phase: "signed_out", ...signedOut };
}

export function withPresence(users: StoaState["users"], changed: Readonly<Record<string, Presence>>): StoaState["users"] {
  const next = { ...users };
  for (const [id, presence] of Object.entries(changed)) {
    const user = next[id];
    if (user) next[id] = { ...user, presence };
  }
  return next;
}

/** Adds people from calls whom the directory doesn't list. */
export function withNames(users: StoaState["users"], calls: readonly Call[]): StoaState["users"] {
  const unknown = calls.flatMap((call) => call.participants).filter((p) => !(p.userId in users));
  if (unknown.length === 0) return users;
  const next = { ...users };
  for (const { userId, name, avatarUrl, isGuest } of unknown) {
    next[userId] = { id: userId, name, avatarUrl, presence: "offline", isGuest };
  }
  return next;
}

/** Gives people from calls the names that came later. */
export function renamed(users: StoaState["users"], names: readonly Pick<Participant, "userId" | "name" | "avatarUrl" | "isGuest">[]): StoaState["users"] {
  const known = names.flatMap(({ userId, ...name }) => (users[userId] ? [[userId, { ...users[userId], ...name }] as const] : []));
  return { ...users, ...Object.fromEntries(known) };
}

export function byId<T extends { id: string }>(list: readonly T[]): Record<string, T> {
  return Object.fromEntries(list.map((one) => [one.id, one]));
}
