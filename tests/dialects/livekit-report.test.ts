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
    for (const [method, path] of [["POST", "/join"], ["POST", "/leave"], ["POST", "/end"], ["POST", "/accept"], ["POST", "/hold"], ["POST", "/invite"], ["GET", ""], ["GET", "/events"], ["GET", "/quality"]] as const) {
      const foreign = await scene.ask("eve", method, `/api/calls/${body.callId}${path}`, path === "/invite" ? { userIds: ["eve"] } : undefined);
      expect([path, foreign.status, foreign.body.error.code]).toEqual([path, 404, "call_not_found"]);
    }
    // A token for a room is for that room, and for whom the call has: neither a name of one's own nor another call's token helps.
    const own = await scene.ask("eve", "POST", "/api/calls/initiate", { targetUserId: "mallory", type: "audio" });
    const validate = async (token: string) => (await fetch(`${scene.stoa.url}/rtc/validate?access_token=${token}`)).status;
    expect(await validate(own.body.token)).toBe(200);
    expect(await validate(await scene.token("eve"))).toBe(401);
    expect(await validate(await scene.stoa.livekitToken(body.callId, "eve"))).toBe(403);
    expect(await validate(await scene.stoa.livekitToken(body.callId, "u1"))).toBe(200);
    await scene.ask("eve", "POST", `/api/calls/${own.body.callId}/end`);
    expect((await scene.ask("u2", "POST", `/api/calls/${body.callId}/join`)).body).toMatchObject({ callType: "audio", roomName: body.callId });
    await scene.ask("Alice", "POST", `/api/calls/${body.callId}/end`);
    expect((await scene.ask("u3", "POST", `/api/calls/${body.callId}/join`)).status).toBe(409);
  });
});
