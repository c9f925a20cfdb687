// An Express/Supabase client: REST to ring, the main Socket.IO namespace to connect browser to browser.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Page } from "playwright-core";
import { hears, sees } from "../support/look.ts";
import { alice, bob } from "../support/media.ts";
import { until } from "../support/wait.ts";
import { audioOf, Scene, videoOf } from "./scene.ts";

let scene: Scene;
beforeAll(async () => {
  scene = await Scene.open();
});
afterAll(() => scene?.close());

async function manager(page: Page, user: string, transports: string[]): Promise<void> {
  await page.evaluate(
    async ([base, token, transports]) => {
      window.manager = new window.clients.CallManager(base, token, transports);
      await window.manager.ready;
    },
    [scene.stoa.url, await scene.token(user), transports] as const,
  );
}

describe("calls over REST and the main namespace", () => {
  it("connects two browsers to each other", async () => {
    const [a, b] = await Promise.all([scene.page(alice), scene.page(bob)]);
    // One over WebSocket, one over long polling.
    await manager(a, "Alice", ["websocket"]);
    await manager(b, "Bob", ["polling"]);
    const started = await a.evaluate(() => window.manager.call("Bob", "video"));
    expect(started).toMatchObject({ success: true, call: { type: "video" } });
    const incoming = await until("Bob to hear the ring", () => b.evaluate(() => window.manager.log.find(([e]) => e === "call:incoming")?.[1]));
    expect(incoming).toMatchObject({ callId: started.call.id });
    expect(await b.evaluate(() => window.manager.answer())).toMatchObject({ success: true });
    await sees(videoOf(a, "Bob"), bob);
    await hears(audioOf(a, "Bob"), bob);
    await sees(videoOf(b, "Alice"), alice);
    await hears(audioOf(b, "Alice"), alice);
    expect(await scene.isPeerToPeer(a)).toBe(true);
    const { body } = await scene.ask("Alice", "GET", `/api/calls/${started.call.id}`);
    expect(["connecting", "connected"]).toContain(body.call.status);
    await scene.ask("Bob", "PATCH", `/api/calls/${started.call.id}/media`, { isMuted: true });
    const muted = await until("Alice to see Bob muted", () =>
      a.evaluate(() => window.manager.log.find(([e]) => e === "call:media-state-changed")?.[1]),
    );
    expect(muted).toMatchObject({ userId: "Bob", isMuted: true });
    await a.evaluate(() => window.manager.end());
    await until("Bob to hear the end", () => b.evaluate(() => window.manager.log.find(([e]) => e === "call:ended")?.[1]));
  });

  it("knows all seven paths", async () => {
    const { body } = await scene.ask("dan", "POST", "/api/calls/initiate", { targetUserId: "erin", type: "audio" });
    const id: string = body.call.id;
    expect(body.call.type).toBe("audio");
    expect((await scene.ask("erin", "GET", `/api/calls/${id}`)).body.call.id).toBe(id);
    const turn = await scene.ask("erin", "GET", "/api/calls/turn-credentials");
    expect(turn.status).toBe(200);
    expect(Object.keys(turn.body)).toEqual(expect.arrayContaining(["username", "credential", "urls", "iceServers"]));
    expect((await scene.ask("erin", "POST", `/api/calls/${id}/answer`)).body).toMatchObject({ success: true, participant: { userId: "erin" } });
    expect((await scene.ask("erin", "PATCH", `/api/calls/${id}/media`, { isVideoEnabled: true })).status).toBe(200);
    expect((await scene.ask("dan", "POST", `/api/calls/${id}/end`)).body.call.status).toBe("ended");
    const second = await scene.ask("dan", "POST", "/api/calls/initiate", { targetUserId: "erin", type: "video" });
    const rejected = await scene.ask("erin", "POST", `/api/calls/${second.body.call.id}/reject`);
    expect(rejected.body).toMatchObject({ success: true, call: { status: "declined" } });
  });

  it("lets all who are in a group call connect to each other", async () => {
    const names = ["gina", "hugo", "ines"] as const;
    const sockets = await Promise.all(names.map((user) => scene.socket(user)));
    const { body } = await scene.ask("gina", "POST", "/api/calls/initiate", { targetUserIds: ["hugo", "ines"], type: "audio" });
    const callId: string = body.call.id;
    for (const user of ["hugo", "ines"]) await scene.ask(user, "POST", `/api/calls/${callId}/answer`);
    for (const [at, to] of names.entries()) {
      for (const [other, from] of names.entries()) {
        if (at === other) continue;
        expect(await sockets[other]!.ask("call:offer", { callId, to, offer: { type: "offer", sdp: `${from} to ${to}` } })).toEqual({ ok: true });
        expect(await sockets[at]!.next("call:offer", (data) => data.from === from)).toMatchObject({ callId, offer: { sdp: `${from} to ${to}` } });
      }
      expect(sockets[at]!.names().filter((name) => name === "call:offer")).toHaveLength(2);
    }
    // Where more than one may be meant, `to` has to say whom.
    expect(await sockets[0]!.ask("call:answer", { callId, answer: {} })).toMatchObject({ ok: false });
    await scene.ask("ines", "POST", `/api/calls/${callId}/leave`);
    expect(await sockets[0]!.next("call:participant-left")).toMatchObject({ callId, userId: "ines" });
    expect(await sockets[0]!.ask("call:offer", { callId, to: "ines", offer: {} })).toMatchObject({ ok: false, error: { code: "not_found" } });
    expect(await sockets[2]!.ask("call:offer", { callId, to: "gina", offer: {} })).toMatchObject({ ok: false });
    await scene.ask("gina", "POST", `/api/calls/${callId}/end`);
    for (const socket of sockets) await socket.next("call:ended", (data) => data.callId === callId);
  });

  it.each([["websocket"], ["polling"]])("keeps outsiders out over %s", async (transport) => {
    const [callee, outsider] = await Promise.all([scene.socket("walt", "", [transport]), scene.socket("eve", "", [transport])]);
    const { body } = await scene.ask("vera", "POST", "/api/calls/initiate", { targetUserId: "walt", type: "video" });
    await callee.next("call:incoming");
    for (const event of ["call:offer", "call:answer", "call:ice-candidate"]) {
      const foreign = await outsider.ask(event, { callId: body.call.id, to: "walt", from: "vera", offer: {}, answer: {}, candidate: {} });
      const unknown = await outsider.ask(event, { callId: crypto.randomUUID(), to: "walt", offer: {} });
      expect(foreign).toMatchObject({ ok: false, error: { code: "call_not_found" } });
      expect(unknown).toEqual(foreign);
    }
    for (const [method, path] of [["GET", ""], ["POST", "/answer"], ["POST", "/reject"], ["POST", "/end"]] as const) {
      expect((await scene.ask("eve", method, `/api/calls/${body.call.id}${path}`)).status).toBe(404);
    }
    // What its participants send arrives, with the sender that the token names.
    const caller = await scene.socket("vera", "", [transport]);
    expect(await caller.ask("call:offer", { callId: body.call.id, from: "eve", offer: { type: "offer", sdp: "v=0" } })).toEqual({ ok: true });
    const heard = await callee.next("call:offer");
    expect(heard).toMatchObject({ from: "vera", callId: body.call.id });
    expect(callee.names().filter((name) => /offer|answer|candidate/.test(name))).toEqual(["call:offer"]);
    expect(outsider.names().filter((name) => name.startsWith("call:"))).toEqual([]);
    await scene.ask("vera", "POST", `/api/calls/${body.call.id}/end`);
  });
});
