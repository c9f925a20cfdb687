// What is asked of the server API, with nobody there and with people: the same of Stoa and of LiveKit's own server, whose
// answers are in recorded/.
import { RpcError } from "@livekit/rtc-node";
import { AccessToken, type VideoGrant } from "livekit-server-sdk";
import { until } from "../support/wait.ts";
import { Person, key, secret, type Receiver } from "./backend.ts";

/** A request, and its answer without what no two servers have alike. */
export interface Exchange {
  asked: string;
  status: number;
  type: string | null;
  answer: string;
}

interface Manner {
  /** None: without a token. */
  grant?: VideoGrant | null;
  verb?: string;
  type?: string;
  service?: string;
}

const everything: VideoGrant = { roomCreate: true, roomList: true, roomAdmin: true, room: "r", destinationRoom: "d" };

/** Ids, times, versions and random values by their form: no two servers have them alike. LiveKit also has a room without a name. */
const byForm = (text: string): string =>
  text
    .replace(/"(RM|PA|TR|EV|AD)_[A-Za-z0-9]{12,}"/g, '"$1_*"')
    .replace(/"(turn_password|turnPassword|cid)":"[^"]+"/g, '"$1":"*"')
    .replace(/"(ssrc|version)":[1-9]\d*/g, '"$1":"*"')
    .replace(/"(\d{10}|\d{13}|\d{16}|\d{19})"/g, (_all, digits: string) => `"${digits.length} digits"`)
    .replace(/,\{"sid":"RM_\*","name":"","empty_timeout".*?"version":null\}/g, "");

/** Without blanks between tokens, which LiveKit's servers put or not, by build; a line of text as it is. */
export function comparable(answer: string): string {
  if (!answer.startsWith("{")) return answer;
  return byForm(answer.replace(/("(?:[^"\\]|\\.)*")|\s+/g, "$1"));
}

/** Asks one server, and writes down what it says. */
export class Script {
  readonly exchanges: Exchange[] = [];
  constructor(
    readonly url: string,
    readonly receiver?: Receiver,
  ) {}

  /** One request, and what came of it. */
  async ask(method: string, body: string, manner: Manner = {}): Promise<string> {
    const { grant = everything, verb = "POST", type = "application/json", service = "RoomService" } = manner;
    const token = new AccessToken(key, secret, { identity: "backend", ttl: "1m" });
    token.addGrant(grant ?? {});
    const headers = { "content-type": type, ...(grant === null ? {} : { authorization: `Bearer ${await token.toJwt()}` }) };
    const sent = verb === "GET" ? {} : { body };
    const answer = await fetch(`${this.url}/twirp/livekit.${service}/${method}`, { method: verb, headers, ...sent });
    const text = await answer.text();
    const by = [verb === "POST" ? "" : verb, grant === everything ? "" : JSON.stringify(grant), type === "application/json" ? "" : type];
    const asked = [...by, `${service}/${method}`, body.length > 300 ? `${body.slice(0, 60)}… (${body.length})` : body];
    const asWritten = asked.filter((part) => part !== "").join(" ");
    this.exchanges.push({
      asked: byForm(asWritten),
      status: answer.status,
      type: answer.headers.get("content-type"),
      answer: comparable(text),
    });
    return text;
  }
}

/** Nobody is in any room. */
export async function rooms(script: Script): Promise<void> {
  const ask = (method: string, body: string, manner?: Manner) => script.ask(method, body, manner);
  await ask("ListRooms", "{}");
  await ask("CreateRoom", '{"name":"r"}');
  await ask("CreateRoom", '{"name":"r","metadata":null,"emptyTimeout":null,"agents":null,"tags":null}');
  const options = '"emptyTimeout":77.0,"departure_timeout":"5","maxParticipants":1e1,"metadata":"m\\"\\u00e9\\u2028<&>\\u0001","newField":[1,{}]';
  await ask("CreateRoom", `{"name":"s",${options}}`);
  await ask("ListRooms", '{"names":["s"]}');
  await ask("ListRooms", '{"names":["nobody"]}');
  await ask("DeleteRoom", '{"room":"s"}');
  await ask("DeleteRoom", '{"room":"s"}');
  await ask("ListRooms", '{"names":null}');
  await ask("ListParticipants", '{"room":"r"}');
  await ask("UpdateRoomMetadata", '{"room":"r","metadata":"new"}');
  await ask("UpdateRoomMetadata", '{"room":"r","metadata":null}');
  await ask("SendData", '{"room":"r","data":"aGk","kind":"NEW_KIND","destinationIdentities":null,"topic":"t"}');
  await ask("SendData", '{"room":"r","data":"_-8","kind":1.0,"nonce":"AAAA"}');
  for (const method of ["GetParticipant", "RemoveParticipant", "UpdateParticipant"]) await ask(method, '{"room":"r","identity":"x"}');
  for (const method of ["ListParticipants", "GetParticipant", "RemoveParticipant", "UpdateParticipant", "UpdateRoomMetadata"]) {
    await ask(method, '{"room":"r"}', { grant: { roomList: true, roomCreate: true } });
    await ask(method, '{"room":"none","identity":"x"}', { grant: { roomAdmin: true, room: "none" } });
  }
  await ask("MutePublishedTrack", '{"room":"r","identity":"x","trackSid":"TR_none00"}');
  await ask("UpdateSubscriptions", '{"room":"r","identity":"x"}');
  await ask("PerformRpc", '{"room":"r","destinationIdentity":"x","method":"m"}');
  await ask("PerformRpc", '{"room":"r","method":"m"}');
  for (const method of ["ForwardParticipant", "MoveParticipant"]) {
    await ask(method, '{"room":"r","identity":"x","destinationRoom":"r"}', { grant: { ...everything, destinationRoom: "r" } });
    await ask(method, '{"room":"r","identity":"x","destinationRoom":"e"}');
    await ask(method, '{"room":"r","identity":"x","destinationRoom":"d"}');
  }
  await ask("SendData", '{"room":"none","data":"aGk="}', { grant: { roomAdmin: true, room: "none" } });
  for (const method of ["MutePublishedTrack", "UpdateSubscriptions", "SendData", "PerformRpc", "ForwardParticipant", "MoveParticipant"]) {
    await ask(method, '{"room":"r"}', { grant: { roomAdmin: true, room: "other" } });
  }
  await ask("CreateRoom", '{"name":"t"}', { grant: { roomList: true } });
  await ask("DeleteRoom", '{"room":"r"}', { grant: { roomAdmin: true, room: "r" } });
  await ask("ListRooms", "{}", { grant: { roomAdmin: true, room: "r" } });
  await ask("ListRooms", "{}", { grant: null });
  await ask("CreateRoom", '{"name":""}');
  await ask("CreateRoom", JSON.stringify({ name: "n".repeat(257) }));
  const malformed = ["", "null", "[]", "{", '{"name":7}', '{"emptyTimeout":7.5}', '{"emptyTimeout":-1}', '{"name":"a","name":"b"}'];
  for (const body of [...malformed, '{"agents":[null]}', '{"tags":{"a":1}}', '{"egress":"x"}', '{"name":"\\ud800"}']) await ask("CreateRoom", body);
  await ask("ListRooms", "\u00ff", { type: "application/protobuf" });
  await ask("ListRooms", "{}", { type: "text/plain" });
  await ask("ListRooms", "{}", { type: "application/json; charset=utf-8" });
  await ask("ListRooms", "", { verb: "GET" });
  await ask("NoSuchMethod", "{}");
  await ask("ListRooms", "{}", { service: "NoSuchService" });
  await ask("ListEgress", "{}", { service: "Egress" });
  await ask("ListIngress", "{}", { service: "Ingress" });
  await ask("ListSIPTrunk", "{}", { service: "SIP" });
  await ask("ListDispatch", '{"room":"r"}', { service: "AgentDispatchService" });
  await ask("DeleteRoom", '{"room":"r"}');
}

/** People come, publish, are asked for and go. */
export async function people(script: Script): Promise<void> {
  const ask = (method: string, body: object) => script.ask(method, JSON.stringify(body));
  const url = script.url.replace("http", "ws");
  const room = "r";
  await ask("CreateRoom", { name: room });
  const alice = await Person.join(url, room, "alice");
  const her = { room, identity: "alice" };
  const listed = async (holds: (info: string) => boolean, what: string) => {
    const quiet = new Script(script.url);
    await until(what, async () => holds(await quiet.ask("GetParticipant", JSON.stringify(her))), { timeout: 30_000 });
  };
  await listed((info) => info.includes('"ACTIVE"'), "alice to be there");
  await ask("GetParticipant", her);
  await ask("ListParticipants", { room });
  await ask("UpdateParticipant", { ...her, metadata: null, attributes: { b: "2", a: "1" }, permission: null });
  const permission = { canSubscribe: true, canPublish: true, canPublishData: true, canUpdateMetadata: true, canPublishSources: ["CAMERA", "MICROPHONE", "NEW"] };
  await ask("UpdateParticipant", { ...her, metadata: "m", name: "Alice", attributes: { a: "" }, permission });
  await ask("UpdateParticipant", { ...her, name: "n".repeat(257) });
  const spoken = await alice.speak();
  await listed((info) => info.includes(spoken) && /"mid": ?"[^"]/.test(info), "alice's microphone");
  await ask("GetParticipant", her);
  const filmed = await alice.film();
  await listed((info) => info.includes(filmed) && !/"mid": ?""/.test(info), "alice's camera");
  await ask("GetParticipant", her);
  await until("the room to count", async () => /"num_publishers": ?1/.test(await new Script(script.url).ask("ListRooms", "{}")));
  await ask("ListRooms", { names: [room] });
  await ask("MutePublishedTrack", { ...her, trackSid: spoken, muted: true });
  await ask("MutePublishedTrack", { ...her, trackSid: spoken, muted: false });
  await ask("MutePublishedTrack", { ...her, trackSid: "TR_none00", muted: true });
  await ask("UpdateSubscriptions", { ...her, trackSids: [], subscribe: true, participantTracks: null });
  await ask("SendData", { room, data: "aGk=", kind: "LOSSY", destinationIdentities: ["alice"], nonce: "AAAAAAAAAAAAAAAAAAAAAA==" });
  alice.room.localParticipant!.registerRpcMethod("echo", async ({ payload }) => `${payload}!`);
  alice.room.localParticipant!.registerRpcMethod("fail", async () => {
    throw new RpcError(7, "no <such> & such", "data");
  });
  await ask("PerformRpc", { room, destinationIdentity: "alice", method: "echo", payload: "hi" });
  for (const method of ["none", "fail"]) await ask("PerformRpc", { room, destinationIdentity: "alice", method, payload: "hi" });
  await ask("RemoveParticipant", her);
  await alice.saw("left 4");
  await alice.leave();
  await until("alice to be gone", async () => (await new Script(script.url).ask("GetParticipant", JSON.stringify(her))).includes("not_found"));
  await ask("ListParticipants", { room });
  await ask("DeleteRoom", { room });
}
