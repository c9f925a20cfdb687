// A LiveKit-based client: initiate and join answer what livekit-client connects with.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Peer, serveBarePage } from "../livekit-web/peer.ts";
import { hears, sees } from "../support/look.ts";
import { alice, bob } from "../support/media.ts";
import type { Pages } from "../support/pages.ts";
import { Scene } from "./scene.ts";

let scene: Scene;
let pages: Pages;
beforeAll(async () => {
  scene = await Scene.open();
  pages = await serveBarePage();
  pages.url = `http://127.0.0.1:${pages.port}/`;
});
afterAll(async () => {
  pages?.close();
  await scene?.close();
});

describe("calls whose media is LiveKit's", () => {
  it("initiates, joins, and carries media through the room", async () => {
    const started = await scene.ask("Alice", "POST", "/api/calls/initiate", { targetUserId: "Bob", type: "video" });
    expect(started.status).toBe(201);
    const { callId, roomName, token, iceServers, livekitUrl, expiresAt, participants } = started.body;
    expect({ roomName, participants }).toEqual({ roomName: callId, participants: 2 });
    expect(Array.isArray(iceServers) && Date.parse(expiresAt) > Date.now()).toBe(true);
    const joined = await scene.ask("Bob", "POST", `/api/calls/${callId}/join`);
    expect(joined.body).toMatchObject({ roomName, callType: "video", livekitUrl });
    const [a, b] = await Promise.all([Peer.open(alice, pages.url), Peer.open(bob, pages.url)]);
    try {
      await a.join(livekitUrl, token);
      await b.join(joined.body.livekitUrl, joined.body.token);
      await a.publishCamera();
      await a.publishMicrophone();
      await b.publishCamera();
      await sees(b.video("Alice"), alice);
      await hears(b.audio("Alice"), alice);
      await sees(a.video("Bob"), bob);
      const { body } = await scene.ask("Alice", "GET", `/api/calls/${callId}`);
      expect(body.call).toMatchObject({ status: "connected", topology: "sfu" });
      await scene.ask("Bob", "POST", `/api/calls/${callId}/leave`);
      await b.sawEvent("disconnected");
      await scene.ask("Alice", "POST", `/api/calls/${callId}/end`);
      await a.sawEvent("disconnected");
    } finally {
      await a.close();
      await b.close();
    }
  });

  it("starts a group call, and lets nobody else join", async () => {
    const { status, body } = await scene.ask("Alice", "POST", "/api/calls/initiate", {
      targetUserIds: ["u1", "u2", "u3"],
      channelId: "a-channel",
      type: "audio",
    });
    expect(status).toBe(201);
    expect(body).toMatchObject({ participants: 4, call: { type: "audio", kind: "group", channelId: "a-channel" } });
    expect((await scene.ask("eve", "POST", `/api/calls/${body.callId}/join`)).status).toBe(404);
    expect((await scene.ask("u2", "POST", `/api/calls/${body.callId}/join`)).body).toMatchObject({ callType: "audio", roomName: body.callId });
    await scene.ask("Alice", "POST", `/api/calls/${body.callId}/end`);
    expect((await scene.ask("u3", "POST", `/api/calls/${body.callId}/join`)).status).toBe(409);
  });
});
