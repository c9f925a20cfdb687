// A backend of an app: LiveKit's server SDK, a receiver of webhooks that verifies them with it, and people who are really there.
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import {
  AudioFrame,
  AudioSource,
  LocalAudioTrack,
  LocalVideoTrack,
  Room,
  RoomEvent,
  TrackKind,
  TrackPublishOptions,
  TrackSource,
  VideoBufferType,
  VideoFrame,
  VideoSource,
  VideoStream,
  type RemoteTrack,
  type RemoteTrackPublication,
  type RemoteParticipant,
} from "@livekit/rtc-node";
import { AccessToken, WebhookReceiver, type VideoGrant, type WebhookEvent } from "livekit-server-sdk";
import { Stoa } from "../support/stoa.ts";
import { sleep, until } from "../support/wait.ts";

export const key = "devkey";
export const secret = "secret";

/** Receives webhooks as an app would, and refuses what the SDK does not verify. */
export class Receiver {
  readonly events: WebhookEvent[] = [];
  readonly refused: string[] = [];
  /** What was received, as it came. */
  readonly bodies: string[] = [];
  /** So many deliveries are answered with 503 first. */
  down = 0;
  private constructor(private readonly server: Server) {}

  static async start(): Promise<Receiver> {
    const verifier = new WebhookReceiver(key, secret);
    const server = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk: Buffer) => (body += chunk.toString()));
      request.on("end", () => {
        if (receiver.down > 0) {
          receiver.down -= 1;
          response.writeHead(503).end();
          return;
        }
        receiver.bodies.push(body);
        if (request.headers["content-type"] !== "application/webhook+json") receiver.refused.push("content type");
        verifier
          .receive(body, request.headers.authorization)
          .then((event) => receiver.events.push(event))
          .catch((error: unknown) => receiver.refused.push(String(error)))
          .finally(() => response.writeHead(200).end());
      });
    });
    const receiver: Receiver = new Receiver(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/livekit`;
  }
  /** The events of a room so far: name and identity. */
  of(room: string): string[] {
    const mine = this.events.filter((event) => event.room?.name === room);
    return mine.map(({ event, participant }) => (participant === undefined ? event : `${event} ${participant.identity}`));
  }
  close(): void {
    this.server.close();
    this.server.closeAllConnections();
  }
}

/** A server that tells a receiver of its webhooks. */
export async function startWithReceiver(): Promise<{ stoa: Stoa; receiver: Receiver }> {
  const receiver = await Receiver.start();
  const stoa = await Stoa.start({ config: `[webhooks]\nurls = ["${receiver.url}"]\napi_key = "${key}"\n` });
  return { stoa, receiver };
}

export async function token(room: string, identity: string, grants: VideoGrant = {}): Promise<string> {
  const token = new AccessToken(key, secret, { identity, name: identity, ttl: "30m" });
  token.addGrant({ room, roomJoin: true, ...grants });
  return token.toJwt();
}

export interface Heard {
  topic: string | undefined;
  text: string;
  from: string | undefined;
}

/** One who is in a room with LiveKit's native client. */
export class Person {
  readonly room = new Room();
  readonly data: Heard[] = [];
  /** Names of events, with the identity they are about. */
  readonly events: string[] = [];
  /** Frames seen, by publisher. */
  readonly frames = new Map<string, number>();
  private playing = true;

  private constructor(readonly identity: string) {
    const { room } = this;
    room.on(RoomEvent.DataReceived, (payload, from, _kind, topic) => {
      this.data.push({ topic, text: new TextDecoder().decode(payload), from: from?.identity });
    });
    room.on(RoomEvent.ParticipantConnected, (who) => this.events.push(`connected ${who.identity}`));
    room.on(RoomEvent.ParticipantDisconnected, (who) => this.events.push(`disconnected ${who.identity}`));
    room.on(RoomEvent.TrackMuted, (_track, who) => this.events.push(`muted ${who.identity}`));
    room.on(RoomEvent.TrackUnmuted, (_track, who) => this.events.push(`unmuted ${who.identity}`));
    room.on(RoomEvent.TrackUnpublished, (_track, who) => this.events.push(`unpublished ${who.identity}`));
    room.on(RoomEvent.TrackUnsubscribed, (_track, _publication, who) => this.events.push(`unsubscribed ${who.identity}`));
    room.on(RoomEvent.Disconnected, (reason) => this.events.push(`left ${reason}`));
    room.on(RoomEvent.Moved, () => this.events.push("moved"));
    room.on(RoomEvent.TokenRefreshed, () => this.events.push("token"));
    room.on(RoomEvent.TrackSubscribed, (track: RemoteTrack, _publication: RemoteTrackPublication, who: RemoteParticipant) => {
      this.events.push(`subscribed ${who.identity}`);
      if (track.kind === TrackKind.KIND_VIDEO) void this.watch(track, who.identity);
    });
  }

  static async join(url: string, room: string, identity: string, grants: VideoGrant = {}): Promise<Person> {
    return Person.enter(url, await token(room, identity, grants), identity);
  }

  /** With a token that a call gave out, say. */
  static async enter(url: string, token: string, identity: string): Promise<Person> {
    const person = new Person(identity);
    await person.room.connect(url, token, { autoSubscribe: true, dynacast: false });
    return person;
  }

  /** Plays a grey picture that changes, ten times a second. */
  async film(): Promise<string> {
    const source = new VideoSource(320, 180);
    const track = LocalVideoTrack.createVideoTrack("camera", source);
    const options = new TrackPublishOptions({ source: TrackSource.SOURCE_CAMERA, simulcast: false });
    const publication = await this.room.localParticipant!.publishTrack(track, options);
    void (async () => {
      for (let shade = 0; this.playing; shade = (shade + 8) % 256) {
        source.captureFrame(new VideoFrame(new Uint8Array(320 * 180 * 4).fill(shade), 320, 180, VideoBufferType.RGBA));
        await sleep(100);
      }
    })();
    return publication.sid!;
  }

  async speak(): Promise<string> {
    const source = new AudioSource(48_000, 1);
    const track = LocalAudioTrack.createAudioTrack("microphone", source);
    const options = new TrackPublishOptions({ source: TrackSource.SOURCE_MICROPHONE });
    const publication = await this.room.localParticipant!.publishTrack(track, options);
    void (async () => {
      const samples = Int16Array.from({ length: 480 }, (_, at) => Math.sin((2 * Math.PI * 440 * at) / 48_000) * 8_000);
      while (this.playing) await source.captureFrame(new AudioFrame(samples, 48_000, 1, 480));
    })().catch(() => undefined);
    return publication.sid!;
  }

  private async watch(track: RemoteTrack, from: string): Promise<void> {
    const reader = new VideoStream(track).getReader();
    for (;;) {
      const { done } = await reader.read();
      if (done) return;
      this.frames.set(from, (this.frames.get(from) ?? 0) + 1);
    }
  }

  /** Waits for ten more frames of somebody. */
  async sees(from: string): Promise<void> {
    const before = this.frames.get(from) ?? 0;
    await until(`${this.identity} to see ${from}`, async () => (this.frames.get(from) ?? 0) >= before + 10, { timeout: 30_000 });
  }

  /** Waits until nobody's picture comes any more. */
  async seesNothing(): Promise<void> {
    const total = () => [...this.frames.values()].reduce((sum, count) => sum + count, 0);
    await until(`${this.identity} to see nothing`, async () => {
      const before = total();
      await sleep(1_000);
      return total() === before;
    });
  }

  async saw(event: string): Promise<void> {
    await until(`${this.identity} to see "${event}"`, async () => this.events.includes(event), { timeout: 20_000 }).catch(
      (error: unknown) => {
        throw new Error(`${String(error)}; it saw ${this.events.join(", ")}`);
      },
    );
  }

  remote(identity: string): RemoteParticipant | undefined {
    return this.room.remoteParticipants.get(identity);
  }

  async leave(): Promise<void> {
    this.playing = false;
    await this.room.disconnect();
  }
}
