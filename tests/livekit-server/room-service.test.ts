// npm livekit-server-sdk against people who are really in rooms: every method of RoomService, and the webhooks.
import { readFileSync } from "node:fs";
import path from "node:path";
import { dispose } from "@livekit/rtc-node";
import {
  DataPacket_Kind,
  PerformRpcRequest,
  PerformRpcResponse,
  TrackSource as SourceName,
  UpdateParticipantRequest,
} from "@livekit/protocol";
import { AccessToken, RoomServiceClient, ServerError, type VideoGrant } from "livekit-server-sdk";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { root } from "../support/paths.ts";
import type { Stoa } from "../support/stoa.ts";
import { sleep, until } from "../support/wait.ts";
import { Person, type Receiver, key, secret, startWithReceiver } from "./backend.ts";

let stoa: Stoa;
let receiver: Receiver;
let service: RoomServiceClient;
let rooms = 0;
let room = "";
const people: Person[] = [];

async function join(identity: string, grants: VideoGrant = {}, where = room): Promise<Person> {
  const person = await Person.join(stoa.livekitUrl, where, identity, grants);
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

/** A request as it goes over the wire, to see what the SDKs would hide. Answers with the status. */
async function call(method: string, body: object, grant: VideoGrant, by = secret): Promise<number> {
  const admin = new AccessToken(key, by, { identity: "backend", ttl: "1m" });
  admin.addGrant(grant);
  const headers = { authorization: `Bearer ${await admin.toJwt()}`, "content-type": "application/json" };
  const answer = await fetch(`${stoa.url}/twirp/livekit.RoomService/${method}`, { method: "POST", headers, body: JSON.stringify(body) });
  expect(answer.headers.get("content-type")).toBe("application/json");
  return answer.status;
}

const next = (): string => (room = `service-${++rooms}`);
const refusedAs = (code: string, status: number) => expect.objectContaining({ code, status }) as ServerError;

describe("rooms", () => {
  it("are created with options, listed, changed and deleted", async () => {
    next();
    const made = await service.createRoom({ name: room, emptyTimeout: 600, departureTimeout: 30, maxParticipants: 2, metadata: "one" });
    expect(made).toMatchObject({ name: room, emptyTimeout: 600, departureTimeout: 30, maxParticipants: 2, metadata: "one" });
    expect(made.sid).toMatch(/^RM_/);
    expect(Math.abs(Number(made.creationTime) - Date.now() / 1000)).toBeLessThan(60);
    const other = await service.createRoom({ name: `${room}-other` });
    expect((await service.listRooms([room])).map(({ sid }) => sid)).toEqual([made.sid]);
    const all = (await service.listRooms()).map(({ name }) => name);
    expect(all).toEqual(expect.arrayContaining([room, other.name]));
    const alice = await join("alice");
    expect((await service.updateRoomMetadata(room, "two")).metadata).toBe("two");
    await until("the room's metadata to arrive", async () => alice.room.metadata === "two");
    await service.deleteRoom(room);
    // 5: ROOM_DELETED
    await alice.saw("left 5");
    expect(await service.listRooms([room])).toEqual([]);
    await service.deleteRoom(other.name);
    await expect(service.deleteRoom(room)).rejects.toEqual(refusedAs("not_found", 404));
  });

  it("take no more than they were created for", async () => {
    next();
    await service.createRoom({ name: room, maxParticipants: 1 });
    await join("alice");
    await expect(Person.join(stoa.livekitUrl, room, "bob")).rejects.toThrow();
    expect((await service.listParticipants(room)).map(({ identity }) => identity)).toEqual(["alice"]);
  });

  it("close after the time they were given", async () => {
    next();
    await service.createRoom({ name: room, emptyTimeout: 1 });
    await until("the room to close", async () => (await service.listRooms([room])).length === 0, { timeout: 10_000 });
    await until("room_finished", async () => receiver.of(room).includes("room_finished"));
    expect(receiver.of(room)).toEqual(["room_started", "room_finished"]);
  });
});

describe("participants", () => {
  it("are listed, described, renamed and put out", async () => {
    next();
    const [alice, bob] = [await join("alice"), await join("bob")];
    await alice.film();
    expect((await service.listParticipants(room)).map(({ identity }) => identity).sort()).toEqual(["alice", "bob"]);
    await until("alice's camera to be listed", async () => (await service.getParticipant(room, "alice")).tracks.length === 1);
    const change = { name: "Alice A.", metadata: "m", attributes: { mood: "good", gone: "x" } };
    const changed = await service.updateParticipant(room, "alice", change);
    expect(changed).toMatchObject({ name: "Alice A.", metadata: "m", attributes: { mood: "good", gone: "x" } });
    await service.updateParticipant(room, "alice", { attributes: { gone: "" } });
    await until("bob to know", async () => {
      const seen = bob.remote("alice");
      return seen?.name === "Alice A." && seen.metadata === "m" && seen.attributes.mood === "good" && !("gone" in seen.attributes);
    });
    // Her own client knows, too, and has a token that says the same.
    await until("alice to know", async () => alice.room.localParticipant?.metadata === "m");
    await alice.saw("token");
    await service.removeParticipant(room, "alice");
    // 4: PARTICIPANT_REMOVED
    await alice.saw("left 4");
    await bob.saw("disconnected alice");
    await expect(service.getParticipant(room, "alice")).rejects.toEqual(refusedAs("not_found", 404));
    await expect(service.removeParticipant(room, "nobody")).rejects.toEqual(refusedAs("not_found", 404));
    // As LiveKit has it: nobody is in a room that does not exist.
    expect(await service.listParticipants("no-such-room")).toEqual([]);
  });

  it("whose tokens are revoked do not come back with them", async () => {
    next();
    const [, alice] = [await join("bob"), await join("alice")];
    await service.removeParticipant(room, "alice", { revokeTokenTs: BigInt(Math.floor(Date.now() / 1000) + 5) });
    await alice.saw("left 4");
    await expect(Person.join(stoa.livekitUrl, room, "alice")).rejects.toThrow();
    expect((await service.listParticipants(room)).map(({ identity }) => identity)).toEqual(["bob"]);
  });

  it("are muted by the server, and unmute themselves only", async () => {
    next();
    const [alice, bob] = [await join("alice"), await join("bob")];
    const sid = await alice.speak();
    await bob.saw("subscribed alice");
    expect((await service.mutePublishedTrack(room, "alice", sid, true)).muted).toBe(true);
    await bob.saw("muted alice");
    await until("alice's own track to be muted", async () => alice.room.localParticipant?.trackPublications.get(sid)?.muted === true);
    await expect(service.mutePublishedTrack(room, "alice", sid, false)).rejects.toEqual(refusedAs("failed_precondition", 412));
    await expect(service.mutePublishedTrack(room, "alice", "TR_none", true)).rejects.toEqual(refusedAs("not_found", 404));
  });

  it("lose what they publish with the right to", async () => {
    next();
    const [alice, bob] = [await join("alice"), await join("bob")];
    await alice.film();
    await bob.sees("alice");
    const may = { canPublish: true, canSubscribe: true, canPublishData: true };
    const info = await service.updateParticipant(room, "alice", { permission: { ...may, canPublish: false } });
    expect(info.permission?.canPublish).toBe(false);
    await bob.saw("unpublished alice");
    await expect(alice.film()).rejects.toThrow();
    await service.updateParticipant(room, "alice", { permission: { ...may, canPublishSources: [SourceName.CAMERA] } });
    await alice.film();
    await bob.sees("alice");
  });

  it("are subscribed and unsubscribed by the server", async () => {
    next();
    const [alice, bob] = [await join("alice"), await join("bob")];
    const sid = await alice.film();
    await bob.sees("alice");
    await service.updateSubscriptions(room, "bob", [sid], false);
    // Native clients are not told, they get nothing more.
    await until("the picture to stop", async () => {
      const before = bob.frames.get("alice");
      await sleep(1_000);
      return bob.frames.get("alice") === before;
    });
    await service.updateSubscriptions(room, "bob", [sid], true);
    await bob.sees("alice");
  });

  it("answer a backend's RPC", async () => {
    next();
    const bob = await join("bob");
    bob.room.localParticipant!.registerRpcMethod("greet", async ({ payload, callerIdentity }) => {
      expect(callerIdentity).not.toBe("");
      return `hello ${payload}`;
    });
    bob.room.localParticipant!.registerRpcMethod("fail", async () => Promise.reject(new Error("no")));
    const perform = async (method: string, responseTimeoutMs = 5_000) => {
      const admin = new AccessToken(key, secret, { ttl: "1m" });
      admin.addGrant({ roomAdmin: true, room });
      const body = new PerformRpcRequest({ room, destinationIdentity: "bob", method, payload: "you", responseTimeoutMs });
      const headers = { authorization: `Bearer ${await admin.toJwt()}`, "content-type": "application/protobuf" };
      return fetch(`${stoa.url}/twirp/livekit.RoomService/PerformRpc`, { method: "POST", headers, body: Buffer.from(body.toBinary()) });
    };
    const rpcError = (code: number, message: string) => `twirp error unknown: RpcError ${code}: ${message}`;
    const greeted = await perform("greet");
    expect(greeted.headers.get("content-type")).toBe("application/protobuf");
    expect(PerformRpcResponse.fromBinary(new Uint8Array(await greeted.arrayBuffer())).payload).toBe("hello you");
    const unknown = await perform("unknown");
    expect([unknown.status, await unknown.json()]).toMatchObject([400, { code: "invalid_argument", msg: rpcError(1400, "Method not supported at destination") }]);
    const failed = await perform("fail");
    expect([failed.status, await failed.json()]).toMatchObject([500, { code: "internal", msg: rpcError(1500, "Application error in method handler") }]);
  });

  it("are moved to another room with what they publish, whichever worker it is on", async () => {
    next();
    // Rooms are spread over the two workers as they come.
    const destinations = [`${room}-a`, `${room}-b`];
    const alice = await join("alice");
    const bob = await join("bob");
    const there = await Promise.all(destinations.map((where, at) => join(`carol${at}`, {}, where)));
    await alice.film();
    await bob.sees("alice");
    let from = room;
    for (const [at, where] of destinations.entries()) {
      await service.moveParticipant(from, "alice", where);
      await alice.saw("moved");
      await there[at]!.saw("connected alice");
      await there[at]!.sees("alice");
      await until("alice to be listed there alone", async () => {
        const here = (await service.listParticipants(from)).map(({ identity }) => identity);
        const now = (await service.listParticipants(where)).map(({ identity }) => identity);
        return !here.includes("alice") && now.includes("alice");
      });
      await until("alice's client to be in that room", async () => alice.room.name === where);
      from = where;
    }
    await bob.saw("disconnected alice");
    await expect(service.moveParticipant(from, "alice", from)).rejects.toEqual(refusedAs("invalid_argument", 400));
    await expect(service.moveParticipant(from, "nobody", `${room}-c`)).rejects.toEqual(refusedAs("not_found", 404));
    expect(await service.listRooms([`${room}-c`])).toEqual([]);
  });
});

describe("forwarding", () => {
  it("shows a participant in other rooms, whichever worker they are on, until it is ended", async () => {
    next();
    const destinations = [`${room}-a`, `${room}-b`];
    const alice = await join("alice");
    const there = await Promise.all(destinations.map((where, at) => join(`carol${at}`, {}, where)));
    const microphone = await alice.speak();
    for (const where of destinations) await service.forwardParticipant(room, "alice", where);
    // What was published before is there, and what comes after.
    await alice.film();
    for (const [at, where] of destinations.entries()) {
      const carol = there[at]!;
      await carol.sees("alice");
      const shown = await service.getParticipant(where, "alice");
      expect(shown.tracks.map(({ type }) => type).sort()).toEqual([0, 1]);
      // 1: FORWARDED
      expect(shown.kindDetails).toEqual([1]);
    }
    expect((await service.listParticipants(room)).map(({ identity }) => identity)).toEqual(["alice"]);
    // Who comes late gets a picture, too: a keyframe is asked for across the rooms.
    const late = await join("late", {}, destinations[0]);
    await late.sees("alice");
    await service.mutePublishedTrack(room, "alice", microphone, true);
    for (const carol of there) await carol.saw("muted alice");
    await service.updateParticipant(room, "alice", { metadata: "m" });
    for (const carol of there) await until("the change to arrive", async () => carol.remote("alice")?.metadata === "m");
    await expect(service.forwardParticipant(room, "alice", destinations[0]!)).rejects.toEqual(refusedAs("already_exists", 409));
    await expect(service.forwardParticipant(room, "nobody", `${room}-c`)).rejects.toEqual(refusedAs("not_found", 404));
    expect(await service.listRooms([`${room}-c`])).toEqual([]);
    // What she says as data is heard there, too, and of whom it is.
    const say = (text: string, reliable: boolean, to: string[] = []) =>
      alice.room.localParticipant!.publishData(new TextEncoder().encode(text), { reliable, topic: "t", destination_identities: to });
    await say("to all", true);
    await say("to carol1", true, ["carol1"]);
    await say("in passing", false);
    const heard = (person: Person) => person.data.map(({ text, from }) => `${from}: ${text}`);
    const all = ["alice: to all", "alice: in passing"];
    for (const carol of there) await until("her words to arrive", async () => all.every((text) => heard(carol).includes(text)));
    await until("what is for one", async () => heard(there[1]!).includes("alice: to carol1"));
    expect(heard(there[0]!)).not.toContain("alice: to carol1");
    for (const carol of there) expect(heard(carol).filter((text) => text === "alice: to all")).toHaveLength(1);
    // Removed in one place she stays in the others.
    await service.removeParticipant(destinations[0]!, "alice");
    await there[0]!.saw("disconnected alice");
    await there[1]!.sees("alice");
    // Where she leaves, she leaves everywhere.
    await alice.leave();
    await there[1]!.saw("disconnected alice");
    await until("her end there to be told", async () => receiver.of(destinations[1]!).includes("participant_left alice"));
  });
});

describe("data", () => {
  it("goes to all, or to those named by identity or sid, once a nonce", async () => {
    next();
    const [alice, bob] = [await join("alice"), await join("bob")];
    const send = (text: string, options: object, kind = DataPacket_Kind.RELIABLE) =>
      service.sendData(room, new TextEncoder().encode(text), kind, options);
    const texts = (person: Person) => person.data.map(({ text }) => text);
    await send("all", { topic: "t" });
    await send("bob", { destinationIdentities: ["bob"] });
    await send("alice", { destinationSids: [alice.room.localParticipant!.sid] });
    await send("nobody", { destinationIdentities: ["nobody"] });
    const twice = { room, data: btoa("twice"), nonce: btoa("0123456789abcdef") };
    for (let n = 0; n < 2; n += 1) expect(await call("SendData", twice, { roomAdmin: true, room })).toBe(200);
    await send("last", {});
    for (const person of [alice, bob]) await until("the last to arrive", async () => texts(person).includes("last"));
    expect(texts(alice)).toEqual(["all", "alice", "twice", "last"]);
    expect(texts(bob)).toEqual(["all", "bob", "twice", "last"]);
    expect(alice.data[0]).toEqual({ topic: "t", text: "all", from: undefined });
  });
});

describe("grants", () => {
  it("are asked for by every method", async () => {
    next();
    await join("alice");
    const who = { room, identity: "alice" };
    const methods: [string, object][] = [
      ["CreateRoom", { name: room }],
      ["ListRooms", {}],
      ["DeleteRoom", { room }],
      ["ListParticipants", { room }],
      ["GetParticipant", who],
      ["RemoveParticipant", who],
      ["MutePublishedTrack", { ...who, trackSid: "TR_x", muted: true }],
      ["UpdateParticipant", { ...who, name: "Mallory" }],
      ["UpdateSubscriptions", { ...who, trackSids: [], subscribe: true }],
      ["SendData", { room, data: "" }],
      ["UpdateRoomMetadata", { room, metadata: "m" }],
      ["ForwardParticipant", { ...who, destinationRoom: "elsewhere" }],
      ["MoveParticipant", { ...who, destinationRoom: "elsewhere" }],
      ["PerformRpc", { room, destinationIdentity: "alice", method: "m" }],
    ];
    for (const [method, body] of methods) {
      expect([method, await call(method, body, { roomJoin: true, room })]).toEqual([method, 401]);
      const another: VideoGrant = { roomAdmin: true, room: "another", destinationRoom: "elsewhere" };
      expect([method, await call(method, body, another)]).toEqual([method, 401]);
      expect([method, await call(method, body, { roomAdmin: true, roomCreate: true, roomList: true, room }, "wrong")]).toEqual([method, 401]);
    }
    for (const method of ["MoveParticipant", "ForwardParticipant"]) {
      const wrong: VideoGrant = { roomAdmin: true, room, destinationRoom: "other" };
      expect(await call(method, { ...who, destinationRoom: "elsewhere" }, wrong)).toBe(401);
    }
    expect((await service.getParticipant(room, "alice")).name).toBe("alice");
    expect(await call("NoSuchMethod", {}, {})).toBe(404);
    expect(await call("CreateRoom", { name: "" }, { roomCreate: true })).toBe(400);
    expect(await call("SendData", { room, nonce: "AAAA" }, { roomAdmin: true, room })).toBe(400);
    const get = await fetch(`${stoa.url}/twirp/livekit.RoomService/ListRooms`);
    expect([get.status, await get.json()]).toMatchObject([404, { code: "bad_route" }]);
    const long = new UpdateParticipantRequest({ ...who, metadata: "x".repeat(70_000) }).toJson() as object;
    expect(await call("UpdateParticipant", long, { roomAdmin: true, room })).toBe(400);
  });
});

describe("refusals", () => {
  it("have every code of the guide, provoked", async () => {
    next();
    const post = async (method: string, body: object | string, grant: VideoGrant, by = secret): Promise<string> => {
      const admin = new AccessToken(key, by, { identity: "backend", ttl: "1m" });
      admin.addGrant(grant);
      const headers = { authorization: `Bearer ${await admin.toJwt()}`, "content-type": "application/json" };
      const text = typeof body === "string" ? body : JSON.stringify(body);
      const answer = await fetch(`${stoa.url}/twirp/livekit.RoomService/${method}`, { method: "POST", headers, body: text });
      const { code, msg } = (await answer.json()) as { code: string; msg: string };
      expect(msg).toEqual(expect.any(String));
      return `${code} ${answer.status}`;
    };
    const [bob, carol] = [await join("bob"), await join("carol")];
    const hang = () => new Promise<string>(() => undefined);
    bob.room.localParticipant!.registerRpcMethod("hang", hang);
    carol.room.localParticipant!.registerRpcMethod("hang", hang);
    bob.room.localParticipant!.registerRpcMethod("fail", () => Promise.reject(new Error("no")));
    const here: VideoGrant = { roomAdmin: true, room };
    const elsewhere: VideoGrant = { ...here, destinationRoom: `${room}-b` };
    const rpc = (destinationIdentity: string, method: string, responseTimeoutMs = 5_000) =>
      post("PerformRpc", { room, destinationIdentity, method, payload: "x", responseTimeoutMs }, here);
    const seen = new Set<string>();
    const refused = async (answer: Promise<string>, wanted: string) => {
      expect(await answer).toBe(wanted);
      seen.add(wanted);
    };
    await refused(post("ListRooms", {}, {}), "unauthenticated 401");
    await refused(post("ListRooms", "{", { roomList: true }), "malformed 400");
    await refused(post("NoSuchMethod", {}, {}), "bad_route 404");
    await refused(post("CreateRoom", { name: "" }, { roomCreate: true }), "invalid_argument 400");
    await refused(post("CreateRoom", { name: "x", egress: {} }, { roomCreate: true }), "unimplemented 501");
    await refused(post("DeleteRoom", { room: "none" }, { roomCreate: true }), "not_found 404");
    await refused(post("UpdateRoomMetadata", { room, metadata: "x".repeat(512 * 1024) }, here), "resource_exhausted 429");
    const sid = await bob.speak();
    await service.mutePublishedTrack(room, "bob", sid, true);
    await refused(post("MutePublishedTrack", { room, identity: "bob", trackSid: sid, muted: false }, here), "failed_precondition 412");
    await service.forwardParticipant(room, "bob", `${room}-b`);
    await refused(post("ForwardParticipant", { room, identity: "bob", destinationRoom: `${room}-b` }, elsewhere), "already_exists 409");
    await refused(rpc("bob", "fail"), "internal 500");
    await refused(rpc("bob", "hang", 500), "canceled 408");
    const waiting = rpc("carol", "hang");
    await sleep(500);
    await carol.leave();
    await refused(waiting, "unavailable 503");
    // A call's room takes those whom the call takes.
    const token = await stoa.token("user", "--id", "dora", "--name", "Dora");
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const made = await fetch(`${stoa.url}/api/calls`, { method: "POST", headers, body: JSON.stringify({ targetUserId: "emil" }) });
    const { callId } = (await made.json()) as { callId: string };
    const into: VideoGrant = { ...here, destinationRoom: callId };
    await refused(post("MoveParticipant", { room, identity: "bob", destinationRoom: callId }, into), "permission_denied 403");
    const guide = readFileSync(path.join(root, "docs", "API.md"), "utf8").split("## LiveKit's server API")[1]!;
    const listed = [...guide.matchAll(/^\| `([a-z_]+)` \| (\d+) \|/gm)].map(([, code, status]) => `${code} ${status}`);
    expect(listed.sort()).toEqual([...seen].sort());
  });
});

describe("webhooks", () => {
  it("tell a room's story in order, even to a backend that is down at first", async () => {
    next();
    receiver.down = 2;
    const alice = await join("alice");
    await alice.film();
    await until("the track to be told", async () => receiver.of(room).includes("track_published alice"));
    await alice.leave();
    await until("alice to be told gone", async () => receiver.of(room).includes("participant_left alice"));
    await service.deleteRoom(room);
    await until("the end", async () => receiver.of(room).includes("room_finished"));
    const story = ["room_started", "participant_joined alice", "track_published alice", "track_unpublished alice"];
    expect(receiver.of(room)).toEqual([...story, "participant_left alice", "room_finished"]);
    const [started] = receiver.events.filter((event) => event.room?.name === room);
    expect(started!.id).toMatch(/^EV_/);
    expect(receiver.refused).toEqual([]);
  });
});
