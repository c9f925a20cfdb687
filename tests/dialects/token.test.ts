// A token that expires while a client is connected: npm's socket.io-client is put out, one that hands in a fresh token stays, and
// `@stoa/client` does so by itself.
import { afterAll, beforeAll, expect, it } from "vitest";
import { io } from "socket.io-client";
import { Signal } from "../../web/packages/client/src/signal.ts";
import { until } from "../support/wait.ts";
import { Listener, Scene } from "./scene.ts";

let scene: Scene;
beforeAll(async () => {
  scene = await Scene.open();
});
afterAll(() => scene?.close());

it("a fresh token keeps a connection whose first one expires", async () => {
  const [short, fresh] = await Promise.all([scene.stoa.token("user", "--id", "Bob", "--ttl", "1s"), scene.token("Bob")]);
  const connect = () => Listener.of(io(scene.stoa.url, { auth: { token: short }, transports: ["websocket"], forceNew: true }));
  const [left, kept] = await Promise.all([connect(), connect()]);
  const links: string[] = [];
  let asked = 0;
  const signal = new Signal({ baseUrl: scene.stoa.url, deviceId: "tablet", token: () => (asked++ === 0 ? short : fresh) });
  signal.link.on((link) => links.push(link));
  const rang: string[] = [];
  signal.events.on((event) => event.name === "call:incoming" && rang.push(event.data.callId));
  signal.connect();
  await until("it to be connected", () => links.at(-1) === "online");

  await kept.next("auth:expiring");
  expect(await kept.ask("auth:refresh", { token: fresh })).toMatchObject({ ok: true });
  await until("it to have fetched another token", () => asked === 2);

  // A minute is allowed for clocks that differ.
  const reason = await new Promise<string>((resolve) => left.socket.once("disconnect", resolve));
  expect(reason).toBe("io server disconnect");
  expect((await left.next("refused")).error.code).toBe("unauthorized");
  const { body } = await scene.ask("Alice", "POST", "/api/calls/initiate", { targetUserId: "Bob" });
  await kept.next("call:incoming", (data) => data.callId === body.callId);
  await until("@stoa/client to ring", () => rang.includes(body.callId));
  expect(links).toEqual(["connecting", "online"]);
  expect(left.names()).not.toContain("call:incoming");
  kept.socket.disconnect();
  signal.disconnect();
});
