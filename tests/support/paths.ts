// Where things lie. Everything that a test writes goes below `.cache/` of the checkout.
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

/** A directory below the checkout's cache, made if it is not there. */
export function cacheDir(...parts: string[]): string {
  const dir = join(root, ".cache", ...parts);
  mkdirSync(dir, { recursive: true });
  return dir;
}
