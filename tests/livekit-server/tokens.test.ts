// What npm livekit-server-sdk writes into tokens: how the room is that a join opens, and whether its holder is there for the others.
import { dispose } from "@livekit/rtc-node";
import { AccessToken, RoomAgentDispatch, RoomConfiguration, RoomEgress, RoomServiceClient, ServerError, type VideoGrant } from "livekit-server-sdk";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Stoa } from "../support/stoa.ts";
import { sleep, until } from "../support/wait.ts";
import { Person, type Receiver, key, secret, startWithReceiver } from "./backend.ts";

let stoa: Stoa;
let receiver: Receiver;
let service: RoomServiceClient;
let rooms = 0;
let room = "";
const people: Person[] = [];

interface Said {
  roomConfig?: RoomConfiguration;
  roomPreset?: string;
  kind?: string;
  grant?: VideoGrant;
}

async function token(identity: string, { roomConfig, roomPreset, kind, grant }: Said = {}): Promise<string> {
  const made = new AccessToken(key, secret, { identity, name: identity, ttl: "30m" });
  made.addGrant({ room, roomJoin: true, ...grant });
  if (roomConfig !== undefined) made.roomConfig = roomConfig;
  if (roomPreset !== undefined) made.roomPreset = roomPreset;
  if (kind !== undefined) made.kind = kind;
  return made.toJwt();
}

async function join(identity: string, said: Said = {}): Promise<Person> {
  const person = await Person.enter(stoa.livekitUrl, await token(identity, said), identity);
  people.push(person);
  return person;
}

beforeAll(async () => {
  ({ stoa, receiver } = await startWithReceiver());
  service = new RoomServiceClient(stoa.url, key, secret);
});
afterEach(async () => {
  await Promise.all(people.splice(0).map((person) => person.leave()));
});
afterAll(async () => {
  await stoa?.dispose();
  receiver?.close();
  await dispose();
});

const next = (): string => (room = `tokens-${++rooms}`);
const described = async () => (await service.listRooms([room]))[0];

describe("a token's roomConfig", () => {
  const wanted = { maxParticipants: 1, departureTimeout: 2, emptyTimeout: 60, metadata: "mm" };

  it("is how the room is that its holder's join opens", async () => {
    next();
    const alice = await join("alice", { roomConfig: new RoomConfiguration(wanted) });
    expect(await described()).toMatchObject(wanted);
    expect(alice.room.metadata).toBe("mm");
    await until("the room to be told", async () => receiver.of(room).includes("room_started"));
    expect(receiver.events.find((event) => event.room?.name === room)?.room).toMatchObject(wanted);
    await expect(join("bob")).rejects.toThrow();
    expect((await service.listParticipants(room)).map(({ identity }) => identity)).toEqual(["alice"]);
    await alice.leave();
    const left = Date.now();
    await until("the room to close", async () => (await described()) === undefined, { timeout: 10_000 });
    // The default is twenty seconds.
    expect(Date.now() - left).toBeGreaterThan(1_000);
  });

  it("leaves a room as it is that is there", async () => {
    next();
    await service.createRoom({ name: room, maxParticipants: 5, metadata: "first" });
    await join("alice", { roomConfig: new RoomConfiguration(wanted) });
    await join("bob");
    expect(await described()).toMatchObject({ maxParticipants: 5, metadata: "first", emptyTimeout: 300, departureTimeout: 20 });
  });

  const refusals: [string, Said, string][] = [
    ["agents", { roomConfig: new RoomConfiguration({ agents: [new RoomAgentDispatch({ agentName: "a" })] }) }, "agents of a room are not supported"],
    ["egress", { roomConfig: new RoomConfiguration({ egress: new RoomEgress() }) }, "egress of a room is not supported"],
    ["a preset", { roomPreset: "big" }, "unknown room preset: this server has none"],
    ["a timeout of eight days", { roomConfig: new RoomConfiguration({ emptyTimeout: 691_200 }) }, "a timeout is longer than a week"],
  ];
  it.each(refusals)("with %s is refused, by whoever a room is asked for", async (_what, said, words) => {
    next();
    const jwt = await token("alice", said);
    for (const path of ["/rtc/validate", "/rtc/v1/validate"]) {
      const answer = await fetch(`${stoa.url}${path}?access_token=${jwt}`);
      expect([answer.status, await answer.text()]).toEqual([400, words]);
    }
    await expect(join("alice", said)).rejects.toThrow();
    expect(await described()).toBeUndefined();
    const { agents, egress, emptyTimeout } = said.roomConfig ?? new RoomConfiguration();
    const same = { name: room, agents, egress, emptyTimeout, roomPreset: said.roomPreset };
    await expect(service.createRoom(same)).rejects.toEqual(expect.objectContaining({ message: words }) as ServerError);
  });
});

describe("agents and recorders", () => {
  const dependents: [string, Said][] = [
    ["agent", { kind: "agent" }],
    ["egress", { kind: "egress" }],
    ["recorder", { grant: { recorder: true, hidden: true } }],
    ["worker", { grant: { agent: true } }],
  ];

  it("take no place, and are put out when nobody else is left", async () => {
    next();
    await service.createRoom({ name: room, maxParticipants: 1, departureTimeout: 2 });
    const before = await Promise.all(dependents.map(([name, said]) => join(name, said)));
    expect(await described()).toMatchObject({ numParticipants: 0, activeRecording: true });
    const alice = await join("alice");
    const late = await join("late", { kind: "egress" });
    await expect(join("bob")).rejects.toThrow();
    expect(await described()).toMatchObject({ numParticipants: 1 });
    expect(alice.remote("agent")).toBeDefined();
    await sleep(2_500);
    expect(await described(), "somebody is there").toBeDefined();
    await alice.leave();
    // 10: ROOM_CLOSED
    for (const dependent of [...before, late]) await dependent.saw("left 10");
    expect(await described()).toBeUndefined();
    await until("room_finished", async () => receiver.of(room).includes("room_finished"));
  });

  it("keep no call going", async () => {
    const ask = async (user: string, path: string, body?: object) => {
      const headers = { authorization: `Bearer ${await stoa.token("user", "--id", user, "--name", user)}`, "content-type": "application/json" };
      const answer = await fetch(stoa.url + path, { ...(body && { method: "POST", body: JSON.stringify(body) }), headers });
      return (await answer.json()) as { callId: string; token: string; call: { status: string; participants: { userId: string; status: string }[] } };
    };
    const made = await ask("alice", "/api/calls/initiate", { targetUserIds: ["bob", "tape"], type: "voice" });
    const call = async () => (await ask("alice", `/api/calls/${made.callId}`)).call;
    const standing = async () => Object.fromEntries((await call()).participants.map(({ userId, status }) => [userId, status]));
    room = made.callId;
    const alice = await Person.enter(stoa.livekitUrl, made.token, "alice");
    people.push(alice);
    const bob = await Person.enter(stoa.livekitUrl, (await ask("bob", `/api/calls/${made.callId}/accept`, {})).token, "bob");
    people.push(bob);
    const tape = await join("tape", { kind: "egress" });
    await until("all to be connected", async () => Object.values(await standing()).every((status) => status === "connected"));
    await bob.leave();
    await until("bob to be gone", async () => (await standing()).bob === "left");
    expect((await call()).status).toBe("connected");
    await alice.leave();
    await until("the call to end", async () => (await call()).status === "ended");
    // 5: ROOM_DELETED
    await tape.saw("left 5");
  });
});
