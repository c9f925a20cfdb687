/** What a LiveKit room tells, in the words of a call's line. The only listener of a room. */
import type { DisconnectReason, RemoteTrack, Room } from "livekit-client";

import { CHAT_TOPIC, decodeChat, parse, type ChatMessage } from "./chat";
import type { LiveKit } from "./livekit";
import type { MediaLoss } from "./types";

export interface RoomListener {
  /** Who is there, or what they send, has changed. */
  changed: () => void;
  subscribed: (track: RemoteTrack) => void;
  chat: (message: ChatMessage) => void;
  connection: (now: "connected" | "reconnecting") => void;
  /** Whether the browser needs a gesture before it plays sound. */
  soundBlocked: (blocked: boolean) => void;
  /** The room is gone, without our having left it. */
  lost: (loss: MediaLoss) => void;
}

export function followRoom(livekit: LiveKit, room: Room, listener: RoomListener): void {
  const { RoomEvent } = livekit;
  for (const event of [
    RoomEvent.ParticipantConnected, RoomEvent.ParticipantDisconnected, RoomEvent.ParticipantNameChanged,
    RoomEvent.TrackPublished, RoomEvent.TrackUnpublished, RoomEvent.TrackUnsubscribed,
    RoomEvent.TrackMuted, RoomEvent.TrackUnmuted, RoomEvent.LocalTrackPublished, RoomEvent.LocalTrackUnpublished,
    RoomEvent.ActiveSpeakersChanged, RoomEvent.ConnectionQualityChanged,
  ] as const) {
    room.on(event, () => listener.changed());
  }
  room
    .on(RoomEvent.TrackSubscribed, (track) => listener.subscribed(track))
    .on(RoomEvent.DataReceived, (payload, participant, _kind, topic) => {
      if (topic !== CHAT_TOPIC || !participant) return;
      const message = decodeChat(parse(new TextDecoder().decode(payload)), participant.identity, Date.now());
      if (message) listener.chat(message);
    })
    .on(RoomEvent.SignalReconnecting, () => listener.connection("reconnecting"))
    .on(RoomEvent.Reconnecting, () => listener.connection("reconnecting"))
    .on(RoomEvent.Reconnected, () => listener.connection("connected"))
    .on(RoomEvent.AudioPlaybackStatusChanged, () => listener.soundBlocked(!room.canPlaybackAudio))
    .on(RoomEvent.Disconnected, (reason) => listener.lost(lossOf(livekit, reason)));
}

function lossOf({ DisconnectReason: R }: LiveKit, reason: DisconnectReason | undefined): MediaLoss {
  if (reason === R.DUPLICATE_IDENTITY) return "duplicate";
  if (reason === R.PARTICIPANT_REMOVED) return "removed";
  if (reason === R.ROOM_DELETED || reason === R.ROOM_CLOSED) return "room_closed";
  return "failure";
}
