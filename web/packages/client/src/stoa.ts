/**
 * A Stoa server, seen from one browser tab: signing in, the directory, calls. It's all a view needs: read the stores, call
 * the methods.
 */
import { CallController } from "./calls/controller";
import type { CallTarget, Me, Notice } from "./calls/book";
import type { TransferMode } from "./calls/marks";
import { ServerClock } from "./clock";
import { browserHost, claimDeviceId } from "./device-id";
import { Emitter } from "./emitter";
import { codeOf, type ErrorCode } from "./errors";
import type { ServerEvent } from "./events";
import { Lifetime } from "./lifetime";
import { Devices } from "./media/devices";
import type { CaptureChoice } from "./media/options";
import { MediaSession } from "./media/session";
import { linkFrom } from "./recordings/recording";
import { Rest, type RecordingQuery } from "./rest";
import { Ringer, type Sound } from "./ring";
import { Signal } from "./signal";
import { byId, createStoaStore, forgetUser, renamed, withPresence, type StoaState, type StoaStore } from "./state";
import { TypingWatch } from "./typing";
import type { Call, Channel, Recording, RecordedTrack, RecordingChange, RecordingOptions, Session, User } from "./types";

export interface StoaOptions {
  /** The server's URL; empty for the page's own origin. */
  baseUrl?: string;
  /** The host app's bearer token. Without one, the session cookie is used. */
  token?: () => string | undefined;
  /** This device's ID. By default, each tab is a device. */
  deviceId?: string;
}

const HISTORY_PAGE = 30;
/** Milliseconds between reads of the directory: the more people in it, the longer. */
const DIRECTORY_PAUSE = { least: 4_000, perUser: 150, most: 30_000 };

/** Milliseconds before each try after the server refused the session: at once with a fresh token, then ever later. */
const REFUSED_PAUSES: readonly number[] = [0, 1_000, 2_000, 4_000, 8_000, 15_000];
const NETWORK_PAUSE = 2_000;

export class Stoa {
  readonly store: StoaStore = createStoaStore();
  readonly devices = new Devices();
  readonly media = new MediaSession(() => this.devices.choice);
  readonly clock = new ServerClock();
  readonly notices = new Emitter<Notice>();
  /** Whether the user is typing. Whoever renders this `Stoa` has it follow the page. */
  readonly typing = new TypingWatch();

  /** This device's ID, as the server and other devices know it. */
  readonly deviceId: string;

  readonly #baseUrl: string;
  readonly #rest: Rest;
  readonly #signal: Signal;
  readonly #calls: CallController;
  readonly #ringer = new Ringer();
  readonly #life: Lifetime;
  #cancelStart: () => void = () => undefined;
  #cancelLook: () => void = () => undefined;
  /** How often the session was refused since it was last up. */
  #refusals = 0;

  /** `life` ends when this is disposed of; something else may end with it. */
  constructor(deviceId: string, options: StoaOptions = {}, life = new Lifetime("Stoa")) {
    this.deviceId = deviceId;
    this.#life = life;
    const shared = { ...options, deviceId };
    this.#baseUrl = options.baseUrl ?? "";
    this.#rest = new Rest(shared);
    this.#signal = new Signal({ ...shared, callWaiting: () => this.devices.choice.callWaiting });
    const { store, media, notices } = this;
    this.#calls = new CallController({ rest: this.#rest, signal: this.#signal, store, media, notices, me: () => this.#me() });
    this.#signal.events.on((event) => this.#onEvent(event));
    this.#signal.link.on((link) => {
      this.#set(link === "refused" ? { link } : { link, refusal: null });
      if (link !== "online") return;
      this.#refusals = 0;
      void this.#sync();
    });
    this.#signal.refused.on((code) => this.#onRefused(code));
    notices.on((notice) => this.#onNotice(notice));
    this.#life.keep(store.subscribe((state, before) => {
      this.#ringer.play(soundOf(state));
      // A call we leave may go on, and nothing else would tell the list of recent calls.
      if (before.book.current && !state.book.current && state.phase === "signed_in") void this.#readHistory().catch(() => undefined);
    }));
  }

  /**
   * Ends everything this has opened: sockets, timers, listeners, sound, and the media of any call. The server is told nothing,
   * as when a tab is closed: `hangUp` first to end the call. Every later use is refused with the code `disposed`.
   */
  dispose(): void {
    if (this.#life.over) return;
    this.#rest.dispose();
    this.#calls.dispose();
    this.#signal.dispose();
    this.media.dispose();
    this.devices.dispose();
    this.#life.end();
    this.#ringer.dispose();
    this.typing.dispose();
    this.notices.clear();
  }

  /** Finds out who is signed in, and connects if somebody is. */
  start(): Promise<void> {
    return this.#alive(() => this.#start());
  }

  /** Connects again after the server refused this device as one too many. */
  tryAgain(): void {
    this.#life.check();
    this.#signal.disconnect();
    this.#signal.connect();
  }

  signInAsGuest(name: string): Promise<void> {
    return this.#alive(async () => {
      await this.#rest.signInAsGuest(name);
      await this.#start();
    });
  }

  signIn(username: string, password: string): Promise<void> {
    return this.#alive(async () => {
      await this.#rest.signIn(username, password);
      await this.#start();
    });
  }

  signUp(username: string, password: string, name?: string): Promise<void> {
    return this.#alive(async () => {
      await this.#rest.signUp(username, password, name);
      await this.#start();
    });
  }

  /** Trades the code of an admin link for a session. */
  signInAsAdmin(code: string): Promise<void> {
    return this.#alive(async () => {
      await this.#rest.signInAsAdmin(code);
      await this.#start();
    });
  }

  signOut(): Promise<void> {
    return this.#alive(async () => {
      if (this.store.getState().book.current) await this.#calls.hangUp().catch(() => undefined);
      await this.#rest.signOut();
      this.#forget(null);
      await this.#start();
    });
  }

  /** Calls a person, several people, or a channel. */
  call(target: CallTarget, options: { video: boolean }): Promise<void> {
    return this.#alive(() => this.#calls.start(target, options.video));
  }

  /** Accepts a ringing call on this device. */
  accept(callId: string, options: { video: boolean }): Promise<void> {
    return this.#alive(() => this.#calls.accept(callId, options.video));
  }

  /** Joins a running call: late, or again after a reload. */
  enter(callId: string, options: { video: boolean }): Promise<void> {
    return this.#alive(() => this.#calls.enter(callId, options.video));
  }

  /** Accepts a waiting call and puts the current one on hold. */
  acceptAndHold(callId: string, options: { video: boolean }): Promise<void> {
    return this.#alive(() => this.#calls.acceptAndHold(callId, options.video));
  }

  hold(): Promise<void> {
    return this.#alive(() => this.#calls.hold(true));
  }

  resume(): Promise<void> {
    return this.#alive(() => this.#calls.hold(false));
  }

  /** Returns to a parked call, and parks the current one. */
  switchTo(callId: string): Promise<void> {
    return this.#alive(() => this.#calls.switchTo(callId));
  }

  /** Actions on the current call. The server refuses those you aren't allowed. */
  readonly acts = {
    invite: (userIds: readonly string[]) => this.#act((rest, id) => rest.invite(id, [...userIds])),
    remove: (userId: string) => this.#act((rest, id) => rest.remove(id, userId)),
    mute: (userId: string, hard = false) => this.#act((rest, id) => rest.mute(id, userId, hard)),
    unlock: (userId: string) => this.#act((rest, id) => rest.unlock(id, userId)),
    muteAll: () => this.#act((rest, id) => rest.muteAll(id)),
    transfer: (userId: string, mode: TransferMode) => this.#act((rest, id) => rest.transfer(id, userId, mode)),
    completeTransfer: () => this.#act((rest, id) => rest.completeTransfer(id)),
    cancelTransfer: () => this.#act((rest, id) => rest.cancelTransfer(id)),
    startRecording: (options: RecordingOptions = {}) => this.#record((rest, id) => rest.startRecording(id, options)),
    pauseRecording: () => this.#record((rest, id) => rest.pauseRecording(id)),
    resumeRecording: () => this.#record((rest, id) => rest.resumeRecording(id)),
    stopRecording: () => this.#record((rest, id) => rest.stopRecording(id)),
    /** Says whether I agree to be recorded, for as long as the call is recorded. */
    consentToRecording: (given: boolean) => this.#record((rest, id) => rest.consentToRecording(id, given)),
  };

  /** Recordings of calls: to read, keep and delete. `RecordingList` and `RecordingWatch` read from here. */
  readonly recordings = {
    list: (query: RecordingQuery = {}) => this.#alive(() => this.#rest.recordings(query)),
    ofCall: (callId: string) => this.#alive(() => this.#rest.recordingsOfCall(callId)),
    one: (id: string): Promise<Recording> => this.#alive(() => this.#rest.recording(id)),
    tracks: (id: string): Promise<RecordedTrack[]> => this.#alive(() => this.#rest.recordingTracks(id)),
    change: (id: string, change: RecordingChange): Promise<Recording> => this.#alive(() => this.#rest.changeRecording(id, change)),
    delete: (id: string): Promise<number> => this.#alive(() => this.#rest.deleteRecording(id)),
    /** The recorded call, which says who was in it. */
    call: (callId: string): Promise<Call> => this.#alive(() => this.#rest.call(callId)),
    /** Where this page gets a file, given its `fileUrl`. */
    link: (fileUrl: string): string => linkFrom(this.#baseUrl, fileUrl),
  };

  #act(act: (rest: Rest, callId: string) => Promise<Call>): Promise<void> {
    return this.#alive(async () => {
      const callId = this.store.getState().book.current?.callId;
      if (callId !== undefined) this.#calls.put(await act(this.#rest, callId));
    });
  }

  /** Events say what becomes of a recording, and soon: the answer may come after them, and would bring back what is over. */
  #record(act: (rest: Rest, callId: string) => Promise<Call>): Promise<void> {
    return this.#alive(async () => {
      const callId = this.store.getState().book.current?.callId;
      if (callId !== undefined) await act(this.#rest, callId);
    });
  }

  decline(callId: string): Promise<void> {
    return this.#alive(() => this.#calls.decline(callId));
  }

  /** Ends a one-to-one call, leaves a group, or cancels a call that still rings. */
  hangUp(): Promise<void> {
    return this.#alive(() => this.#calls.hangUp());
  }

  /** Chooses a device. A running call switches to it. */
  async chooseDevice(change: Partial<CaptureChoice>): Promise<void> {
    this.#life.check();
    this.devices.choose(change);
    const { microphone, camera, speaker, noiseSuppression, callWaiting } = change;
    if (callWaiting !== undefined) this.#signal.declare();
    if (microphone) await this.media.useDevice("audioinput", microphone);
    if (camera) await this.media.useDevice("videoinput", camera);
    if (speaker) await this.media.useDevice("audiooutput", speaker);
    if (noiseSuppression !== undefined) await this.media.restartMicrophone();
  }

  createChannel(name: string, members: string[]): Promise<Channel> {
    return this.#alive(async () => {
      const channel = await this.#rest.createChannel(name, members);
      this.#putChannel(channel);
      return channel;
    });
  }

  /** Renames a channel and sets its members. Anyone not listed is removed. */
  async changeChannel(id: string, change: { name: string; members: readonly string[] }): Promise<void> {
    this.#putChannel(await this.#rest.changeChannel(id, { name: change.name, members: [...change.members] }));
  }

  async leaveChannel(id: string): Promise<void> {
    this.#putChannel(await this.#rest.removeMember(id, this.#me().userId));
  }

  async deleteChannel(id: string): Promise<void> {
    await this.#rest.deleteChannel(id);
    this.#set(({ channels }) => {
      const { [id]: _gone, ...rest } = channels;
      return { channels: rest };
    });
  }

  /** Searches the server for people by name, since the directory may not hold everyone. */
  async findPeople(query: string): Promise<void> {
    const found = await this.#rest.users(query);
    this.#set(({ users }) => ({ users: { ...users, ...byId(found) } }));
  }

  /** Reads the newest calls, or with `more`, the next page. */
  readHistory(more = false): Promise<void> {
    return this.#alive(() => this.#readHistory(more));
  }

  async #readHistory(more = false): Promise<void> {
    const { history } = this.store.getState();
    if (more && history.next === null) return;
    this.#set({ history: { ...history, phase: "loading" } });
    try {
      const query = { limit: HISTORY_PAGE, ...(more && history.next !== null ? { before: history.next } : {}) };
      const page = await this.#rest.history(query);
      const calls = more ? [...history.calls, ...page.calls] : page.calls;
      this.#set({ history: { calls, next: page.next, phase: "read" } });
    } catch (error) {
      this.#set({ history: { ...history, phase: "read" } });
      throw error;
    }
  }

  async #start(): Promise<void> {
    this.#cancelStart();
    try {
      const session = await this.#rest.session();
      if (this.#life.over) return;
      if (session.user) this.#enter(session.user, session);
      else this.#forget(session);
    } catch (error) {
      if (this.store.getState().phase !== "signed_in") this.#set({ phase: "unreachable" });
      if (codeOf(error) === "network") this.#startLater(NETWORK_PAUSE);
      else if (this.store.getState().link === "refused") this.#startAfterRefusal();
    }
  }

  #onRefused(code: ErrorCode): void {
    this.#set({ refusal: code });
    this.#startAfterRefusal();
  }

  #startAfterRefusal(): void {
    this.#startLater(REFUSED_PAUSES[this.#refusals] ?? REFUSED_PAUSES.at(-1) ?? 0);
    this.#refusals += 1;
  }

  #startLater(pause: number): void {
    this.#cancelStart();
    this.#cancelStart = this.#life.after(pause, () => void this.#start());
  }

  #enter(me: User, session: Session): void {
    const { callRecording } = session.features;
    this.#set(({ users, hasRecordings }) => ({
      phase: "signed_in", session, me, users: { ...users, [me.id]: me }, hasRecordings: callRecording || hasRecordings,
    }));
    this.#signal.connect();
    this.#lookAroundLater();
  }

  #forget(session: StoaState["session"]): void {
    this.#calls.dropAll();
    this.#signal.disconnect();
    this.#set(({ session: before }) => ({ ...forgetUser(), session: session ?? before }));
  }

  async #sync(): Promise<void> {
    // Each part stands alone: if one fails, the others still show.
    const done = await Promise.allSettled([this.#readDirectory(), this.#readChannels(), this.#calls.sync(), this.#readHistory(), this.#lookForRecordings()]);
    if (done.some((one) => one.status === "rejected" && codeOf(one.reason) === "unauthorized")) await this.#start();
  }

  async #readDirectory(): Promise<void> {
    const list = await this.#rest.users();
    this.#set(({ users, known }) => ({ users: { ...users, ...byId(list) }, known: { ...known, users: true } }));
  }

  async #readChannels(): Promise<void> {
    const channels = byId(await this.#rest.channels());
    this.#set(({ known }) => ({ channels, known: { ...known, channels: true } }));
  }

  /** Where calls are no longer recorded, older recordings may remain. */
  async #lookForRecordings(): Promise<void> {
    if (this.store.getState().session?.features.callRecording) return;
    const { recordings } = await this.#rest.recordings({ limit: 1 });
    this.#set({ hasRecordings: recordings.length > 0 });
  }

  /** Reads the directory now and then: no event says when people you share nothing with come and go. */
  #lookAroundLater(): void {
    this.#cancelLook();
    if (this.store.getState().phase !== "signed_in") return;
    const { least, perUser, most } = DIRECTORY_PAUSE;
    const pause = Math.min(Math.max(Object.keys(this.store.getState().users).length * perUser, least), most);
    this.#cancelLook = this.#life.after(pause, () => {
      const awake = this.store.getState().link === "online" && document.visibilityState === "visible";
      void (awake ? this.#readDirectory().catch(() => undefined) : Promise.resolve()).finally(() => this.#lookAroundLater());
    });
  }

  #onEvent(event: ServerEvent): void {
    switch (event.name) {
      case "presence:state":
        return this.#putPresence(event.data.users);
      case "presence:changed":
        this.clock.observe(event.data.at, Date.now());
        return this.#putPresence({ [event.data.userId]: event.data.presence });
      case "channel:changed":
        return this.#putChannel(event.data.channel);
      case "channel:deleted":
        return this.#set(({ channels }) => {
          const { [event.data.channelId]: _gone, ...rest } = channels;
          return { channels: rest };
        });
      case "call:offer":
      case "call:answer":
      case "call:ice-candidate":
        return this.#calls.onPeer(event);
      case "refused":
        return this.#set({ refusal: event.data.error.code });
      case "sync":
        return void this.#sync();
      default:
        this.clock.observe(event.data.at, Date.now());
        this.#calls.onEvent(event);
        if (event.name === "call:ended" || event.name === "call:missed") void this.#readHistory().catch(() => undefined);
        if (event.name === "call:names") this.#set(({ users }) => ({ users: renamed(users, event.data.users) }));
        if (event.name === "call:ended") this.#freeChannel(event.data.callId);
    }
  }

  #putPresence(changed: Record<string, User["presence"]>): void {
    const { users } = this.store.getState();
    if (Object.keys(changed).some((id) => !(id in users))) void this.#readDirectory().catch(() => undefined);
    this.#set({ users: withPresence(users, changed) });
  }

  #putChannel(channel: Channel): void {
    const { me } = this.store.getState();
    this.#set(({ channels }) => {
      const { [channel.id]: _old, ...rest } = channels;
      return { channels: me && !channel.members.includes(me.id) ? rest : { ...rest, [channel.id]: channel } };
    });
  }

  #freeChannel(callId: string): void {
    this.#set(({ channels }) => {
      const held = Object.values(channels).find((c) => c.activeCallId === callId);
      return held ? { channels: { ...channels, [held.id]: { ...held, activeCallId: null } } } : {};
    });
  }

  #onNotice(notice: Notice): void {
    if (notice.kind === "joined" || notice.kind === "left") this.#ringer.sign(notice.kind);
    if (notice.kind === "ended" || notice.kind === "lost") this.#ringer.sign("ended");
  }

  /** Carries a public method out, but refuses once this is disposed of, even if that happens midway. */
  async #alive<T>(act: () => Promise<T>): Promise<T> {
    this.#life.check();
    try {
      return await act();
    } finally {
      this.#life.check();
    }
  }

  #set(change: Partial<StoaState> | ((state: StoaState) => Partial<StoaState>)): void {
    if (!this.#life.over) this.store.setState(change);
  }

  #me(): Me {
    return { userId: this.store.getState().me?.id ?? "", deviceId: this.deviceId };
  }
}

/** Creates a `Stoa` for this tab. `dispose` of it when it's no longer needed. */
export async function createStoa(options: StoaOptions = {}): Promise<Stoa> {
  const life = new Lifetime("Stoa");
  return new Stoa(options.deviceId ?? (await claimDeviceId({ ...browserHost(), life })), options, life);
}

/** What should sound: the ringtone for an incoming call, a knock if we're already in one, or ringback for our own call. */
export function soundOf({ book }: Pick<StoaState, "book">): Sound | null {
  if (book.current) {
    if (book.current.phase === "ringing" && book.current.direction === "outgoing") return "ringback";
    return book.incoming.length > 0 ? "knock" : null;
  }
  return book.incoming.length > 0 ? "ring" : null;
}
