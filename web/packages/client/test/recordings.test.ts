import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { StoaError } from "../src/errors";
import { LOOK_AGAIN, RecordingList, type RecordingSource } from "../src/recordings/list";
import { isUnfinished, linkExpiry, linkFrom, mayChange, mayDelete, recordingStage } from "../src/recordings/recording";
import { RecordingWatch } from "../src/recordings/watch";
import { Rest } from "../src/rest";
import type { Recording, RecordedTrack, Session } from "../src/types";
import { AT, call } from "./fixtures";

function recording(id: string, change: Partial<Recording> = {}): Recording {
  return {
    id, callId: "call-1", channelId: null, room: "call-1", status: "completed", startedBy: "alice", startedAt: AT, endedAt: AT,
    durationSeconds: 60, fileUrl: link(id), fileSizeBytes: 1_000, resolution: "1280x720", layoutType: "grid", audioOnly: false, format: "mp4",
    policy: "ask", expiresAt: null, retentionDays: null, legalHold: false, error: null, isComposed: true, progress: null, ...change,
  };
}

function link(id: string, expires = 4_000_000_000): string {
  return `https://calls.example.org/api/recordings/${id}/file?expires=${expires}&signature=s`;
}

const track = { id: "t", fileUrl: link("t") } as RecordedTrack;
const session = (permissions: Session["permissions"]) => ({ permissions }) as Session;
const notFound = () => Promise.reject(new StoaError("recording_not_found", "", 404));

describe("recordings over REST", () => {
  /** A server with one answer for everything. */
  function served(body: unknown) {
    const seen: { what: string; body: string }[] = [];
    const rest = new Rest({
      baseUrl: "http://stoa.test", deviceId: "d",
      fetch: async (request) => {
        const { pathname, search } = new URL(request.url);
        seen.push({ what: `${request.method} ${pathname}${search}`, body: await request.text() });
        return new Response(JSON.stringify(body), { headers: { "content-type": "application/json" } });
      },
    });
    return { rest, seen };
  }

  it("are listed by what is asked for, page by page", async () => {
    const { rest, seen } = served({ recordings: [recording("r")], next: "r" });
    expect(await rest.recordings()).toMatchObject({ recordings: [{ id: "r" }], next: "r" });
    await rest.recordings({ query: "choir & co", statuses: ["failed", "processing"], before: "r", limit: 20 });
    await rest.recordingsOfCall("call/1", { limit: 1 });
    expect(seen.map(({ what }) => what)).toEqual([
      "GET /api/recordings", "GET /api/recordings?query=choir%20%26%20co&before=r&limit=20&status=failed%2Cprocessing", "GET /api/calls/call%2F1/recordings?limit=1",
    ]);
  });

  it("are read, kept and deleted", async () => {
    const { rest, seen } = served({ success: true, recording: recording("r"), tracks: [track], pendingFiles: 2 });
    expect((await rest.recording("r")).id).toBe("r");
    expect(await rest.recordingTracks("r")).toEqual([track]);
    await rest.changeRecording("r", { retentionDays: null });
    expect(await rest.deleteRecording("r")).toBe(2);
    expect(seen).toEqual([
      { what: "GET /api/recordings/r", body: "" }, { what: "GET /api/recordings/r/tracks", body: "" },
      { what: "PATCH /api/recordings/r", body: '{"retentionDays":null}' }, { what: "DELETE /api/recordings/r", body: "" },
    ]);
  });
});

describe("a recording", () => {
  it("is as far as its status and its file say", () => {
    const stages = (["starting", "recording", "paused", "processing", "completed", "failed", "deleted"] as const)
      .map((status) => [status, recordingStage({ status, fileUrl: null }), isUnfinished({ status, fileUrl: null, progress: null })]);
    expect(stages).toEqual([
      ["starting", "live", true], ["recording", "live", true], ["paused", "live", true], ["processing", "processing", true],
      ["completed", "tracks", false], ["failed", "failed", false], ["deleted", "deleted", false],
    ]);
    expect(recordingStage(recording("r"))).toBe("ready");
    expect(isUnfinished(recording("r", { status: "failed", progress: 5 })), "what there is of it is put together").toBe(true);
  });

  it("is whoever's who started it, and the administrators'", () => {
    const one = recording("r");
    expect([mayChange(one, "alice", session([])), mayChange(one, "bob", session([])), mayChange(one, "bob", session(["admin"])), mayChange(one, "bob", null)])
      .toEqual([true, false, true, false]);
    expect(mayDelete(one, "alice", null)).toBe(true);
    for (const kept of [recording("r", { legalHold: true }), recording("r", { status: "paused" }), recording("r", { startedBy: null })]) {
      expect(mayDelete(kept, "alice", null)).toBe(false);
    }
  });

  it("has links that say when they end, and that the page can use under its own name", () => {
    expect(linkExpiry(link("r", 1_800_000_000))).toBe(1_800_000_000_000);
    expect(linkExpiry("/api/recordings/r/file")).toBeNull();
    expect(linkFrom("", link("r"))).toBe("/api/recordings/r/file?expires=4000000000&signature=s");
    expect(linkFrom("https://stoa.test/", link("r"))).toBe("https://stoa.test/api/recordings/r/file?expires=4000000000&signature=s");
  });
});

describe("what is shown of recordings", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const followed: (() => void)[] = [];
  afterEach(() => {
    for (const stop of followed.splice(0)) stop();
  });
  const source = (change: Partial<RecordingSource> = {}): RecordingSource => ({
    list: () => Promise.resolve({ recordings: [], next: null }), one: notFound, call: (id) => Promise.resolve(call({ id })), ...change,
  });
  function listOf(from: RecordingSource, awake = () => true): RecordingList {
    const list = new RecordingList(from, awake);
    followed.push(list.follow());
    return list;
  }
  const ids = (list: RecordingList) => list.store.getState().recordings.map(({ id }) => id);

  it("goes on page after page, with the calls that say who was there, each read once", async () => {
    const asked = vi.fn<RecordingSource["list"]>()
      .mockResolvedValueOnce({ recordings: [recording("c"), recording("b", { callId: "call-2", channelId: "choir" })], next: "b" })
      .mockResolvedValueOnce({ recordings: [recording("a")], next: null });
    const calls = vi.fn(source().call);
    const list = listOf(source({ list: asked, call: calls }));
    await list.read({ query: "bob" });
    await list.more();
    await list.more();
    expect(ids(list)).toEqual(["c", "b", "a"]);
    expect(asked.mock.calls).toEqual([[{ query: "bob", limit: 20 }], [{ query: "bob", limit: 20, before: "b" }]]);
    expect(calls.mock.calls).toEqual([["call-1"]]);
    expect(list.store.getState()).toMatchObject({ phase: "read", next: null, calls: { "call-1": { id: "call-1" } } });
  });

  it("is what was searched for last, whichever answer comes first", async () => {
    let late: (page: { recordings: Recording[]; next: null }) => void = () => undefined;
    const list = listOf(source({
      list: ({ query }) => (query === "b" ? new Promise((resolve) => void (late = resolve)) : Promise.resolve({ recordings: [recording("bob's")], next: null })),
    }));
    const first = list.read({ query: "b" });
    await list.read({ query: "bob" });
    late({ recordings: [recording("all of b")], next: null });
    await first;
    expect(ids(list)).toEqual(["bob's"]);
  });

  it("says what went wrong, and what is there stays", async () => {
    const asked = vi.fn<RecordingSource["list"]>().mockResolvedValueOnce({ recordings: [recording("b")], next: "b" });
    const list = listOf(source({ list: asked, call: notFound }));
    await list.read();
    expect(list.store.getState()).toMatchObject({ phase: "read", calls: { "call-1": null } });
    asked.mockRejectedValueOnce(new StoaError("unavailable", "", 503));
    await list.more();
    expect(list.store.getState()).toMatchObject({ phase: "failed", error: { code: "unavailable" }, recordings: [{ id: "b" }] });
  });

  it("looks again at what is being made, while somebody looks", async () => {
    let awake = false;
    const one = vi.fn<RecordingSource["one"]>()
      .mockResolvedValueOnce(recording("b", { status: "processing", fileUrl: null, progress: 40 })).mockResolvedValueOnce(recording("b"));
    const list = listOf(source({ one, list: () => Promise.resolve({ recordings: [recording("b", { status: "recording", fileUrl: null }), recording("a")], next: null }) }), () => awake);
    await list.read();
    await vi.advanceTimersByTimeAsync(LOOK_AGAIN);
    expect(one).not.toHaveBeenCalled();
    awake = true;
    await vi.advanceTimersByTimeAsync(LOOK_AGAIN);
    expect(list.store.getState().recordings[0]).toMatchObject({ status: "processing", progress: 40 });
    await vi.advanceTimersByTimeAsync(5 * LOOK_AGAIN);
    expect(list.store.getState().recordings[0]?.status).toBe("completed");
    expect(one.mock.calls).toEqual([["b"], ["b"]]);
  });

  it("leaves out what was deleted meanwhile, and stops when it's left", async () => {
    const list = listOf(source({ list: () => Promise.resolve({ recordings: [recording("b", { status: "processing" })], next: null }) }));
    await list.read();
    await vi.advanceTimersByTimeAsync(LOOK_AGAIN);
    expect(ids(list)).toEqual([]);
    for (const stop of followed) stop();
    expect(vi.getTimerCount()).toBe(0);
  });

  function watched(one: RecordingSource["one"], tracks = vi.fn(() => Promise.resolve([track]))) {
    const watch = new RecordingWatch({ ...source({ one }), tracks }, "r", () => true);
    followed.push(watch.follow());
    return { tracks, state: () => watch.store.getState() };
  }

  it("follows one until it's ready, and then leaves it alone", async () => {
    const one = vi.fn<RecordingSource["one"]>()
      .mockResolvedValueOnce(recording("r", { status: "processing", fileUrl: null, progress: 7 }))
      .mockRejectedValueOnce(StoaError.network(null))
      .mockResolvedValue(recording("r"));
    const { tracks, state } = watched(one);
    await vi.advanceTimersByTimeAsync(0);
    expect(state()).toMatchObject({ phase: "read", recording: { progress: 7 }, call: { id: "call-1" } });
    await vi.advanceTimersByTimeAsync(LOOK_AGAIN);
    expect(state()).toMatchObject({ phase: "read", recording: { progress: 7 } });
    await vi.advanceTimersByTimeAsync(10 * LOOK_AGAIN);
    expect(state().recording?.status).toBe("completed");
    expect([one.mock.calls.length, tracks.mock.calls.length]).toEqual([3, 0]);
  });

  it("has the tracks where there's no file of the whole call", async () => {
    const { state } = watched(() => Promise.resolve(recording("r", { fileUrl: null, isComposed: false })));
    await vi.advanceTimersByTimeAsync(0);
    expect(state().tracks).toEqual([track]);
  });

  it("gets new links before the old ones end", async () => {
    vi.setSystemTime(1_000_000_000);
    const one = vi.fn<RecordingSource["one"]>(() => Promise.resolve(recording("r", { fileUrl: link("r", Date.now() / 1000 + 600) })));
    const { state } = watched(one);
    await vi.advanceTimersByTimeAsync(0);
    const before = state().recording?.fileUrl;
    await vi.advanceTimersByTimeAsync(290_000);
    expect(one).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(one).toHaveBeenCalledTimes(2);
    expect(state().recording?.fileUrl).not.toBe(before);
  });

  it("says that there's none, and tries again after other failures", async () => {
    const gone = watched(notFound);
    await vi.advanceTimersByTimeAsync(0);
    expect(gone.state().phase).toBe("gone");
    const away = watched(vi.fn<RecordingSource["one"]>().mockRejectedValueOnce(StoaError.network(null)).mockResolvedValue(recording("r")));
    await vi.advanceTimersByTimeAsync(0);
    expect(away.state()).toMatchObject({ phase: "failed", error: { code: "network" } });
    await vi.advanceTimersByTimeAsync(LOOK_AGAIN);
    expect(away.state().phase).toBe("read");
  });
});
