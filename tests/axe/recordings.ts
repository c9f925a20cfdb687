// Recordings as a server would list them, in every stage, without the minutes that it takes to make them.
import type { Page, Route } from "playwright-core";

const AT = "2026-03-01T12:00:00.000Z";

const of = (id: string, change: object) => ({
  id, callId: null, channelId: null, room: "room", status: "completed", startedBy: null, startedAt: AT,
  endedAt: "2026-03-01T13:02:03.000Z", durationSeconds: 3_723, fileUrl: null, fileSizeBytes: 734_003_200, resolution: "1280x720", layoutType: "grid",
  audioOnly: false, format: "mp4", policy: "ask", expiresAt: null, retentionDays: null, legalHold: false, error: null, isComposed: false, progress: null, ...change,
});

export const recordings = [
  of("live", { status: "recording", endedAt: null, durationSeconds: null, fileSizeBytes: 0, retentionDays: 30 }),
  of("processing", { status: "processing", progress: 42 }),
  of("ready", { callId: "recorded", fileUrl: "http://stoa.example/api/recordings/ready/file?expires=4000000000&signature=s", isComposed: true, expiresAt: "2030-03-01T12:00:00.000Z" }),
  of("tracks", { legalHold: true }),
  of("failed", { status: "failed", fileSizeBytes: 0, error: { code: "recording_disk_full", message: "the disk is full" } }),
  of("elsewhere", { channelId: "a-channel-that-nobody-here-is-in", audioOnly: true }),
];

const track = (id: string, name: string, source: string, size: number[]) => ({
  id, name, source, userId: null, kind: source === "microphone" ? "audio" : "video", codec: "opus", trackSid: "TR_1", sizeBytes: 4_194_304, sha256: "00",
  fileUrl: `http://stoa.example/api/recordings/tracks/tracks/${id}?expires=4000000000&signature=s`, width: size[0] ?? null, height: size[1] ?? null,
});

const tracks = [track("a", "Alice", "camera", [1280, 720]), track("b", "Alice", "microphone", []), track("c", "Bob", "microphone", []), track("d", "Bob", "screen_share", [1920, 1080])];

const person = (userId: string, name: string) => ({
  id: `p-${userId}`, callId: "recorded", userId, name, avatarUrl: null, isGuest: true, status: "left", deviceId: null, invitedAt: AT, joinedAt: AT, leftAt: AT,
  leftReason: null, duration: 3_723, isMuted: false, isVideoEnabled: true, isScreenSharing: false, videoQuality: "720p", isOnHold: false, isHardMuted: false,
  recordingConsentGiven: true, recordingConsentAt: AT, connectionQuality: null,
});

const call = (owner: string, other: string) => ({
  id: "recorded", kind: "one_to_one", type: "video", media: "video", topology: "sfu", status: "ended", initiatorId: owner, channelId: null, createdAt: AT,
  startedAt: AT, connectedAt: AT, endedAt: AT, duration: 3_723, endReason: "completed", endedBy: owner, ringUntil: AT, maxParticipants: 100, transfer: null,
  isRecorded: true, recording: null, metadata: {}, participants: [person(owner, "Me"), person(other, "Carol")],
});

/** A second of silence, as a WAVE file. Axe waits ten seconds for media of which nothing comes. */
function silence(): Buffer {
  const [rate, header] = [8_000, Buffer.alloc(44)];
  header.write("RIFF", 0);
  header.writeUInt32LE(36 + rate, 4);
  header.write("WAVEfmt ", 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20); // PCM
  header.writeUInt16LE(1, 22); // one channel
  header.writeUInt32LE(rate, 24);
  header.writeUInt32LE(rate, 28);
  header.writeUInt16LE(1, 32);
  header.writeUInt16LE(8, 34); // bits
  header.write("data", 36);
  header.writeUInt32LE(rate, 40);
  return Buffer.concat([header, Buffer.alloc(rate, 128)]);
}

/** Answers the page's requests for recordings and calls, all of which `owner` began, with `other`; with errors once `fail` is set. */
export async function showRecordings(page: Page, owner: string, other: string): Promise<{ fail: boolean }> {
  const answers = { fail: false };
  const all = recordings.map((one) => ({ ...one, startedBy: owner }));
  const reply = (route: Route, status: number, json: object) => route.fulfill({ status, json });
  await page.route(/\/api\/recordings/, async (route) => {
    const { pathname, searchParams } = new URL(route.request().url());
    const [id, what] = pathname.split("/").slice(3);
    if (answers.fail) return reply(route, 503, { error: { code: "unavailable", message: "busy" } });
    if (id === undefined) return reply(route, 200, { recordings: searchParams.has("query") ? [] : all, next: searchParams.has("query") ? null : "more" });
    if (what === "tracks" && pathname.endsWith("tracks")) return reply(route, 200, { tracks: id === "tracks" ? tracks : [] });
    if (what !== undefined) return route.fulfill({ contentType: "audio/wav", body: silence() });
    const found = all.find((one) => one.id === id);
    return found ? reply(route, 200, { success: true, recording: found }) : reply(route, 404, { error: { code: "recording_not_found", message: "none" } });
  });
  await page.route(/\/api\/calls\?/, (route) => reply(route, 200, { calls: [call(owner, other)], next: null }));
  await page.route("**/api/calls/recorded", (route) => reply(route, 200, { call: call(owner, other) }));
  return answers;
}
