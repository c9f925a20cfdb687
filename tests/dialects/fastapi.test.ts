// A client of FastAPI signalling: polls for its ring, negotiates over the raw WebSocket, chats in a data channel.
import { connect as dial } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import NodeSocket from "ws";
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

interface Opened {
  socket: NodeSocket;
  heard: { type: string; code?: string; message?: string; offer?: unknown }[];
  /** The close frame's code, once it is closed. */
  closed: Promise<number>;
}

/** npm's `ws`, which offers permessage-deflate unless told otherwise. */
async function open(id: string, user: string): Promise<Opened> {
  const heard: Opened["heard"] = [];
  const socket = new NodeSocket(`${scene.stoa.livekitUrl}/ws/webrtc/${id}?token=${await scene.token(user)}`);
  socket.on("message", (data) => heard.push(JSON.parse(String(data))));
  const closed = new Promise<number>((resolve) => socket.on("close", resolve));
  await new Promise((resolve, reject) => {
    socket.on("open", resolve);
    socket.on("error", reject);
  });
  return { socket, heard, closed };
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
    // The browsers' WebSockets are compressed.
    for (const page of [a, b]) expect(await page.evaluate(() => window.raw.socket.extensions)).toContain("permessage-deflate");
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
    expect((await scene.ask("eve", "GET", "/calls/active")).body).toBeNull();
    const posed = await scene.ask("eve", "POST", "/calls/initiate", { target_user_id: "mallory", caller_id: "vera", user_id: "vera" });
    expect(posed.body).toMatchObject({ caller_id: "eve", callee_id: "mallory" });
    // In her own call she is heard by its peer and by nobody else.
    const [vera, walt] = [await open(call, "vera"), await open(call, "walt")];
    const [eve, mallory] = [await open(posed.body.id, "eve"), await open(posed.body.id, "mallory")];
    for (const { heard } of [vera, walt, eve, mallory]) await until("both to be there", async () => heard.some(({ type }) => type === "peer_joined"));
    for (const message of [
      { type: "offer", offer: { type: "offer", sdp: "v=0" }, to: "vera", call_id: call },
      { type: "ice_candidate", candidate: { candidate: "c" }, to: "walt", call_id: call },
      { type: "text", message: "psst", user_id: "walt", call_id: call },
    ]) {
      eve.socket.send(JSON.stringify(message));
    }
    await until("her peer to hear her", async () => mallory.heard.some(({ message }) => message === "psst"));
    walt.socket.send(JSON.stringify({ type: "text", message: "for vera" }));
    await until("vera to hear walt", async () => vera.heard.some(({ message }) => message === "for vera"));
    expect(vera.heard.map(({ type }) => type)).toEqual(["peer_joined", "text"]);
    expect(walt.heard.map(({ type }) => type)).toEqual(["peer_joined"]);
    [vera, walt, eve, mallory].forEach(({ socket }) => socket.close());
    for (const path of ["/ws/webrtc/active-connections", `/ws/webrtc/connection-state/${call}`]) {
      expect((await scene.ask("vera", "GET", path)).status).toBe(403);
    }
  });

  it("compresses where the client offers it, and bounds what a message inflates to", async () => {
    const call = await ring("yara", "zeno");
    const [yara, zeno] = [await open(call, "yara"), await open(call, "zeno")];
    expect(yara.socket.extensions).toContain("permessage-deflate");
    const offer = { type: "offer", offer: { type: "offer", sdp: "a=candidate\r\n".repeat(4_000) } };
    for (let n = 1; n <= 3; n += 1) {
      yara.socket.send(JSON.stringify(offer));
      await until("the offer", async () => zeno.heard.filter(({ type }) => type === "offer").length === n);
    }
    expect(zeno.heard.find(({ type }) => type === "offer")).toEqual(offer);
    // Some hundred bytes on the line, 10 MiB when inflated.
    yara.socket.send("x".repeat(10 * 1024 * 1024));
    expect(await yara.closed).toBe(1009);
    zeno.socket.close();
    await scene.ask("yara", "POST", `/api/calls/${call}/end`);
  });
});
