// A server that is stopped, killed or replaced: every client that the documentation shows comes back by itself, and rings again.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import WebSocket from "ws";
import { root } from "../support/paths.ts";
import { until } from "../support/wait.ts";
import { Scene } from "./scene.ts";

let scene: Scene;
beforeAll(async () => {
  scene = await Scene.open();
});
afterAll(() => scene?.close());

/** The program of docs/PROTOCOL.md for the raw WebSocket, as it stands there. */
function signalling(): (url: () => string, hear: (message: any, socket: any) => void) => void {
  const guide = readFileSync(join(root, "docs", "PROTOCOL.md"), "utf8");
  const program = /```js\n(function signalling[\s\S]*?)```/.exec(guide)?.[1];
  if (program === undefined) throw new Error("docs/PROTOCOL.md shows no client of the raw WebSocket");
  return new Function("WebSocket", `${program}\nreturn signalling;`)(WebSocket);
}

describe.each(["SIGTERM", "SIGKILL"] as const)("after %s and a new start", (signal) => {
  it.each([
    ["", "websocket", "call:incoming"],
    ["", "polling", "call:incoming"],
    ["/webrtc", "websocket", "call.incoming"],
    ["/webrtc", "polling", "call.incoming"],
  ] as const)("socket.io-client at '%s' over %s rings", async (namespace, transport, event) => {
    const bob = await scene.socket("Bob", namespace, [transport]);
    await until("bob to be connected", () => bob.socket.connected);
    const { code } = await scene.stoa.end(signal);
    expect(code).toBe(signal === "SIGTERM" ? 0 : null);
    await until("bob to notice", () => !bob.socket.connected);
    await scene.stoa.run();
    await until("bob to be back", () => bob.socket.connected);
    const { body } = await scene.ask("Alice", "POST", "/api/calls/initiate", { targetUserId: "Bob" });
    await bob.next(event, (data) => data.callId === body.callId);
    await scene.ask("Alice", "POST", `/api/calls/${body.callId}/cancel`);
    bob.socket.disconnect();
  });

  it("the raw WebSocket goes on signalling in the call that runs", async () => {
    const { body } = await scene.ask("Alice", "POST", "/api/calls/initiate", { targetUserId: "Bob" });
    await scene.ask("Bob", "POST", `/api/calls/${body.callId}/accept`);
    const heard: { who: string; message: any }[] = [];
    const sockets = new Map<string, any>();
    for (const who of ["Alice", "Bob"]) {
      const token = await scene.token(who);
      signalling()(
        () => `${scene.stoa.livekitUrl}/ws/webrtc/${body.callId}?token=${token}`,
        (message, socket) => {
          heard.push({ who, message });
          sockets.set(who, socket);
        },
      );
    }
    const met = () => ["Alice", "Bob"].every((who) => heard.some((one) => one.who === who && one.message.type === "peer_joined"));
    await until("them to meet", met);
    await scene.stoa.end(signal);
    heard.length = 0;
    await scene.stoa.run();
    await until("them to meet again", met);
    sockets.get("Alice").send(JSON.stringify({ type: "text", message: "still here" }));
    await until("bob to hear her", () => heard.some((one) => one.who === "Bob" && one.message.message === "still here"));
    await scene.ask("Alice", "POST", `/api/calls/${body.callId}/end`);
    await until("the end", () => heard.some((one) => one.who === "Bob" && one.message.code === "call_over"));
  });
});
