/**
 * A device is a browser tab. Its ID survives a reload, and when a tab is closed or crashes, the next one that opens inherits
 * its ID and can pick up the call. No two open tabs share an ID.
 *
 * The browser keeps a list of its IDs. A Web Lock, held for as long as the tab lives, says which of them are in use.
 */
import type { Lifetime } from "./lifetime";

const KEY = "stoa.device";
const KEPT = "stoa.devices.known";
/** How many IDs are kept for reuse. Further tabs get IDs that are forgotten when they close. */
const MOST_KEPT = 8;
/** Milliseconds between attempts: a reloaded page may ask for its lock before the old page has released it. */
const RELOAD_PAUSES = [0, 60, 200];

type Store = Pick<Storage, "getItem" | "setItem">;

export interface DeviceIdHost {
  /** This tab's storage. */
  session: Store;
  /** This browser's storage. */
  local: Store;
  locks?: Pick<LockManager, "request"> | undefined;
  random: () => string;
  /** What holds the lock. Without it, the page does. */
  life?: Lifetime;
}

/** Gets this tab's ID and locks it. */
export async function claimDeviceId(host: DeviceIdHost = browserHost()): Promise<string> {
  const id = (await claimOwn(host)) ?? (await claimFree(host)) ?? (await claimFresh(host));
  write(host.session, KEY, id);
  return id;
}

/** The ID this tab had before a reload. */
async function claimOwn(host: DeviceIdHost): Promise<string | null> {
  const own = read(host.session, KEY);
  if (own === null) return null;
  for (const pause of RELOAD_PAUSES) {
    if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause));
    if (await claim(host, own)) return own;
  }
  return null;
}

/** An ID whose tab is gone. Without locks there's no telling which that is. */
async function claimFree(host: DeviceIdHost): Promise<string | null> {
  if (!host.locks) return null;
  for (const id of known(host)) if (await claim(host, id)) return id;
  return null;
}

async function claimFresh(host: DeviceIdHost): Promise<string> {
  const id = host.random();
  await claim(host, id);
  write(host.local, KEPT, JSON.stringify([...known(host), id].slice(0, MOST_KEPT)));
  return id;
}

function claim({ locks, life }: DeviceIdHost, id: string): Promise<boolean> {
  if (!locks) return Promise.resolve(true);
  return new Promise((resolve) => {
    locks
      .request(`${KEY}.${id}`, { ifAvailable: true }, (lock) => {
        resolve(lock !== null);
        return lock === null ? undefined : new Promise<void>((release) => void life?.keep(release));
      })
      .catch(() => resolve(true));
  });
}

function known({ local }: DeviceIdHost): string[] {
  try {
    const list: unknown = JSON.parse(read(local, KEPT) ?? "[]");
    return Array.isArray(list) ? list.filter((id) => typeof id === "string") : [];
  } catch {
    return [];
  }
}

function read(store: Store, key: string): string | null {
  try {
    return store.getItem(key);
  } catch {
    return null;
  }
}

function write(store: Store, key: string, value: string): void {
  try {
    store.setItem(key, value);
  } catch {
    // Storage may be blocked; the ID then lasts as long as the page.
  }
}

/** This tab of this browser. */
export function browserHost(): DeviceIdHost {
  const { locks } = navigator as { locks?: LockManager };
  // Even reading `localStorage` may throw, so it's only read where that is caught.
  const store = (of: () => Storage): Store => ({
    getItem: (key) => of().getItem(key),
    setItem: (key, value) => of().setItem(key, value),
  });
  return { session: store(() => sessionStorage), local: store(() => localStorage), locks, random: randomId };
}

/** `crypto.randomUUID` needs a secure context, which a phone on the LAN may not have. */
function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `web-${Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("")}`;
}
