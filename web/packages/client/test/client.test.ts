/// <reference types="node" />
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";

import { afterEach, describe, expect, it } from "vitest";

import { afterLoss, isFinal } from "../src/calls/rejoin";
import { ServerClock } from "../src/clock";
import { claimDeviceId } from "../src/device-id";
import { Emitter } from "../src/emitter";
import { StoaError } from "../src/errors";
import { Devices, listed } from "../src/media/devices";
import { Rest } from "../src/rest";
import { emptyBook } from "../src/calls/book";
import { soundOf } from "../src/stoa";
import { call } from "./fixtures";

describe("the REST client, against a real socket", () => {
  let server: Server | undefined;
  afterEach(() => void server?.close());

  async function serve(status: number, body: string, seen: IncomingMessage[] = []): Promise<string> {
    const started = createServer((request, response) => {
      seen.push(request);
      response.writeHead(status, { "content-type": "application/json" }).end(body);
    });
    server = started;
    await new Promise<void>((resolve) => started.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(started.address() as AddressInfo).port}`;
  }

  it("sends its device and token", async () => {
    const seen: IncomingMessage[] = [];
    const baseUrl = await serve(200, JSON.stringify({ calls: [call()] }), seen);
    const calls = await new Rest({ baseUrl, deviceId: "tab-1", token: () => "secret" }).activeCalls();
    expect(calls[0]?.id).toBe("call-1");
    expect(seen[0]?.url).toBe("/api/calls/active");
    expect(seen[0]?.headers).toMatchObject({ "stoa-device": "tab-1", authorization: "Bearer secret" });
  });

  it("throws the server's code", async () => {
    const baseUrl = await serve(409, JSON.stringify({ error: { code: "channel_call_active", message: "runs", details: { callId: "x" } } }));
    const refused = new Rest({ baseUrl, deviceId: "d" }).initiate({ channelId: "c" });
    await expect(refused).rejects.toMatchObject({ name: "StoaError", code: "channel_call_active", status: 409, details: { callId: "x" } });
  });

  it("acts on calls through the same client as everything else", async () => {
    const seen: IncomingMessage[] = [];
    const baseUrl = await serve(200, JSON.stringify({ success: true, call: call() }), seen);
    const rest = new Rest({ baseUrl, deviceId: "tab-1", token: () => "secret" });
    const held = await rest.hold("call/1");
    expect(held.id).toBe("call-1");
    await rest.unlock("call/1", "bob?");
    await rest.setMedia("call/1", { isMuted: true, isVideoEnabled: false, isScreenSharing: false });
    expect(seen.map(({ method, url }) => [method, url])).toEqual([
      ["POST", "/api/calls/call%2F1/hold"], ["DELETE", "/api/calls/call%2F1/participants/bob%3F/mute"], ["PATCH", "/api/calls/call%2F1/media"],
    ]);
    for (const { headers } of seen) expect(headers).toMatchObject({ "stoa-device": "tab-1", authorization: "Bearer secret" });
  });

  it("reports how the connection is doing, which is answered with no call", async () => {
    const baseUrl = await serve(200, JSON.stringify({ success: true }));
    expect(await new Rest({ baseUrl, deviceId: "d" }).reportQuality("call-1", [{ packetLoss: 1 }])).toBeUndefined();
  });

  it("refuses everything once it's disposed of", async () => {
    const seen: IncomingMessage[] = [];
    const rest = new Rest({ baseUrl: await serve(200, "{}", seen), deviceId: "d" });
    rest.dispose();
    await expect(rest.session()).rejects.toMatchObject({ name: "StoaError", code: "disposed", status: 0 });
    await expect(rest.hold("call-1")).rejects.toMatchObject({ code: "disposed" });
    expect(seen).toEqual([]);
  });

  it("copes with an answer that isn't the API's", async () => {
    const baseUrl = await serve(502, JSON.stringify("bad gateway"));
    await expect(new Rest({ baseUrl, deviceId: "d" }).session()).rejects.toMatchObject({ code: "internal", status: 502 });
  });

  it("reports a missing server as a network error", async () => {
    const gone = new Rest({ baseUrl: "http://127.0.0.1:1", deviceId: "d" });
    await expect(gone.session()).rejects.toMatchObject({ code: "network", status: 0 });
    await expect(gone.session()).rejects.toBeInstanceOf(StoaError);
  });
});

describe("a device id", () => {
  const storage = () => {
    const kept = new Map<string, string>();
    return { getItem: (k: string) => kept.get(k) ?? null, setItem: (k: string, v: string) => void kept.set(k, v) };
  };
  /** The browser's locks; a tab's are let go when it is gone. */
  const browser = () => {
    const held = new Map<string, string>();
    let made = 0;
    const local = storage();
    const tab = (name: string, session = storage()) => ({
      session, local, random: () => `id-${(made += 1)}`,
      locks: {
        request: (lock: string, _options: unknown, then: (lock: object | null) => unknown) => {
          const free = !held.has(lock);
          if (free) held.set(lock, name);
          return Promise.resolve(then(free ? {} : null));
        },
      } as unknown as LockManager,
    });
    const close = (name: string) => {
      for (const [lock, by] of held) if (by === name) held.delete(lock);
    };
    return { tab, close };
  };

  it("survives a reload, even when the old page lets go late", async () => {
    const { tab, close } = browser();
    const session = storage();
    const first = await claimDeviceId(tab("one", session));
    setTimeout(() => close("one"), 20);
    expect(await claimDeviceId(tab("one again", session))).toBe(first);
  });

  it("passes from a tab that crashed to the next one that opens", async () => {
    const { tab, close } = browser();
    const first = await claimDeviceId(tab("one"));
    close("one");
    expect(await claimDeviceId(tab("two"))).toBe(first);
  });

  it("is different in every open tab, even a duplicated one", async () => {
    const { tab } = browser();
    const session = storage();
    const ids = [await claimDeviceId(tab("one", session)), await claimDeviceId(tab("two")), await claimDeviceId(tab("copy", session))];
    expect(new Set(ids).size).toBe(3);
  });

  it("works without storage and locks", async () => {
    const forbidden = () => {
      throw new DOMException("no", "SecurityError");
    };
    const none = { getItem: forbidden, setItem: forbidden };
    expect(await claimDeviceId({ session: none, local: none, random: () => "one" })).toBe("one");
  });
});

describe("the server's clock", () => {
  it("trusts the fastest event", () => {
    const clock = new ServerClock();
    const at = "2026-03-01T12:00:00.000Z";
    const zero = Date.parse(at);
    clock.observe(at, zero + 5400);
    clock.observe(at, zero + 5050);
    clock.observe("rubbish", zero);
    expect(clock.toLocal(at, zero + 60_000)).toBe(zero + 5050);
    expect(clock.toLocal(at, zero + 1000)).toBe(zero + 1000);
  });
});

describe("small decisions", () => {
  it("only goes back into a room that was lost by accident", () => {
    expect([afterLoss("failure"), afterLoss("duplicate"), afterLoss("room_closed"), afterLoss("removed")])
      .toEqual(["rejoin", "taken_elsewhere", "await_end", "await_end"]);
    expect(["network", "unavailable", "internal"].some(isFinal)).toBe(false);
    expect(["call_over", "call_not_found", "unauthorized"].every(isFinal)).toBe(true);
  });

  it("rings for incoming calls, except during a call, and plays ringback for our own", () => {
    const incoming = [{ call: call(), callerName: "Bob", ringUntil: "" }];
    const current = { callId: "c", call: null, direction: "outgoing", target: { userId: "bob" }, since: null } as const;
    expect(soundOf({ book: emptyBook })).toBeNull();
    expect(soundOf({ book: { ...emptyBook, incoming } })).toBe("ring");
    expect(soundOf({ book: { ...emptyBook, current: { ...current, phase: "ringing" } } })).toBe("ringback");
    expect(soundOf({ book: { ...emptyBook, incoming, current: { ...current, phase: "active" } } })).toBe("knock");
    expect(soundOf({ book: { ...emptyBook, current: { ...current, phase: "active" } } })).toBeNull();
  });

  it("lists devices by kind, without aliases and hidden ones", () => {
    const all = [
      { kind: "audioinput", deviceId: "default", label: "Default" }, { kind: "audioinput", deviceId: "communications", label: "" },
      { kind: "videoinput", deviceId: "", label: "" }, { kind: "audiooutput", deviceId: "s", label: "Speaker" },
    ] as const;
    expect(listed(all)).toEqual({ microphones: [{ id: "default", label: "Default" }], cameras: [], speakers: [{ id: "s", label: "Speaker" }] });
  });

  it("remembers the chosen devices, and ignores a broken record", () => {
    const kept = new Map<string, string>();
    const storage = { getItem: (k: string) => kept.get(k) ?? null, setItem: (k: string, v: string) => void kept.set(k, v) };
    new Devices(storage).choose({ camera: "front", noiseSuppression: false });
    expect(new Devices(storage).choice).toEqual({ microphone: null, camera: "front", speaker: null, noiseSuppression: false, callWaiting: true });
    kept.set("stoa.devices", "{broken");
    expect(new Devices(storage).choice.camera).toBeNull();
  });

  it("keeps calling the other listeners when one fails", () => {
    const reported: unknown[] = [];
    globalThis.reportError = (error: unknown) => void reported.push(error);
    const emitter = new Emitter<number>();
    const heard: number[] = [];
    emitter.on(() => {
      throw new Error("mine");
    });
    const stop = emitter.on((n) => void heard.push(n));
    emitter.emit(1);
    stop();
    emitter.emit(2);
    expect(heard).toEqual([1]);
    expect(reported).toHaveLength(2);
  });
});
