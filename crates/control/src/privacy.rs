//! Exporting and erasing a user's data. What is in memory goes to the store first, so that nothing writes it back.

use call::CommandError;
use model::{CallId, ParticipantStatus, UserId};

use crate::admin::{Erased, UserRecords};
use crate::handle::{ControlError, Handle};
use crate::switchboard_thread::Job;

/// What the alias of an erased user begins with.
pub(crate) const ALIAS: &str = "erased-";
/// Calls that are read at a time.
const PAGE: usize = 100;

impl Handle {
    /// What is held of a user, besides calls.
    pub async fn user_records(&self, user: &UserId) -> Result<UserRecords, ControlError> {
        self.wait_for_store().await;
        let records = self.store().user_records(user).await?;
        records.ok_or_else(|| ControlError::UserNotFound(user.clone()))
    }

    /// A page of the calls that a user has a part in, oldest first; an empty one is the end.
    pub async fn calls_of(
        &self,
        user: &UserId,
        after: Option<CallId>,
    ) -> Result<Vec<call::CallSnapshot>, ControlError> {
        Ok(self.store().calls_of(user, after, PAGE).await?)
    }

    /// Takes a user out: of running calls, of channels, and of every table. In the calls of others an alias takes their place.
    pub async fn erase_user(&self, user: &UserId) -> Result<Erased, ControlError> {
        self.wait_for_store().await;
        if self.store().users(std::slice::from_ref(user)).await?.is_empty() {
            return Err(ControlError::UserNotFound(user.clone()));
        }
        for call in self.active_calls(user).await {
            self.take_out(call.id, user, call.participant(user).map(|part| part.status)).await?;
        }
        for channel in self.channels(user).await? {
            match self.change_members(&channel.id, None, &[], std::slice::from_ref(user)).await {
                Ok(_) | Err(ControlError::ChannelNotFound) => {}
                Err(error) => return Err(error),
            }
        }
        self.wait_for_store().await;
        let alias = UserId::new(format!("{ALIAS}{}", uuid::Uuid::new_v4().simple())).expect("short and plain");
        let erased = self.store().erase_user(user, &alias, self.now()).await?;
        self.ask(|reply| Job::Forget(user.clone(), reply)).await?;
        erased.ok_or_else(|| ControlError::UserNotFound(user.clone()))
    }

    async fn take_out(
        &self,
        call: CallId,
        user: &UserId,
        status: Option<ParticipantStatus>,
    ) -> Result<(), ControlError> {
        let done = match status {
            Some(ParticipantStatus::Invited | ParticipantStatus::Ringing) => self.decline(call, user, false).await,
            _ => match self.leave(call, user).await {
                Err(ControlError::Call(CommandError::InvalidState(_))) => self.cancel(call, user).await,
                done => done,
            },
        };
        match done {
            Ok(_) => Ok(()),
            // It ended, or they left, meanwhile.
            Err(ControlError::Call(
                CommandError::CallOver(_) | CommandError::InvalidState(_) | CommandError::CallNotFound,
            )) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
