//! Delivers the events of calls to the peers in [`crate::signalling::meetings`] and to the `/webrtc` namespace.

use std::sync::Arc;

use ::call::CallEvent;
use control::{Notice, NoticeBody};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::webrtc;
use crate::signalling::signalling_call;
use crate::state::AppState;

/// Does so for as long as the control plane runs.
pub(super) async fn carry(state: AppState, mut notices: Receiver<Arc<Notice>>) {
    loop {
        match notices.recv().await {
            Ok(notice) => take(&state, &notice),
            Err(RecvError::Lagged(_)) => sweep(&state).await,
            Err(RecvError::Closed) => return,
        }
    }
}

fn take(state: &AppState, notice: &Notice) {
    webrtc::tell(state, notice);
    let NoticeBody::Call(event) = &notice.body else { return };
    match &**event {
        CallEvent::ParticipantLeft { call, user, .. } => state.meetings.remove_user(*call, user),
        CallEvent::MediaStateChanged { call, user, is_muted, is_video_enabled, .. } => {
            state.meetings.media(*call, user, None, Some(*is_muted), Some(*is_video_enabled));
        }
        CallEvent::Merged { call, merged, .. } => state.meetings.merge(state.handle().now(), *merged, call.id),
        CallEvent::Ended { call, reason, .. } => state.meetings.end(call.id, reason.as_str()),
        // What is left says nothing of who is in which meeting.
        _ => {}
    }
}

/// After missed events: takes users out of the meetings of calls that they are no longer in.
async fn sweep(state: &AppState) {
    for view in state.meetings.views() {
        for user in &view.users {
            if signalling_call(state, view.call, user).await.is_err() {
                state.meetings.remove_user(view.call, user);
            }
        }
    }
}
