//! A call and its room: what the call core wants done in the room, and what the room reports about the call.
//!
//! A call's room is named after the call's ID, and a user's identity there is the user's ID. Rooms with other names
//! belong to no call, and none of this concerns them.

mod lanes;

use std::sync::Arc;

use call::{Answer, Command, CommandError, QualityReport, RoomAct};
use livekit::RoomRequest;
use livekit::proto::TrackSource;
use model::{CallId, DeviceId, RoomName, UserId};
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::handle::ControlError;
use crate::media::{MediaNotice, MediaNoticeKind, MediaNotices, MediaPlane, RecordingNotice, RecordingNoticeKind};
use crate::recording;
use crate::server_quality::ServerQuality;
use crate::switchboard_thread::Job;

pub(crate) use lanes::Rooms;
#[cfg(test)]
pub(crate) use lanes::tests::Opened;

/// Does one act. A recording that the media side refuses has failed: that is the call's business.
async fn perform(media: &dyn MediaPlane, act: &RoomAct) -> Option<RecordingNotice> {
    match act {
        RoomAct::Open { call, max_participants } => media.open_room(RoomName::from(*call), *max_participants).await,
        RoomAct::Remove { call, user } => media.remove_participant(&RoomName::from(*call), user.as_str()).await,
        // A hard mute is kept by the call: a microphone that the room sees open again is muted again.
        RoomAct::Mute { call, user, hard: _ } => {
            let request = RoomRequest::MuteSources {
                identity: Some(user.as_str().to_owned()),
                except: None,
                sources: vec![TrackSource::Microphone],
            };
            if let Err(refused) = media.ask(&RoomName::from(*call), request).await {
                tracing::debug!(?refused, %call, "could not mute a participant in the room");
            }
        }
        RoomAct::LiftMute { .. } => {}
        RoomAct::Hold { call, user, on } => {
            let request = RoomRequest::Hold { identity: user.as_str().to_owned(), on: *on };
            if let Err(refused) = media.ask(&RoomName::from(*call), request).await {
                tracing::debug!(?refused, %call, "could not tell the room who is on hold");
            }
        }
        RoomAct::Record { call, spec } => {
            let room = RoomName::from(*call);
            if !media.records() {
                let message = "this server does not record".to_owned();
                let kind = RecordingNoticeKind::Failed { code: "unsupported", message };
                return Some(RecordingNotice { room, recording: spec.id, kind });
            }
            media.start_recording(&room, spec.clone()).await;
        }
        RoomAct::PauseRecording { call, id } => media.pause_recording(&RoomName::from(*call), *id).await,
        RoomAct::ResumeRecording { call, id } => media.resume_recording(&RoomName::from(*call), *id).await,
        RoomAct::StopRecording { call, id } => media.stop_recording(&RoomName::from(*call), *id).await,
        RoomAct::MarkRecorded { call, on } => {
            if let Err(refused) = media.ask(&RoomName::from(*call), RoomRequest::MarkRecorded(*on)).await {
                tracing::debug!(?refused, %call, "could not mark a room as recorded");
            }
        }
        RoomAct::Close { call } => media.close_room(&RoomName::from(*call)).await,
    }
    None
}

/// Turns what happens in rooms into commands, in order, until the media side or the switchboard is gone.
pub(crate) async fn listen(
    rooms: Arc<Rooms>,
    mut notices: MediaNotices,
    mut refused: mpsc::Receiver<RecordingNotice>,
    recordings: broadcast::Sender<RecordingNotice>,
    jobs: mpsc::Sender<Job>,
    mut server_quality: ServerQuality,
) {
    loop {
        let notice = tokio::select! {
            notice = notices.rooms.recv() => match notice {
                Some(notice) => notice,
                None => return,
            },
            Some(notice) = notices.recordings.recv() => {
                hear_recording(notice, &recordings, &jobs).await;
                continue;
            }
            Some(notice) = refused.recv() => {
                hear_recording(notice, &recordings, &jobs).await;
                continue;
            }
        };
        let Some(command) = command(&notice) else { continue };
        let (reply, answer) = oneshot::channel();
        let joined = matches!(command, Command::MediaJoined { .. });
        let measured = server_quality.choose(&command);
        if jobs.send(Job::Command { command, reply: Some(reply) }).await.is_err() {
            return;
        }
        if joined {
            // Not awaited here: an answer waits for the disk, and the next notice need not.
            tokio::spawn(put_out_if_refused(Arc::clone(&rooms), notice, answer));
        } else if let Some(measured) = measured {
            server_quality.keep(measured, answer);
        }
    }
}

async fn hear_recording(
    notice: RecordingNotice,
    recordings: &broadcast::Sender<RecordingNotice>,
    jobs: &mpsc::Sender<Job>,
) {
    recording::log(&notice);
    if let Some(command) = recording::command(&notice) {
        // Nobody there: the loop ends with the next news of a room.
        drop(jobs.send(Job::Command { command, reply: None }).await);
    }
    // Nobody listening is no fault.
    drop(recordings.send(notice));
}

/// The edge asks before it lets anyone in, but the call may end or the user be removed between the question and the join.
async fn put_out_if_refused(
    rooms: Arc<Rooms>,
    notice: MediaNotice,
    answer: oneshot::Receiver<Result<Answer, ControlError>>,
) {
    let Ok(Err(ControlError::Call(error))) = answer.await else { return };
    match error {
        CommandError::CallOver(_)
        | CommandError::Forbidden(_)
        | CommandError::InvalidState(_)
        | CommandError::NoCommonMedia
        | CommandError::CallFull(_) => {
            tracing::debug!(room = %notice.room, %error, "removing a participant whom the call does not admit");
            if let (Ok(call), Ok(user)) = (notice.room.as_str().parse(), UserId::new(&notice.identity)) {
                rooms.carry_out(RoomAct::Remove { call, user });
            }
        }
        // A UUID may be the name of a room that no call made.
        CommandError::CallNotFound
        | CommandError::ChannelNotFound
        | CommandError::AnsweredElsewhere
        | CommandError::CallIdConflict
        | CommandError::ChannelCallActive(_)
        | CommandError::AlreadyInCall(_)
        | CommandError::NobodyToCall
        | CommandError::ParticipantNotFound
        | CommandError::RecordingOff
        | CommandError::AlreadyRecording
        | CommandError::NotRecording
        | CommandError::RecordingTooOften
        | CommandError::ConsentNotAsked
        | CommandError::FeatureDisabled(_) => {}
    }
}

/// The command that a notice comes to; `None` for rooms and identities that are no call's.
fn command(notice: &MediaNotice) -> Option<Command> {
    let call: CallId = notice.room.as_str().parse().ok()?;
    let user = UserId::new(&notice.identity).ok()?;
    Some(match &notice.kind {
        MediaNoticeKind::Joined { device, is_dependent } => {
            let device = device.as_deref().and_then(|device| DeviceId::new(device).ok());
            let device = device.unwrap_or_else(DeviceId::unnamed);
            Command::MediaJoined { call, user, device, is_dependent: *is_dependent }
        }
        MediaNoticeKind::Connected => Command::MediaConnected { call, user },
        MediaNoticeKind::Left { clean } => Command::MediaLeft { call, user, clean: *clean },
        MediaNoticeKind::MediaState { is_muted, is_video_enabled, is_screen_sharing } => Command::MediaSeen {
            call,
            user,
            is_muted: *is_muted,
            is_video_enabled: *is_video_enabled,
            is_screen_sharing: *is_screen_sharing,
        },
        MediaNoticeKind::Measured(measured) => {
            let loss = measured.loss_up.into_iter().chain(measured.loss_down).reduce(f32::max);
            let report = QualityReport {
                packet_loss: loss.map(|share| f64::from(share.clamp(0.0, 1.0)) * 100.0),
                jitter_ms: None,
                round_trip_ms: measured.rtt.map(|rtt| rtt.as_secs_f64() * 1_000.0),
            };
            Command::Quality { call, user, reports: vec![report], by_server: true }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(room: &str, identity: &str, kind: MediaNoticeKind) -> MediaNotice {
        MediaNotice { room: RoomName::new(room).expect("a name"), identity: identity.to_owned(), kind }
    }

    #[test]
    fn only_calls_rooms_lead_to_commands() {
        let id = "0192d3b4-0000-7000-8000-000000000001";
        assert_eq!(command(&notice("lobby", "ann", MediaNoticeKind::Connected)), None);
        assert_eq!(command(&notice(id, "", MediaNoticeKind::Connected)), None);
        let call: CallId = id.parse().unwrap();
        let user = UserId::new("ann").unwrap();
        for is_dependent in [false, true] {
            let joined = MediaNoticeKind::Joined { device: None, is_dependent };
            let device = DeviceId::unnamed();
            let command = command(&notice(id, "ann", joined));
            assert_eq!(command, Some(Command::MediaJoined { call, user: user.clone(), device, is_dependent }));
        }
        assert_eq!(
            command(&notice(id, "ann", MediaNoticeKind::Left { clean: true })),
            Some(Command::MediaLeft { call, user, clean: true })
        );
    }
}
