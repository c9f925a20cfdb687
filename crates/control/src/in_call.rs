//! What people do during a call besides joining and leaving: hold, transfer, mute, remove; and what devices say about
//! themselves.

use call::{Ability, CallSnapshot, Command};
use model::{CallId, DeviceId, TransferMode, UserId};

use crate::handle::{ControlError, Handle};

/// Who acts as host of a call.
#[derive(Debug, Clone, Copy)]
pub struct Acting<'a> {
    /// The user.
    pub user: &'a UserId,
    /// They may do it without being the host.
    pub admin: bool,
}

impl Handle {
    /// What a device says of itself: which ways of media it can do, whether it has call waiting. Before it is announced, so that what
    /// rings there rings rightly.
    pub async fn device_declared(
        &self,
        user: &UserId,
        device: &DeviceId,
        media: Option<Ability>,
        call_waiting: bool,
    ) -> Result<(), ControlError> {
        let (user, device) = (user.clone(), device.clone());
        self.command(Command::DeviceDeclared { user, device, media, call_waiting }).await.map(drop)
    }
    /// Puts the user's own side of a call on hold, or resumes it.
    pub async fn hold(&self, call: CallId, user: &UserId, on: bool) -> Result<CallSnapshot, ControlError> {
        self.call_of(Command::Hold { call, user: user.clone(), on }).await
    }
    /// Starts to hand a call to someone else.
    pub async fn transfer(
        &self,
        call: CallId,
        user: &UserId,
        target: UserId,
        mode: TransferMode,
    ) -> Result<CallSnapshot, ControlError> {
        self.must_know(std::slice::from_ref(&target)).await?;
        self.call_of(Command::Transfer { call, user: user.clone(), target, mode }).await
    }
    /// Completes a transfer: whoever started it leaves the call.
    pub async fn complete_transfer(&self, call: CallId, user: &UserId) -> Result<CallSnapshot, ControlError> {
        self.call_of(Command::CompleteTransfer { call, user: user.clone() }).await
    }
    /// Calls a transfer off: its target leaves the call.
    pub async fn cancel_transfer(&self, call: CallId, user: &UserId) -> Result<CallSnapshot, ControlError> {
        self.call_of(Command::CancelTransfer { call, user: user.clone() }).await
    }
    /// Takes someone out of a call.
    pub async fn remove(&self, call: CallId, by: Acting<'_>, user: UserId) -> Result<CallSnapshot, ControlError> {
        self.call_of(Command::Remove { call, by: by.user.clone(), admin: by.admin, user }).await
    }
    /// Mutes one participant, or everyone but whoever does it.
    pub async fn mute(
        &self,
        call: CallId,
        by: Acting<'_>,
        user: Option<UserId>,
        hard: bool,
    ) -> Result<CallSnapshot, ControlError> {
        self.call_of(Command::Mute { call, by: by.user.clone(), admin: by.admin, user, hard }).await
    }
    /// Lift one hard mute, or all.
    pub async fn lift_mute(
        &self,
        call: CallId,
        by: Acting<'_>,
        user: Option<UserId>,
    ) -> Result<CallSnapshot, ControlError> {
        self.call_of(Command::LiftMute { call, by: by.user.clone(), admin: by.admin, user }).await
    }
    /// Peer-to-peer does not connect: the call goes through the server.
    pub async fn media_failed(&self, call: CallId, user: &UserId) -> Result<CallSnapshot, ControlError> {
        self.call_of(Command::MediaFailed { call, user: user.clone() }).await
    }
    /// An offer or answer of this user was relayed: their media goes from device to device.
    pub async fn peer_signalled(&self, call: CallId, user: &UserId) -> Result<(), ControlError> {
        self.command(Command::PeerSignalled { call, user: user.clone() }).await.map(drop)
    }
}
