/**
 * Runs calls: talks to the server, updates the book, and has the media follow. It decides nothing that a pure function in
 * `book` or `rejoin` could decide, and owns the only timers of a call.
 */
import type { Emitter } from "../emitter";
import { codeOf, StoaError } from "../errors";
import type { CallEvent, PeerEvent } from "../events";
import { Lifetime } from "../lifetime";
import { loadMedia, type MediaSession } from "../media/session";
import type { MediaLoss, MediaState } from "../media/types";
import type { Rest } from "../rest";
import type { Signal } from "../signal";
import { withNames, type StoaStore } from "../state";
import type { Call, Connection, Initiate } from "../types";
import {
  applyEvent, applySnapshot, endCall, enterCall, isOver, isPresent, participantOf, runsElsewhere, type CallBook, type CallTarget, type Current, type Me, type Notice,
} from "./book";
import { PeerDesk, signalOf, type IceGrant } from "./peers";
import { afterLoss, isFinal, REJOIN_DELAYS } from "./rejoin";

/** Milliseconds between checks on a call that another of our devices is in: if that device drops out, we can take the call. */
const ELSEWHERE_PAUSE = 3_000;

/** Milliseconds between quality reports, and how many are kept while they can't be sent. */
const QUALITY_PAUSE = 5_000;
const MOST_REPORTS = 24;

/** Milliseconds in which several changes of what we send are told as one. */
const TELLING_PAUSE = 200;
/** Milliseconds in which the end of a call may follow the end of its room. */
const END_PATIENCE = 1_500;

export interface CallControllerParts {
  rest: Rest;
  signal: Signal;
  store: StoaStore;
  media: MediaSession;
  notices: Emitter<Notice>;
  me: () => Me;
}

/** The server's answer when it lets us in: the call, and both ways to its media. */
type Answer = Connection & { call: Call } & Partial<IceGrant>;

export class CallController {
  readonly #parts: CallControllerParts;
  readonly #peers: PeerDesk;
  /** The rooms that peer-to-peer calls move to if they have to. */
  readonly #rooms = new Map<string, Connection>();
  /** Hung up before the server answered; it's told once it does. */
  readonly #abandoned = new Set<string>();
  #unsaid: { callId: string; reports: readonly object[] } = { callId: "", reports: [] };
  readonly #life = new Lifetime("Stoa");
  #cancelTelling: () => void = () => undefined;
  #looksElsewhere = false;

  constructor(parts: CallControllerParts) {
    this.#parts = parts;
    this.#peers = new PeerDesk(parts.rest, parts.signal);
    this.#life.keep(parts.media.lost.on(({ callId, loss }) => void this.#onLost(callId, loss)));
    this.#life.keep(parts.media.stranded.on((callId) => void this.#toRoom(callId, undefined, true)));
    this.#life.keep(parts.media.store.subscribe((now, before) => this.#tellMedia(now, before)));
    this.#life.every(QUALITY_PAUSE, () => void this.#reportQuality());
  }

  /** Calls a person, several people, or a channel. */
  async start(target: CallTarget, video: boolean): Promise<void> {
    if ("callId" in target) return this.enter(target.callId, video);
    const { rest } = this.#parts;
    const callId = randomCallId();
    try {
      await this.#take({ direction: "outgoing", phase: "dialing", target, callId, call: null, since: null }, video, () =>
        rest.initiate({ ...bodyOf(target, video), callId }),
      );
    } catch (error) {
      const running = runningCall(error);
      if (running === null) throw error;
      // Somebody started the channel's call a moment ago: join that one.
      await this.enter(running, video);
    }
  }

  /** Accepts a ringing call on this device. */
  async accept(callId: string, video: boolean): Promise<void> {
    const { rest } = this.#parts;
    await this.#take(this.#joining(callId), video, () => rest.accept(callId));
  }

  /** Joins a running call: late, or again after a reload. */
  async enter(callId: string, video: boolean): Promise<void> {
    const { rest } = this.#parts;
    await this.#take(this.#joining(callId), video, () => rest.join(callId));
  }

  async decline(callId: string): Promise<void> {
    this.#setBook((book) => ({ ...book, incoming: book.incoming.filter((i) => i.call.id !== callId) }));
    try {
      await this.#parts.rest.decline(callId);
    } catch (error) {
      // It stopped ringing in the meantime.
      if (!isFinal(codeOf(error))) throw error;
    }
  }

  /** Accepts a waiting call and parks the current one, which the server puts on hold. */
  async acceptAndHold(callId: string, video: boolean): Promise<void> {
    await this.#park();
    await this.accept(callId, video);
  }

  /** Puts the current call on hold, or resumes it. */
  async hold(on: boolean): Promise<void> {
    const callId = this.#book.current?.callId;
    if (callId === undefined) return;
    const { rest, media, me } = this.#parts;
    await (on ? rest.hold(callId) : rest.resume(callId));
    const by = me().userId;
    this.#setBook((book) => applyEvent(book, { name: on ? "call:held" : "call:resumed", data: { callId, at: "", userId: by, by } }, me()).book);
    await media.of(callId)?.hold(on);
  }

  /** Returns to a parked call, and parks the current one. */
  async switchTo(callId: string): Promise<void> {
    const { rest, media, me } = this.#parts;
    if (!this.#book.parked.includes(callId)) return;
    if (this.#book.current) {
      await rest.hold(this.#book.current.callId);
      await this.#park();
      this.#life.check();
    }
    const stands = media.unpark(callId);
    this.#setBook((book) => {
      const call = book.running[callId] ?? null;
      const since = call?.connectedAt ?? null;
      const current: Current = { callId, call, direction: "incoming", phase: "active", target: { callId }, since };
      return { ...book, parked: book.parked.filter((id) => id !== callId), current };
    });
    const call = await rest.resume(callId);
    this.#setBook((book) => enterCall(book, call, me()));
    if (!stands || media.store.getState().connection === "reconnecting") return this.#rejoin(callId);
    await media.of(callId)?.hold(false);
  }

  async #park(): Promise<void> {
    const { current } = this.#book;
    if (!current?.call) return;
    const { callId } = current;
    await this.#parts.media.park();
    this.#setBook((book) => ({ ...book, current: null, parked: [...book.parked.filter((id) => id !== callId), callId] }));
  }

  /** Hangs up: ends a one-to-one call, leaves a group, or cancels while it rings. */
  async hangUp(): Promise<void> {
    const { current } = this.#book;
    if (!current) return;
    this.#parts.media.close();
    const { callId, call } = current;
    if (call === null) {
      this.#abandoned.add(callId);
      this.#setCurrent(null);
      return;
    }
    this.#setCurrent({ ...current, phase: "leaving" });
    try {
      const after = await this.#say(callId, call, current.phase);
      this.#finish(after);
    } catch (error) {
      if (this.#isCurrent(callId)) this.#setCurrent(null);
      if (!isFinal(codeOf(error))) throw error;
    }
  }

  onEvent(event: CallEvent): void {
    if (event.name === "call:incoming") void loadMedia().catch(() => undefined);
    const before = this.#book;
    const { book, notices } = applyEvent(before, event, this.#parts.me());
    if (before.current && !book.current) this.#parts.media.close();
    for (const callId of before.parked) if (!book.parked.includes(callId)) this.#parts.media.close(callId);
    this.#setBook(() => book);
    this.#followMedia(event, before);
    for (const notice of notices) this.#parts.notices.emit(notice);
    // Accepted or declined there? The server knows, and a call running on another device can be moved here.
    if (event.name === "call:answered-elsewhere") void this.sync().catch(() => undefined);
  }

  /** A signal from another participant's browser. */
  onPeer(event: PeerEvent): void {
    const signal = signalOf(event);
    const { callId, from } = event.data;
    if (!signal || from === this.#parts.me().userId) return;
    const line = this.#parts.media.of(callId);
    if (!line?.hearPeer(from, signal) && !line?.inRoom) this.#peers.keep(callId, from, signal);
  }

  /** Reads the calls again, as after every connect, since events may have been missed. */
  async sync(): Promise<void> {
    const active = await this.#parts.rest.activeCalls();
    const before = this.#book.current;
    const book = applySnapshot(this.#book, active, this.#parts.me());
    this.#setBook(() => book);
    if (!before || book.current || before.phase === "joining") return;
    // Our call ended while we were offline: the server still knows how.
    this.#parts.media.close();
    const call = await this.#parts.rest.call(before.callId).catch(() => null);
    const notice = call?.endReason ? endCall({ ...book, current: before }, call, call.endReason, this.#parts.me()).notices : [];
    for (const one of notice) this.#parts.notices.emit(one);
  }

  /** Takes in the call as the server just returned it. */
  put(call: Call | undefined): void {
    const { me } = this.#parts;
    if (call && this.#isCurrent(call.id) && !isOver(call)) this.#setBook((book) => enterCall(book, call, me()));
  }

  /** Drops the current call without telling the server. */
  drop(): void {
    this.#parts.media.close();
    this.#setCurrent(null);
  }

  /** Drops every call without telling the server, when signing out. */
  dropAll(): void {
    this.#parts.media.closeAll();
    this.#setBook((book) => ({ ...book, current: null, parked: [] }));
  }

  /** Leaves everything without a word, and does nothing more. */
  dispose(): void {
    this.dropAll();
    this.#life.end();
  }

  /** The server sees no peer-to-peer media, so it has to be told what's on. */
  #tellMedia(now: MediaState, before: MediaState): void {
    const callId = this.#book.current?.callId;
    const same = now.microphoneOn === before.microphoneOn && now.cameraOn === before.cameraOn && now.screenOn === before.screenOn && now.path === before.path;
    if (callId === undefined || now.path !== "p2p" || same) return;
    this.#cancelTelling();
    this.#cancelTelling = this.#life.after(TELLING_PAUSE, () => {
      const { microphoneOn, cameraOn, screenOn } = this.#parts.media.store.getState();
      const media = { isMuted: !microphoneOn, isVideoEnabled: cameraOn, isScreenSharing: screenOn };
      void this.#parts.rest.setMedia(callId, media).catch(() => undefined);
    });
  }

  async #reportQuality(): Promise<void> {
    const { current } = this.#book;
    if (current?.phase !== "active") return;
    const { callId } = current;
    const measured = await this.#parts.media.of(callId)?.measure().catch(() => null);
    if (!measured) return;
    const { loss, jitter, rtt } = measured;
    const kept = this.#unsaid.callId === callId ? this.#unsaid.reports : [];
    const reports = [...kept, { packetLoss: loss, ...(jitter === null ? {} : { jitterMs: jitter }), ...(rtt === null ? {} : { roundTripMs: rtt }) }];
    this.#unsaid = { callId, reports: [] };
    await this.#parts.rest.reportQuality(callId, reports).catch((error: unknown) => {
      // What couldn't be sent goes with the next report.
      if (!isFinal(codeOf(error))) this.#unsaid = { callId, reports: reports.slice(-MOST_REPORTS) };
    });
  }

  async #take(current: Current, video: boolean, ask: () => Promise<Answer>): Promise<void> {
    if (this.#book.current) await this.hangUp();
    const { media, me } = this.#parts;
    this.#setBook((book) => ({ ...book, current, incoming: book.incoming.filter((i) => i.call.id !== current.callId) }));
    const prepared = media.open(current.callId, me().userId).prepare({ audio: true, video });
    prepared.catch(() => undefined);
    let answer: Answer;
    try {
      answer = await ask();
    } catch (error) {
      if (this.#isCurrent(current.callId)) this.drop();
      throw error;
    }
    if (!this.#isCurrent(current.callId)) {
      // Over before the answer came: hung up here, or busy there, which has an event of its own.
      if (this.#abandoned.delete(current.callId)) await this.#say(answer.callId, answer.call, current.phase).catch(() => undefined);
      return;
    }
    media.rename(current.callId, answer.call.id);
    this.#setBook((book) => enterCall(book, answer.call, me()));
    try {
      await this.#connect(answer, prepared);
    } catch {
      if (this.#isCurrent(answer.call.id)) await this.#rejoin(answer.call.id);
    }
  }

  /** Connects the media the way the call goes: peer to peer or through the room. */
  async #connect(answer: Answer, prepared: Promise<void>): Promise<void> {
    const { media, me } = this.#parts;
    const { call, livekitUrl, token } = answer;
    const line = media.of(call.id);
    if (!line) return;
    const other = call.topology === "p2p" ? call.participants.find((p) => p.userId !== me().userId) : undefined;
    if (!other) return line.connect(livekitUrl, token, prepared);
    this.#rooms.set(call.id, { callId: call.id, livekitUrl, token });
    const grant = { iceServers: answer.iceServers ?? [], expiresAt: answer.expiresAt ?? null };
    line.connectPeer(other.userId, this.#peers.options(call.id, me().userId, other.userId, grant), prepared);
    const early = this.#peers.take(call.id, other.userId);
    for (const signal of early) line.hearPeer(other.userId, signal);
    // Whoever arrives makes the offer to whoever is there.
    if (early.length === 0 && isPresent(other)) line.beginPeer(true);
  }

  /** Moves the media to the server's room. */
  async #toRoom(callId: string, room = this.#rooms.get(callId), failed = false): Promise<void> {
    const line = this.#parts.media.of(callId);
    if (!line || line.path !== "p2p" || line.inRoom) return;
    if (failed) void this.#parts.rest.mediaFailed(callId, "ice").catch(() => undefined);
    try {
      if (!room) throw new Error("the call has no room");
      await line.connect(room.livekitUrl, room.token, Promise.resolve());
    } catch {
      if (this.#isCurrent(callId)) await this.#rejoin(callId);
    }
  }

  async #onLost(callId: string, loss: MediaLoss): Promise<void> {
    if (!this.#isCurrent(callId)) return;
    switch (afterLoss(loss)) {
      case "rejoin":
        return this.#rejoin(callId);
      case "taken_elsewhere":
        this.drop();
        { this.#parts.notices.emit({ kind: "elsewhere", callId }); return; }
      case "await_end":
        await this.#life.pause(END_PATIENCE);
        if (this.#isCurrent(callId)) this.#giveUp(callId);
    }
  }

  /** Tries to get back in, with growing pauses, until it works or the server says it never will. */
  async #rejoin(callId: string): Promise<void> {
    const { media, me, rest } = this.#parts;
    const { microphoneOn, cameraOn } = media.store.getState();
    for (const delay of REJOIN_DELAYS) {
      await this.#life.pause(delay);
      if (!this.#isCurrent(callId)) return;
      try {
        const answer = await rest.join(callId);
        if (!this.#isCurrent(callId)) return;
        this.#setBook((book) => enterCall(book, answer.call, me()));
        const line = media.open(callId, me().userId);
        const prepared = line.prepare({ audio: microphoneOn, video: cameraOn });
        line.store.setState({ connection: "reconnecting" });
        await this.#connect(answer, prepared);
        return;
      } catch (error) {
        if (error instanceof StoaError && isFinal(error.code)) break;
      }
    }
    if (this.#isCurrent(callId)) this.#giveUp(callId);
  }

  /** After a glare in which our call was merged away, moves the media to the call that remains. */
  async #merge(data: { call: Call; mergedCallId: string; token: string | null; livekitUrl: string | null }, was: string | undefined): Promise<void> {
    const { call, mergedCallId, token, livekitUrl } = data;
    if (was !== mergedCallId || !this.#isCurrent(call.id)) return;
    const { media, rest, me } = this.#parts;
    const { microphoneOn, cameraOn } = media.store.getState();
    const line = media.open(call.id, me().userId);
    const prepared = line.prepare({ audio: microphoneOn, video: cameraOn });
    prepared.catch(() => undefined);
    try {
      const answer = token && livekitUrl ? { callId: call.id, call, token, livekitUrl, ...(await rest.iceServers()) } : await rest.join(call.id);
      await this.#connect(answer, prepared);
    } catch {
      if (this.#isCurrent(call.id)) await this.#rejoin(call.id);
    }
  }

  /** What an event means for the media. */
  #followMedia(event: CallEvent, before: CallBook): void {
    const { callId } = event.data;
    const { media, me } = this.#parts;
    const mine = "userId" in event.data && event.data.userId === me().userId;
    switch (event.name) {
      case "call:held":
      case "call:resumed":
        // A parked call stays on hold until we return to it.
        if (mine && !this.#book.parked.includes(callId)) void media.of(callId)?.hold(event.name === "call:held");
        return;
      case "call:muted":
        if (mine && event.data.muted) void media.of(callId)?.setMicrophone(false);
        return;
      case "call:merged":
        this.#forget(event.data.mergedCallId);
        return void this.#merge(event.data, before.current?.callId);
      case "call:accepted":
      case "call:participant-joined":
        // They make the offer; the time to connect starts now.
        if (!mine) media.of(callId)?.beginPeer(false);
        return;
      case "call:topology-changed": {
        const { topology, token, livekitUrl } = event.data;
        if (topology === "sfu") void this.#toRoom(callId, token && livekitUrl ? { callId, token, livekitUrl } : undefined);
        return;
      }
      case "call:ended":
        return this.#forget(callId);
      default:
    }
  }

  /** Drops what is kept for a call that is gone. */
  #forget(callId: string): void {
    this.#rooms.delete(callId);
    this.#peers.forget(callId);
  }

  #giveUp(callId: string): void {
    this.drop();
    this.#parts.notices.emit({ kind: "lost", callId });
    void this.sync().catch(() => undefined);
  }

  #say(callId: string, call: Call, phase: Current["phase"]): Promise<Call> {
    const { rest, me } = this.#parts;
    const mine = call.initiatorId === me().userId;
    if (mine && (phase === "ringing" || phase === "dialing")) return rest.cancel(callId);
    return call.kind === "one_to_one" ? rest.end(callId) : rest.leave(callId);
  }

  /** Takes in the answer to our own hang-up. A group call may go on without us. */
  #finish(call: Call): void {
    if (!this.#isCurrent(call.id)) return;
    const { me, notices } = this.#parts;
    if (call.endReason) {
      const { book, notices: told } = endCall(this.#book, call, call.endReason, me());
      this.#setBook(() => book);
      for (const notice of told) notices.emit(notice);
      return;
    }
    this.#setBook((book) => ({ ...book, running: { ...book.running, [call.id]: call }, current: null }));
    const mine = participantOf(call, me().userId);
    notices.emit({ kind: "ended", callId: call.id, seconds: mine && !isPresent(mine) ? mine.duration : null });
  }

  #joining(callId: string): Current {
    const call = this.#book.running[callId] ?? null;
    return { callId, call, direction: "incoming", phase: "joining", target: { callId }, since: null };
  }

  get #book(): CallBook {
    return this.#parts.store.getState().book;
  }

  #isCurrent(callId: string): boolean {
    return this.#book.current?.callId === callId;
  }

  #setCurrent(current: Current | null): void {
    this.#setBook((book) => ({ ...book, current }));
  }

  #setBook(change: (book: CallBook) => CallBook): void {
    // An answer may come after the end: nothing may ring or begin because of it.
    if (this.#life.over) return;
    this.#parts.store.setState(({ book, users }) => {
      const next = change(book);
      return next === book ? {} : { book: next, users: withNames(users, Object.values(next.running)) };
    });
    this.#watchElsewhere();
  }

  #watchElsewhere(): void {
    if (this.#looksElsewhere || !runsElsewhere(this.#book, this.#parts.me())) return;
    this.#looksElsewhere = true;
    this.#life.after(ELSEWHERE_PAUSE, () => {
      this.#looksElsewhere = false;
      void this.sync().catch(() => undefined).finally(() => this.#watchElsewhere());
    });
  }
}

function bodyOf(target: Exclude<CallTarget, { callId: string }>, video: boolean): Initiate {
  const type = video ? "video" : "voice";
  if ("userId" in target) return { type, targetUserId: target.userId };
  if ("userIds" in target) return { type, targetUserIds: target.userIds };
  return { type, channelId: target.channelId };
}

/** The ID of the channel's running call, if that's why the server refused. */
function runningCall(error: unknown): string | null {
  if (!(error instanceof StoaError) || error.code !== "channel_call_active") return null;
  const details = error.details as { callId?: unknown } | null | undefined;
  return typeof details?.callId === "string" ? details.callId : null;
}

/** A version 4 UUID. `crypto.randomUUID` needs a secure context, which a phone on the LAN may not have. */
function randomCallId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
