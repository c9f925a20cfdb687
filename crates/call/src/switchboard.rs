//! The one door: commands and time in, outputs out.

use std::collections::VecDeque;
use std::time::Duration;

use model::{CallId, Timestamp, UserId};

use crate::command::{Answer, Command, CommandError};
use crate::output::Output;
use crate::snapshot::{CallSnapshot, PresenceState};

/// The switchboard's settings, validated.
#[derive(Debug, Clone)]
pub struct Config {
    /// How long a call rings if the request does not say (5–180 s).
    pub ring_timeout: Duration,
    /// How long a lost participant may take to come back.
    pub reconnect_window: Duration,
    /// How long a call lives with nobody connected.
    pub empty_timeout: Duration,
    /// The most participants a call may have.
    pub max_participants: usize,
    /// Voice calls allowed.
    pub voice_calls: bool,
    /// Video calls allowed.
    pub video_calls: bool,
    /// Group calls allowed.
    pub group_calls: bool,
    /// Screen sharing calls allowed.
    pub screen_sharing: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ring_timeout: Duration::from_secs(30),
            reconnect_window: Duration::from_secs(30),
            empty_timeout: Duration::from_secs(300),
            max_participants: 100,
            voice_calls: true,
            video_calls: true,
            group_calls: true,
            screen_sharing: true,
        }
    }
}

/// Every device, channel and running call of this server.
#[derive(Debug)]
pub struct Switchboard {
    config: Config,
    rng: fastrand::Rng,
    outputs: VecDeque<Output>,
}

impl Switchboard {
    /// An empty switchboard; `seed` decides the ids it makes.
    pub fn new(config: Config, seed: u64) -> Self {
        Self { config, rng: fastrand::Rng::with_seed(seed), outputs: VecDeque::new() }
    }

    /// Carries out one command, or refuses it and changes nothing.
    pub fn handle_command(&mut self, now: Timestamp, command: Command) -> Result<Answer, CommandError> {
        let _ = (now, command, &self.config, &mut self.rng);
        unimplemented!()
    }

    /// Lets every timer that is due fire.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        let _ = now;
        unimplemented!()
    }

    /// The next thing to carry out.
    pub fn poll_output(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or(Output::Idle)
    }

    /// A running call (a finished one is kept for the idempotency window only).
    pub fn call(&self, id: CallId) -> Option<CallSnapshot> {
        let _ = id;
        unimplemented!()
    }

    /// The running calls a user rings for or is in, newest first.
    pub fn active_calls(&self, user: &UserId) -> Vec<CallSnapshot> {
        let _ = user;
        unimplemented!()
    }

    /// Whether this user may enter the call's media room now: accepted, joined, or being rung.
    pub fn may_enter(&self, call: CallId, user: &UserId) -> bool {
        let _ = (call, user);
        unimplemented!()
    }

    /// Presence of a user.
    pub fn presence(&self, user: &UserId) -> PresenceState {
        let _ = user;
        unimplemented!()
    }
}
