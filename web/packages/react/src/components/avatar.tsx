/** A person as a figure in a niche: an arch with a picture or initials, and their presence at its foot. */
import type { Presence } from "@stoa/client";
import { useState } from "react";

export interface AvatarProps {
  name: string;
  id: string;
  url?: string | null | undefined;
  size?: "small" | "medium" | "large" | "huge";
  presence?: Presence | undefined;
}

export function Avatar({ name, id, url, size = "medium", presence }: AvatarProps) {
  const [broken, setBroken] = useState(false);
  return (
    <span className="stoa-avatar" data-size={size} data-hue={hueOf(id)} aria-hidden="true">
      {/* The styles draw the initials, so they're no text that a button's name would have to contain (WCAG 2.5.3). */}
      <span className="stoa-avatar-niche" data-initials={url && !broken ? undefined : initials(name)}>
        {url && !broken ? <img src={url} alt="" onError={() => setBroken(true)} /> : null}
      </span>
      {presence ? <span className="stoa-presence" data-presence={presence} /> : null}
    </span>
  );
}

/** One of the six colours of the painted porch; each person always has the same one. */
export function hueOf(id: string): number {
  let sum = 7;
  for (const char of id) sum = (sum * 31 + (char.codePointAt(0) ?? 0)) % 9973;
  return sum % 6;
}

export function initials(name: string): string {
  const all = name.trim().split(/\s+/u).filter(Boolean);
  // What is in brackets is no part of the name.
  const named = all.filter((word) => !/^\p{P}/u.test(word));
  const words = named.length > 0 ? named : all;
  const [first, last] = [words[0], words.length > 1 ? words.at(-1) : undefined];
  return [first, last].map((word) => (word ? String.fromCodePoint(word.codePointAt(0) ?? 32) : "")).join("").toLocaleUpperCase();
}
