//! LiveKit's webhooks about egress, for the recordings of calls: backends that know those need nothing new.

use std::sync::Arc;

use call::Record;
use livekit::proto::{EgressInfo, EgressSourceType, EgressStatus, WebhookEvent};
use model::{RecordingStatus, Timestamp};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;

/// Hands on what happens to recordings, until the control plane or whoever delivers is gone.
pub async fn hand_on(mut changes: Receiver<Arc<Record>>, hooks: mpsc::Sender<Box<WebhookEvent>>) {
    loop {
        let record = match changes.recv().await {
            Ok(record) => record,
            Err(RecvError::Lagged(missed)) => {
                tracing::warn!(missed, "dropped webhooks about recordings: too many were waiting");
                continue;
            }
            Err(RecvError::Closed) => return,
        };
        let Some(event) = event(&record) else { continue };
        if hooks.send(Box::new(event)).await.is_err() {
            return;
        }
    }
}

/// The webhook of a change; `None`: whose consent it has is told to those in the call alone.
fn event(record: &Record) -> Option<WebhookEvent> {
    let recording = record.call.recording.as_ref()?;
    let name = match record.event.as_str() {
        "recording_requested" => "egress_started",
        "recording_started" | "recording_paused" | "recording_resumed" => "egress_updated",
        "recording_stopped" | "recording_failed" => "egress_ended",
        _ => return None,
    };
    let status = match recording.status {
        RecordingStatus::Starting => EgressStatus::EgressStarting,
        RecordingStatus::Recording | RecordingStatus::Paused => EgressStatus::EgressActive,
        RecordingStatus::Processing => EgressStatus::EgressEnding,
        RecordingStatus::Completed | RecordingStatus::Deleted => EgressStatus::EgressComplete,
        RecordingStatus::Failed => EgressStatus::EgressFailed,
    };
    let egress = EgressInfo {
        egress_id: recording.id.to_string(),
        room_name: record.call.id.to_string(),
        source_type: EgressSourceType::Sdk.into(),
        status: status.into(),
        started_at: nanoseconds(recording.began_at.unwrap_or(recording.started_at)),
        ended_at: recording.ended_at.map_or(0, nanoseconds),
        updated_at: nanoseconds(record.at),
        error: recording.error.clone().unwrap_or_default(),
        details: recording.status.to_string(),
        ..Default::default()
    };
    Some(WebhookEvent {
        event: name.to_owned(),
        id: format!("EV_{}_{}", recording.id, record.at.as_millis()),
        created_at: record.at.as_millis().div_euclid(1_000),
        egress_info: Some(egress),
        ..Default::default()
    })
}

fn nanoseconds(at: Timestamp) -> i64 {
    at.as_millis().saturating_mul(1_000_000)
}

#[cfg(test)]
mod tests {
    use call::CallSnapshot;
    use serde_json::json;

    use super::*;

    fn record(event: &str, status: &str, ended: Option<i64>, error: Option<&str>) -> Record {
        let recording = json!({
            "id": "0192d3b4-0000-7000-8000-000000000002", "status": status, "policy": "ask", "decline": "exclude",
            "started_by": "ann", "started_at": 1_000, "began_at": 2_000, "ended_at": ended, "ended_by": null, "error": error,
            "options": {"layout": "grid", "resolution": "720p", "format": "mp4", "audio_only": false, "retention_days": null},
        });
        let call: CallSnapshot = serde_json::from_value(json!({
            "id": "0192d3b4-0000-7000-8000-000000000001", "kind": "group", "media": "video", "topology": "sfu",
            "status": "connected", "initiator": "ann", "channel": null, "in_channel": false, "created_at": 1,
            "started_at": 1, "connected_at": 1, "ended_at": null, "end_reason": null, "ended_by": null, "ring_until": 1,
            "max_participants": 9, "metadata": {}, "recording": recording, "participants": [],
        }))
        .expect("a call");
        Record { at: Timestamp(5_000), event: event.to_owned(), user: None, payload: json!({}), call }
    }

    #[test]
    fn every_change_of_a_recording_is_an_egress_event() {
        for (change, status, ended, error, name, word) in [
            ("recording_requested", "starting", None, None, "egress_started", EgressStatus::EgressStarting),
            ("recording_started", "recording", None, None, "egress_updated", EgressStatus::EgressActive),
            ("recording_paused", "paused", None, None, "egress_updated", EgressStatus::EgressActive),
            ("recording_resumed", "recording", None, None, "egress_updated", EgressStatus::EgressActive),
            ("recording_stopped", "processing", Some(5_000), None, "egress_ended", EgressStatus::EgressEnding),
            ("recording_failed", "failed", Some(5_000), Some("disk_full"), "egress_ended", EgressStatus::EgressFailed),
        ] {
            let told = event(&record(change, status, ended, error)).expect("a webhook");
            let info = told.egress_info.expect("about an egress");
            assert_eq!((told.event.as_str(), info.status), (name, i32::from(word)), "{change}");
            assert_eq!(info.room_name, "0192d3b4-0000-7000-8000-000000000001");
            assert_eq!((info.started_at, info.ended_at), (2_000_000_000, ended.map_or(0, |at| at * 1_000_000)));
            assert_eq!((info.error.as_str(), info.details.as_str()), (error.unwrap_or_default(), status));
        }
        assert!(event(&record("recording_consent", "recording", None, None)).is_none());
    }
}
