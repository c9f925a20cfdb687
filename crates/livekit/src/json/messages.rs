//! The messages that have JSON and what they are made of. Made by `tests/json_messages.rs` from livekit-protocol's
//! .proto files; not edited.

#![allow(missing_docs, reason = "as in the .proto files")]

use livekit_protocol as proto;

use super::Described;
use super::schema::Kind::*;
use super::schema::Shape::*;
use super::schema::{self, Field};

const fn field(number: u32, name: &'static str, shape: schema::Shape, kind: schema::Kind) -> Field {
    Field { number, name, shape, kind }
}

impl Described for proto::CreateRoomRequest {
    const MESSAGE: &'static schema::Message = &CREATE_ROOM_REQUEST;
}

impl Described for proto::DeleteRoomRequest {
    const MESSAGE: &'static schema::Message = &DELETE_ROOM_REQUEST;
}

impl Described for proto::DeleteRoomResponse {
    const MESSAGE: &'static schema::Message = &DELETE_ROOM_RESPONSE;
}

impl Described for proto::ForwardParticipantRequest {
    const MESSAGE: &'static schema::Message = &FORWARD_PARTICIPANT_REQUEST;
}

impl Described for proto::ForwardParticipantResponse {
    const MESSAGE: &'static schema::Message = &FORWARD_PARTICIPANT_RESPONSE;
}

impl Described for proto::ListParticipantsRequest {
    const MESSAGE: &'static schema::Message = &LIST_PARTICIPANTS_REQUEST;
}

impl Described for proto::ListParticipantsResponse {
    const MESSAGE: &'static schema::Message = &LIST_PARTICIPANTS_RESPONSE;
}

impl Described for proto::ListRoomsRequest {
    const MESSAGE: &'static schema::Message = &LIST_ROOMS_REQUEST;
}

impl Described for proto::ListRoomsResponse {
    const MESSAGE: &'static schema::Message = &LIST_ROOMS_RESPONSE;
}

impl Described for proto::MoveParticipantRequest {
    const MESSAGE: &'static schema::Message = &MOVE_PARTICIPANT_REQUEST;
}

impl Described for proto::MoveParticipantResponse {
    const MESSAGE: &'static schema::Message = &MOVE_PARTICIPANT_RESPONSE;
}

impl Described for proto::MuteRoomTrackRequest {
    const MESSAGE: &'static schema::Message = &MUTE_ROOM_TRACK_REQUEST;
}

impl Described for proto::MuteRoomTrackResponse {
    const MESSAGE: &'static schema::Message = &MUTE_ROOM_TRACK_RESPONSE;
}

impl Described for proto::ParticipantInfo {
    const MESSAGE: &'static schema::Message = &PARTICIPANT_INFO;
}

impl Described for proto::PerformRpcRequest {
    const MESSAGE: &'static schema::Message = &PERFORM_RPC_REQUEST;
}

impl Described for proto::PerformRpcResponse {
    const MESSAGE: &'static schema::Message = &PERFORM_RPC_RESPONSE;
}

impl Described for proto::RemoveParticipantResponse {
    const MESSAGE: &'static schema::Message = &REMOVE_PARTICIPANT_RESPONSE;
}

impl Described for proto::Room {
    const MESSAGE: &'static schema::Message = &ROOM;
}

impl Described for proto::RoomConfiguration {
    const MESSAGE: &'static schema::Message = &ROOM_CONFIGURATION;
}

impl Described for proto::RoomParticipantIdentity {
    const MESSAGE: &'static schema::Message = &ROOM_PARTICIPANT_IDENTITY;
}

impl Described for proto::SendDataRequest {
    const MESSAGE: &'static schema::Message = &SEND_DATA_REQUEST;
}

impl Described for proto::SendDataResponse {
    const MESSAGE: &'static schema::Message = &SEND_DATA_RESPONSE;
}

impl Described for proto::SignalRequest {
    const MESSAGE: &'static schema::Message = &SIGNAL_REQUEST;
}

impl Described for proto::SignalResponse {
    const MESSAGE: &'static schema::Message = &SIGNAL_RESPONSE;
}

impl Described for proto::UpdateParticipantRequest {
    const MESSAGE: &'static schema::Message = &UPDATE_PARTICIPANT_REQUEST;
}

impl Described for proto::UpdateRoomMetadataRequest {
    const MESSAGE: &'static schema::Message = &UPDATE_ROOM_METADATA_REQUEST;
}

impl Described for proto::UpdateSubscriptionsRequest {
    const MESSAGE: &'static schema::Message = &UPDATE_SUBSCRIPTIONS_REQUEST;
}

impl Described for proto::UpdateSubscriptionsResponse {
    const MESSAGE: &'static schema::Message = &UPDATE_SUBSCRIPTIONS_RESPONSE;
}

impl Described for proto::WebhookEvent {
    const MESSAGE: &'static schema::Message = &WEBHOOK_EVENT;
}

pub static ADD_TRACK_REQUEST: schema::Message = schema::Message { name: "livekit.AddTrackRequest", fields: &[
    field(1, "cid", Single, String),
    field(2, "name", Single, String),
    field(3, "type", Single, Enum(&TRACK_TYPE)),
    field(4, "width", Single, Uint32),
    field(5, "height", Single, Uint32),
    field(6, "muted", Single, Bool),
    field(7, "disable_dtx", Single, Bool),
    field(8, "source", Single, Enum(&TRACK_SOURCE)),
    field(9, "layers", Repeated, Message(&VIDEO_LAYER)),
    field(10, "simulcast_codecs", Repeated, Message(&SIMULCAST_CODEC)),
    field(11, "sid", Single, String),
    field(12, "stereo", Single, Bool),
    field(13, "disable_red", Single, Bool),
    field(14, "encryption", Single, Enum(&ENCRYPTION_TYPE)),
    field(15, "stream", Single, String),
    field(16, "backup_codec_policy", Single, Enum(&BACKUP_CODEC_POLICY)),
    field(17, "audio_features", Repeated, Enum(&AUDIO_TRACK_FEATURE)),
    field(18, "packet_trailer_features", Repeated, Enum(&PACKET_TRAILER_FEATURE)),
] };

pub static ALI_OSSUPLOAD: schema::Message = schema::Message { name: "livekit.AliOSSUpload", fields: &[
    field(1, "access_key", Single, String),
    field(2, "secret", Single, String),
    field(3, "region", Single, String),
    field(4, "endpoint", Single, String),
    field(5, "bucket", Single, String),
] };

pub static AUDIO_CONFIG: schema::Message = schema::Message { name: "livekit.AudioConfig", fields: &[
    field(1, "capture_all", Single, Bool),
    field(2, "routes", Repeated, Message(&AUDIO_ROUTE)),
] };

pub static AUDIO_ROUTE: schema::Message = schema::Message { name: "livekit.AudioRoute", fields: &[
    field(1, "track_id", Oneof(0), String),
    field(2, "participant_identity", Oneof(0), String),
    field(3, "participant_kind", Oneof(0), Enum(&PARTICIPANT_INFO_KIND)),
    field(4, "channel", Single, Enum(&AUDIO_CHANNEL)),
] };

pub static AUTO_PARTICIPANT_EGRESS: schema::Message = schema::Message { name: "livekit.AutoParticipantEgress", fields: &[
    field(1, "preset", Oneof(0), Enum(&ENCODING_OPTIONS_PRESET)),
    field(2, "advanced", Oneof(0), Message(&ENCODING_OPTIONS)),
    field(3, "file_outputs", Repeated, Message(&ENCODED_FILE_OUTPUT)),
    field(4, "segment_outputs", Repeated, Message(&SEGMENTED_FILE_OUTPUT)),
] };

pub static AUTO_TRACK_EGRESS: schema::Message = schema::Message { name: "livekit.AutoTrackEgress", fields: &[
    field(1, "filepath", Single, String),
    field(5, "disable_manifest", Single, Bool),
    field(2, "s3", Oneof(0), Message(&S3_UPLOAD)),
    field(3, "gcp", Oneof(0), Message(&GCPUPLOAD)),
    field(4, "azure", Oneof(0), Message(&AZURE_BLOB_UPLOAD)),
    field(6, "aliOSS", Oneof(0), Message(&ALI_OSSUPLOAD)),
] };

pub static AZURE_BLOB_UPLOAD: schema::Message = schema::Message { name: "livekit.AzureBlobUpload", fields: &[
    field(1, "account_name", Single, String),
    field(2, "account_key", Single, String),
    field(3, "container_name", Single, String),
] };

pub static CLIENT_CONFIGURATION: schema::Message = schema::Message { name: "livekit.ClientConfiguration", fields: &[
    field(1, "video", Single, Message(&VIDEO_CONFIGURATION)),
    field(2, "screen", Single, Message(&VIDEO_CONFIGURATION)),
    field(3, "resume_connection", Single, Enum(&CLIENT_CONFIG_SETTING)),
    field(4, "disabled_codecs", Single, Message(&DISABLED_CODECS)),
    field(5, "force_relay", Single, Enum(&CLIENT_CONFIG_SETTING)),
] };

pub static CODEC: schema::Message = schema::Message { name: "livekit.Codec", fields: &[
    field(1, "mime", Single, String),
    field(2, "fmtp_line", Single, String),
] };

pub static CONNECTION_QUALITY_INFO: schema::Message = schema::Message { name: "livekit.ConnectionQualityInfo", fields: &[
    field(1, "participant_sid", Single, String),
    field(2, "quality", Single, Enum(&CONNECTION_QUALITY)),
    field(3, "score", Single, Float),
] };

pub static CONNECTION_QUALITY_UPDATE: schema::Message = schema::Message { name: "livekit.ConnectionQualityUpdate", fields: &[
    field(1, "updates", Repeated, Message(&CONNECTION_QUALITY_INFO)),
] };

pub static CREATE_ROOM_REQUEST: schema::Message = schema::Message { name: "livekit.CreateRoomRequest", fields: &[
    field(1, "name", Single, String),
    field(12, "room_preset", Single, String),
    field(2, "empty_timeout", Single, Uint32),
    field(10, "departure_timeout", Single, Uint32),
    field(3, "max_participants", Single, Uint32),
    field(4, "node_id", Single, String),
    field(5, "metadata", Single, String),
    field(15, "tags", Map, Message(&CREATE_ROOM_REQUEST_TAGS_ENTRY)),
    field(6, "egress", Single, Message(&ROOM_EGRESS)),
    field(7, "min_playout_delay", Single, Uint32),
    field(8, "max_playout_delay", Single, Uint32),
    field(9, "sync_streams", Single, Bool),
    field(13, "replay_enabled", Single, Bool),
    field(14, "agents", Repeated, Message(&ROOM_AGENT_DISPATCH)),
] };

pub static CREATE_ROOM_REQUEST_TAGS_ENTRY: schema::Message = schema::Message { name: "livekit.CreateRoomRequest.TagsEntry", fields: &[
    field(1, "key", Single, String),
    field(2, "value", Single, String),
] };

pub static DATA_BLOB: schema::Message = schema::Message { name: "livekit.DataBlob", fields: &[
    field(1, "key", Single, Message(&DATA_BLOB_KEY)),
    field(2, "contents", Single, Bytes),
] };

pub static DATA_BLOB_KEY: schema::Message = schema::Message { name: "livekit.DataBlobKey", fields: &[
    field(1, "generic", Oneof(0), String),
    field(2, "schema_id", Oneof(0), Message(&DATA_TRACK_SCHEMA_ID)),
] };

pub static DATA_CHANNEL_INFO: schema::Message = schema::Message { name: "livekit.DataChannelInfo", fields: &[
    field(1, "label", Single, String),
    field(2, "id", Single, Uint32),
    field(3, "target", Single, Enum(&SIGNAL_TARGET)),
] };

pub static DATA_CHANNEL_RECEIVE_STATE: schema::Message = schema::Message { name: "livekit.DataChannelReceiveState", fields: &[
    field(1, "publisher_sid", Single, String),
    field(2, "last_seq", Single, Uint32),
] };

pub static DATA_TRACK_FRAME_ENCODING: schema::Message = schema::Message { name: "livekit.DataTrackFrameEncoding", fields: &[
    field(1, "well_known", Oneof(0), Enum(&DATA_TRACK_FRAME_ENCODING_WELL_KNOWN_FRAME_ENCODING)),
    field(2, "custom", Oneof(0), String),
] };

pub static DATA_TRACK_INFO: schema::Message = schema::Message { name: "livekit.DataTrackInfo", fields: &[
    field(1, "pub_handle", Single, Uint32),
    field(2, "sid", Single, String),
    field(3, "name", Single, String),
    field(4, "encryption", Single, Enum(&ENCRYPTION_TYPE)),
    field(5, "frame_encoding", Optional, Message(&DATA_TRACK_FRAME_ENCODING)),
    field(6, "schema", Optional, Message(&DATA_TRACK_SCHEMA_ID)),
] };

pub static DATA_TRACK_SCHEMA_ENCODING: schema::Message = schema::Message { name: "livekit.DataTrackSchemaEncoding", fields: &[
    field(1, "well_known", Oneof(0), Enum(&DATA_TRACK_SCHEMA_ENCODING_WELL_KNOWN_SCHEMA_ENCODING)),
    field(2, "custom", Oneof(0), String),
] };

pub static DATA_TRACK_SCHEMA_ID: schema::Message = schema::Message { name: "livekit.DataTrackSchemaId", fields: &[
    field(1, "name", Single, String),
    field(2, "encoding", Single, Message(&DATA_TRACK_SCHEMA_ENCODING)),
] };

pub static DATA_TRACK_SUBSCRIBER_HANDLES: schema::Message = schema::Message { name: "livekit.DataTrackSubscriberHandles", fields: &[
    field(1, "sub_handles", Map, Message(&DATA_TRACK_SUBSCRIBER_HANDLES_SUB_HANDLES_ENTRY)),
] };

pub static DATA_TRACK_SUBSCRIBER_HANDLES_PUBLISHED_DATA_TRACK: schema::Message = schema::Message { name: "livekit.DataTrackSubscriberHandles.PublishedDataTrack", fields: &[
    field(1, "publisher_identity", Single, String),
    field(2, "publisher_sid", Single, String),
    field(3, "track_sid", Single, String),
] };

pub static DATA_TRACK_SUBSCRIBER_HANDLES_SUB_HANDLES_ENTRY: schema::Message = schema::Message { name: "livekit.DataTrackSubscriberHandles.SubHandlesEntry", fields: &[
    field(1, "key", Single, Uint32),
    field(2, "value", Single, Message(&DATA_TRACK_SUBSCRIBER_HANDLES_PUBLISHED_DATA_TRACK)),
] };

pub static DATA_TRACK_SUBSCRIPTION_OPTIONS: schema::Message = schema::Message { name: "livekit.DataTrackSubscriptionOptions", fields: &[
    field(1, "target_fps", Optional, Uint32),
] };

pub static DELETE_ROOM_REQUEST: schema::Message = schema::Message { name: "livekit.DeleteRoomRequest", fields: &[
    field(1, "room", Single, String),
] };

pub static DELETE_ROOM_RESPONSE: schema::Message = schema::Message { name: "livekit.DeleteRoomResponse", fields: &[
] };

pub static DIRECT_FILE_OUTPUT: schema::Message = schema::Message { name: "livekit.DirectFileOutput", fields: &[
    field(1, "filepath", Single, String),
    field(5, "disable_manifest", Single, Bool),
    field(2, "s3", Oneof(0), Message(&S3_UPLOAD)),
    field(3, "gcp", Oneof(0), Message(&GCPUPLOAD)),
    field(4, "azure", Oneof(0), Message(&AZURE_BLOB_UPLOAD)),
    field(6, "aliOSS", Oneof(0), Message(&ALI_OSSUPLOAD)),
] };

pub static DISABLED_CODECS: schema::Message = schema::Message { name: "livekit.DisabledCodecs", fields: &[
    field(1, "codecs", Repeated, Message(&CODEC)),
    field(2, "publish", Repeated, Message(&CODEC)),
] };

pub static EGRESS_INFO: schema::Message = schema::Message { name: "livekit.EgressInfo", fields: &[
    field(1, "egress_id", Single, String),
    field(2, "room_id", Single, String),
    field(13, "room_name", Single, String),
    field(26, "source_type", Single, Enum(&EGRESS_SOURCE_TYPE)),
    field(3, "status", Single, Enum(&EGRESS_STATUS)),
    field(10, "started_at", Single, Int64),
    field(11, "ended_at", Single, Int64),
    field(18, "updated_at", Single, Int64),
    field(29, "egress", Oneof(0), Message(&START_EGRESS_REQUEST)),
    field(30, "replay", Oneof(0), Message(&EXPORT_REPLAY_REQUEST)),
    field(4, "room_composite", Oneof(0), Message(&ROOM_COMPOSITE_EGRESS_REQUEST)),
    field(14, "web", Oneof(0), Message(&WEB_EGRESS_REQUEST)),
    field(19, "participant", Oneof(0), Message(&PARTICIPANT_EGRESS_REQUEST)),
    field(5, "track_composite", Oneof(0), Message(&TRACK_COMPOSITE_EGRESS_REQUEST)),
    field(6, "track", Oneof(0), Message(&TRACK_EGRESS_REQUEST)),
    field(15, "stream_results", Repeated, Message(&STREAM_INFO)),
    field(16, "file_results", Repeated, Message(&FILE_INFO)),
    field(17, "segment_results", Repeated, Message(&SEGMENTS_INFO)),
    field(20, "image_results", Repeated, Message(&IMAGES_INFO)),
    field(9, "error", Single, String),
    field(22, "error_code", Single, Int32),
    field(21, "details", Single, String),
    field(23, "manifest_location", Single, String),
    field(25, "backup_storage_used", Single, Bool),
    field(27, "retry_count", Single, Int32),
    field(7, "stream", Oneof(1), Message(&STREAM_INFO_LIST)),
    field(8, "file", Oneof(1), Message(&FILE_INFO)),
    field(12, "segments", Oneof(1), Message(&SEGMENTS_INFO)),
] };

pub static ENCODED_FILE_OUTPUT: schema::Message = schema::Message { name: "livekit.EncodedFileOutput", fields: &[
    field(1, "file_type", Single, Enum(&ENCODED_FILE_TYPE)),
    field(2, "filepath", Single, String),
    field(6, "disable_manifest", Single, Bool),
    field(3, "s3", Oneof(0), Message(&S3_UPLOAD)),
    field(4, "gcp", Oneof(0), Message(&GCPUPLOAD)),
    field(5, "azure", Oneof(0), Message(&AZURE_BLOB_UPLOAD)),
    field(7, "aliOSS", Oneof(0), Message(&ALI_OSSUPLOAD)),
] };

pub static ENCODING_OPTIONS: schema::Message = schema::Message { name: "livekit.EncodingOptions", fields: &[
    field(1, "width", Single, Int32),
    field(2, "height", Single, Int32),
    field(3, "depth", Single, Int32),
    field(4, "framerate", Single, Int32),
    field(5, "audio_codec", Single, Enum(&AUDIO_CODEC)),
    field(6, "audio_bitrate", Single, Int32),
    field(7, "audio_frequency", Single, Int32),
    field(8, "video_codec", Single, Enum(&VIDEO_CODEC)),
    field(9, "video_bitrate", Single, Int32),
    field(10, "key_frame_interval", Single, Double),
    field(11, "audio_quality", Single, Int32),
    field(12, "video_quality", Single, Int32),
] };

pub static EXPORT_REPLAY_REQUEST: schema::Message = schema::Message { name: "livekit.ExportReplayRequest", fields: &[
    field(1, "replay_id", Single, String),
    field(2, "start_offset_ms", Single, Int64),
    field(3, "end_offset_ms", Single, Int64),
    field(4, "template", Oneof(0), Message(&TEMPLATE_SOURCE)),
    field(5, "web", Oneof(0), Message(&WEB_SOURCE)),
    field(6, "media", Oneof(0), Message(&MEDIA_SOURCE)),
    field(7, "preset", Oneof(1), Enum(&ENCODING_OPTIONS_PRESET)),
    field(8, "advanced", Oneof(1), Message(&ENCODING_OPTIONS)),
    field(9, "outputs", Repeated, Message(&OUTPUT)),
    field(10, "storage", Single, Message(&STORAGE_CONFIG)),
    field(11, "webhooks", Repeated, Message(&WEBHOOK_CONFIG)),
] };

pub static FILE_INFO: schema::Message = schema::Message { name: "livekit.FileInfo", fields: &[
    field(1, "filename", Single, String),
    field(2, "started_at", Single, Int64),
    field(3, "ended_at", Single, Int64),
    field(6, "duration", Single, Int64),
    field(4, "size", Single, Int64),
    field(5, "location", Single, String),
] };

pub static FILE_OUTPUT: schema::Message = schema::Message { name: "livekit.FileOutput", fields: &[
    field(1, "file_type", Single, Enum(&ENCODED_FILE_TYPE)),
    field(2, "filepath", Single, String),
    field(3, "disable_manifest", Single, Bool),
] };

pub static FILTER_PARAMS: schema::Message = schema::Message { name: "livekit.FilterParams", fields: &[
    field(1, "include_events", Repeated, String),
    field(2, "exclude_events", Repeated, String),
] };

pub static FORWARD_PARTICIPANT_REQUEST: schema::Message = schema::Message { name: "livekit.ForwardParticipantRequest", fields: &[
    field(1, "room", Single, String),
    field(2, "identity", Single, String),
    field(3, "destination_room", Single, String),
] };

pub static FORWARD_PARTICIPANT_RESPONSE: schema::Message = schema::Message { name: "livekit.ForwardParticipantResponse", fields: &[
] };

pub static GCPUPLOAD: schema::Message = schema::Message { name: "livekit.GCPUpload", fields: &[
    field(1, "credentials", Single, String),
    field(2, "bucket", Single, String),
    field(3, "proxy", Single, Message(&PROXY_CONFIG)),
] };

pub static GET_DATA_BLOB_REQUEST: schema::Message = schema::Message { name: "livekit.GetDataBlobRequest", fields: &[
    field(1, "request_id", Single, Uint32),
    field(2, "participant_identity", Single, String),
    field(3, "key", Single, Message(&DATA_BLOB_KEY)),
] };

pub static GET_DATA_BLOB_RESPONSE: schema::Message = schema::Message { name: "livekit.GetDataBlobResponse", fields: &[
    field(1, "request_id", Single, Uint32),
    field(2, "blob", Single, Message(&DATA_BLOB)),
] };

pub static ICESERVER: schema::Message = schema::Message { name: "livekit.ICEServer", fields: &[
    field(1, "urls", Repeated, String),
    field(2, "username", Single, String),
    field(3, "credential", Single, String),
] };

pub static IMAGE_OUTPUT: schema::Message = schema::Message { name: "livekit.ImageOutput", fields: &[
    field(1, "capture_interval", Single, Uint32),
    field(2, "width", Single, Int32),
    field(3, "height", Single, Int32),
    field(4, "filename_prefix", Single, String),
    field(5, "filename_suffix", Single, Enum(&IMAGE_FILE_SUFFIX)),
    field(6, "image_codec", Single, Enum(&IMAGE_CODEC)),
    field(7, "disable_manifest", Single, Bool),
    field(8, "s3", Oneof(0), Message(&S3_UPLOAD)),
    field(9, "gcp", Oneof(0), Message(&GCPUPLOAD)),
    field(10, "azure", Oneof(0), Message(&AZURE_BLOB_UPLOAD)),
    field(11, "aliOSS", Oneof(0), Message(&ALI_OSSUPLOAD)),
] };

pub static IMAGES_INFO: schema::Message = schema::Message { name: "livekit.ImagesInfo", fields: &[
    field(4, "filename_prefix", Single, String),
    field(1, "image_count", Single, Int64),
    field(2, "started_at", Single, Int64),
    field(3, "ended_at", Single, Int64),
] };

pub static INGRESS_AUDIO_ENCODING_OPTIONS: schema::Message = schema::Message { name: "livekit.IngressAudioEncodingOptions", fields: &[
    field(1, "audio_codec", Single, Enum(&AUDIO_CODEC)),
    field(2, "bitrate", Single, Uint32),
    field(3, "disable_dtx", Single, Bool),
    field(4, "channels", Single, Uint32),
] };

pub static INGRESS_AUDIO_OPTIONS: schema::Message = schema::Message { name: "livekit.IngressAudioOptions", fields: &[
    field(1, "name", Single, String),
    field(2, "source", Single, Enum(&TRACK_SOURCE)),
    field(3, "preset", Oneof(0), Enum(&INGRESS_AUDIO_ENCODING_PRESET)),
    field(4, "options", Oneof(0), Message(&INGRESS_AUDIO_ENCODING_OPTIONS)),
] };

pub static INGRESS_INFO: schema::Message = schema::Message { name: "livekit.IngressInfo", fields: &[
    field(1, "ingress_id", Single, String),
    field(2, "name", Single, String),
    field(3, "stream_key", Single, String),
    field(4, "url", Single, String),
    field(5, "input_type", Single, Enum(&INGRESS_INPUT)),
    field(13, "bypass_transcoding", Single, Bool),
    field(15, "enable_transcoding", Optional, Bool),
    field(6, "audio", Single, Message(&INGRESS_AUDIO_OPTIONS)),
    field(7, "video", Single, Message(&INGRESS_VIDEO_OPTIONS)),
    field(8, "room_name", Single, String),
    field(9, "participant_identity", Single, String),
    field(10, "participant_name", Single, String),
    field(14, "participant_metadata", Single, String),
    field(11, "reusable", Single, Bool),
    field(12, "state", Single, Message(&INGRESS_STATE)),
    field(16, "enabled", Optional, Bool),
] };

pub static INGRESS_STATE: schema::Message = schema::Message { name: "livekit.IngressState", fields: &[
    field(1, "status", Single, Enum(&INGRESS_STATE_STATUS)),
    field(2, "error", Single, String),
    field(3, "video", Single, Message(&INPUT_VIDEO_STATE)),
    field(4, "audio", Single, Message(&INPUT_AUDIO_STATE)),
    field(5, "room_id", Single, String),
    field(7, "started_at", Single, Int64),
    field(8, "ended_at", Single, Int64),
    field(10, "updated_at", Single, Int64),
    field(9, "resource_id", Single, String),
    field(6, "tracks", Repeated, Message(&TRACK_INFO)),
] };

pub static INGRESS_VIDEO_ENCODING_OPTIONS: schema::Message = schema::Message { name: "livekit.IngressVideoEncodingOptions", fields: &[
    field(1, "video_codec", Single, Enum(&VIDEO_CODEC)),
    field(2, "frame_rate", Single, Double),
    field(3, "layers", Repeated, Message(&VIDEO_LAYER)),
] };

pub static INGRESS_VIDEO_OPTIONS: schema::Message = schema::Message { name: "livekit.IngressVideoOptions", fields: &[
    field(1, "name", Single, String),
    field(2, "source", Single, Enum(&TRACK_SOURCE)),
    field(3, "preset", Oneof(0), Enum(&INGRESS_VIDEO_ENCODING_PRESET)),
    field(4, "options", Oneof(0), Message(&INGRESS_VIDEO_ENCODING_OPTIONS)),
] };

pub static INPUT_AUDIO_STATE: schema::Message = schema::Message { name: "livekit.InputAudioState", fields: &[
    field(1, "mime_type", Single, String),
    field(2, "average_bitrate", Single, Uint32),
    field(3, "channels", Single, Uint32),
    field(4, "sample_rate", Single, Uint32),
] };

pub static INPUT_VIDEO_STATE: schema::Message = schema::Message { name: "livekit.InputVideoState", fields: &[
    field(1, "mime_type", Single, String),
    field(2, "average_bitrate", Single, Uint32),
    field(3, "width", Single, Uint32),
    field(4, "height", Single, Uint32),
    field(5, "framerate", Single, Double),
] };

pub static JOB: schema::Message = schema::Message { name: "livekit.Job", fields: &[
    field(1, "id", Single, String),
    field(9, "dispatch_id", Single, String),
    field(2, "type", Single, Enum(&JOB_TYPE)),
    field(3, "room", Single, Message(&ROOM)),
    field(4, "participant", Optional, Message(&PARTICIPANT_INFO)),
    field(5, "namespace", Single, String),
    field(6, "metadata", Single, String),
    field(7, "agent_name", Single, String),
    field(8, "state", Single, Message(&JOB_STATE)),
    field(10, "enable_recording", Single, Bool),
    field(11, "deployment", Single, String),
    field(12, "attributes", Map, Message(&JOB_ATTRIBUTES_ENTRY)),
    field(13, "enable_redaction", Single, Bool),
] };

pub static JOB_ATTRIBUTES_ENTRY: schema::Message = schema::Message { name: "livekit.Job.AttributesEntry", fields: &[
    field(1, "key", Single, String),
    field(2, "value", Single, String),
] };

pub static JOB_STATE: schema::Message = schema::Message { name: "livekit.JobState", fields: &[
    field(1, "status", Single, Enum(&JOB_STATUS)),
    field(2, "error", Single, String),
    field(3, "started_at", Single, Int64),
    field(4, "ended_at", Single, Int64),
    field(5, "updated_at", Single, Int64),
    field(6, "participant_identity", Single, String),
    field(7, "worker_id", Single, String),
    field(8, "agent_id", Single, String),
] };

pub static JOIN_RESPONSE: schema::Message = schema::Message { name: "livekit.JoinResponse", fields: &[
    field(1, "room", Single, Message(&ROOM)),
    field(2, "participant", Single, Message(&PARTICIPANT_INFO)),
    field(3, "other_participants", Repeated, Message(&PARTICIPANT_INFO)),
    field(4, "server_version", Single, String),
    field(5, "ice_servers", Repeated, Message(&ICESERVER)),
    field(6, "subscriber_primary", Single, Bool),
    field(7, "alternative_url", Single, String),
    field(8, "client_configuration", Single, Message(&CLIENT_CONFIGURATION)),
    field(9, "server_region", Single, String),
    field(10, "ping_timeout", Single, Int32),
    field(11, "ping_interval", Single, Int32),
    field(12, "server_info", Single, Message(&SERVER_INFO)),
    field(13, "sif_trailer", Single, Bytes),
    field(14, "enabled_publish_codecs", Repeated, Message(&CODEC)),
    field(15, "fast_publish", Single, Bool),
] };

pub static LEAVE_REQUEST: schema::Message = schema::Message { name: "livekit.LeaveRequest", fields: &[
    field(1, "can_reconnect", Single, Bool),
    field(2, "reason", Single, Enum(&DISCONNECT_REASON)),
    field(3, "action", Single, Enum(&LEAVE_REQUEST_ACTION)),
    field(4, "regions", Single, Message(&REGION_SETTINGS)),
] };

pub static LIST_PARTICIPANTS_REQUEST: schema::Message = schema::Message { name: "livekit.ListParticipantsRequest", fields: &[
    field(1, "room", Single, String),
] };

pub static LIST_PARTICIPANTS_RESPONSE: schema::Message = schema::Message { name: "livekit.ListParticipantsResponse", fields: &[
    field(1, "participants", Repeated, Message(&PARTICIPANT_INFO)),
] };

pub static LIST_ROOMS_REQUEST: schema::Message = schema::Message { name: "livekit.ListRoomsRequest", fields: &[
    field(1, "names", Repeated, String),
] };

pub static LIST_ROOMS_RESPONSE: schema::Message = schema::Message { name: "livekit.ListRoomsResponse", fields: &[
    field(1, "rooms", Repeated, Message(&ROOM)),
] };

pub static MEDIA_SECTIONS_REQUIREMENT: schema::Message = schema::Message { name: "livekit.MediaSectionsRequirement", fields: &[
    field(1, "num_audios", Single, Uint32),
    field(2, "num_videos", Single, Uint32),
] };

pub static MEDIA_SOURCE: schema::Message = schema::Message { name: "livekit.MediaSource", fields: &[
    field(1, "video_track_id", Oneof(0), String),
    field(2, "participant_video", Oneof(0), Message(&PARTICIPANT_VIDEO)),
    field(3, "audio", Single, Message(&AUDIO_CONFIG)),
] };

pub static MOVE_PARTICIPANT_REQUEST: schema::Message = schema::Message { name: "livekit.MoveParticipantRequest", fields: &[
    field(1, "room", Single, String),
    field(2, "identity", Single, String),
    field(3, "destination_room", Single, String),
] };

pub static MOVE_PARTICIPANT_RESPONSE: schema::Message = schema::Message { name: "livekit.MoveParticipantResponse", fields: &[
] };

pub static MUTE_ROOM_TRACK_REQUEST: schema::Message = schema::Message { name: "livekit.MuteRoomTrackRequest", fields: &[
    field(1, "room", Single, String),
    field(2, "identity", Single, String),
    field(3, "track_sid", Single, String),
    field(4, "muted", Single, Bool),
] };

pub static MUTE_ROOM_TRACK_RESPONSE: schema::Message = schema::Message { name: "livekit.MuteRoomTrackResponse", fields: &[
    field(1, "track", Single, Message(&TRACK_INFO)),
] };

pub static MUTE_TRACK_REQUEST: schema::Message = schema::Message { name: "livekit.MuteTrackRequest", fields: &[
    field(1, "sid", Single, String),
    field(2, "muted", Single, Bool),
] };

pub static OUTPUT: schema::Message = schema::Message { name: "livekit.Output", fields: &[
    field(1, "file", Oneof(0), Message(&FILE_OUTPUT)),
    field(2, "stream", Oneof(0), Message(&STREAM_OUTPUT)),
    field(3, "segments", Oneof(0), Message(&SEGMENTED_FILE_OUTPUT)),
    field(4, "images", Oneof(0), Message(&IMAGE_OUTPUT)),
    field(6, "storage", Single, Message(&STORAGE_CONFIG)),
] };

pub static PARTICIPANT_EGRESS_REQUEST: schema::Message = schema::Message { name: "livekit.ParticipantEgressRequest", fields: &[
    field(1, "room_name", Single, String),
    field(2, "identity", Single, String),
    field(3, "screen_share", Single, Bool),
    field(4, "preset", Oneof(0), Enum(&ENCODING_OPTIONS_PRESET)),
    field(5, "advanced", Oneof(0), Message(&ENCODING_OPTIONS)),
    field(6, "file_outputs", Repeated, Message(&ENCODED_FILE_OUTPUT)),
    field(7, "stream_outputs", Repeated, Message(&STREAM_OUTPUT)),
    field(8, "segment_outputs", Repeated, Message(&SEGMENTED_FILE_OUTPUT)),
    field(9, "image_outputs", Repeated, Message(&IMAGE_OUTPUT)),
    field(10, "webhooks", Repeated, Message(&WEBHOOK_CONFIG)),
] };

pub static PARTICIPANT_INFO: schema::Message = schema::Message { name: "livekit.ParticipantInfo", fields: &[
    field(1, "sid", Single, String),
    field(2, "identity", Single, String),
    field(3, "state", Single, Enum(&PARTICIPANT_INFO_STATE)),
    field(4, "tracks", Repeated, Message(&TRACK_INFO)),
    field(5, "metadata", Single, String),
    field(6, "joined_at", Single, Int64),
    field(17, "joined_at_ms", Single, Int64),
    field(9, "name", Single, String),
    field(10, "version", Single, Uint32),
    field(11, "permission", Single, Message(&PARTICIPANT_PERMISSION)),
    field(12, "region", Single, String),
    field(13, "is_publisher", Single, Bool),
    field(14, "kind", Single, Enum(&PARTICIPANT_INFO_KIND)),
    field(15, "attributes", Map, Message(&PARTICIPANT_INFO_ATTRIBUTES_ENTRY)),
    field(16, "disconnect_reason", Single, Enum(&DISCONNECT_REASON)),
    field(18, "kind_details", Repeated, Enum(&PARTICIPANT_INFO_KIND_DETAIL)),
    field(19, "data_tracks", Repeated, Message(&DATA_TRACK_INFO)),
    field(20, "client_protocol", Single, Int32),
    field(21, "capabilities", Repeated, Enum(&CLIENT_INFO_CAPABILITY)),
] };

pub static PARTICIPANT_INFO_ATTRIBUTES_ENTRY: schema::Message = schema::Message { name: "livekit.ParticipantInfo.AttributesEntry", fields: &[
    field(1, "key", Single, String),
    field(2, "value", Single, String),
] };

pub static PARTICIPANT_PERMISSION: schema::Message = schema::Message { name: "livekit.ParticipantPermission", fields: &[
    field(1, "can_subscribe", Single, Bool),
    field(2, "can_publish", Single, Bool),
    field(3, "can_publish_data", Single, Bool),
    field(9, "can_publish_sources", Repeated, Enum(&TRACK_SOURCE)),
    field(7, "hidden", Single, Bool),
    field(8, "recorder", Single, Bool),
    field(10, "can_update_metadata", Single, Bool),
    field(11, "agent", Single, Bool),
    field(12, "can_subscribe_metrics", Single, Bool),
    field(13, "can_manage_agent_session", Single, Bool),
] };

pub static PARTICIPANT_TRACKS: schema::Message = schema::Message { name: "livekit.ParticipantTracks", fields: &[
    field(1, "participant_sid", Single, String),
    field(2, "track_sids", Repeated, String),
] };

pub static PARTICIPANT_UPDATE: schema::Message = schema::Message { name: "livekit.ParticipantUpdate", fields: &[
    field(1, "participants", Repeated, Message(&PARTICIPANT_INFO)),
] };

pub static PARTICIPANT_VIDEO: schema::Message = schema::Message { name: "livekit.ParticipantVideo", fields: &[
    field(1, "identity", Single, String),
    field(2, "prefer_screen_share", Single, Bool),
] };

pub static PERFORM_RPC_REQUEST: schema::Message = schema::Message { name: "livekit.PerformRpcRequest", fields: &[
    field(1, "room", Single, String),
    field(2, "destination_identity", Single, String),
    field(3, "method", Single, String),
    field(4, "payload", Single, String),
    field(5, "response_timeout_ms", Single, Uint32),
] };

pub static PERFORM_RPC_RESPONSE: schema::Message = schema::Message { name: "livekit.PerformRpcResponse", fields: &[
    field(1, "payload", Single, String),
] };

pub static PING: schema::Message = schema::Message { name: "livekit.Ping", fields: &[
    field(1, "timestamp", Single, Int64),
    field(2, "rtt", Single, Int64),
] };

pub static PONG: schema::Message = schema::Message { name: "livekit.Pong", fields: &[
    field(1, "last_ping_timestamp", Single, Int64),
    field(2, "timestamp", Single, Int64),
] };

pub static PROXY_CONFIG: schema::Message = schema::Message { name: "livekit.ProxyConfig", fields: &[
    field(1, "url", Single, String),
    field(2, "username", Single, String),
    field(3, "password", Single, String),
] };

pub static PUBLISH_DATA_TRACK_REQUEST: schema::Message = schema::Message { name: "livekit.PublishDataTrackRequest", fields: &[
    field(1, "pub_handle", Single, Uint32),
    field(2, "name", Single, String),
    field(3, "encryption", Single, Enum(&ENCRYPTION_TYPE)),
    field(4, "frame_encoding", Optional, Message(&DATA_TRACK_FRAME_ENCODING)),
    field(5, "schema", Optional, Message(&DATA_TRACK_SCHEMA_ID)),
] };

pub static PUBLISH_DATA_TRACK_RESPONSE: schema::Message = schema::Message { name: "livekit.PublishDataTrackResponse", fields: &[
    field(1, "info", Single, Message(&DATA_TRACK_INFO)),
] };

pub static RECONNECT_RESPONSE: schema::Message = schema::Message { name: "livekit.ReconnectResponse", fields: &[
    field(1, "ice_servers", Repeated, Message(&ICESERVER)),
    field(2, "client_configuration", Single, Message(&CLIENT_CONFIGURATION)),
    field(3, "server_info", Single, Message(&SERVER_INFO)),
    field(4, "last_message_seq", Single, Uint32),
] };

pub static REGION_INFO: schema::Message = schema::Message { name: "livekit.RegionInfo", fields: &[
    field(1, "region", Single, String),
    field(2, "url", Single, String),
    field(3, "distance", Single, Int64),
] };

pub static REGION_SETTINGS: schema::Message = schema::Message { name: "livekit.RegionSettings", fields: &[
    field(1, "regions", Repeated, Message(&REGION_INFO)),
] };

pub static REMOVE_PARTICIPANT_RESPONSE: schema::Message = schema::Message { name: "livekit.RemoveParticipantResponse", fields: &[
] };

pub static REQUEST_RESPONSE: schema::Message = schema::Message { name: "livekit.RequestResponse", fields: &[
    field(1, "request_id", Single, Uint32),
    field(2, "reason", Single, Enum(&REQUEST_RESPONSE_REASON)),
    field(3, "message", Single, String),
    field(4, "trickle", Oneof(0), Message(&TRICKLE_REQUEST)),
    field(5, "add_track", Oneof(0), Message(&ADD_TRACK_REQUEST)),
    field(6, "mute", Oneof(0), Message(&MUTE_TRACK_REQUEST)),
    field(7, "update_metadata", Oneof(0), Message(&UPDATE_PARTICIPANT_METADATA)),
    field(8, "update_audio_track", Oneof(0), Message(&UPDATE_LOCAL_AUDIO_TRACK)),
    field(9, "update_video_track", Oneof(0), Message(&UPDATE_LOCAL_VIDEO_TRACK)),
    field(10, "publish_data_track", Oneof(0), Message(&PUBLISH_DATA_TRACK_REQUEST)),
    field(11, "unpublish_data_track", Oneof(0), Message(&UNPUBLISH_DATA_TRACK_REQUEST)),
] };

pub static ROOM: schema::Message = schema::Message { name: "livekit.Room", fields: &[
    field(1, "sid", Single, String),
    field(2, "name", Single, String),
    field(3, "empty_timeout", Single, Uint32),
    field(14, "departure_timeout", Single, Uint32),
    field(4, "max_participants", Single, Uint32),
    field(5, "creation_time", Single, Int64),
    field(15, "creation_time_ms", Single, Int64),
    field(6, "turn_password", Single, String),
    field(7, "enabled_codecs", Repeated, Message(&CODEC)),
    field(8, "metadata", Single, String),
    field(9, "num_participants", Single, Uint32),
    field(11, "num_publishers", Single, Uint32),
    field(10, "active_recording", Single, Bool),
    field(13, "version", Single, Message(&TIMED_VERSION)),
] };

pub static ROOM_AGENT_DISPATCH: schema::Message = schema::Message { name: "livekit.RoomAgentDispatch", fields: &[
    field(1, "agent_name", Single, String),
    field(2, "metadata", Single, String),
    field(3, "restart_policy", Single, Enum(&JOB_RESTART_POLICY)),
    field(4, "deployment", Single, String),
    field(5, "attributes", Map, Message(&ROOM_AGENT_DISPATCH_ATTRIBUTES_ENTRY)),
] };

pub static ROOM_AGENT_DISPATCH_ATTRIBUTES_ENTRY: schema::Message = schema::Message { name: "livekit.RoomAgentDispatch.AttributesEntry", fields: &[
    field(1, "key", Single, String),
    field(2, "value", Single, String),
] };

pub static ROOM_COMPOSITE_EGRESS_REQUEST: schema::Message = schema::Message { name: "livekit.RoomCompositeEgressRequest", fields: &[
    field(1, "room_name", Single, String),
    field(2, "layout", Single, String),
    field(3, "audio_only", Single, Bool),
    field(15, "audio_mixing", Single, Enum(&AUDIO_MIXING)),
    field(4, "video_only", Single, Bool),
    field(5, "custom_base_url", Single, String),
    field(6, "file", Oneof(0), Message(&ENCODED_FILE_OUTPUT)),
    field(7, "stream", Oneof(0), Message(&STREAM_OUTPUT)),
    field(10, "segments", Oneof(0), Message(&SEGMENTED_FILE_OUTPUT)),
    field(8, "preset", Oneof(1), Enum(&ENCODING_OPTIONS_PRESET)),
    field(9, "advanced", Oneof(1), Message(&ENCODING_OPTIONS)),
    field(11, "file_outputs", Repeated, Message(&ENCODED_FILE_OUTPUT)),
    field(12, "stream_outputs", Repeated, Message(&STREAM_OUTPUT)),
    field(13, "segment_outputs", Repeated, Message(&SEGMENTED_FILE_OUTPUT)),
    field(14, "image_outputs", Repeated, Message(&IMAGE_OUTPUT)),
    field(16, "webhooks", Repeated, Message(&WEBHOOK_CONFIG)),
] };

pub static ROOM_CONFIGURATION: schema::Message = schema::Message { name: "livekit.RoomConfiguration", fields: &[
    field(1, "name", Single, String),
    field(2, "empty_timeout", Single, Uint32),
    field(3, "departure_timeout", Single, Uint32),
    field(4, "max_participants", Single, Uint32),
    field(11, "metadata", Single, String),
    field(5, "egress", Single, Message(&ROOM_EGRESS)),
    field(7, "min_playout_delay", Single, Uint32),
    field(8, "max_playout_delay", Single, Uint32),
    field(9, "sync_streams", Single, Bool),
    field(10, "agents", Repeated, Message(&ROOM_AGENT_DISPATCH)),
    field(12, "tags", Map, Message(&ROOM_CONFIGURATION_TAGS_ENTRY)),
] };

pub static ROOM_CONFIGURATION_TAGS_ENTRY: schema::Message = schema::Message { name: "livekit.RoomConfiguration.TagsEntry", fields: &[
    field(1, "key", Single, String),
    field(2, "value", Single, String),
] };

pub static ROOM_EGRESS: schema::Message = schema::Message { name: "livekit.RoomEgress", fields: &[
    field(1, "room", Single, Message(&ROOM_COMPOSITE_EGRESS_REQUEST)),
    field(3, "participant", Single, Message(&AUTO_PARTICIPANT_EGRESS)),
    field(2, "tracks", Single, Message(&AUTO_TRACK_EGRESS)),
] };

pub static ROOM_MOVED_RESPONSE: schema::Message = schema::Message { name: "livekit.RoomMovedResponse", fields: &[
    field(1, "room", Single, Message(&ROOM)),
    field(2, "token", Single, String),
    field(3, "participant", Single, Message(&PARTICIPANT_INFO)),
    field(4, "other_participants", Repeated, Message(&PARTICIPANT_INFO)),
] };

pub static ROOM_PARTICIPANT_IDENTITY: schema::Message = schema::Message { name: "livekit.RoomParticipantIdentity", fields: &[
    field(1, "room", Single, String),
    field(2, "identity", Single, String),
    field(3, "revoke_token_ts", Single, Int64),
] };

pub static ROOM_UPDATE: schema::Message = schema::Message { name: "livekit.RoomUpdate", fields: &[
    field(1, "room", Single, Message(&ROOM)),
] };

pub static S3_UPLOAD: schema::Message = schema::Message { name: "livekit.S3Upload", fields: &[
    field(1, "access_key", Single, String),
    field(2, "secret", Single, String),
    field(11, "session_token", Single, String),
    field(12, "assume_role_arn", Single, String),
    field(13, "assume_role_external_id", Single, String),
    field(3, "region", Single, String),
    field(4, "endpoint", Single, String),
    field(5, "bucket", Single, String),
    field(6, "force_path_style", Single, Bool),
    field(7, "metadata", Map, Message(&S3_UPLOAD_METADATA_ENTRY)),
    field(8, "tagging", Single, String),
    field(9, "content_disposition", Single, String),
    field(10, "proxy", Single, Message(&PROXY_CONFIG)),
] };

pub static S3_UPLOAD_METADATA_ENTRY: schema::Message = schema::Message { name: "livekit.S3Upload.MetadataEntry", fields: &[
    field(1, "key", Single, String),
    field(2, "value", Single, String),
] };

pub static SEGMENTED_FILE_OUTPUT: schema::Message = schema::Message { name: "livekit.SegmentedFileOutput", fields: &[
    field(1, "protocol", Single, Enum(&SEGMENTED_FILE_PROTOCOL)),
    field(2, "filename_prefix", Single, String),
    field(3, "playlist_name", Single, String),
    field(11, "live_playlist_name", Single, String),
    field(4, "segment_duration", Single, Uint32),
    field(10, "filename_suffix", Single, Enum(&SEGMENTED_FILE_SUFFIX)),
    field(8, "disable_manifest", Single, Bool),
    field(5, "s3", Oneof(0), Message(&S3_UPLOAD)),
    field(6, "gcp", Oneof(0), Message(&GCPUPLOAD)),
    field(7, "azure", Oneof(0), Message(&AZURE_BLOB_UPLOAD)),
    field(9, "aliOSS", Oneof(0), Message(&ALI_OSSUPLOAD)),
] };

pub static SEGMENTS_INFO: schema::Message = schema::Message { name: "livekit.SegmentsInfo", fields: &[
    field(1, "playlist_name", Single, String),
    field(8, "live_playlist_name", Single, String),
    field(2, "duration", Single, Int64),
    field(3, "size", Single, Int64),
    field(4, "playlist_location", Single, String),
    field(9, "live_playlist_location", Single, String),
    field(5, "segment_count", Single, Int64),
    field(6, "started_at", Single, Int64),
    field(7, "ended_at", Single, Int64),
] };

pub static SEND_DATA_REQUEST: schema::Message = schema::Message { name: "livekit.SendDataRequest", fields: &[
    field(1, "room", Single, String),
    field(2, "data", Single, Bytes),
    field(3, "kind", Single, Enum(&DATA_PACKET_KIND)),
    field(4, "destination_sids", Repeated, String),
    field(6, "destination_identities", Repeated, String),
    field(5, "topic", Optional, String),
    field(7, "nonce", Single, Bytes),
] };

pub static SEND_DATA_RESPONSE: schema::Message = schema::Message { name: "livekit.SendDataResponse", fields: &[
] };

pub static SERVER_INFO: schema::Message = schema::Message { name: "livekit.ServerInfo", fields: &[
    field(1, "edition", Single, Enum(&SERVER_INFO_EDITION)),
    field(2, "version", Single, String),
    field(3, "protocol", Single, Int32),
    field(4, "region", Single, String),
    field(5, "node_id", Single, String),
    field(6, "debug_info", Single, String),
    field(7, "agent_protocol", Single, Int32),
] };

pub static SESSION_DESCRIPTION: schema::Message = schema::Message { name: "livekit.SessionDescription", fields: &[
    field(1, "type", Single, String),
    field(2, "sdp", Single, String),
    field(3, "id", Single, Uint32),
    field(4, "mid_to_track_id", Map, Message(&SESSION_DESCRIPTION_MID_TO_TRACK_ID_ENTRY)),
] };

pub static SESSION_DESCRIPTION_MID_TO_TRACK_ID_ENTRY: schema::Message = schema::Message { name: "livekit.SessionDescription.MidToTrackIdEntry", fields: &[
    field(1, "key", Single, String),
    field(2, "value", Single, String),
] };

pub static SIGNAL_REQUEST: schema::Message = schema::Message { name: "livekit.SignalRequest", fields: &[
    field(1, "offer", Oneof(0), Message(&SESSION_DESCRIPTION)),
    field(2, "answer", Oneof(0), Message(&SESSION_DESCRIPTION)),
    field(3, "trickle", Oneof(0), Message(&TRICKLE_REQUEST)),
    field(4, "add_track", Oneof(0), Message(&ADD_TRACK_REQUEST)),
    field(5, "mute", Oneof(0), Message(&MUTE_TRACK_REQUEST)),
    field(6, "subscription", Oneof(0), Message(&UPDATE_SUBSCRIPTION)),
    field(7, "track_setting", Oneof(0), Message(&UPDATE_TRACK_SETTINGS)),
    field(8, "leave", Oneof(0), Message(&LEAVE_REQUEST)),
    field(10, "update_layers", Oneof(0), Message(&UPDATE_VIDEO_LAYERS)),
    field(11, "subscription_permission", Oneof(0), Message(&SUBSCRIPTION_PERMISSION)),
    field(12, "sync_state", Oneof(0), Message(&SYNC_STATE)),
    field(13, "simulate", Oneof(0), Message(&SIMULATE_SCENARIO)),
    field(14, "ping", Oneof(0), Int64),
    field(15, "update_metadata", Oneof(0), Message(&UPDATE_PARTICIPANT_METADATA)),
    field(16, "ping_req", Oneof(0), Message(&PING)),
    field(17, "update_audio_track", Oneof(0), Message(&UPDATE_LOCAL_AUDIO_TRACK)),
    field(18, "update_video_track", Oneof(0), Message(&UPDATE_LOCAL_VIDEO_TRACK)),
    field(19, "publish_data_track_request", Oneof(0), Message(&PUBLISH_DATA_TRACK_REQUEST)),
    field(20, "unpublish_data_track_request", Oneof(0), Message(&UNPUBLISH_DATA_TRACK_REQUEST)),
    field(21, "update_data_subscription", Oneof(0), Message(&UPDATE_DATA_SUBSCRIPTION)),
    field(22, "store_data_blob_request", Oneof(0), Message(&STORE_DATA_BLOB_REQUEST)),
    field(23, "get_data_blob_request", Oneof(0), Message(&GET_DATA_BLOB_REQUEST)),
] };

pub static SIGNAL_RESPONSE: schema::Message = schema::Message { name: "livekit.SignalResponse", fields: &[
    field(1, "join", Oneof(0), Message(&JOIN_RESPONSE)),
    field(2, "answer", Oneof(0), Message(&SESSION_DESCRIPTION)),
    field(3, "offer", Oneof(0), Message(&SESSION_DESCRIPTION)),
    field(4, "trickle", Oneof(0), Message(&TRICKLE_REQUEST)),
    field(5, "update", Oneof(0), Message(&PARTICIPANT_UPDATE)),
    field(6, "track_published", Oneof(0), Message(&TRACK_PUBLISHED_RESPONSE)),
    field(8, "leave", Oneof(0), Message(&LEAVE_REQUEST)),
    field(9, "mute", Oneof(0), Message(&MUTE_TRACK_REQUEST)),
    field(10, "speakers_changed", Oneof(0), Message(&SPEAKERS_CHANGED)),
    field(11, "room_update", Oneof(0), Message(&ROOM_UPDATE)),
    field(12, "connection_quality", Oneof(0), Message(&CONNECTION_QUALITY_UPDATE)),
    field(13, "stream_state_update", Oneof(0), Message(&STREAM_STATE_UPDATE)),
    field(14, "subscribed_quality_update", Oneof(0), Message(&SUBSCRIBED_QUALITY_UPDATE)),
    field(15, "subscription_permission_update", Oneof(0), Message(&SUBSCRIPTION_PERMISSION_UPDATE)),
    field(16, "refresh_token", Oneof(0), String),
    field(17, "track_unpublished", Oneof(0), Message(&TRACK_UNPUBLISHED_RESPONSE)),
    field(18, "pong", Oneof(0), Int64),
    field(19, "reconnect", Oneof(0), Message(&RECONNECT_RESPONSE)),
    field(20, "pong_resp", Oneof(0), Message(&PONG)),
    field(21, "subscription_response", Oneof(0), Message(&SUBSCRIPTION_RESPONSE)),
    field(22, "request_response", Oneof(0), Message(&REQUEST_RESPONSE)),
    field(23, "track_subscribed", Oneof(0), Message(&TRACK_SUBSCRIBED)),
    field(24, "room_moved", Oneof(0), Message(&ROOM_MOVED_RESPONSE)),
    field(25, "media_sections_requirement", Oneof(0), Message(&MEDIA_SECTIONS_REQUIREMENT)),
    field(26, "subscribed_audio_codec_update", Oneof(0), Message(&SUBSCRIBED_AUDIO_CODEC_UPDATE)),
    field(27, "publish_data_track_response", Oneof(0), Message(&PUBLISH_DATA_TRACK_RESPONSE)),
    field(28, "unpublish_data_track_response", Oneof(0), Message(&UNPUBLISH_DATA_TRACK_RESPONSE)),
    field(29, "data_track_subscriber_handles", Oneof(0), Message(&DATA_TRACK_SUBSCRIBER_HANDLES)),
    field(30, "store_data_blob_response", Oneof(0), Message(&STORE_DATA_BLOB_RESPONSE)),
    field(31, "get_data_blob_response", Oneof(0), Message(&GET_DATA_BLOB_RESPONSE)),
] };

pub static SIMULATE_SCENARIO: schema::Message = schema::Message { name: "livekit.SimulateScenario", fields: &[
    field(1, "speaker_update", Oneof(0), Int32),
    field(2, "node_failure", Oneof(0), Bool),
    field(3, "migration", Oneof(0), Bool),
    field(4, "server_leave", Oneof(0), Bool),
    field(5, "switch_candidate_protocol", Oneof(0), Enum(&CANDIDATE_PROTOCOL)),
    field(6, "subscriber_bandwidth", Oneof(0), Int64),
    field(7, "disconnect_signal_on_resume", Oneof(0), Bool),
    field(8, "disconnect_signal_on_resume_no_messages", Oneof(0), Bool),
    field(9, "leave_request_full_reconnect", Oneof(0), Bool),
] };

pub static SIMULCAST_CODEC: schema::Message = schema::Message { name: "livekit.SimulcastCodec", fields: &[
    field(1, "codec", Single, String),
    field(2, "cid", Single, String),
    field(4, "layers", Repeated, Message(&VIDEO_LAYER)),
    field(5, "video_layer_mode", Single, Enum(&VIDEO_LAYER_MODE)),
] };

pub static SIMULCAST_CODEC_INFO: schema::Message = schema::Message { name: "livekit.SimulcastCodecInfo", fields: &[
    field(1, "mime_type", Single, String),
    field(2, "mid", Single, String),
    field(3, "cid", Single, String),
    field(4, "layers", Repeated, Message(&VIDEO_LAYER)),
    field(5, "video_layer_mode", Single, Enum(&VIDEO_LAYER_MODE)),
    field(6, "sdp_cid", Single, String),
] };

pub static SPEAKER_INFO: schema::Message = schema::Message { name: "livekit.SpeakerInfo", fields: &[
    field(1, "sid", Single, String),
    field(2, "level", Single, Float),
    field(3, "active", Single, Bool),
] };

pub static SPEAKERS_CHANGED: schema::Message = schema::Message { name: "livekit.SpeakersChanged", fields: &[
    field(1, "speakers", Repeated, Message(&SPEAKER_INFO)),
] };

pub static START_EGRESS_REQUEST: schema::Message = schema::Message { name: "livekit.StartEgressRequest", fields: &[
    field(1, "room_name", Single, String),
    field(2, "template", Oneof(0), Message(&TEMPLATE_SOURCE)),
    field(3, "web", Oneof(0), Message(&WEB_SOURCE)),
    field(4, "media", Oneof(0), Message(&MEDIA_SOURCE)),
    field(5, "preset", Oneof(1), Enum(&ENCODING_OPTIONS_PRESET)),
    field(6, "advanced", Oneof(1), Message(&ENCODING_OPTIONS)),
    field(7, "outputs", Repeated, Message(&OUTPUT)),
    field(8, "storage", Single, Message(&STORAGE_CONFIG)),
    field(9, "webhooks", Repeated, Message(&WEBHOOK_CONFIG)),
] };

pub static STORAGE_CONFIG: schema::Message = schema::Message { name: "livekit.StorageConfig", fields: &[
    field(1, "s3", Oneof(0), Message(&S3_UPLOAD)),
    field(2, "gcp", Oneof(0), Message(&GCPUPLOAD)),
    field(3, "azure", Oneof(0), Message(&AZURE_BLOB_UPLOAD)),
    field(4, "aliOSS", Oneof(0), Message(&ALI_OSSUPLOAD)),
] };

pub static STORE_DATA_BLOB_REQUEST: schema::Message = schema::Message { name: "livekit.StoreDataBlobRequest", fields: &[
    field(1, "request_id", Single, Uint32),
    field(2, "blob", Single, Message(&DATA_BLOB)),
] };

pub static STORE_DATA_BLOB_RESPONSE: schema::Message = schema::Message { name: "livekit.StoreDataBlobResponse", fields: &[
    field(1, "request_id", Single, Uint32),
    field(2, "key", Single, Message(&DATA_BLOB_KEY)),
] };

pub static STREAM_INFO: schema::Message = schema::Message { name: "livekit.StreamInfo", fields: &[
    field(1, "url", Single, String),
    field(2, "started_at", Single, Int64),
    field(3, "ended_at", Single, Int64),
    field(4, "duration", Single, Int64),
    field(5, "status", Single, Enum(&STREAM_INFO_STATUS)),
    field(6, "error", Single, String),
    field(7, "last_retry_at", Single, Int64),
    field(8, "retries", Single, Uint32),
] };

pub static STREAM_INFO_LIST: schema::Message = schema::Message { name: "livekit.StreamInfoList", fields: &[
    field(1, "info", Repeated, Message(&STREAM_INFO)),
] };

pub static STREAM_OUTPUT: schema::Message = schema::Message { name: "livekit.StreamOutput", fields: &[
    field(1, "protocol", Single, Enum(&STREAM_PROTOCOL)),
    field(2, "urls", Repeated, String),
] };

pub static STREAM_STATE_INFO: schema::Message = schema::Message { name: "livekit.StreamStateInfo", fields: &[
    field(1, "participant_sid", Single, String),
    field(2, "track_sid", Single, String),
    field(3, "state", Single, Enum(&STREAM_STATE)),
] };

pub static STREAM_STATE_UPDATE: schema::Message = schema::Message { name: "livekit.StreamStateUpdate", fields: &[
    field(1, "stream_states", Repeated, Message(&STREAM_STATE_INFO)),
] };

pub static SUBSCRIBED_AUDIO_CODEC: schema::Message = schema::Message { name: "livekit.SubscribedAudioCodec", fields: &[
    field(1, "codec", Single, String),
    field(2, "enabled", Single, Bool),
] };

pub static SUBSCRIBED_AUDIO_CODEC_UPDATE: schema::Message = schema::Message { name: "livekit.SubscribedAudioCodecUpdate", fields: &[
    field(1, "track_sid", Single, String),
    field(2, "subscribed_audio_codecs", Repeated, Message(&SUBSCRIBED_AUDIO_CODEC)),
] };

pub static SUBSCRIBED_CODEC: schema::Message = schema::Message { name: "livekit.SubscribedCodec", fields: &[
    field(1, "codec", Single, String),
    field(2, "qualities", Repeated, Message(&SUBSCRIBED_QUALITY)),
] };

pub static SUBSCRIBED_QUALITY: schema::Message = schema::Message { name: "livekit.SubscribedQuality", fields: &[
    field(1, "quality", Single, Enum(&VIDEO_QUALITY)),
    field(2, "enabled", Single, Bool),
] };

pub static SUBSCRIBED_QUALITY_UPDATE: schema::Message = schema::Message { name: "livekit.SubscribedQualityUpdate", fields: &[
    field(1, "track_sid", Single, String),
    field(2, "subscribed_qualities", Repeated, Message(&SUBSCRIBED_QUALITY)),
    field(3, "subscribed_codecs", Repeated, Message(&SUBSCRIBED_CODEC)),
] };

pub static SUBSCRIPTION_PERMISSION: schema::Message = schema::Message { name: "livekit.SubscriptionPermission", fields: &[
    field(1, "all_participants", Single, Bool),
    field(2, "track_permissions", Repeated, Message(&TRACK_PERMISSION)),
] };

pub static SUBSCRIPTION_PERMISSION_UPDATE: schema::Message = schema::Message { name: "livekit.SubscriptionPermissionUpdate", fields: &[
    field(1, "participant_sid", Single, String),
    field(2, "track_sid", Single, String),
    field(3, "allowed", Single, Bool),
] };

pub static SUBSCRIPTION_RESPONSE: schema::Message = schema::Message { name: "livekit.SubscriptionResponse", fields: &[
    field(1, "track_sid", Single, String),
    field(2, "err", Single, Enum(&SUBSCRIPTION_ERROR)),
] };

pub static SYNC_STATE: schema::Message = schema::Message { name: "livekit.SyncState", fields: &[
    field(1, "answer", Single, Message(&SESSION_DESCRIPTION)),
    field(2, "subscription", Single, Message(&UPDATE_SUBSCRIPTION)),
    field(3, "publish_tracks", Repeated, Message(&TRACK_PUBLISHED_RESPONSE)),
    field(4, "data_channels", Repeated, Message(&DATA_CHANNEL_INFO)),
    field(5, "offer", Single, Message(&SESSION_DESCRIPTION)),
    field(6, "track_sids_disabled", Repeated, String),
    field(7, "datachannel_receive_states", Repeated, Message(&DATA_CHANNEL_RECEIVE_STATE)),
    field(8, "publish_data_tracks", Repeated, Message(&PUBLISH_DATA_TRACK_RESPONSE)),
    field(9, "data_subscription", Single, Message(&UPDATE_DATA_SUBSCRIPTION)),
] };

pub static TEMPLATE_SOURCE: schema::Message = schema::Message { name: "livekit.TemplateSource", fields: &[
    field(1, "layout", Single, String),
    field(2, "audio_only", Single, Bool),
    field(3, "video_only", Single, Bool),
    field(4, "custom_base_url", Single, String),
] };

pub static TIMED_VERSION: schema::Message = schema::Message { name: "livekit.TimedVersion", fields: &[
    field(1, "unix_micro", Single, Int64),
    field(2, "ticks", Single, Int32),
] };

pub static TRACK_COMPOSITE_EGRESS_REQUEST: schema::Message = schema::Message { name: "livekit.TrackCompositeEgressRequest", fields: &[
    field(1, "room_name", Single, String),
    field(2, "audio_track_id", Single, String),
    field(3, "video_track_id", Single, String),
    field(4, "file", Oneof(0), Message(&ENCODED_FILE_OUTPUT)),
    field(5, "stream", Oneof(0), Message(&STREAM_OUTPUT)),
    field(8, "segments", Oneof(0), Message(&SEGMENTED_FILE_OUTPUT)),
    field(6, "preset", Oneof(1), Enum(&ENCODING_OPTIONS_PRESET)),
    field(7, "advanced", Oneof(1), Message(&ENCODING_OPTIONS)),
    field(11, "file_outputs", Repeated, Message(&ENCODED_FILE_OUTPUT)),
    field(12, "stream_outputs", Repeated, Message(&STREAM_OUTPUT)),
    field(13, "segment_outputs", Repeated, Message(&SEGMENTED_FILE_OUTPUT)),
    field(14, "image_outputs", Repeated, Message(&IMAGE_OUTPUT)),
    field(15, "webhooks", Repeated, Message(&WEBHOOK_CONFIG)),
] };

pub static TRACK_EGRESS_REQUEST: schema::Message = schema::Message { name: "livekit.TrackEgressRequest", fields: &[
    field(1, "room_name", Single, String),
    field(2, "track_id", Single, String),
    field(3, "file", Oneof(0), Message(&DIRECT_FILE_OUTPUT)),
    field(4, "websocket_url", Oneof(0), String),
    field(5, "webhooks", Repeated, Message(&WEBHOOK_CONFIG)),
] };

pub static TRACK_INFO: schema::Message = schema::Message { name: "livekit.TrackInfo", fields: &[
    field(1, "sid", Single, String),
    field(2, "type", Single, Enum(&TRACK_TYPE)),
    field(3, "name", Single, String),
    field(4, "muted", Single, Bool),
    field(5, "width", Single, Uint32),
    field(6, "height", Single, Uint32),
    field(7, "simulcast", Single, Bool),
    field(8, "disable_dtx", Single, Bool),
    field(9, "source", Single, Enum(&TRACK_SOURCE)),
    field(10, "layers", Repeated, Message(&VIDEO_LAYER)),
    field(11, "mime_type", Single, String),
    field(12, "mid", Single, String),
    field(13, "codecs", Repeated, Message(&SIMULCAST_CODEC_INFO)),
    field(14, "stereo", Single, Bool),
    field(15, "disable_red", Single, Bool),
    field(16, "encryption", Single, Enum(&ENCRYPTION_TYPE)),
    field(17, "stream", Single, String),
    field(18, "version", Single, Message(&TIMED_VERSION)),
    field(19, "audio_features", Repeated, Enum(&AUDIO_TRACK_FEATURE)),
    field(20, "backup_codec_policy", Single, Enum(&BACKUP_CODEC_POLICY)),
    field(21, "packet_trailer_features", Repeated, Enum(&PACKET_TRAILER_FEATURE)),
] };

pub static TRACK_PERMISSION: schema::Message = schema::Message { name: "livekit.TrackPermission", fields: &[
    field(1, "participant_sid", Single, String),
    field(2, "all_tracks", Single, Bool),
    field(3, "track_sids", Repeated, String),
    field(4, "participant_identity", Single, String),
] };

pub static TRACK_PUBLISHED_RESPONSE: schema::Message = schema::Message { name: "livekit.TrackPublishedResponse", fields: &[
    field(1, "cid", Single, String),
    field(2, "track", Single, Message(&TRACK_INFO)),
] };

pub static TRACK_SUBSCRIBED: schema::Message = schema::Message { name: "livekit.TrackSubscribed", fields: &[
    field(1, "track_sid", Single, String),
] };

pub static TRACK_UNPUBLISHED_RESPONSE: schema::Message = schema::Message { name: "livekit.TrackUnpublishedResponse", fields: &[
    field(1, "track_sid", Single, String),
] };

pub static TRICKLE_REQUEST: schema::Message = schema::Message { name: "livekit.TrickleRequest", fields: &[
    field(1, "candidateInit", Single, String),
    field(2, "target", Single, Enum(&SIGNAL_TARGET)),
    field(3, "final", Single, Bool),
] };

pub static UNPUBLISH_DATA_TRACK_REQUEST: schema::Message = schema::Message { name: "livekit.UnpublishDataTrackRequest", fields: &[
    field(1, "pub_handle", Single, Uint32),
] };

pub static UNPUBLISH_DATA_TRACK_RESPONSE: schema::Message = schema::Message { name: "livekit.UnpublishDataTrackResponse", fields: &[
    field(1, "info", Single, Message(&DATA_TRACK_INFO)),
] };

pub static UPDATE_DATA_SUBSCRIPTION: schema::Message = schema::Message { name: "livekit.UpdateDataSubscription", fields: &[
    field(1, "updates", Repeated, Message(&UPDATE_DATA_SUBSCRIPTION_UPDATE)),
] };

pub static UPDATE_DATA_SUBSCRIPTION_UPDATE: schema::Message = schema::Message { name: "livekit.UpdateDataSubscription.Update", fields: &[
    field(1, "track_sid", Single, String),
    field(2, "subscribe", Single, Bool),
    field(3, "options", Single, Message(&DATA_TRACK_SUBSCRIPTION_OPTIONS)),
] };

pub static UPDATE_LOCAL_AUDIO_TRACK: schema::Message = schema::Message { name: "livekit.UpdateLocalAudioTrack", fields: &[
    field(1, "track_sid", Single, String),
    field(2, "features", Repeated, Enum(&AUDIO_TRACK_FEATURE)),
] };

pub static UPDATE_LOCAL_VIDEO_TRACK: schema::Message = schema::Message { name: "livekit.UpdateLocalVideoTrack", fields: &[
    field(1, "track_sid", Single, String),
    field(2, "width", Single, Uint32),
    field(3, "height", Single, Uint32),
] };

pub static UPDATE_PARTICIPANT_METADATA: schema::Message = schema::Message { name: "livekit.UpdateParticipantMetadata", fields: &[
    field(1, "metadata", Single, String),
    field(2, "name", Single, String),
    field(3, "attributes", Map, Message(&UPDATE_PARTICIPANT_METADATA_ATTRIBUTES_ENTRY)),
    field(4, "request_id", Single, Uint32),
] };

pub static UPDATE_PARTICIPANT_METADATA_ATTRIBUTES_ENTRY: schema::Message = schema::Message { name: "livekit.UpdateParticipantMetadata.AttributesEntry", fields: &[
    field(1, "key", Single, String),
    field(2, "value", Single, String),
] };

pub static UPDATE_PARTICIPANT_REQUEST: schema::Message = schema::Message { name: "livekit.UpdateParticipantRequest", fields: &[
    field(1, "room", Single, String),
    field(2, "identity", Single, String),
    field(3, "metadata", Single, String),
    field(4, "permission", Single, Message(&PARTICIPANT_PERMISSION)),
    field(5, "name", Single, String),
    field(6, "attributes", Map, Message(&UPDATE_PARTICIPANT_REQUEST_ATTRIBUTES_ENTRY)),
] };

pub static UPDATE_PARTICIPANT_REQUEST_ATTRIBUTES_ENTRY: schema::Message = schema::Message { name: "livekit.UpdateParticipantRequest.AttributesEntry", fields: &[
    field(1, "key", Single, String),
    field(2, "value", Single, String),
] };

pub static UPDATE_ROOM_METADATA_REQUEST: schema::Message = schema::Message { name: "livekit.UpdateRoomMetadataRequest", fields: &[
    field(1, "room", Single, String),
    field(2, "metadata", Single, String),
] };

pub static UPDATE_SUBSCRIPTION: schema::Message = schema::Message { name: "livekit.UpdateSubscription", fields: &[
    field(1, "track_sids", Repeated, String),
    field(2, "subscribe", Single, Bool),
    field(3, "participant_tracks", Repeated, Message(&PARTICIPANT_TRACKS)),
] };

pub static UPDATE_SUBSCRIPTIONS_REQUEST: schema::Message = schema::Message { name: "livekit.UpdateSubscriptionsRequest", fields: &[
    field(1, "room", Single, String),
    field(2, "identity", Single, String),
    field(3, "track_sids", Repeated, String),
    field(4, "subscribe", Single, Bool),
    field(5, "participant_tracks", Repeated, Message(&PARTICIPANT_TRACKS)),
] };

pub static UPDATE_SUBSCRIPTIONS_RESPONSE: schema::Message = schema::Message { name: "livekit.UpdateSubscriptionsResponse", fields: &[
] };

pub static UPDATE_TRACK_SETTINGS: schema::Message = schema::Message { name: "livekit.UpdateTrackSettings", fields: &[
    field(1, "track_sids", Repeated, String),
    field(3, "disabled", Single, Bool),
    field(4, "quality", Single, Enum(&VIDEO_QUALITY)),
    field(5, "width", Single, Uint32),
    field(6, "height", Single, Uint32),
    field(7, "fps", Single, Uint32),
    field(8, "priority", Single, Uint32),
] };

pub static UPDATE_VIDEO_LAYERS: schema::Message = schema::Message { name: "livekit.UpdateVideoLayers", fields: &[
    field(1, "track_sid", Single, String),
    field(2, "layers", Repeated, Message(&VIDEO_LAYER)),
] };

pub static VIDEO_CONFIGURATION: schema::Message = schema::Message { name: "livekit.VideoConfiguration", fields: &[
    field(1, "hardware_encoder", Single, Enum(&CLIENT_CONFIG_SETTING)),
] };

pub static VIDEO_LAYER: schema::Message = schema::Message { name: "livekit.VideoLayer", fields: &[
    field(1, "quality", Single, Enum(&VIDEO_QUALITY)),
    field(2, "width", Single, Uint32),
    field(3, "height", Single, Uint32),
    field(4, "bitrate", Single, Uint32),
    field(5, "ssrc", Single, Uint32),
    field(6, "spatial_layer", Single, Int32),
    field(7, "rid", Single, String),
    field(8, "repair_ssrc", Single, Uint32),
] };

pub static WEB_EGRESS_REQUEST: schema::Message = schema::Message { name: "livekit.WebEgressRequest", fields: &[
    field(1, "url", Single, String),
    field(2, "audio_only", Single, Bool),
    field(3, "video_only", Single, Bool),
    field(12, "await_start_signal", Single, Bool),
    field(4, "file", Oneof(0), Message(&ENCODED_FILE_OUTPUT)),
    field(5, "stream", Oneof(0), Message(&STREAM_OUTPUT)),
    field(6, "segments", Oneof(0), Message(&SEGMENTED_FILE_OUTPUT)),
    field(7, "preset", Oneof(1), Enum(&ENCODING_OPTIONS_PRESET)),
    field(8, "advanced", Oneof(1), Message(&ENCODING_OPTIONS)),
    field(9, "file_outputs", Repeated, Message(&ENCODED_FILE_OUTPUT)),
    field(10, "stream_outputs", Repeated, Message(&STREAM_OUTPUT)),
    field(11, "segment_outputs", Repeated, Message(&SEGMENTED_FILE_OUTPUT)),
    field(13, "image_outputs", Repeated, Message(&IMAGE_OUTPUT)),
    field(14, "webhooks", Repeated, Message(&WEBHOOK_CONFIG)),
] };

pub static WEB_SOURCE: schema::Message = schema::Message { name: "livekit.WebSource", fields: &[
    field(1, "url", Single, String),
    field(2, "audio_only", Single, Bool),
    field(3, "video_only", Single, Bool),
    field(4, "await_start_signal", Single, Bool),
] };

pub static WEBHOOK_CONFIG: schema::Message = schema::Message { name: "livekit.WebhookConfig", fields: &[
    field(1, "url", Single, String),
    field(2, "signing_key", Single, String),
    field(3, "filter_params", Single, Message(&FILTER_PARAMS)),
] };

pub static WEBHOOK_EVENT: schema::Message = schema::Message { name: "livekit.WebhookEvent", fields: &[
    field(1, "event", Single, String),
    field(2, "room", Single, Message(&ROOM)),
    field(3, "participant", Single, Message(&PARTICIPANT_INFO)),
    field(9, "egress_info", Single, Message(&EGRESS_INFO)),
    field(10, "ingress_info", Single, Message(&INGRESS_INFO)),
    field(8, "track", Single, Message(&TRACK_INFO)),
    field(12, "job", Single, Message(&JOB)),
    field(6, "id", Single, String),
    field(7, "created_at", Single, Int64),
    field(11, "num_dropped", Single, Int32),
    field(13, "room_end_reason", Single, Enum(&ROOM_END_REASON)),
] };

pub static AUDIO_CHANNEL: schema::Enum = schema::Enum(&[
    ("AUDIO_CHANNEL_BOTH", 0),
    ("AUDIO_CHANNEL_LEFT", 1),
    ("AUDIO_CHANNEL_RIGHT", 2),
]);

pub static AUDIO_CODEC: schema::Enum = schema::Enum(&[
    ("DEFAULT_AC", 0),
    ("OPUS", 1),
    ("AAC", 2),
    ("AC_MP3", 3),
]);

pub static AUDIO_MIXING: schema::Enum = schema::Enum(&[
    ("DEFAULT_MIXING", 0),
    ("DUAL_CHANNEL_AGENT", 1),
    ("DUAL_CHANNEL_ALTERNATE", 2),
]);

pub static AUDIO_TRACK_FEATURE: schema::Enum = schema::Enum(&[
    ("TF_STEREO", 0),
    ("TF_NO_DTX", 1),
    ("TF_AUTO_GAIN_CONTROL", 2),
    ("TF_ECHO_CANCELLATION", 3),
    ("TF_NOISE_SUPPRESSION", 4),
    ("TF_ENHANCED_NOISE_CANCELLATION", 5),
    ("TF_PRECONNECT_BUFFER", 6),
]);

pub static BACKUP_CODEC_POLICY: schema::Enum = schema::Enum(&[
    ("PREFER_REGRESSION", 0),
    ("SIMULCAST", 1),
    ("REGRESSION", 2),
]);

pub static CANDIDATE_PROTOCOL: schema::Enum = schema::Enum(&[
    ("UDP", 0),
    ("TCP", 1),
    ("TLS", 2),
]);

pub static CLIENT_CONFIG_SETTING: schema::Enum = schema::Enum(&[
    ("UNSET", 0),
    ("DISABLED", 1),
    ("ENABLED", 2),
]);

pub static CLIENT_INFO_CAPABILITY: schema::Enum = schema::Enum(&[
    ("CAP_UNUSED", 0),
    ("CAP_PACKET_TRAILER", 1),
    ("CAP_COMPRESSION_DEFLATE_RAW", 2),
]);

pub static CONNECTION_QUALITY: schema::Enum = schema::Enum(&[
    ("POOR", 0),
    ("GOOD", 1),
    ("EXCELLENT", 2),
    ("LOST", 3),
]);

pub static DATA_PACKET_KIND: schema::Enum = schema::Enum(&[
    ("RELIABLE", 0),
    ("LOSSY", 1),
]);

pub static DATA_TRACK_FRAME_ENCODING_WELL_KNOWN_FRAME_ENCODING: schema::Enum = schema::Enum(&[
    ("WELL_KNOWN_FRAME_ENCODING_UNSPECIFIED", 0),
    ("WELL_KNOWN_FRAME_ENCODING_ROS1", 1),
    ("WELL_KNOWN_FRAME_ENCODING_CDR", 2),
    ("WELL_KNOWN_FRAME_ENCODING_PROTOBUF", 3),
    ("WELL_KNOWN_FRAME_ENCODING_FLATBUFFER", 4),
    ("WELL_KNOWN_FRAME_ENCODING_CBOR", 5),
    ("WELL_KNOWN_FRAME_ENCODING_MSGPACK", 6),
    ("WELL_KNOWN_FRAME_ENCODING_JSON", 7),
]);

pub static DATA_TRACK_SCHEMA_ENCODING_WELL_KNOWN_SCHEMA_ENCODING: schema::Enum = schema::Enum(&[
    ("WELL_KNOWN_SCHEMA_ENCODING_UNSPECIFIED", 0),
    ("WELL_KNOWN_SCHEMA_ENCODING_PROTOBUF", 1),
    ("WELL_KNOWN_SCHEMA_ENCODING_FLATBUFFER", 2),
    ("WELL_KNOWN_SCHEMA_ENCODING_ROS1_MSG", 3),
    ("WELL_KNOWN_SCHEMA_ENCODING_ROS2_MSG", 4),
    ("WELL_KNOWN_SCHEMA_ENCODING_ROS2_IDL", 5),
    ("WELL_KNOWN_SCHEMA_ENCODING_OMG_IDL", 6),
    ("WELL_KNOWN_SCHEMA_ENCODING_JSON_SCHEMA", 7),
]);

pub static DISCONNECT_REASON: schema::Enum = schema::Enum(&[
    ("UNKNOWN_REASON", 0),
    ("CLIENT_INITIATED", 1),
    ("DUPLICATE_IDENTITY", 2),
    ("SERVER_SHUTDOWN", 3),
    ("PARTICIPANT_REMOVED", 4),
    ("ROOM_DELETED", 5),
    ("STATE_MISMATCH", 6),
    ("JOIN_FAILURE", 7),
    ("MIGRATION", 8),
    ("SIGNAL_CLOSE", 9),
    ("ROOM_CLOSED", 10),
    ("USER_UNAVAILABLE", 11),
    ("USER_REJECTED", 12),
    ("SIP_TRUNK_FAILURE", 13),
    ("CONNECTION_TIMEOUT", 14),
    ("MEDIA_FAILURE", 15),
    ("AGENT_ERROR", 16),
]);

pub static EGRESS_SOURCE_TYPE: schema::Enum = schema::Enum(&[
    ("EGRESS_SOURCE_TYPE_WEB", 0),
    ("EGRESS_SOURCE_TYPE_SDK", 1),
]);

pub static EGRESS_STATUS: schema::Enum = schema::Enum(&[
    ("EGRESS_STARTING", 0),
    ("EGRESS_ACTIVE", 1),
    ("EGRESS_ENDING", 2),
    ("EGRESS_COMPLETE", 3),
    ("EGRESS_FAILED", 4),
    ("EGRESS_ABORTED", 5),
    ("EGRESS_LIMIT_REACHED", 6),
]);

pub static ENCODED_FILE_TYPE: schema::Enum = schema::Enum(&[
    ("DEFAULT_FILETYPE", 0),
    ("MP4", 1),
    ("OGG", 2),
    ("MP3", 3),
]);

pub static ENCODING_OPTIONS_PRESET: schema::Enum = schema::Enum(&[
    ("H264_720P_30", 0),
    ("H264_720P_60", 1),
    ("H264_1080P_30", 2),
    ("H264_1080P_60", 3),
    ("PORTRAIT_H264_720P_30", 4),
    ("PORTRAIT_H264_720P_60", 5),
    ("PORTRAIT_H264_1080P_30", 6),
    ("PORTRAIT_H264_1080P_60", 7),
    ("PASSTHROUGH", 8),
]);

pub static ENCRYPTION_TYPE: schema::Enum = schema::Enum(&[
    ("NONE", 0),
    ("GCM", 1),
    ("CUSTOM", 2),
]);

pub static IMAGE_CODEC: schema::Enum = schema::Enum(&[
    ("IC_DEFAULT", 0),
    ("IC_JPEG", 1),
]);

pub static IMAGE_FILE_SUFFIX: schema::Enum = schema::Enum(&[
    ("IMAGE_SUFFIX_INDEX", 0),
    ("IMAGE_SUFFIX_TIMESTAMP", 1),
    ("IMAGE_SUFFIX_NONE_OVERWRITE", 2),
]);

pub static INGRESS_AUDIO_ENCODING_PRESET: schema::Enum = schema::Enum(&[
    ("OPUS_STEREO_96KBPS", 0),
    ("OPUS_MONO_64KBS", 1),
]);

pub static INGRESS_INPUT: schema::Enum = schema::Enum(&[
    ("RTMP_INPUT", 0),
    ("WHIP_INPUT", 1),
    ("URL_INPUT", 2),
]);

pub static INGRESS_STATE_STATUS: schema::Enum = schema::Enum(&[
    ("ENDPOINT_INACTIVE", 0),
    ("ENDPOINT_BUFFERING", 1),
    ("ENDPOINT_PUBLISHING", 2),
    ("ENDPOINT_ERROR", 3),
    ("ENDPOINT_COMPLETE", 4),
]);

pub static INGRESS_VIDEO_ENCODING_PRESET: schema::Enum = schema::Enum(&[
    ("H264_720P_30FPS_3_LAYERS", 0),
    ("H264_1080P_30FPS_3_LAYERS", 1),
    ("H264_540P_25FPS_2_LAYERS", 2),
    ("H264_720P_30FPS_1_LAYER", 3),
    ("H264_1080P_30FPS_1_LAYER", 4),
    ("H264_720P_30FPS_3_LAYERS_HIGH_MOTION", 5),
    ("H264_1080P_30FPS_3_LAYERS_HIGH_MOTION", 6),
    ("H264_540P_25FPS_2_LAYERS_HIGH_MOTION", 7),
    ("H264_720P_30FPS_1_LAYER_HIGH_MOTION", 8),
    ("H264_1080P_30FPS_1_LAYER_HIGH_MOTION", 9),
]);

pub static JOB_RESTART_POLICY: schema::Enum = schema::Enum(&[
    ("JRP_ON_FAILURE", 0),
    ("JRP_NEVER", 1),
]);

pub static JOB_STATUS: schema::Enum = schema::Enum(&[
    ("JS_PENDING", 0),
    ("JS_RUNNING", 1),
    ("JS_SUCCESS", 2),
    ("JS_FAILED", 3),
]);

pub static JOB_TYPE: schema::Enum = schema::Enum(&[
    ("JT_ROOM", 0),
    ("JT_PUBLISHER", 1),
    ("JT_PARTICIPANT", 2),
]);

pub static LEAVE_REQUEST_ACTION: schema::Enum = schema::Enum(&[
    ("DISCONNECT", 0),
    ("RESUME", 1),
    ("RECONNECT", 2),
]);

pub static PACKET_TRAILER_FEATURE: schema::Enum = schema::Enum(&[
    ("PTF_USER_TIMESTAMP", 0),
    ("PTF_FRAME_ID", 1),
    ("PTF_USER_DATA", 2),
]);

pub static PARTICIPANT_INFO_KIND: schema::Enum = schema::Enum(&[
    ("STANDARD", 0),
    ("INGRESS", 1),
    ("EGRESS", 2),
    ("SIP", 3),
    ("AGENT", 4),
    ("CONNECTOR", 7),
    ("BRIDGE", 8),
]);

pub static PARTICIPANT_INFO_KIND_DETAIL: schema::Enum = schema::Enum(&[
    ("CLOUD_AGENT", 0),
    ("FORWARDED", 1),
    ("CONNECTOR_WHATSAPP", 2),
    ("CONNECTOR_TWILIO", 3),
    ("BRIDGE_RTSP", 4),
    ("SIMULATION", 5),
]);

pub static PARTICIPANT_INFO_STATE: schema::Enum = schema::Enum(&[
    ("JOINING", 0),
    ("JOINED", 1),
    ("ACTIVE", 2),
    ("DISCONNECTED", 3),
]);

pub static REQUEST_RESPONSE_REASON: schema::Enum = schema::Enum(&[
    ("OK", 0),
    ("NOT_FOUND", 1),
    ("NOT_ALLOWED", 2),
    ("LIMIT_EXCEEDED", 3),
    ("QUEUED", 4),
    ("UNSUPPORTED_TYPE", 5),
    ("UNCLASSIFIED_ERROR", 6),
    ("INVALID_HANDLE", 7),
    ("INVALID_NAME", 8),
    ("DUPLICATE_HANDLE", 9),
    ("DUPLICATE_NAME", 10),
    ("INVALID_REQUEST", 11),
]);

pub static ROOM_END_REASON: schema::Enum = schema::Enum(&[
    ("ROOM_END_UNKNOWN", 0),
    ("ROOM_END_API_DELETE", 1),
    ("ROOM_END_IDLE_TIMEOUT", 2),
    ("ROOM_END_SERVER_SHUTDOWN", 3),
    ("ROOM_END_SUPERSEDED", 4),
    ("ROOM_END_OPEN_FAILED", 5),
]);

pub static SEGMENTED_FILE_PROTOCOL: schema::Enum = schema::Enum(&[
    ("DEFAULT_SEGMENTED_FILE_PROTOCOL", 0),
    ("HLS_PROTOCOL", 1),
]);

pub static SEGMENTED_FILE_SUFFIX: schema::Enum = schema::Enum(&[
    ("INDEX", 0),
    ("TIMESTAMP", 1),
]);

pub static SERVER_INFO_EDITION: schema::Enum = schema::Enum(&[
    ("Standard", 0),
    ("Cloud", 1),
]);

pub static SIGNAL_TARGET: schema::Enum = schema::Enum(&[
    ("PUBLISHER", 0),
    ("SUBSCRIBER", 1),
]);

pub static STREAM_INFO_STATUS: schema::Enum = schema::Enum(&[
    ("ACTIVE", 0),
    ("FINISHED", 1),
    ("FAILED", 2),
]);

pub static STREAM_PROTOCOL: schema::Enum = schema::Enum(&[
    ("DEFAULT_PROTOCOL", 0),
    ("RTMP", 1),
    ("SRT", 2),
    ("WEBSOCKET", 3),
]);

pub static STREAM_STATE: schema::Enum = schema::Enum(&[
    ("ACTIVE", 0),
    ("PAUSED", 1),
]);

pub static SUBSCRIPTION_ERROR: schema::Enum = schema::Enum(&[
    ("SE_UNKNOWN", 0),
    ("SE_CODEC_UNSUPPORTED", 1),
    ("SE_TRACK_NOTFOUND", 2),
]);

pub static TRACK_SOURCE: schema::Enum = schema::Enum(&[
    ("UNKNOWN", 0),
    ("CAMERA", 1),
    ("MICROPHONE", 2),
    ("SCREEN_SHARE", 3),
    ("SCREEN_SHARE_AUDIO", 4),
]);

pub static TRACK_TYPE: schema::Enum = schema::Enum(&[
    ("AUDIO", 0),
    ("VIDEO", 1),
    ("DATA", 2),
]);

pub static VIDEO_CODEC: schema::Enum = schema::Enum(&[
    ("DEFAULT_VC", 0),
    ("H264_BASELINE", 1),
    ("H264_MAIN", 2),
    ("H264_HIGH", 3),
    ("VP8", 4),
]);

pub static VIDEO_LAYER_MODE: schema::Enum = schema::Enum(&[
    ("MODE_UNUSED", 0),
    ("ONE_SPATIAL_LAYER_PER_STREAM", 1),
    ("MULTIPLE_SPATIAL_LAYERS_PER_STREAM", 2),
    ("ONE_SPATIAL_LAYER_PER_STREAM_INCOMPLETE_RTCP_SR", 3),
]);

pub static VIDEO_QUALITY: schema::Enum = schema::Enum(&[
    ("LOW", 0),
    ("MEDIUM", 1),
    ("HIGH", 2),
    ("OFF", 3),
]);
