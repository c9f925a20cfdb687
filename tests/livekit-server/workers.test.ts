// The same with rooms that are known to be on different workers: what is shown and moved crosses threads and UDP ports.
import { dispose } from "@livekit/rtc-node";
import { RoomServiceClient } from "livekit-server-sdk";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Stoa } from "../support/stoa.ts";
import { until } from "../support/wait.ts";
import { Person, key, secret } from "./backend.ts";

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

/** Rooms of each worker, as the server's own metrics have it. */
async function spread(): Promise<number[]> {
  const page = await stoa.metrics();
  return [0, 1].map((worker) => Number(new RegExp(`^stoa_rooms\\{worker="${worker}"\\} (\\d+)`, "m").exec(page)?.[1]));
}

async function join(room: string, identity: string): Promise<Person> {
  const person = await Person.join(stoa.livekitUrl, room, identity);
  people.push(person);
  return person;
}

it("shows and moves people between rooms of different workers", async () => {
  const service = new RoomServiceClient(stoa.url, key, secret);
  const alice = await join("here", "alice");
  await until("the first worker to have it", async () => (await spread()).join() === "1,0");
  const bob = await join("there", "bob");
  await until("the second worker to have the other", async () => (await spread()).join() === "1,1");
  await alice.film();
  await service.forwardParticipant("here", "alice", "there");
  await bob.sees("alice");
  await service.removeParticipant("there", "alice");
  await bob.saw("disconnected alice");
  await service.moveParticipant("here", "alice", "there");
  await bob.saw("connected alice");
  await bob.sees("alice");
  expect((await service.listParticipants("there")).map(({ identity }) => identity).sort()).toEqual(["alice", "bob"]);
});
