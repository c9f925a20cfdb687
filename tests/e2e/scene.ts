// A scene: one server with fresh data, and browsers that outlive the scenes of a file because starting them is slow.
import type { Browser } from "playwright-core";
import { startBrowser } from "../support/browser.ts";
import type { Persona } from "../support/media.ts";
import { Stoa, type StoaOptions } from "../support/stoa.ts";
import { Person } from "./person.ts";

const browsers = new Map<string, Promise<Browser>>();

/** The browser with this persona's camera; `seat` tells two browsers of one persona apart. */
export function browserOf(who: Persona, seat = 0): Promise<Browser> {
  const key = `${who.name}/${seat}`;
  const running = browsers.get(key) ?? startBrowser(who);
  browsers.set(key, running);
  return running;
}

export async function closeBrowsers(): Promise<void> {
  const all = [...browsers.values()];
  browsers.clear();
  for (const browser of all) await (await browser).close();
}

/** What a scene gets: the server, and guests who have come in. */
export interface Scene {
  stoa: Stoa;
  guest(who: Persona): Promise<Person>;
  /** Somebody at the sign-in page; `seat` gives the same persona a second browser. */
  arrive(who: Persona, seat?: number): Promise<Person>;
}

/** Plays a scene on a server of its own; what went wrong comes with the server's log. */
export async function scene(play: (scene: Scene) => Promise<void>, options?: StoaOptions): Promise<void> {
  const stoa = await Stoa.start(options);
  const people: Person[] = [];
  const keep = (person: Person) => {
    people.push(person);
    return person;
  };
  try {
    await play({
      stoa,
      guest: async (who) => keep(await Person.guest(await browserOf(who), stoa.url, who)),
      arrive: async (who, seat) => keep(await Person.arrive(await browserOf(who, seat), stoa.url, who)),
    });
  } catch (error) {
    await report(people, stoa);
    throw error;
  } finally {
    for (const { context } of people) await context.close();
    await stoa.dispose();
  }
}

/** Pictures of every page and the tail of the log, for who has to find the cause. */
async function report(people: Person[], stoa: Stoa): Promise<void> {
  const { cacheDir } = await import("../support/paths.ts");
  for (const [i, { page, name }] of people.entries()) {
    const path = `${cacheDir("failures")}/${Date.now()}-${i}-${name}.png`;
    await page.screenshot({ path }).then(() => console.log(`picture of ${name}: ${path}`), () => undefined);
  }
  console.log(`the end of stoa's log:\n${stoa.log.split("\n").slice(-40).join("\n")}`);
}
