//! Putting yourself on hold, and what the host can do to others: mute and remove.

use model::{CallId, Timestamp, UserId};

use crate::call::Call;
use crate::change::Change;
use crate::command::{Answer, CommandError};
use crate::output::{CallEvent, Delivery, Output};
use crate::part::{Connection, Part};
use crate::quality::{QualityReport, QualityView};
use crate::switchboard::Switchboard;

/// Who acts as host.
pub(crate) struct Host {
    pub user: UserId,
    /// May without being the host.
    pub admin: bool,
}

/// The caller, or when the caller has left, whoever joined first of those in the call.
fn is_host(call: &Call, user: &UserId) -> bool {
    let joined = || call.parts.iter().filter(|part| part.is_joined());
    let host = joined().find(|part| part.user == call.initiator).or_else(|| joined().min_by_key(|part| part.joined_at));
    host.is_some_and(|host| &host.user == user)
}

impl Switchboard {
    /// The call and this user's part in it, if the call is not over and they are in it.
    pub(crate) fn in_it(&self, id: CallId, user: &UserId) -> Result<(&Call, &Part), CommandError> {
        let (call, part) = self.seen_by(id, user)?;
        if call.is_over() {
            return Err(CommandError::CallOver(call.status()));
        }
        match part.is_joined() {
            true => Ok((call, part)),
            false => Err(CommandError::InvalidState("you are not in the call")),
        }
    }

    pub(crate) fn hold(&mut self, now: Timestamp, id: CallId, user: UserId, on: bool) -> Result<Answer, CommandError> {
        let (call, part) = self.in_it(id, &user)?;
        if !call.is_running() {
            return Err(CommandError::InvalidState("nobody has answered yet"));
        }
        if part.is_on_hold != on {
            self.transition(now, id, Change::Held { by: user.clone(), user, on });
        }
        self.answer(id)
    }

    /// Who takes another call holds those they are in.
    pub(crate) fn hold_others(&mut self, now: Timestamp, user: &UserId, but: CallId) {
        let runs = |call: &&Call| {
            let part = call.part(user);
            let here =
                part.and_then(Part::stay).is_some_and(|stay| !matches!(stay.connection, Connection::Lost { .. }));
            call.id != but && call.is_running() && here && part.is_some_and(|part| !part.is_on_hold)
        };
        for id in self.calls_of(user).filter(runs).map(|call| call.id).collect::<Vec<_>>() {
            self.transition(now, id, Change::Held { user: user.clone(), by: user.clone(), on: true });
        }
    }

    /// The call, if this user may act as its host.
    fn hosted(&self, id: CallId, host: &Host) -> Result<&Call, CommandError> {
        let call = self.calls.get(&id).ok_or(CommandError::CallNotFound)?;
        if !host.admin && call.part(&host.user).is_none() {
            return Err(CommandError::CallNotFound);
        }
        if call.is_over() {
            return Err(CommandError::CallOver(call.status()));
        }
        match host.admin || is_host(call, &host.user) {
            true => Ok(call),
            false => Err(CommandError::Forbidden("only the host can do this")),
        }
    }

    pub(crate) fn remove(
        &mut self,
        now: Timestamp,
        id: CallId,
        host: Host,
        user: UserId,
    ) -> Result<Answer, CommandError> {
        let call = self.hosted(id, &host)?;
        if user == host.user {
            return Err(CommandError::InvalidState("leave the call instead"));
        }
        let part = call.part(&user).ok_or(CommandError::ParticipantNotFound)?;
        if call.is_waiting() && (user == call.initiator || call.pending().all(|part| part.user == user)) {
            return Err(CommandError::InvalidState("cancel the call instead"));
        }
        if part.is_engaged() {
            self.transition(now, id, Change::Removed { user, by: host.user });
        }
        self.answer(id)
    }

    pub(crate) fn mute(
        &mut self,
        now: Timestamp,
        id: CallId,
        host: Host,
        user: Option<UserId>,
        hard: bool,
    ) -> Result<Answer, CommandError> {
        let call = self.hosted(id, &host)?;
        let users = named(call, user, |part| part.user != host.user)?;
        let open =
            |user: &UserId| call.part(user).is_some_and(|part| !part.media.is_muted || (hard && !part.is_hard_muted));
        let users: Vec<UserId> = users.into_iter().filter(open).collect();
        if !users.is_empty() {
            self.transition(now, id, Change::Muted { users, by: host.user, hard });
        }
        self.answer(id)
    }

    pub(crate) fn lift_mute(
        &mut self,
        now: Timestamp,
        id: CallId,
        host: Host,
        user: Option<UserId>,
    ) -> Result<Answer, CommandError> {
        let call = self.hosted(id, &host)?;
        let users = named(call, user, |_| true)?;
        let muted = |user: &UserId| call.part(user).is_some_and(|part| part.is_hard_muted);
        let users: Vec<UserId> = users.into_iter().filter(muted).collect();
        if !users.is_empty() {
            self.transition(now, id, Change::MuteLifted { users, by: host.user });
        }
        self.answer(id)
    }

    pub(crate) fn quality(
        &mut self,
        now: Timestamp,
        id: CallId,
        user: UserId,
        reports: Vec<QualityReport>,
        by_server: bool,
    ) -> Result<Answer, CommandError> {
        self.in_it(id, &user)?;
        let call = self.calls.get_mut(&id).expect("in_it found it");
        let part = call.parts.iter_mut().find(|part| part.user == user).expect("in_it found the part");
        if !part.quality.hears(now, by_server) {
            return Ok(Answer::Done);
        }
        let mut alert = None;
        let mut last = None;
        for report in reports {
            alert = part.quality.take(now, report).or(alert);
            last = report.band().map(|band| QualityView { band, report }).or(last);
        }
        if let Some(view) = last {
            let listeners: Vec<UserId> =
                call.parts.iter().filter(|part| part.is_joined()).map(|part| part.user.clone()).collect();
            for listener in listeners {
                let event = CallEvent::Quality { call: id, at: now, user: user.clone(), view };
                let delivery = Delivery { user: listener, device: None, except: None, event };
                if self.devices.reaches(&delivery) {
                    self.push(Output::Deliver(delivery));
                }
            }
        }
        if let Some(since) = alert {
            self.transition(now, id, Change::QualityAlert { user, since });
        }
        Ok(Answer::Done)
    }
}

/// The one who is named, who must be in the call, or all in it of whom `such` holds.
fn named(call: &Call, user: Option<UserId>, such: impl Fn(&Part) -> bool) -> Result<Vec<UserId>, CommandError> {
    match user {
        Some(user) if call.part(&user).is_some_and(Part::is_joined) => Ok(vec![user]),
        Some(_) => Err(CommandError::ParticipantNotFound),
        None => {
            let all = call.parts.iter().filter(|part| part.is_joined() && such(part));
            Ok(all.map(|part| part.user.clone()).collect())
        }
    }
}
