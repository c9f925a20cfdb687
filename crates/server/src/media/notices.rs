//! What a worker tells the rest of the program: notices for the control plane, events for webhooks. Never waits for
//! either.

use std::collections::VecDeque;

use control::MediaNotice;
use livekit::proto;
use tokio::sync::mpsc;

/// Notices on their way to the control plane, which may be slower for a while.
pub(super) struct NoticeOutbox {
    pub(super) sender: mpsc::Sender<MediaNotice>,
    pub(super) waiting: VecDeque<MediaNotice>,
    pub(super) hooks: Option<mpsc::Sender<Box<proto::WebhookEvent>>>,
}

impl NoticeOutbox {
    pub(super) fn hook(&mut self, event: Box<proto::WebhookEvent>) {
        if let Some(hooks) = &self.hooks
            && let Err(error) = hooks.try_send(event)
        {
            tracing::warn!(%error, "dropped a webhook: too many are waiting to be delivered");
        }
    }

    pub(super) fn flush(&mut self) {
        while let Some(notice) = self.waiting.pop_front() {
            match self.sender.try_send(notice) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(notice)) => {
                    self.waiting.push_front(notice);
                    return;
                }
                Err(mpsc::error::TrySendError::Closed(_)) => self.waiting.clear(),
            }
        }
    }
}
