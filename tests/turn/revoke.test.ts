// An administrator takes a user's relay away: the real server, coturn's client.
import { spawn, type ChildProcess } from "node:child_process";
import { afterEach, beforeEach, expect, it } from "vitest";
import { Stoa } from "../support/stoa.ts";
import { sleep, until } from "../support/wait.ts";

let stoa: Stoa;
let clients: ChildProcess[] = [];
beforeEach(async () => {
  stoa = await Stoa.start();
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.kill("SIGKILL");
  await stoa?.dispose();
});

interface Credentials {
  username: string;
  credential: string;
}

const user = (id: string) => stoa.token("user", "--id", id);
const admin = () => stoa.token("user", "--id", "root", "--permission", "admin");

async function ask(method: string, path: string, token: string): Promise<Response> {
  return fetch(`${stoa.url}${path}`, { method, headers: { authorization: `Bearer ${token}` } });
}

async function credentials(id: string): Promise<Credentials> {
  const { iceServers } = (await (await ask("GET", "/api/ice-servers", await user(id))).json()) as { iceServers: Partial<Credentials>[] };
  const found = iceServers.find((server): server is Credentials => server.credential !== undefined);
  if (found === undefined) throw new Error("no credentials");
  return found;
}

/** coturn's client talks to itself through two allocations, so many packets in all, one each 20 ms. */
function talk({ username, credential }: Credentials, packets: number): { ended: Promise<{ output: string }>; stop: () => void } {
  const words = ["-y", "-c", "-m", "1", "-n", `${packets}`, "-u", username, "-w", credential, "-p", `${stoa.ports.turn}`, "127.0.0.1"];
  const client = spawn("turnutils_uclient", words, { stdio: ["ignore", "pipe", "pipe"] });
  clients.push(client);
  let output = "";
  for (const stream of [client.stdout, client.stderr]) stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
  return { ended: new Promise((resolve) => client.once("exit", () => resolve({ output }))), stop: () => client.kill("SIGKILL") };
}

async function metric(name: string): Promise<number> {
  const text = await stoa.metrics();
  return Number(new RegExp(`^${name} (\\S+)`, "m").exec(text)?.[1] ?? Number.NaN);
}

/** Has somebody talk, and counts all allocations once it relays: coturn's client makes one more than it uses. */
async function allocationsOf(who: Credentials): Promise<number> {
  const before = await metric("stoa_turn_packets_to_peers_total");
  talk(who, 100_000);
  await until("packets", async () => (await metric("stoa_turn_packets_to_peers_total")) > before + 50);
  await sleep(1_000);
  return metric("stoa_turn_allocations");
}

const received = (output: string): number => Number(/.*tot_recv_msgs=(\d+)/s.exec(output)?.[1] ?? 0);

/** The challenge is answered, and the answer refused. */
async function refuses(old: Credentials): Promise<void> {
  const [before, allocations] = [await metric('stoa_turn_errors_total\\{code="401"\\}'), await metric("stoa_turn_allocations")];
  const again = talk(old, 10);
  await until("a second 401", async () => (await metric('stoa_turn_errors_total\\{code="401"\\}')) >= before + 2);
  await sleep(1_000);
  expect(await metric("stoa_turn_allocations")).toBe(allocations);
  again.stop();
  const { output } = await again.ended;
  expect(received(output), output).toBe(0);
}

it("revokes a user's credentials by the API, over a restart too, and gives new ones", async () => {
  expect((await ask("DELETE", "/api/users/eve/turn-credentials", await user("eve"))).status).toBe(403);
  const [old, bob] = [await credentials("eve"), await credentials("bob")];
  const bobs = await allocationsOf(bob);
  expect(await allocationsOf(old)).toBeGreaterThanOrEqual(bobs + 2);
  expect((await ask("DELETE", "/api/users/eve/turn-credentials", await admin())).status).toBe(200);
  await until("those of one to be gone", async () => (await metric("stoa_turn_allocations")) === bobs);
  const [before, dropped] = [await metric("stoa_turn_packets_to_peers_total"), await metric('stoa_turn_drops_total\\{cause="no_allocation"\\}')];
  await until("the other to go on", async () => (await metric("stoa_turn_packets_to_peers_total")) > before + 20);
  await until("what the one still sends to be dropped", async () => (await metric('stoa_turn_drops_total\\{cause="no_allocation"\\}')) > dropped);
  await refuses(old);
  const audit = (await (await ask("GET", "/api/admin/audit?action=turn_credentials.revoked", await admin())).json()) as { entries: unknown[] };
  expect(audit.entries).toMatchObject([{ actor: "root", action: "turn_credentials.revoked", target: "eve" }]);

  const fresh = await talk(await credentials("eve"), 10).ended;
  expect(received(fresh.output), fresh.output).toBeGreaterThan(0);

  for (const client of clients.splice(0)) client.kill("SIGKILL");
  await stoa.end();
  await stoa.run();
  await refuses(old);
  expect(await allocationsOf(await credentials("eve"))).toBeGreaterThan(0);
});

it("revokes the credentials of a user who is erased", async () => {
  const eve = await credentials("eve");
  expect(await allocationsOf(eve)).toBeGreaterThan(0);
  expect((await ask("DELETE", "/api/users/eve", await admin())).status).toBe(200);
  await until("hers to be gone", async () => (await metric("stoa_turn_allocations")) === 0);
  await refuses(eve);
});
