/** @stoa/react/hooks: headless React hooks for calls. */
export { StoaProvider, useSay, useStoa, type Say, type StoaProviderProps } from "./context";
export { english, isolated, speak, type Phrase, type Words } from "./words";
export { useDevicesState, useMediaState, useReadable, useStoaState } from "./store";
export { namesOf, useNames, type Names } from "./names";
export {
  clockText, hostOf, useChat, useCurrentCall, useGrid, useIsHost, useMarks, useParkedCalls, useParticipants, useRecording, useWaitingCall,
  type Chat, type Recording,
} from "./call";
export { useIncomingCall, useRejoinableCalls, useSecondsSince, useTalking, useTiles } from "./call";
export { useCallControls, useCallKeys, type CallControls, type Toggle } from "./controls";
export { useFocusHome } from "./focus";
export { CALL_KEYS, Shortcuts, useShortcuts, type CallKey } from "./shortcuts";
export { useMediaProblems, useNotices } from "./notices";
export { useUnaskedFocus, type UnaskedFocus } from "./typing";
export { useChannels, usePeople } from "./directory";
export { useRecordings, useWatchedRecording, type Recordings, type WatchedRecording } from "./recordings";
