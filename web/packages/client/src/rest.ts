/** The REST API, one method per operation. It returns what is inside the answer and throws a `StoaError` for a refusal. No state. */
import createClient, { type Client } from "openapi-fetch";

import type { TransferMode } from "./calls/marks";
import type { IceGrant } from "./calls/peers";
import { StoaError } from "./errors";
import type { paths } from "./schema";
import type { Call, Channel, Initiate, Initiated, Joined, QualityReport, RecordedTrack, Recording, RecordingChange, RecordingOptions, RecordingStatus, Session, User } from "./types";

export interface RestOptions {
  /** The server's URL; empty for the page's own origin. */
  baseUrl?: string;
  /** Tells this device apart from the user's other devices. */
  deviceId: string;
  /** The host app's bearer token. Without one, the session cookie is used. */
  token?: (() => string | undefined) | undefined;
  /** Used in place of the browser's `fetch`. */
  fetch?: (request: Request) => Promise<Response>;
}

/** Which calls to read, newest first. */
export interface HistoryQuery {
  /** Only calls of this channel. */
  channelId?: string;
  /** Only calls with this user. */
  userId?: string;
  /** The `next` of the page before. */
  before?: string;
  /** How many, at most. */
  limit?: number;
}

/** Which recordings to read, newest first. */
export interface RecordingQuery {
  /** Only those with this in the name of the channel or of someone who took part. */
  query?: string;
  /** Only those of this call. */
  callId?: string;
  /** Only those in this channel. */
  channelId?: string;
  /** Only those of calls that this user took part in, or that they started. */
  userId?: string;
  /** Only those with one of these statuses. By default, all but deleted ones. */
  statuses?: readonly RecordingStatus[];
  /** Only those that began at this time (RFC 3339) or later. */
  from?: string;
  /** Only those that began before this time (RFC 3339). */
  to?: string;
  /** The `next` of the page before. */
  before?: string;
  /** How many, at most. */
  limit?: number;
}

interface Reply<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

export class Rest {
  readonly #http: Client<paths>;
  #disposed = false;

  constructor(options: RestOptions) {
    this.#http = createClient<paths>({
      baseUrl: options.baseUrl ?? "",
      credentials: "same-origin",
      ...(options.fetch ? { fetch: options.fetch } : {}),
    });
    this.#http.use({
      onRequest: ({ request }) => {
        if (this.#disposed) throw StoaError.disposed("client");
        request.headers.set("Stoa-Device", options.deviceId);
        const token = options.token?.();
        if (token) request.headers.set("Authorization", `Bearer ${token}`);
        return request;
      },
    });
  }

  /** Refuses every later request with `disposed`. One that was sent already still gets its answer. */
  dispose(): void {
    this.#disposed = true;
  }

  session(): Promise<Session> {
    return answer(this.#http.GET("/api/session"));
  }

  async signInAsGuest(name: string): Promise<User> {
    return (await answer(this.#http.POST("/api/session/guest", { body: { name } }))).user;
  }

  async signIn(username: string, password: string): Promise<User> {
    return (await answer(this.#http.POST("/api/session/sign-in", { body: { username, password } }))).user;
  }

  async signUp(username: string, password: string, name?: string): Promise<User> {
    const body = { username, password, ...(name ? { name } : {}) };
    return (await answer(this.#http.POST("/api/session/sign-up", { body }))).user;
  }

  async signInAsAdmin(code: string): Promise<User> {
    return (await answer(this.#http.POST("/api/session/admin", { body: { code } }))).user;
  }

  async signOut(): Promise<void> {
    await answer(this.#http.POST("/api/session/sign-out"));
  }

  async users(query?: string, limit = 200): Promise<User[]> {
    const params = { query: { limit, ...(query ? { query } : {}) } };
    return (await answer(this.#http.GET("/api/users", { params }))).users;
  }

  async user(id: string): Promise<User> {
    return (await answer(this.#http.GET("/api/users/{id}", { params: { path: { id } } }))).user;
  }

  async channels(): Promise<Channel[]> {
    return (await answer(this.#http.GET("/api/channels"))).channels;
  }

  async createChannel(name: string, members: string[]): Promise<Channel> {
    return (await answer(this.#http.POST("/api/channels", { body: { name, members } }))).channel;
  }

  /** Renames a channel, sets its members, or both. */
  async changeChannel(id: string, body: { name?: string; members?: string[] }): Promise<Channel> {
    return (await answer(this.#http.PATCH("/api/channels/{id}", { params: { path: { id } }, body }))).channel;
  }

  async deleteChannel(id: string): Promise<void> {
    await answer(this.#http.DELETE("/api/channels/{id}", { params: { path: { id } } }));
  }

  async addMember(id: string, userId: string): Promise<Channel> {
    return (await answer(this.#http.PUT("/api/channels/{id}/members/{userId}", { params: { path: { id, userId } } }))).channel;
  }

  async removeMember(id: string, userId: string): Promise<Channel> {
    return (await answer(this.#http.DELETE("/api/channels/{id}/members/{userId}", { params: { path: { id, userId } } }))).channel;
  }

  initiate(body: Initiate): Promise<Initiated> {
    return answer(this.#http.POST("/api/calls/initiate", { body }));
  }

  accept(id: string): Promise<Joined> {
    return answer(this.#http.POST("/api/calls/{id}/accept", { params: { path: { id } } }));
  }

  join(id: string): Promise<Joined> {
    return answer(this.#http.POST("/api/calls/{id}/join", { params: { path: { id } } }));
  }

  decline(id: string, reason: "declined" | "busy" = "declined"): Promise<Call> {
    return callOf(this.#http.POST("/api/calls/{id}/decline", { params: { path: { id } }, body: { reason } }));
  }

  cancel(id: string): Promise<Call> {
    return callOf(this.#http.POST("/api/calls/{id}/cancel", { params: { path: { id } } }));
  }

  leave(id: string): Promise<Call> {
    return callOf(this.#http.POST("/api/calls/{id}/leave", { params: { path: { id } } }));
  }

  end(id: string): Promise<Call> {
    return callOf(this.#http.POST("/api/calls/{id}/end", { params: { path: { id } }, body: {} }));
  }

  invite(id: string, userIds: string[]): Promise<Call> {
    return callOf(this.#http.POST("/api/calls/{id}/invite", { params: { path: { id } }, body: { userIds } }));
  }

  /** STUN and TURN servers, with credentials that expire. */
  iceServers(): Promise<IceGrant> {
    return answer(this.#http.GET("/api/ice-servers"));
  }

  hold(id: string): Promise<Call> {
    return callOf(this.#http.POST("/api/calls/{id}/hold", { params: { path: { id } } }));
  }

  resume(id: string): Promise<Call> {
    return callOf(this.#http.POST("/api/calls/{id}/resume", { params: { path: { id } } }));
  }

  transfer(id: string, targetUserId: string, mode: TransferMode): Promise<Call> {
    return callOf(this.#http.POST("/api/calls/{id}/transfer", { params: { path: { id } }, body: { targetUserId, mode } }));
  }

  completeTransfer(id: string): Promise<Call> {
    return callOf(this.#http.POST("/api/calls/{id}/transfer/complete", { params: { path: { id } } }));
  }

  cancelTransfer(id: string): Promise<Call> {
    return callOf(this.#http.POST("/api/calls/{id}/transfer/cancel", { params: { path: { id } } }));
  }

  remove(id: string, userId: string): Promise<Call> {
    return callOf(this.#http.DELETE("/api/calls/{id}/participants/{userId}", { params: { path: { id, userId } } }));
  }

  mute(id: string, userId: string, hard = false): Promise<Call> {
    return callOf(this.#http.POST("/api/calls/{id}/participants/{userId}/mute", { params: { path: { id, userId } }, body: { hard } }));
  }

  /** Lifts a hard mute. */
  unlock(id: string, userId: string): Promise<Call> {
    return callOf(this.#http.DELETE("/api/calls/{id}/participants/{userId}/mute", { params: { path: { id, userId } } }));
  }

  muteAll(id: string, hard = false): Promise<Call> {
    return callOf(this.#http.POST("/api/calls/{id}/mute-all", { params: { path: { id } }, body: { hard } }));
  }

  startRecording(id: string, options: RecordingOptions = {}): Promise<Call> {
    return callOf(this.#http.POST("/api/calls/{id}/recording/start", { params: { path: { id } }, body: options }));
  }

  pauseRecording(id: string): Promise<Call> {
    return callOf(this.#http.POST("/api/calls/{id}/recording/pause", { params: { path: { id } } }));
  }

  resumeRecording(id: string): Promise<Call> {
    return callOf(this.#http.POST("/api/calls/{id}/recording/resume", { params: { path: { id } } }));
  }

  stopRecording(id: string): Promise<Call> {
    return callOf(this.#http.POST("/api/calls/{id}/recording/stop", { params: { path: { id } } }));
  }

  /** Says whether we agree to be recorded. */
  consentToRecording(id: string, given: boolean): Promise<Call> {
    return callOf(this.#http.POST("/api/calls/{id}/recording/consent", { params: { path: { id } }, body: { given } }));
  }

  recordings({ statuses, ...query }: RecordingQuery = {}): Promise<{ recordings: Recording[]; next: string | null }> {
    const params = { query: { ...query, ...(statuses ? { status: statuses.join(",") } : {}) } };
    return answer(this.#http.GET("/api/recordings", { params }));
  }

  recordingsOfCall(id: string, page: Pick<RecordingQuery, "before" | "limit"> = {}): Promise<{ recordings: Recording[]; next: string | null }> {
    return answer(this.#http.GET("/api/calls/{id}/recordings", { params: { path: { id }, query: page } }));
  }

  /** One recording. Its `fileUrl` works for a while, for whoever has it. */
  async recording(id: string): Promise<Recording> {
    return (await answer(this.#http.GET("/api/recordings/{id}", { params: { path: { id } } }))).recording;
  }

  /** The files of what each participant sent, with links as of a recording. */
  async recordingTracks(id: string): Promise<RecordedTrack[]> {
    return (await answer(this.#http.GET("/api/recordings/{id}/tracks", { params: { path: { id } } }))).tracks;
  }

  /** Changes how long a recording is kept. */
  async changeRecording(id: string, body: RecordingChange): Promise<Recording> {
    return (await answer(this.#http.PATCH("/api/recordings/{id}", { params: { path: { id } }, body }))).recording;
  }

  /** Deletes a recording with all its files. Returns how many of them the storage still has to delete. */
  async deleteRecording(id: string): Promise<number> {
    return (await answer(this.#http.DELETE("/api/recordings/{id}", { params: { path: { id } } }))).pendingFiles;
  }

  /** Tells the server that the peer-to-peer connection failed. */
  mediaFailed(id: string, reason: string): Promise<Call> {
    return callOf(this.#http.POST("/api/calls/{id}/media-failed", { params: { path: { id } }, body: { reason } }));
  }

  /** Tells the server how our connection is doing, oldest report first. */
  async reportQuality(id: string, reports: readonly QualityReport[]): Promise<void> {
    await answer(this.#http.POST("/api/calls/{id}/quality", { params: { path: { id } }, body: { reports: [...reports] } }));
  }

  /** Tells the server what we send, if it can't see that in a room. */
  setMedia(id: string, media: { isMuted: boolean; isVideoEnabled: boolean; isScreenSharing: boolean }): Promise<Call> {
    return callOf(this.#http.PATCH("/api/calls/{id}/media", { params: { path: { id } }, body: media }));
  }

  call(id: string): Promise<Call> {
    return callOf(this.#http.GET("/api/calls/{id}", { params: { path: { id } } }));
  }

  async activeCalls(): Promise<Call[]> {
    return (await answer(this.#http.GET("/api/calls/active"))).calls;
  }

  async history(query: HistoryQuery = {}): Promise<{ calls: Call[]; next: string | null }> {
    return answer(this.#http.GET("/api/calls", { params: { query } }));
  }
}

async function answer<T>(pending: Promise<Reply<T>>): Promise<T> {
  const reply = await pending.catch((cause: unknown) => {
    throw cause instanceof StoaError ? cause : StoaError.network(cause);
  });
  if (!reply.response.ok || reply.data === undefined) throw StoaError.from(reply.error, reply.response.status);
  return reply.data;
}

async function callOf(pending: Promise<Reply<{ call: Call }>>): Promise<Call> {
  return (await answer(pending)).call;
}
