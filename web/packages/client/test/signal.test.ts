import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { Signal } from "../src/signal";
import { fakeSockets } from "./fakes/socket";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function made() {
  const { sockets, open, latest } = fakeSockets();
  let token = "old";
  const signal = new Signal({ deviceId: "tab-1", token: () => token }, open);
  const links: string[] = [];
  const refused: string[] = [];
  signal.link.on((link) => void links.push(link));
  signal.refused.on((code) => void refused.push(code));
  return { signal, sockets, latest, links, refused, renew: () => (token = "new") };
}

describe("the session", () => {
  it("says that it's online, lost and back", () => {
    const { signal, latest, links } = made();
    signal.connect();
    latest().hear("connect");
    latest().hear("disconnect", "transport close");
    latest().hear("connect_error", new Error("websocket error"));
    latest().hear("connect");
    expect(links).toEqual(["connecting", "online", "lost", "lost", "online"]);
  });

  it("stays connecting while the server can't be reached for the first time", () => {
    const { signal, latest, links, refused } = made();
    signal.connect();
    latest().hear("connect_error", new Error("websocket error"));
    expect([links, refused]).toEqual([["connecting", "connecting"], []]);
  });

  it("connects again with a fresh token after a refused handshake, whose code it tells", () => {
    const { signal, sockets, latest, links, refused, renew } = made();
    signal.connect();
    latest().refuse("unauthorized");
    expect([links.at(-1), refused, latest().closed]).toEqual(["refused", ["unauthorized"], true]);
    renew();
    signal.connect();
    expect(sockets).toHaveLength(2);
    latest().hear("connect");
    expect(links.at(-1)).toBe("online");
    expect(sockets.map(({ handshakes }) => handshakes[0]?.["token"])).toEqual(["old", "new"]);
  });

  it("opens one socket, however often it's told to connect", () => {
    const { signal, sockets } = made();
    signal.connect();
    signal.connect();
    expect(sockets).toHaveLength(1);
  });

  it("comes back by itself when put out: soon with other credentials, later where there are too many devices", () => {
    const { signal, latest, links } = made();
    signal.connect();
    latest().hear("connect");
    latest().putOut("unauthorized");
    expect(links.at(-1)).toBe("lost");
    vi.advanceTimersByTime(1_000);
    expect(latest().handshakes).toHaveLength(2);
    latest().hear("connect");
    latest().putOut("invalid_state");
    expect(links.at(-1)).toBe("refused");
    vi.advanceTimersByTime(14_999);
    expect(latest().handshakes).toHaveLength(2);
    vi.advanceTimersByTime(1);
    expect(latest().handshakes).toHaveLength(3);
  });

  it("sends a newer token when the old one expires", () => {
    const { signal, latest, renew } = made();
    signal.connect();
    latest().hear("connect");
    renew();
    latest().hear("auth:expiring", {});
    expect(latest().said).toEqual([["auth:refresh", { token: "new" }]]);
  });

  it("leaves nothing behind when it's disposed of, and refuses to go on", () => {
    const { signal, latest, links } = made();
    signal.connect();
    latest().hear("connect");
    latest().putOut();
    signal.dispose();
    expect([latest().closed, latest().listening, vi.getTimerCount(), links.at(-1)]).toEqual([true, 0, 0, "off"]);
    vi.advanceTimersByTime(60_000);
    expect(latest().handshakes).toHaveLength(1);
    expect(() => signal.connect()).toThrowError(expect.objectContaining({ code: "disposed" }));
  });
});
