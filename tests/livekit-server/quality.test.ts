// How good a call's lines are where no client says so: the server's own view, live, in the call and kept when it is over.
import { dispose } from "@livekit/rtc-node";
import { io, type Socket } from "socket.io-client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Stoa } from "../support/stoa.ts";
import { until } from "../support/wait.ts";
import { Person } from "./backend.ts";

let stoa: Stoa;
let socket: Socket | undefined;
const people: Person[] = [];
beforeAll(async () => {
  stoa = await Stoa.start();
});
afterAll(async () => {
  socket?.disconnect();
  await Promise.all(people.map((person) => person.leave()));
  await stoa?.dispose();
  await dispose();
});

const tokenOf = (user: string) => stoa.token("user", "--id", user, "--name", user);

async function ask(user: string, method: string, path: string, body?: object): Promise<any> { // eslint-disable-line @typescript-eslint/no-explicit-any
  const headers = { authorization: `Bearer ${await tokenOf(user)}`, "content-type": "application/json" };
  const answer = await fetch(stoa.url + path, { method, headers, ...(body && { body: JSON.stringify(body) }) });
  expect([path, answer.ok]).toEqual([path, true]);
  return answer.json();
}

describe("quality", () => {
  it("is what the server measures where the clients say nothing", async () => {
    const heard: any[] = []; // eslint-disable-line @typescript-eslint/no-explicit-any
    socket = io(stoa.url, { auth: { token: await tokenOf("alice") }, transports: ["websocket"], forceNew: true });
    socket.on("call:quality", (data) => heard.push(data));
    await until("the socket to connect", async () => socket!.connected);
    const made = await ask("alice", "POST", "/api/calls/initiate", { targetUserId: "bob", type: "video" });
    const alice = await Person.enter(made.livekitUrl, made.token, "alice");
    const taken = await ask("bob", "POST", `/api/calls/${made.callId}/accept`);
    const bob = await Person.enter(taken.livekitUrl, taken.token, "bob");
    people.push(alice, bob);
    await Promise.all([alice.film(), bob.film()]);
    await Promise.all([alice.sees("bob"), bob.sees("alice")]);
    for (const user of ["alice", "bob"]) {
      const told = await until(`word of ${user}'s line`, async () => heard.find((data) => data.userId === user && data.packetLoss !== null), { timeout: 30_000 });
      expect(told).toMatchObject({ callId: made.callId, at: expect.any(String), jitterMs: null });
      expect(["excellent", "good", "fair", "poor"]).toContain(told.band);
      expect(told.packetLoss).toBeGreaterThanOrEqual(0);
    }
    const live = await until("the first reports to be kept", async () => {
      const shown = await ask("bob", "GET", `/api/calls/${made.callId}/quality`);
      return shown.reports.length >= 2 && shown;
    });
    expect(live.participants.map(({ userId }: { userId: string }) => userId)).toEqual(["alice", "bob"]);
    expect(new Set(live.reports.map(({ source }: { source: string }) => source))).toEqual(new Set(["server"]));
    await ask("alice", "POST", `/api/calls/${made.callId}/end`);
    const { call } = await ask("bob", "GET", `/api/calls/${made.callId}`);
    for (const part of call.participants) expect(["excellent", "good", "fair", "poor"]).toContain(part.connectionQuality);
    const kept = await ask("bob", "GET", `/api/calls/${made.callId}/quality`);
    for (const { reports, packetLoss } of kept.participants) {
      expect(reports).toBeGreaterThan(0);
      expect(packetLoss).toBeGreaterThanOrEqual(0);
    }
  });
});
