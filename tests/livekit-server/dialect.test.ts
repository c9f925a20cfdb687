// Stoa answers the server API, and tells in webhooks, in the words of LiveKit's own server: what livekit-server 1.13.5 said to
// the same requests is in recorded/, byte for byte but for blanks and what no two servers have alike.
import { readFileSync } from "node:fs";
import path from "node:path";
import { dispose } from "@livekit/rtc-node";
import { afterAll, afterEach, beforeEach, expect, it } from "vitest";
import { root } from "../support/paths.ts";
import type { Stoa } from "../support/stoa.ts";
import { until } from "../support/wait.ts";
import { type Receiver, startWithReceiver } from "./backend.ts";
import { Script, comparable, people, rooms, type Exchange } from "./scenes.ts";

let receiver: Receiver;
let stoa: Stoa;

beforeEach(async () => {
  ({ stoa, receiver } = await startWithReceiver());
});
afterEach(async () => {
  await stoa?.dispose();
  receiver?.close();
});
afterAll(() => dispose());

function recorded<T>(name: string): T {
  return JSON.parse(readFileSync(path.join(root, "tests", "livekit-server", "recorded", `${name}.json`), "utf8")) as T;
}

const refusal = (status: number, code: string, msg: string, meta?: Record<string, string>) => ({
  status,
  type: "application/json",
  answer: JSON.stringify({ code, msg, ...(meta === undefined ? {} : { meta }) }),
});
const noParticipant = refusal(404, "not_found", "twirp error unknown: participant does not exist");
const noRoom = refusal(404, "not_found", "twirp error unknown: requested room does not exist");
const noService = (service: string, method: string) => {
  const route = `/twirp/livekit.${service}/${method}`;
  return refusal(404, "bad_route", `no handler for path "${route}"`, { twirp_invalid_route: `POST ${route}` });
};

/** Where Stoa answers otherwise, and means to. */
const otherwise: Record<string, Omit<Exchange, "asked">> = {
  // LiveKit waits three seconds for somebody who is not there, and says that no server answers.
  'RoomService/MutePublishedTrack {"room":"r","identity":"x","trackSid":"TR_none00"}': noParticipant,
  'RoomService/UpdateSubscriptions {"room":"r","identity":"x"}': noParticipant,
  'RoomService/PerformRpc {"room":"r","destinationIdentity":"x","method":"m"}': noParticipant,
  'RoomService/ForwardParticipant {"room":"r","identity":"x","destinationRoom":"d"}': noParticipant,
  'RoomService/MoveParticipant {"room":"r","identity":"x","destinationRoom":"d"}': noParticipant,
  '{"roomAdmin":true,"room":"none"} RoomService/SendData {"room":"none","data":"aGk="}': noRoom,
  // LiveKit says that it has muted nothing.
  'RoomService/MutePublishedTrack {"room":"r","identity":"alice","trackSid":"TR_none00","muted":true}': refusal(
    404,
    "not_found",
    "twirp error unknown: track is not found",
  ),
  // LiveKit makes a room without a name, which no token lets anyone into.
  'RoomService/CreateRoom {"name":""}': refusal(400, "invalid_argument", "twirp error unknown: no room name"),
  // Twirp's words where LiveKit has a page of HTTP, and for the services that there are not.
  "NoSuchService/ListRooms {}": noService("NoSuchService", "ListRooms"),
  "Egress/ListEgress {}": noService("Egress", "ListEgress"),
  "Ingress/ListIngress {}": noService("Ingress", "ListIngress"),
  "SIP/ListSIPTrunk {}": noService("SIP", "ListSIPTrunk"),
  'AgentDispatchService/ListDispatch {"room":"r"}': noService("AgentDispatchService", "ListDispatch"),
};

for (const [name, scene] of Object.entries({ rooms, people })) {
  it(`of ${name} it says what LiveKit says`, async () => {
    const script = new Script(stoa.url);
    await scene(script);
    const answers = recorded<Exchange[]>(name).map((exchange) => {
      return { ...exchange, answer: comparable(exchange.answer), ...otherwise[exchange.asked] };
    });
    expect(script.exchanges).toEqual(answers);

    // Those of a room in their order; counts in them are of some moment before. Rooms that there are not here have none.
    const events = (bodies: string[], room: string) =>
      bodies.filter((body) => body.includes(`"name":"${room}"`)).map((body) => body.replace(/,"num(Participants|Publishers)":\d+/g, ""));
    const told = recorded<string[]>(`${name}-webhooks`).map(comparable);
    for (const room of ["r", "s"]) {
      const expected = events(told, room);
      const found = () => events(receiver.bodies.map(comparable), room);
      await until("the webhooks", async () => found().length >= expected.length, { timeout: 20_000 }).catch(() => undefined);
      expect(found()).toEqual(expected);
    }
    expect(receiver.refused).toEqual([]);
  });
}
