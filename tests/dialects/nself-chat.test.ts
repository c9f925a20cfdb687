// An nself-chat client: acts whose body names the call, with the session cookie alone, from pages of the same origin.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { io } from "socket.io-client";
import { Listener, Scene } from "./scene.ts";

let scene: Scene;
beforeAll(async () => {
  scene = await Scene.open();
});
afterAll(() => scene?.close());

/** One who is signed in: a session cookie and nothing else. */
class Session {
  private constructor(
    readonly user: string,
    private readonly cookie: string,
  ) {}

  static async of(name: string): Promise<Session> {
    const answer = await fetch(`${scene.stoa.url}/api/session/guest`, {
      method: "POST",
      headers: { "content-type": "application/json", origin: scene.stoa.url },
      body: JSON.stringify({ name }),
    });
    const cookie = answer.headers.get("set-cookie")?.split(";")[0] ?? "";
    const { user } = (await answer.json()) as { user: { id: string } };
    return new Session(user.id, cookie);
  }

  async post(path: string, body?: unknown, origin = scene.stoa.url) {
    const answer = await fetch(scene.stoa.url + path, {
      method: "POST",
      headers: { cookie: this.cookie, origin, ...(body === undefined ? {} : { "content-type": "application/json" }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: answer.status, body: (await answer.json()) as any }; // eslint-disable-line @typescript-eslint/no-explicit-any
  }

  socket(): Promise<Listener> {
    return Listener.of(io(scene.stoa.url, { extraHeaders: { cookie: this.cookie }, forceNew: true }));
  }
}

describe("acts that name the call in their body", () => {
  it("runs a call from initiate to end", async () => {
    const [a, b] = await Promise.all([Session.of("Ada"), Session.of("Ben")]);
    const bell = await b.socket();
    const callId = crypto.randomUUID();
    const started = await a.post("/api/calls/initiate", { callId, type: "video", targetUserId: b.user, metadata: { topic: "x" } });
    expect(started.body).toMatchObject({ success: true, call: { id: callId, type: "video", metadata: { topic: "x" } } });
    expect(["initiating", "ringing"]).toContain(started.body.call.status);
    expect(await bell.next("call:incoming")).toMatchObject({ callId });
    const accepted = await b.post("/api/calls/accept", { callId });
    expect(accepted.status).toBe(200);
    expect(accepted.body).toMatchObject({ success: true, participant: { call_id: callId, user_id: b.user } });
    expect(["connecting", "connected"]).toContain(accepted.body.participant.status);
    const ended = await a.post("/api/calls/end", { callId, duration: 120, reason: "completed" });
    expect(ended.body).toMatchObject({ success: true, call: { status: "ended" } });
    // The server measures; what the client says of the duration is not believed.
    expect(ended.body.call.duration ?? 0).toBeLessThan(120);
    expect(await bell.next("call:ended")).toMatchObject({ callId });

    const second = crypto.randomUUID();
    await a.post("/api/calls/initiate", { callId: second, type: "voice", targetUserId: b.user });
    expect((await b.post("/api/calls/decline", { callId: second, reason: "busy" })).body).toMatchObject({ success: true, call: { status: "busy" } });
    const third = crypto.randomUUID();
    await a.post("/api/calls/initiate", { callId: third, type: "voice", targetUserId: b.user });
    expect((await b.post("/api/calls/decline", { callId: third, reason: "declined" })).body).toMatchObject({ success: true, call: { status: "declined" } });
    bell.socket.disconnect();
  });

  it("rings a channel", async () => {
    const people = await Promise.all(["Ada", "Ben", "Cleo"].map((name) => Session.of(name)));
    const [a, b, c] = people as [Session, Session, Session];
    const bells = await Promise.all([b.socket(), c.socket()]);
    const channel = await a.post("/api/channels", { name: "Team", members: people.map(({ user }) => user) });
    const started = await a.post("/api/calls/initiate", { callId: crypto.randomUUID(), type: "voice", channelId: channel.body.channel.id });
    expect(started.body).toMatchObject({ success: true, call: { type: "voice", kind: "group" } });
    for (const bell of bells) await bell.next("call:incoming");
    for (const who of [b, c]) expect((await who.post("/api/calls/accept", { callId: started.body.call.id })).status).toBe(200);
    await a.post("/api/calls/end", { callId: started.body.call.id, duration: 1, reason: "completed" });
    bells.forEach((bell) => bell.socket.disconnect());
  });

  it("keeps outsiders and other sites out", async () => {
    const [a, b, eve] = await Promise.all(["Ada", "Ben", "Eve"].map((name) => Session.of(name))) as [Session, Session, Session];
    const { body } = await a.post("/api/calls/initiate", { type: "voice", targetUserId: b.user });
    for (const act of ["accept", "decline", "end"]) {
      const foreign = await eve.post(`/api/calls/${act}`, { callId: body.call.id, userId: b.user, user_id: b.user });
      const unknown = await eve.post(`/api/calls/${act}`, { callId: crypto.randomUUID() });
      expect(foreign).toMatchObject({ status: 404, body: { error: { code: "call_not_found" } } });
      expect(unknown).toEqual(foreign);
      // The cookie from a page of another site.
      const forged = await b.post(`/api/calls/${act}`, { callId: body.call.id }, "http://evil.test");
      expect(forged).toMatchObject({ status: 403, body: { error: { code: "csrf_rejected" } } });
    }
    // A forged caller, and a call id that is another's.
    const posed = await eve.post("/api/calls/initiate", { type: "voice", targetUserId: b.user, userId: a.user, initiatorId: a.user });
    expect(posed.body).toMatchObject({ call: { initiatorId: eve.user } });
    await eve.post("/api/calls/end", { callId: posed.body.call.id });
    const taken = await eve.post("/api/calls/initiate", { callId: body.call.id, type: "voice", targetUserId: b.user });
    expect(taken).toMatchObject({ status: 409, body: { error: { code: "call_id_conflict" } } });
    expect((await b.post("/api/calls/accept", { callId: body.call.id })).status).toBe(200);
    await a.post("/api/calls/end", { callId: body.call.id });
  });
});
