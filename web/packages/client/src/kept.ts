/** Lists that are made anew from the state each time, but whose entries keep their identity for as long as they show the same. */

/**
 * `now`, with each entry that is the `same` as the one with its `key` in `before` replaced by that one; `before` itself if nothing
 * has changed. Views that compare by identity then draw only what is different.
 */
export function keepSame<T>(before: readonly T[], now: readonly T[], key: (entry: T) => string, same: (a: T, b: T) => boolean): readonly T[] {
  const known = new Map(before.map((entry) => [key(entry), entry]));
  const kept = now.map((entry) => {
    const was = known.get(key(entry));
    return was !== undefined && same(was, entry) ? was : entry;
  });
  return kept.length === before.length && kept.every((entry, index) => entry === before[index]) ? before : kept;
}

/** Whether two records have the same members. */
export function sameMembers<T extends object>(a: T, b: T): boolean {
  const keys = Object.keys(a) as (keyof T)[];
  return keys.length === Object.keys(b).length && keys.every((key) => key in b && Object.is(a[key], b[key]));
}
