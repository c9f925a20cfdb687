/** @stoa/client: calls on a Stoa server, for any framework or none. */
export { createStoa, soundOf, Stoa, type StoaOptions } from "./stoa";
export type { History, SessionPhase, StoaState } from "./state";
export {
  isOver, isPresent, isRinging, participantOf, rejoinable,
  type CallBook, type CallPhase, type CallTarget, type Current, type Incoming, type Notice,
} from "./calls/book";
export { noMarks, type LineReport, type Marks, type QualityBand, type TransferMode } from "./calls/marks";
export { historyLine, type CallResult, type HistoryLine } from "./calls/history";
export { gridFor, keepingTiles, tilesOf, type Tile, type TileState } from "./media/tiles";
export type { Device, DevicesState } from "./media/devices";
export { LONGEST_TEXT, type ChatMessage } from "./media/chat";
export type { CaptureChoice } from "./media/options";
export type {
  AudioSource, LineQuality, MediaConnection, MediaPath, MediaProblem, MediaState, Missing, Person, Source, TrackHandle,
} from "./media/types";
export { codeOf, SERVER_CODES, StoaError, type ClientCode, type ErrorCode, type ServerCode } from "./errors";
export { takesText, TYPING_REST, TypingWatch, type TypingClock } from "./typing";
export { Emitter } from "./emitter";
export { sameMembers } from "./kept";
export { Rest, type HistoryQuery, type RecordingQuery, type RestOptions } from "./rest";
export { RecordingList, type RecordingListState, type RecordingSource } from "./recordings/list";
export { RecordingWatch, type RecordingWatchSource, type RecordingWatchState } from "./recordings/watch";
export { isUnfinished, linkExpiry, linkFrom, mayChange, mayDelete, recordingStage, type RecordingStage } from "./recordings/recording";
export { Signal, type Link } from "./signal";
export { claimDeviceId } from "./device-id";
export type { CallEvent, ServerEvent, ServerEvents } from "./events";
export type * from "./types";
