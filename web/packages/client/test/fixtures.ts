/** Calls for the tests, whole and true to the contract. */
import type { Call, Participant, ParticipantStatus } from "../src/types";

export const AT = "2026-03-01T12:00:00.000Z";
export const me = { userId: "alice", deviceId: "tab-1" };

export function participant(userId: string, status: ParticipantStatus, change: Partial<Participant> = {}): Participant {
  return {
    id: `p-${userId}`, callId: "call-1", userId, name: userId.toUpperCase(), avatarUrl: null, isGuest: false, status, deviceId: null, invitedAt: AT,
    joinedAt: null, leftAt: null, leftReason: null, duration: 0, isMuted: false, isVideoEnabled: false, isScreenSharing: false,
    videoQuality: "720p", isOnHold: false, isHardMuted: false, recordingConsentGiven: null, recordingConsentAt: null, connectionQuality: null, ...change,
  };
}

export function call(change: Partial<Call> = {}): Call {
  return {
    id: "call-1", kind: "one_to_one", type: "video", media: "video", topology: "sfu", status: "ringing", initiatorId: "alice",
    channelId: null, createdAt: AT, startedAt: null, connectedAt: null, endedAt: null, duration: null, endReason: null, endedBy: null,
    ringUntil: AT, maxParticipants: 100, transfer: null, isRecorded: false, recording: null, metadata: {},
    participants: [participant("alice", "connecting"), participant("bob", "ringing")], ...change,
  };
}
