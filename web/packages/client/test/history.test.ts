import { describe, expect, it } from "vitest";

import { historyLine } from "../src/calls/history";
import type { Call, ParticipantStatus } from "../src/types";
import { AT, call, participant } from "./fixtures";

const talked = { joinedAt: AT, duration: 42 };
const past = (change: Partial<Call>, mine: ParticipantStatus = "left", more = {}): Call =>
  call({ participants: [participant("alice", "left", more), participant("bob", mine, more)], ...change });

describe("a past call as a line", () => {
  it.each([
    ["talk, seen by the caller", past({ status: "ended", connectedAt: AT, duration: 42 }, "left", talked), "alice", "outgoing", "completed", 42],
    ["talk, seen by the called", past({ status: "ended", connectedAt: AT, duration: 42 }, "left", talked), "bob", "incoming", "completed", 42],
    ["no answer, seen by the caller", past({ status: "no_answer" }), "alice", "outgoing", "no_answer", null],
    ["no device reached", past({ status: "timeout" }), "alice", "outgoing", "no_answer", null],
    ["no answer, seen by the called", past({ status: "no_answer" }), "bob", "incoming", "missed", null],
    ["given up, seen by the called", past({ status: "cancelled" }), "bob", "incoming", "missed", null],
    ["given up, seen by the caller", past({ status: "cancelled" }), "alice", "outgoing", "cancelled", null],
    ["declined, seen by the caller", past({ status: "declined" }, "declined"), "alice", "outgoing", "declined", null],
    ["declined, seen by the callee", past({ status: "declined" }, "declined"), "bob", "incoming", "declined", null],
    ["busy", past({ status: "busy" }, "busy"), "alice", "outgoing", "busy", null],
    ["still running", past({ status: "connected", connectedAt: AT }, "connected"), "alice", "outgoing", "running", null],
  ] as const)("%s", (_name, one, who, direction, result, seconds) => {
    expect(historyLine(one, who)).toMatchObject({ direction, result, seconds });
  });

  it("says which running calls can be joined", () => {
    const running = (change: Partial<Call>, more = {}) => historyLine(past({ status: "connected", connectedAt: AT, kind: "group", ...change }, "left", more), "bob").enterable;
    expect(running({})).toBe(true);
    expect(running({}, { leftReason: "removed" }), "put out of it").toBe(false);
    expect(running({ kind: "one_to_one" })).toBe(false);
    expect(running({ status: "ended" })).toBe(false);
  });

  it("counts my own time in a group, and the call's in a one-to-one", () => {
    const group = past({ kind: "group", status: "ended", connectedAt: AT, duration: 300 }, "left", talked);
    expect(historyLine(group, "bob").seconds).toBe(42);
  });

  it("knows whom to call back", () => {
    expect(historyLine(past({}), "alice").other).toEqual({ kind: "user", id: "bob" });
    expect(historyLine(past({ kind: "group", channelId: "choir" }), "alice").other).toEqual({ kind: "channel", id: "choir" });
    const three = call({ kind: "group", participants: ["alice", "bob", "carol"].map((id) => participant(id, "left")) });
    expect(historyLine(three, "bob").other).toEqual({ kind: "users", ids: ["alice", "carol"] });
  });
});
