// A call on hold, for people with nothing but LiveKit's native client: the server holds, and they learn it as tracks that are muted.
import { dispose } from "@livekit/rtc-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Stoa } from "../support/stoa.ts";
import { Person } from "./backend.ts";

let stoa: Stoa;
const people: Person[] = [];
beforeAll(async () => {
  stoa = await Stoa.start();
});
afterAll(async () => {
  await Promise.all(people.map((person) => person.leave()));
  await stoa?.dispose();
  await dispose();
});

async function ask(user: string, method: string, path: string, body?: object): Promise<any> { // eslint-disable-line @typescript-eslint/no-explicit-any
  const headers = { authorization: `Bearer ${await stoa.token("user", "--id", user, "--name", user)}`, "content-type": "application/json" };
  const answer = await fetch(stoa.url + path, { method, headers, ...(body && { body: JSON.stringify(body) }) });
  expect([answer.status, path]).toEqual([answer.status < 300 ? answer.status : 200, path]);
  return answer.json();
}

async function enter(user: string, { token, livekitUrl }: { token: string; livekitUrl: string }): Promise<Person> {
  const person = await Person.enter(livekitUrl, token, user);
  people.push(person);
  await person.film();
  await person.speak();
  return person;
}

describe("hold", () => {
  it.concurrent("keeps what one on hold sends from the others and what they send from them, until it is resumed", async () => {
    const made = await ask("alice", "POST", "/api/calls/initiate", { targetUserIds: ["bob", "carol"], type: "video" });
    const act = (user: string, word: string) => ask(user, "POST", `/api/calls/${made.callId}/${word}`);
    const alice = await enter("alice", made);
    const [bob, carol] = [await enter("bob", await act("bob", "accept")), await enter("carol", await act("carol", "accept"))];
    for (const [one, other] of [[alice, bob], [bob, alice], [alice, carol], [carol, bob]] as const) await one.sees(other.identity);

    await act("alice", "hold");
    await bob.saw("muted alice");
    await carol.saw("muted alice");
    for (const other of ["bob", "carol"]) await alice.saw(`muted ${other}`);
    await alice.seesNothing();
    // Those who are not on hold go on.
    const before = [bob.frames.get("alice"), carol.frames.get("alice")];
    await bob.sees("carol");
    await carol.sees("bob");
    expect([bob.frames.get("alice"), carol.frames.get("alice")]).toEqual(before);
    expect(bob.events).not.toContain("muted carol");

    // Who connects from scratch is still on hold.
    await alice.leave();
    const again = await enter("alice", await act("alice", "join"));
    await again.saw("subscribed bob");
    const { call } = await ask("alice", "GET", `/api/calls/${made.callId}`);
    expect(call.participants.map((part: { isOnHold: boolean }) => part.isOnHold)).toEqual([true, false, false]);
    await again.seesNothing();
    expect([...again.frames.values()]).toEqual([]);
    expect([bob.frames.get("alice"), carol.frames.get("alice")]).toEqual(before);

    await act("alice", "resume");
    await bob.saw("unmuted alice");
    await again.saw("unmuted bob");
    await again.sees("bob");
    await again.sees("carol");
    await bob.sees("alice");
    await carol.sees("alice");
  });

  it.concurrent("of an attended transfer is the server's, too", async () => {
    const made = await ask("vera", "POST", "/api/calls/initiate", { targetUserId: "walt", type: "video" });
    const act = (user: string, word: string, body?: object) => ask(user, "POST", `/api/calls/${made.callId}/${word}`, body);
    const vera = await enter("vera", made);
    const walt = await enter("walt", await act("walt", "accept"));
    await vera.sees("walt");
    await walt.sees("vera");
    await act("walt", "transfer", { targetUserId: "xenia", mode: "attended" });
    const xenia = await enter("xenia", await act("xenia", "accept"));
    await xenia.sees("walt");
    await walt.sees("xenia");
    await vera.seesNothing();
    expect(xenia.frames.get("vera") ?? 0).toBe(0);
    await act("walt", "transfer/complete");
    await vera.sees("xenia");
    await xenia.sees("vera");
  });
});
