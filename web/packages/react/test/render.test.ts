// @vitest-environment happy-dom
import { Stoa, type Person, type Tile } from "@stoa/client";
import { act, createElement, memo, StrictMode, type ReactNode } from "react";
import { createRoot, type Root } from "react-dom/client";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { call, participant } from "../../client/test/fixtures";
import { useTiles } from "../src/hooks/call";
import { StoaProvider } from "../src/hooks/context";
import { useReadable } from "../src/hooks/store";

(globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean }).IS_REACT_ACT_ENVIRONMENT = true;

let root: Root;
beforeEach(() => {
  root = createRoot(document.body.appendChild(document.createElement("div")));
});
afterEach(() => act(() => root.unmount()));

describe("a store that a component reads", () => {
  it("is subscribed to once, however often the component renders", () => {
    const counts = { subscribed: 0, unsubscribed: 0, rendered: 0 };
    const source = (value: number) => ({
      getState: () => value,
      subscribe: () => {
        counts.subscribed += 1;
        return () => void (counts.unsubscribed += 1);
      },
    });
    const [one, other] = [source(1), source(2)];
    function Reader({ store }: { store: typeof one }) {
      counts.rendered += 1;
      return useReadable(store, (value) => value);
    }
    for (let i = 0; i < 5; i += 1) act(() => root.render(createElement(Reader, { store: one })));
    expect(counts).toEqual({ subscribed: 1, unsubscribed: 0, rendered: 5 });
    act(() => root.render(createElement(Reader, { store: other })));
    expect(counts).toMatchObject({ subscribed: 2, unsubscribed: 1 });
  });
});

describe("the tiles of a call", () => {
  const person = (userId: string, change: Partial<Person> = {}): Person => ({
    userId, name: userId, local: userId === "alice", speaking: false, muted: false, camera: null, cameraOn: true, screen: null, screenOn: false,
    audio: [], quality: "good", ...change,
  });
  const group = call({ kind: "group", participants: ["alice", "bob", "carol"].map((id) => participant(id, "connected")) });

  it("are drawn again only where something has changed", () => {
    const drawn: string[] = [];
    const One = memo(function One({ tile }: { tile: Tile }) {
      drawn.push(tile.userId);
      return null;
    });
    function All() {
      return useTiles().map((tile) => createElement(One, { key: tile.key, tile }));
    }
    const stoa = new Stoa("tab-1");
    const show = (...people: Person[]) => act(() => stoa.media.store.setState({ people }));
    stoa.store.setState(({ book }) => ({
      me: { id: "alice", name: "Alice", avatarUrl: null, presence: "online", isGuest: false },
      book: { ...book, current: { callId: group.id, call: group, direction: "outgoing", phase: "active", target: { callId: group.id }, since: null } },
    }));
    show(person("bob"), person("carol"), person("alice"));
    act(() => root.render(createElement(StoaProvider, { stoa, children: createElement(All) })));
    expect(drawn).toEqual(["bob", "carol", "alice"]);
    drawn.length = 0;
    show(person("bob"), person("carol", { speaking: true }), person("alice"));
    expect(drawn).toEqual(["carol"]);
    drawn.length = 0;
    act(() => stoa.store.setState(({ book }) => ({ book: { ...book, current: book.current && { ...book.current, call: structuredClone(group) } } })));
    expect(drawn, "the same call as the server shows it anew").toEqual([]);
  });
});

describe("the provider", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());
  const provider = (stoa: Stoa, keep = false): ReactNode => createElement(StrictMode, null, createElement(StoaProvider, { stoa, keep, children: null }));
  const disposed = async (stoa: Stoa): Promise<boolean> => {
    act(() => void vi.runOnlyPendingTimers());
    return stoa.start().then(() => false, (error: { code: string }) => error.code === "disposed");
  };
  const stoaOf = () => {
    vi.stubGlobal("fetch", () => Promise.reject(new Error("no server")));
    return new Stoa("tab-1", { baseUrl: "http://stoa.test" });
  };

  it("disposes of its Stoa when it unmounts, and not when strict mode mounts it twice", async () => {
    const stoa = stoaOf();
    act(() => root.render(provider(stoa)));
    expect(await disposed(stoa)).toBe(false);
    act(() => root.render(null));
    expect(await disposed(stoa)).toBe(true);
  });

  it("disposes of the one it had when it's given another", async () => {
    const [one, other] = [stoaOf(), stoaOf()];
    act(() => root.render(provider(one)));
    act(() => root.render(provider(other)));
    expect([await disposed(one), await disposed(other)]).toEqual([true, false]);
  });

  it("leaves it alone where another provider has it, or where it's to be kept", async () => {
    const [shared, kept] = [stoaOf(), stoaOf()];
    const all = [provider(shared), provider(shared), provider(kept), provider(kept, true)].map((one, index) => createElement("p", { key: index }, one));
    act(() => root.render(all));
    act(() => root.render(all.filter((_one, index) => index === 0 || index === 3)));
    expect([await disposed(shared), await disposed(kept)]).toEqual([false, false]);
    act(() => root.render(all.slice(0, 1)));
    expect([await disposed(shared), await disposed(kept)]).toEqual([false, false]);
  });
});
