// A NestJS/Prisma client: bare calls over REST, a mesh over the `/webrtc` namespace.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Page } from "playwright-core";
import { hears, sees } from "../support/look.ts";
import { alice, bob, carol } from "../support/media.ts";
import { until } from "../support/wait.ts";
import { audioOf, Scene, videoOf } from "./scene.ts";

let scene: Scene;
beforeAll(async () => {
  scene = await Scene.open();
});
afterAll(() => scene?.close());

async function client(page: Page, user: string): Promise<void> {
  await page.evaluate(
    async ([base, token]) => {
      window.mesh = new window.clients.MeshClient(base, token);
      await window.mesh.ready;
    },
    [scene.stoa.url, await scene.token(user)] as const,
  );
}

const heard = (page: Page, event: string) => until(event, () => page.evaluate((e) => window.mesh.log.filter(([name]) => name === e).at(-1)?.[1], event));
const start = (page: Page, callId: string, user: string) => page.evaluate(([c, u]) => window.mesh.startCall(c, u), [callId, user] as const);

describe("a mesh over /webrtc", () => {
  it("connects three browsers to each other", async () => {
    const [a, b, c] = await Promise.all([scene.page(alice), scene.page(bob), scene.page(carol)]);
    await Promise.all([client(a, "Alice"), client(b, "Bob"), client(c, "Carol")]);
    const { status, body: call } = await scene.ask("Alice", "POST", "/calls", {
      channelId: "general",
      callType: "video",
      participants: ["Bob", "Carol"],
    });
    expect(status).toBe(201);
    expect(call).toMatchObject({ channelId: "general", callType: "video", status: "ringing", startedBy: "Alice", endedAt: null, duration: null });
    expect(await heard(b, "call.incoming")).toEqual({ event: "call.incoming", callId: call.id, callType: "video", initiator: "Alice" });
    await heard(c, "call.incoming");

    await start(a, call.id, "Alice");
    expect(await heard(a, "call.participants")).toEqual({ participants: [] });
    expect((await scene.ask("Bob", "POST", `/calls/${call.id}/join`)).body).toMatchObject({ id: call.id, status: "active" });
    await start(b, call.id, "Bob");
    const joined = await heard(a, "participant.joined");
    expect(joined.userId).toBe("Bob");
    // Whoever is rung and joins the signalling has taken the call.
    await start(c, call.id, "Carol");
    expect((await heard(c, "call.participants")).participants).toHaveLength(2);
    for (const [page, others] of [[a, [bob, carol]], [b, [alice, carol]], [c, [alice, bob]]] as const) {
      for (const other of others) {
        await sees(videoOf(page, other.name), other);
        await hears(audioOf(page, other.name), other);
      }
      expect(await scene.isPeerToPeer(page)).toBe(true);
    }

    await b.evaluate(() => window.mesh.mute(true));
    expect(await heard(a, "participant.muted")).toMatchObject({ socketId: joined.socketId, userId: "Bob", isMuted: true });
    await b.evaluate(() => window.mesh.video(false));
    expect(await heard(c, "participant.video-toggled")).toMatchObject({ userId: "Bob", isVideoEnabled: false });

    // One goes, one is lost: the others hear of both.
    await b.evaluate(() => window.mesh.endCall());
    expect(await heard(a, "participant.left")).toMatchObject({ userId: "Bob", socketId: joined.socketId });
    await c.evaluate(() => window.mesh.drop());
    await until("Alice to hear that Carol is lost", async () => (await heard(a, "participant.left")).userId === "Carol");
    const { body: whole } = await scene.ask("Alice", "GET", `/calls/${call.id}`);
    expect(whole).toMatchObject({ id: call.id, status: "active" });
    expect(whole.participants.map((p: { userId: string }) => p.userId)).toEqual(["Alice", "Bob", "Carol"]);
    expect((await scene.ask("Alice", "POST", `/calls/${call.id}/end`)).body).toMatchObject({ status: "ended" });
    const { body: history } = await scene.ask("Bob", "GET", "/channels/general/calls");
    expect(history[0]).toMatchObject({ id: call.id, status: "ended" });
    expect(history[0].endedAt).toEqual(expect.any(String));
  });

  it("runs a call by its seven paths alone", async () => {
    const started = await scene.ask("nora", "POST", "/calls", { channelId: "room-1", callType: "video", participants: ["omar", "pia"] });
    expect(started).toMatchObject({ status: 201, body: { status: "ringing", startedBy: "nora", channelId: "room-1", callType: "video" } });
    const path = `/calls/${started.body.id}`;
    expect((await scene.ask("omar", "POST", `${path}/join`)).body).toMatchObject({ id: started.body.id, status: "active" });
    // Twice is once, and who left may come again.
    expect((await scene.ask("omar", "POST", `${path}/join`)).status).toBe(200);
    expect((await scene.ask("pia", "POST", `${path}/join`)).body).toMatchObject({ status: "active" });
    expect((await scene.ask("pia", "POST", `${path}/leave`)).status).toBe(200);
    const leftAt = async () =>
      (await scene.ask("nora", "GET", path)).body.participants.map((p: { userId: string; leftAt: string | null }) => [p.userId, p.leftAt !== null]);
    expect(await leftAt()).toEqual([["nora", false], ["omar", false], ["pia", true]]);
    expect((await scene.ask("pia", "POST", `${path}/join`)).body).toMatchObject({ status: "active" });
    expect(await leftAt()).toEqual([["nora", false], ["omar", false], ["pia", false]]);
    for (const user of ["nora", "pia"]) await scene.ask(user, "POST", `${path}/leave`);
    const { body } = await scene.ask("omar", "POST", `${path}/leave`);
    // The last one who leaves ends it.
    expect(body).toMatchObject({ status: "ended", endedAt: expect.any(String), duration: expect.any(Number) });
    const { body: history } = await scene.ask("nora", "GET", "/channels/room-1/calls?limit=1");
    expect(history).toHaveLength(1);
    expect(history[0]).toMatchObject({ id: started.body.id, status: "ended" });
    expect(history[0].participants.map((p: { user: { id: string } }) => p.user.id)).toEqual(["nora", "omar", "pia"]);
    const ended = await scene.ask("nora", "POST", "/calls", { channelId: "room-1", callType: "audio", participants: ["omar"] });
    expect((await scene.ask("nora", "POST", `/calls/${ended.body.id}/end`)).body).toMatchObject({ status: "missed" });
  });

  it("answers ICE servers as a bare array", async () => {
    for (const path of ["/webrtc/ice-servers", "/api/webrtc/ice-servers"]) {
      const { status, body } = await scene.ask("Alice", "GET", path);
      expect(status).toBe(200);
      expect(Array.isArray(body)).toBe(true);
    }
  });

  it.each([["websocket"], ["polling"]])("keeps outsiders out over %s", async (transport) => {
    const sockets = await Promise.all(["vera", "walt", "eve", "mallory"].map((user) => scene.socket(user, "/webrtc", [transport])));
    const [vera, walt, eve, mallory] = sockets as [typeof sockets[0], typeof sockets[0], typeof sockets[0], typeof sockets[0]];
    const ours = (await scene.ask("vera", "POST", "/calls", { channelId: "c1", callType: "audio", participants: ["walt"] })).body.id;
    const theirs = (await scene.ask("eve", "POST", "/calls", { channelId: "c2", callType: "audio", participants: ["mallory"] })).body.id;
    for (const [socket, callId] of [[vera, ours], [walt, ours], [eve, theirs], [mallory, theirs]] as const) {
      expect(await socket.ask("call.join", { callId, userId: "anybody" })).toEqual({ ok: true });
    }
    // The token says who, not the body.
    expect((await vera.next("participant.joined")).userId).toBe("walt");
    const there = (await walt.next("call.participants")).participants;
    expect(there).toEqual([{ socketId: vera.socket.id, userId: "vera" }]);
    const foreign = await eve.ask("call.join", { callId: ours, userId: "walt" });
    expect(foreign).toMatchObject({ ok: false, error: { code: "call_not_found" } });
    expect(await eve.ask("call.join", { callId: crypto.randomUUID(), userId: "walt" })).toEqual(foreign);
    for (const event of ["call.offer", "call.answer", "call.ice-candidate"]) {
      const body = { offer: {}, answer: {}, candidate: {} };
      const other = await eve.ask(event, { to: vera.socket.id, ...body });
      expect(other).toMatchObject({ ok: false, error: { code: "not_found" } });
      expect(await eve.ask(event, { to: "AAAAAAAAAAAAAAAA", ...body })).toEqual(other);
    }
    for (const event of ["call.mute", "call.video-toggle", "call.leave"]) {
      expect(await eve.ask(event, { callId: ours, isMuted: true, isVideoEnabled: true })).toMatchObject({ ok: false });
    }
    for (const [method, path] of [["GET", ""], ["POST", "/join"], ["POST", "/leave"], ["POST", "/end"]] as const) {
      expect((await scene.ask("eve", method, `/calls/${ours}${path}`)).status).toBe(404);
    }
    expect((await scene.ask("eve", "GET", "/channels/c1/calls")).status).toBe(404);
    expect(await walt.ask("call.offer", { to: vera.socket.id, offer: { type: "offer", sdp: "x" } })).toEqual({ ok: true });
    expect(await vera.next("call.offer")).toEqual({ from: walt.socket.id, offer: { type: "offer", sdp: "x" } });
    expect(vera.names().filter((name) => name.startsWith("call.o"))).toHaveLength(1);
    expect(vera.names()).not.toContain("participant.muted");
    expect(eve.names().every((name) => name !== "call.offer")).toBe(true);
    for (const [user, id] of [["vera", ours], ["eve", theirs]] as const) await scene.ask(user, "POST", `/calls/${id}/end`);
  });
});
