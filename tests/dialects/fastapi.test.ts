// A client of FastAPI signalling: polls for its ring, negotiates over the raw WebSocket, chats in a data channel.
import { connect as dial } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hears, sees } from "../support/look.ts";
import { alice, bob } from "../support/media.ts";
import { until } from "../support/wait.ts";
import { audioOf, Scene, videoOf } from "./scene.ts";

let scene: Scene;
beforeAll(async () => {
  scene = await Scene.open();
});
afterAll(() => scene?.close());

async function ring(from: string, to: string): Promise<string> {
  const { status, body } = await scene.ask(from, "POST", "/calls/initiate", { targetUserId: to, type: "video" });
  expect(status).toBe(201);
  expect(body).toMatchObject({ status: "pending", caller_id: from, callee_id: to });
  return body.id;
}

/** The status line of an upgrade, as a server sees it asked for. */
async function upgrade(path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = dial(scene.stoa.ports.http, "127.0.0.1", () =>
      socket.write(
        `GET ${path} HTTP/1.1\r\nHost: stoa\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
          "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
      ),
    );
    socket.once("data", (data) => {
      resolve(Number(data.toString().split(" ")[1]));
      socket.destroy();
    });
    socket.once("error", reject);
  });
}

describe("one against one over the raw WebSocket", () => {
  it("connects two browsers to each other, chat included", async () => {
    const [a, b] = await Promise.all([scene.page(alice), scene.page(bob)]);
    for (const [page, user] of [[a, "Alice"], [b, "Bob"]] as const) {
      const args = [scene.stoa.url, await scene.token(user)] as const;
      await page.evaluate(([base, token]) => void (window.raw = new window.clients.RawManager(base, token)), args);
    }
    expect(await b.evaluate(() => window.raw.api("GET", "/calls/active"))).toBeNull();
    const call = await ring("Alice", "Bob");
    const active = await b.evaluate(() => window.raw.api("GET", "/calls/active"));
    expect(active).toMatchObject({ id: call, status: "pending", caller_id: "Alice" });
    const accepted = await b.evaluate((id) => window.raw.api("POST", `/calls/accept/${id}`), call);
    expect(accepted).toMatchObject({ id: call, status: "ongoing" });
    expect(await a.evaluate(() => window.raw.api("GET", "/calls/active"))).toMatchObject({ id: call, status: "ongoing" });
    // The caller offers before the other's socket stands: the offer waits for it.
    await a.evaluate((id) => window.raw.initialize(id, "Bob"), call);
    await a.evaluate(() => window.raw.offer());
    await b.evaluate((id) => window.raw.initialize(id, "Alice"), call);
    for (const [page, other] of [[a, bob], [b, alice]] as const) {
      await sees(videoOf(page, other.name), other);
      await hears(audioOf(page, other.name), other);
      expect(await scene.isPeerToPeer(page)).toBe(true);
    }
    await a.evaluate(() => window.raw.sendChatMessage("Hello!"));
    const [text] = await until("the chat message", async () => {
      const chat = await b.evaluate(() => window.raw.chat);
      return chat.length > 0 && chat;
    });
    expect(text).toMatchObject({ type: "text", message: "Hello!" });
    await until("each to hear the other's state", async () =>
      (await a.evaluate(() => window.raw.log)).some((m) => m.type === "connection_state" && m.state === "connected"),
    );
    const admin = await scene.stoa.token("user", "--id", "root", "--permission", "admin");
    const debug = async (path: string) => (await fetch(scene.stoa.url + path, { headers: { authorization: `Bearer ${admin}` } })).json();
    expect(await debug(`/ws/webrtc/connection-state/${call}`)).toMatchObject({ call_id: call, connection_state: "connected" });
    expect(await debug("/ws/webrtc/active-connections")).toMatchObject({ total_calls: 1, connections: { [call]: { call_id: call } } });

    // A malformed message is answered, the socket stays.
    await a.evaluate(() => window.raw.send({ type: "fly" }));
    await until("an error", async () => (await a.evaluate(() => window.raw.log)).some((m) => m.type === "error" && m.code === "invalid_request"));
    await b.evaluate(() => window.raw.socket.close());
    await until("Alice to hear that Bob is gone", async () => (await a.evaluate(() => window.raw.log)).some((m) => m.type === "peer_left" && m.user_id === "Bob"));
    await scene.ask("Alice", "POST", `/calls/${call}/end`);
    await until("the socket to be closed with the call", () => a.evaluate(() => window.raw.socket.readyState === WebSocket.CLOSED));
    expect(await b.evaluate(() => window.raw.api("GET", "/calls/active"))).toBeNull();
  });

  it("refuses an upgrade to whoever has no part in the call", async () => {
    const call = await ring("vera", "walt");
    expect(await upgrade(`/ws/webrtc/${call}`)).toBe(401);
    expect(await upgrade(`/ws/webrtc/${call}?token=nonsense`)).toBe(401);
    expect(await upgrade(`/ws/webrtc/${call}?token=${await scene.token("eve")}`)).toBe(404);
    expect(await upgrade(`/ws/webrtc/${crypto.randomUUID()}?token=${await scene.token("eve")}`)).toBe(404);
    expect(await upgrade(`/ws/webrtc/${call}?token=${await scene.token("vera")}`)).toBe(101);
    expect((await scene.ask("eve", "POST", `/calls/accept/${call}`)).status).toBe(404);
    for (const path of ["/ws/webrtc/active-connections", `/ws/webrtc/connection-state/${call}`]) {
      expect((await scene.ask("vera", "GET", path)).status).toBe(403);
    }
  });
});
