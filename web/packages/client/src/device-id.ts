/** A device is a browser tab: its id survives a reload, and a duplicated tab gets one of its own. */

const KEY = "stoa.device";

export interface DeviceIdHost {
  storage: Pick<Storage, "getItem" | "setItem">;
  locks?: Pick<LockManager, "request"> | undefined;
  random: () => string;
}

/** The id of this tab. Holds a lock on it for the tab's life, so that two tabs never use the same one. */
export async function claimDeviceId(host: DeviceIdHost = browserHost()): Promise<string> {
  const known = read(host);
  if (known && (await claim(host, known))) return known;
  const fresh = host.random();
  await claim(host, fresh);
  write(host, fresh);
  return fresh;
}

function claim({ locks }: DeviceIdHost, id: string): Promise<boolean> {
  if (!locks) return Promise.resolve(true);
  return new Promise((resolve) => {
    locks
      .request(`${KEY}.${id}`, { ifAvailable: true }, (lock) => {
        resolve(lock !== null);
        return lock === null ? undefined : new Promise<never>(() => undefined);
      })
      .catch(() => resolve(true));
  });
}

function read({ storage }: DeviceIdHost): string | null {
  try {
    return storage.getItem(KEY);
  } catch {
    return null;
  }
}

function write({ storage }: DeviceIdHost, id: string): void {
  try {
    storage.setItem(KEY, id);
  } catch {
    // Storage may be forbidden; the id then lasts as long as the page.
  }
}

function browserHost(): DeviceIdHost {
  return { storage: sessionStorage, locks: (navigator as { locks?: LockManager }).locks, random: randomId };
}

/** `crypto.randomUUID` needs a secure context; a phone on the LAN may have none. */
function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `web-${Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("")}`;
}
