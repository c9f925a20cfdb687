/** The API's types, from its OpenAPI document. Only this file names parts of the generated schema. */
import type { components } from "./schema";

type Schemas = components["schemas"];

export type Call = Schemas["Call"];
export type CallKind = Schemas["CallKind"];
export type CallMedia = Schemas["CallMedia"];
export type CallRecording = Schemas["CallRecording"];
export type CallStatus = Schemas["CallStatus"];
export type Channel = Schemas["Channel"];
export type ConnectionCheck = Schemas["ConnectionCheck"];
export type EndReason = Schemas["EndReason"];
export type Features = Schemas["Features"];
export type IceServer = Schemas["IceServer"];
export type Initiate = Schemas["Initiate"];
export type Initiated = Schemas["Initiated"];
export type Joined = Schemas["Joined"];
export type Participant = Schemas["Participant"];
export type ParticipantStatus = Schemas["ParticipantStatus"];
export type Permission = Schemas["Permission"];
export type Presence = Schemas["Presence"];
export type QualityReport = Schemas["Report"];
export type RecordedTrack = Schemas["RecordedTrack"];
export type Recording = Schemas["Recording"];
export type RecordingChange = Schemas["ChangeRecording"];
export type RecordingOptions = Schemas["StartRecording"];
export type RecordingStatus = Schemas["RecordingStatus"];
export type Session = Schemas["Session"];
export type Topology = Schemas["Topology"];
export type User = Schemas["User"];

/** What a device needs to connect to a call's room. */
export interface Connection {
  callId: string;
  /** The room's WebSocket URL. */
  livekitUrl: string;
  /** A LiveKit token for this room and user. It expires. */
  token: string;
}
