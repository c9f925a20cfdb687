/** The REST API, one method per operation. It returns what is inside the answer and throws a `StoaError` for a refusal. No state. */
import createClient, { type Client } from "openapi-fetch";

import type { TransferMode } from "./calls/marks";
import type { IceGrant } from "./calls/peers";
import { StoaError } from "./errors";
import type { paths } from "./schema";
import type { Call, Channel, Initiate, Initiated, Joined, Session, User } from "./types";

export interface RestOptions {
  /** The server's URL; empty for the page's own origin. */
  baseUrl?: string;
  /** Tells this device apart from the user's other devices. */
  deviceId: string;
  /** The host app's bearer token. Without one, the session cookie is used. */
  token?: (() => string | undefined) | undefined;
  fetch?: (request: Request) => Promise<Response>;
}

export interface HistoryQuery {
  channelId?: string;
  userId?: string;
  before?: string;
  limit?: number;
}

interface Reply<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

export class Rest {
  readonly #http: Client<paths>;
  readonly #options: RestOptions;

  constructor(options: RestOptions) {
    this.#options = options;
    this.#http = createClient<paths>({
      baseUrl: options.baseUrl ?? "",
      credentials: "same-origin",
      ...(options.fetch ? { fetch: options.fetch } : {}),
    });
    this.#http.use({
      onRequest({ request }) {
        request.headers.set("Stoa-Device", options.deviceId);
        const token = options.token?.();
        if (token) request.headers.set("Authorization", `Bearer ${token}`);
        return request;
      },
    });
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

  async decline(id: string, reason: "declined" | "busy" = "declined"): Promise<Call> {
    return (await answer(this.#http.POST("/api/calls/{id}/decline", { params: { path: { id } }, body: { reason } }))).call;
  }

  async cancel(id: string): Promise<Call> {
    return (await answer(this.#http.POST("/api/calls/{id}/cancel", { params: { path: { id } } }))).call;
  }

  async leave(id: string): Promise<Call> {
    return (await answer(this.#http.POST("/api/calls/{id}/leave", { params: { path: { id } } }))).call;
  }

  async end(id: string): Promise<Call> {
    return (await answer(this.#http.POST("/api/calls/{id}/end", { params: { path: { id } }, body: {} }))).call;
  }

  async invite(id: string, userIds: string[]): Promise<Call> {
    return (await answer(this.#http.POST("/api/calls/{id}/invite", { params: { path: { id } }, body: { userIds } }))).call;
  }

  /** STUN and TURN servers, with credentials that expire. */
  iceServers(): Promise<IceGrant> {
    return answer(this.#http.GET("/api/ice-servers"));
  }

  hold(id: string): Promise<Call> {
    return this.#act(id, "hold");
  }

  resume(id: string): Promise<Call> {
    return this.#act(id, "resume");
  }

  transfer(id: string, targetUserId: string, mode: TransferMode): Promise<Call> {
    return this.#act(id, "transfer", { targetUserId, mode });
  }

  completeTransfer(id: string): Promise<Call> {
    return this.#act(id, "transfer/complete");
  }

  cancelTransfer(id: string): Promise<Call> {
    return this.#act(id, "transfer/cancel");
  }

  remove(id: string, userId: string): Promise<Call> {
    return this.#act(id, `participants/${encodeURIComponent(userId)}`, undefined, "DELETE");
  }

  mute(id: string, userId: string, hard = false): Promise<Call> {
    return this.#act(id, `participants/${encodeURIComponent(userId)}/mute`, { hard });
  }

  /** Lifts a hard mute. */
  unlock(id: string, userId: string): Promise<Call> {
    return this.#act(id, `participants/${encodeURIComponent(userId)}/mute`, undefined, "DELETE");
  }

  muteAll(id: string, hard = false): Promise<Call> {
    return this.#act(id, "mute-all", { hard });
  }

  /** Reports that the peer-to-peer connection doesn't come up. */
  mediaFailed(id: string, reason: string): Promise<Call> {
    return this.#act(id, "media-failed", { reason });
  }

  reportQuality(id: string, reports: readonly object[]): Promise<Call> {
    return this.#act(id, "quality", { reports });
  }

  /** Tells the server what we send when no room sees it. */
  setMedia(id: string, media: { isMuted: boolean; isVideoEnabled: boolean; isScreenSharing: boolean }): Promise<Call> {
    return this.#act(id, "media", media, "PATCH");
  }

  /** An action on a call that returns the call. */
  async #act(id: string, act: string, body: object = {}, method: "POST" | "PATCH" | "DELETE" = "POST"): Promise<Call> {
    const { baseUrl = "", deviceId, token, fetch: ask = (request: Request) => fetch(request) } = this.#options;
    const bearer = token?.();
    const headers = {
      "Stoa-Device": deviceId,
      ...(method === "DELETE" ? {} : { "Content-Type": "application/json" }),
      ...(bearer ? { Authorization: `Bearer ${bearer}` } : {}),
    };
    const url = new URL(`${baseUrl}/api/calls/${encodeURIComponent(id)}/${act}`, globalThis.location.href);
    const sent = ask(new Request(url, { method, headers, credentials: "same-origin", ...(method === "DELETE" ? {} : { body: JSON.stringify(body) }) }));
    const response = await sent.catch((cause: unknown) => {
      throw new StoaError("network", cause instanceof Error ? cause.message : "No answer from the server.", 0);
    });
    const said: unknown = await response.json().catch(() => null);
    if (!response.ok) throw StoaError.from(said, response.status);
    return (said as { call: Call }).call;
  }

  async call(id: string): Promise<Call> {
    return (await answer(this.#http.GET("/api/calls/{id}", { params: { path: { id } } }))).call;
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
    throw new StoaError("network", cause instanceof Error ? cause.message : "No answer from the server.", 0);
  });
  if (!reply.response.ok || reply.data === undefined) throw StoaError.from(reply.error, reply.response.status);
  return reply.data;
}
