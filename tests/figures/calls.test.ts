// What a call costs the server, and what an open socket takes of its memory. Printed and not judged: machines differ.
import { readFileSync } from "node:fs";
import { io, type Socket } from "socket.io-client";
import { expect, it } from "vitest";
import { Stoa } from "../support/stoa.ts";
import { sleep, until } from "../support/wait.ts";

/** Milliseconds of a processor that the process has used so far, in clock ticks of 10 ms. */
function cpu(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** KiB of memory of its own that the process holds. */
function ownMemory(pid: number): number {
  const line = readFileSync(`/proc/${pid}/status`, "utf8").split("\n").find((each) => each.startsWith("RssAnon"));
  return Number(line?.match(/\d+/)?.[0]);
}

async function connected(stoa: Stoa, token: string): Promise<Socket> {
  const socket = io(stoa.url, { auth: { token }, transports: ["websocket"], forceNew: true });
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("connect_error", reject);
  });
  return socket;
}

const once = (socket: Socket, event: string): Promise<{ callId: string }> => new Promise((resolve) => socket.once(event, resolve));

/** A call from initiate to end, between two who both hold a socket, with a pause before its end and after it; milliseconds until it rang. */
async function call(stoa: Stoa, from: string, to: string, ring: Socket, pause = 0): Promise<number> {
  const post = async (token: string, path: string, body: object) => {
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const answer = await fetch(stoa.url + path, { method: "POST", headers, body: JSON.stringify(body) });
    expect(answer.status, await answer.clone().text()).toBeLessThan(300);
  };
  const began = performance.now();
  const incoming = once(ring, "call:incoming");
  await post(from, "/api/calls/initiate", { type: "video", targetUserId: "u1" });
  const { callId } = await incoming;
  const rang = performance.now() - began;
  await post(to, `/api/calls/${callId}/accept`, {});
  if (pause > 0) await sleep(pause);
  const ended = once(ring, "call:ended");
  await post(from, `/api/calls/${callId}/end`, {});
  await ended;
  if (pause > 0) await sleep(pause);
  return rang;
}

const CALLS = Number(process.env.STOA_FIGURES_CALLS ?? 150);
/** Calls that come alone: everyone is told of each that two people are busy, and that they are free again. */
const ALONE = 20;
/** Longer than changes of presence and records wait for others. */
const PAUSE = 400;
// Above the limit on requests of one user, or the figure would be of refusals.
const config = "[limits]\nrequests_a_second = 10000\nrequest_burst = 10000\naddress_requests_a_second = 100000\naddress_request_burst = 100000\nsign_ins_a_minute = 100000\n";

it("CPU of a call beside so many open sockets, and what one of them takes", async () => {
  for (const sockets of (process.env.STOA_FIGURES_SOCKETS ?? "20,80,200,1000").split(",").map(Number)) {
    const stoa = await Stoa.start({ config });
    const tokens: string[] = [];
    for (let i = 0; i < sockets; i++) tokens.push(await stoa.token("user", "--id", `u${i}`, "--name", `User ${i}`));
    await until("the server to be at rest", () => sleep(1_000).then(() => true));
    const empty = ownMemory(stoa.pid);
    const open: Socket[] = [];
    for (const token of tokens) open.push(await connected(stoa, token));
    await sleep(2_000);
    const perSocket = (ownMemory(stoa.pid) - empty) / sockets;
    const [from, to] = tokens as [string, string];
    const ring = open[1]!;
    for (let i = 0; i < 10; i++) await call(stoa, from, to, ring);
    const idle = cpu(stoa.pid);
    const waits: number[] = [];
    for (let i = 0; i < CALLS; i++) waits.push(await call(stoa, from, to, ring));
    const each = (cpu(stoa.pid) - idle) / CALLS;
    waits.sort((a, b) => a - b);
    const resting = cpu(stoa.pid);
    await sleep(ALONE * 2 * PAUSE);
    const before = cpu(stoa.pid);
    for (let i = 0; i < ALONE; i++) await call(stoa, from, to, ring, PAUSE);
    const alone = (cpu(stoa.pid) - before - (before - resting)) / ALONE;
    console.log(`${sockets} sockets: ${each.toFixed(1)} ms of CPU a call in a row, ${alone.toFixed(1)} ms one that comes alone, rings after ${waits[CALLS / 2]?.toFixed(1)} ms, ${perSocket.toFixed(0)} KiB a socket, idle ${(empty / 1024).toFixed(1)} MiB of its own`);
    open.forEach((socket) => socket.disconnect());
    await stoa.dispose();
  }
}, 300_000);
