//! The thread that owns the switchboard.
//!
//! It takes whatever is waiting, up to a batch, runs the commands, appends their records to the journal, makes the
//! journal durable with **one fsync for the whole batch**, and only then lets anything out: events to devices, actions
//! to the media side, and answers, in the order in which they came about. So nobody is ever told of something that a
//! crash can undo.
//!
//! The journal reserves disk space ahead of what it writes. When it can get no more, new calls are refused, and events
//! of running calls go into the reserved space. When the disk takes nothing at all (it fails, or is gone), running
//! calls still do not wait: their events are kept in memory and written once the disk takes them, while events and
//! answers go out. A new call that was in the batch when this happened is taken back before anyone hears of it. The log
//! and `/readyz` say so.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use call::{Answer, CallSnapshot, Command, Output, Record, RoomAct, Switchboard};
use model::{CallId, ChannelId, Timestamp, UserId};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::{Instant, timeout_at};

use crate::clock::Clock;
use crate::directory::Channel;
use crate::handle::ControlError;
use crate::journal::Journal;
use crate::notice::{Notice, NoticeBody};
use crate::rooms::Rooms;
use crate::roster::Roster;
use crate::trouble::{Cause, Health, Watcher};

/// Commands taken before the journal is fsynced: enough to hide the disk's latency under load, few enough to keep an answer within it.
const BATCH: usize = 256;
/// The longest sleep: a machine that was suspended, or whose clock was set forward, notices within it.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);
/// How soon a journal that could not be written is tried again, and a timer that panicked.
const RETRY: Duration = Duration::from_secs(1);

/// Who waits for an answer.
pub(crate) type Reply = oneshot::Sender<Result<Answer, ControlError>>;
/// A question: looks, and gives what sends the answer off when it may be known.
pub(crate) type Reading = Box<dyn FnOnce(&Switchboard, &Roster) -> Box<dyn FnOnce() + Send> + Send>;

/// What the thread is asked.
pub(crate) enum Job {
    /// To the call core.
    Command {
        /// The command.
        command: Command,
        /// Who waits.
        reply: Option<Reply>,
    },
    /// A channel as it was just written to the store.
    ChannelPut(Channel, Reply),
    /// A channel that was just deleted from the store.
    ChannelDeleted(ChannelId, Reply),
    /// A user is in a channel, which is made where there is none; the store hears of it later.
    MemberJoined(ChannelId, UserId, Reply),
    /// A user was erased: what is remembered of their finished calls goes.
    Forget(UserId, Reply),
    /// A question.
    Read(Reading),
    /// The last one: what came before is finished, then the thread ends.
    Stop(oneshot::Sender<()>),
}

/// What a batch lets out when it is durable.
enum Effect {
    Notice(Notice),
    Room(RoomAct),
    /// A recording changed.
    Recording(Arc<Record>),
    Reply {
        reply: Reply,
        answer: Result<Answer, ControlError>,
        opens: Option<CallId>,
    },
    /// What answers a question.
    Reading(Box<dyn FnOnce() + Send>),
}

/// The answer to a call that could not be written down.
const UNRECORDED: ControlError = ControlError::Unavailable("the server cannot record new calls right now");

/// What the thread works with; made by [`crate::Control::start`].
pub(crate) struct SwitchboardThread {
    pub(crate) switchboard: Switchboard,
    pub(crate) roster: Roster,
    pub(crate) journal: Journal,
    pub(crate) clock: Arc<Clock>,
    pub(crate) notices: broadcast::Sender<Arc<Notice>>,
    pub(crate) recording_changes: broadcast::Sender<Arc<Record>>,
    pub(crate) rooms: Arc<Rooms>,
    pub(crate) durable: watch::Sender<u64>,
    pub(crate) health: Arc<Health>,
    pub(crate) work: Work,
}

/// The current batch, and what is known about those before it.
#[derive(Default)]
pub(crate) struct Work {
    effects: Vec<Effect>,
    wake: Option<Timestamp>,
    timer_panicked: bool,
    /// Why new calls cannot be recorded.
    refuses: Option<Cause>,
    /// The calls that the current command changed, and whether it started them.
    written: Vec<(CallId, bool)>,
    /// What the batch began.
    begun: Vec<Begun>,
}

/// A call that the batch began, and which of its effects come of that.
struct Begun {
    call: CallId,
    by: UserId,
    effects: Range<usize>,
}

/// What there is at the start: channels first, then the calls that ran, each with the last moment it is known to have run.
pub(crate) struct Restored {
    pub(crate) channels: Vec<Channel>,
    pub(crate) calls: Vec<(CallSnapshot, Timestamp)>,
}

impl SwitchboardThread {
    /// Starts the thread. It ends with [`Job::Stop`] or when nobody can ask any more.
    pub(crate) fn start(mut self, restored: Restored, jobs: mpsc::Receiver<Job>) -> std::io::Result<()> {
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
            let runtime = runtime.expect("a runtime with nothing but a clock needs nothing that can be missing");
            self.take_up(restored);
            runtime.block_on(self.run(jobs));
        };
        std::thread::Builder::new().name("switchboard".to_owned()).spawn(run).map(drop)
    }

    fn take_up(&mut self, restored: Restored) {
        for channel in restored.channels {
            let command = Command::ChannelUpserted { id: channel.id.clone(), members: channel.members.clone() };
            self.roster.put_channel(channel);
            drop(self.command(command));
        }
        for (call, seen) in restored.calls {
            let id = call.id;
            self.roster.note_call(&call);
            let now = self.clock.now();
            let taken = catch_unwind(AssertUnwindSafe(|| self.switchboard.restore(now, call, seen)));
            if !matches!(taken, Ok(Ok(_))) {
                tracing::error!(call = %id, ?taken, "cannot restore a call that was running");
            }
            self.drain();
        }
        self.finish();
    }

    async fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        loop {
            let first = match timeout_at(self.wake_at(), jobs.recv()).await {
                Ok(Some(job)) => Some(job),
                Ok(None) => break,
                Err(_) => None,
            };
            self.let_time_pass();
            let mut stop = None;
            let mut job = first;
            for _ in 0..BATCH {
                match job.take().map_or_else(|| jobs.try_recv().ok(), Some) {
                    Some(Job::Stop(stopped)) => {
                        stop = Some(stopped);
                        break;
                    }
                    Some(next) => self.handle(next),
                    None => break,
                }
            }
            self.finish();
            if let Some(stopped) = stop {
                // Whoever asks from here on learns that nobody is there.
                jobs.close();
                let _ = stopped.send(());
                break;
            }
        }
    }

    fn wake_at(&self) -> Instant {
        let now = self.clock.now();
        let wait = self.work.wake.map_or(LONGEST_SLEEP, |at| at.since(now));
        let wait = if self.work.timer_panicked { wait.max(RETRY) } else { wait };
        let wait = if self.work.refuses.is_some() { wait.min(RETRY) } else { wait };
        let wait = self.roster.round_at().map_or(wait, |at| wait.min(at.since(now)));
        Instant::now() + wait.min(LONGEST_SLEEP)
    }

    fn let_time_pass(&mut self) {
        let now = self.clock.now();
        if self.work.wake.is_none_or(|at| at > now) {
            return;
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| self.switchboard.handle_timeout(now)));
        self.work.timer_panicked = outcome.is_err();
        if outcome.is_err() {
            tracing::error!("a timer of the switchboard panicked");
        }
        self.drain();
    }

    fn handle(&mut self, job: Job) {
        match job {
            Job::Command { command, reply } => {
                let before = self.work.effects.len();
                self.work.written.clear();
                let answer = self.command(command);
                let begun = self.begun(&answer);
                if let Some(reply) = reply {
                    let opens = self.work.effects[before..].iter().find_map(|effect| match effect {
                        Effect::Room(RoomAct::Open { call, .. }) => Some(*call),
                        Effect::Room(_)
                        | Effect::Recording(_)
                        | Effect::Notice(_)
                        | Effect::Reply { .. }
                        | Effect::Reading(_) => None,
                    });
                    self.work.effects.push(Effect::Reply { reply, answer, opens });
                }
                if let Some((call, by)) = begun {
                    self.work.begun.push(Begun { call, by, effects: before..self.work.effects.len() });
                }
            }
            Job::ChannelPut(channel, reply) => self.put_channel(channel, reply),
            Job::ChannelDeleted(id, reply) => self.delete_channel(&id, reply),
            Job::MemberJoined(id, user, reply) => self.join_channel(&id, user, reply),
            Job::Forget(user, reply) => {
                self.switchboard.forget_finished(&user);
                self.work.effects.push(Effect::Reply { reply, answer: Ok(Answer::Done), opens: None });
            }
            Job::Read(reading) => {
                let answer = reading(&self.switchboard, &self.roster);
                self.work.effects.push(Effect::Reading(answer));
            }
            Job::Stop(_) => unreachable!("taken out by the loop"),
        }
    }

    /// Runs one command and takes what comes of it into the batch.
    fn command(&mut self, command: Command) -> Result<Answer, ControlError> {
        if self.work.refuses.is_some() && matches!(command, Command::Initiate(_)) {
            return Err(UNRECORDED);
        }
        let now = self.clock.now();
        let outcome = catch_unwind(AssertUnwindSafe(|| self.switchboard.handle_command(now, command)));
        self.drain();
        match outcome {
            Ok(answer) => answer.map_err(ControlError::Call),
            Err(_) => {
                tracing::error!("a command panicked in the switchboard");
                Err(ControlError::Internal("the command failed"))
            }
        }
    }

    /// Takes everything out of the switchboard.
    fn drain(&mut self) {
        let from = self.work.effects.len();
        loop {
            match self.switchboard.poll_output() {
                Output::Record(record) => self.record(*record),
                Output::Deliver(call::Delivery { user, device, except, event }) => {
                    let body = NoticeBody::Call(Box::new(event));
                    let notice = Notice { users: vec![user], device, except, body };
                    // The same event mostly goes to several people in a row.
                    let notice = match self.work.effects[from..].last_mut() {
                        Some(Effect::Notice(last)) => last.join(notice),
                        Some(Effect::Room(_) | Effect::Recording(_) | Effect::Reply { .. } | Effect::Reading(_))
                        | None => Some(notice),
                    };
                    self.work.effects.extend(notice.map(Effect::Notice));
                }
                Output::Room(act) => self.work.effects.push(Effect::Room(act)),
                Output::Presence { user, at, state, beside } => self.roster.note_presence(&user, at, state, beside),
                Output::Timeout(at) => {
                    self.work.wake = Some(at);
                    return;
                }
                Output::Idle => {
                    self.work.wake = None;
                    return;
                }
            }
        }
    }

    fn record(&mut self, record: Record) {
        self.work.written.push((record.call.id, record.event == "initiated"));
        self.journal.append(&record);
        if let Some(channel) = self.roster.note_call(&record.call) {
            self.work.effects.push(changed(channel));
        }
        if record.event.starts_with("recording_") {
            self.work.effects.push(Effect::Recording(Arc::new(record)));
        }
    }

    /// Sends the changes of presence, if a round is due.
    fn tell_presence(&mut self) {
        let round = self.roster.round(self.clock.now());
        let told = round.into_iter().map(|(users, changes)| Notice::to(users, NoticeBody::Presence(changes)));
        self.work.effects.extend(told.map(Effect::Notice));
    }

    fn put_channel(&mut self, channel: Channel, reply: Reply) {
        let command = Command::ChannelUpserted { id: channel.id.clone(), members: channel.members.clone() };
        let answer = self.command(command);
        let id = channel.id.clone();
        let before = self.roster.put_channel(channel);
        let channel = self.roster.channel(&id).expect("put there just now");
        let effects = &mut self.work.effects;
        effects.push(changed(channel));
        let mut gone = before.map(|before| before.members).unwrap_or_default();
        gone.retain(|member| !channel.members.contains(member));
        if !gone.is_empty() {
            effects.push(deleted(gone, &id));
        }
        effects.push(Effect::Reply { reply, answer, opens: None });
    }

    fn join_channel(&mut self, id: &ChannelId, user: UserId, reply: Reply) {
        let known = self.roster.channel(id).cloned();
        let mut channel = known.unwrap_or_else(|| Channel::of_token(id.clone(), self.clock.now()));
        if channel.members.contains(&user) {
            self.work.effects.push(Effect::Reply { reply, answer: Ok(Answer::Done), opens: None });
            return;
        }
        channel.members.push(user);
        self.put_channel(channel, reply);
    }

    fn delete_channel(&mut self, id: &ChannelId, reply: Reply) {
        let answer = self.command(Command::ChannelDeleted { id: id.clone() });
        let members = self.roster.remove_channel(id).map(|channel| channel.members).unwrap_or_default();
        self.work.effects.push(deleted(members, id));
        self.work.effects.push(Effect::Reply { reply, answer, opens: None });
    }

    /// Makes the batch durable and lets out what it came to.
    fn finish(&mut self) {
        let written = self.journal.commit();
        let cause = match &written {
            Ok(_) => self.journal.short(),
            Err(error) => Some(Cause::of_io(error)),
        };
        self.work.refuses = cause;
        let say = self.health.note(Watcher::JournalWriter, cause, self.clock.now());
        match written {
            Ok(last) => {
                self.durable.send_if_modified(|durable| std::mem::replace(durable, last) != last);
                if say {
                    tracing::error!("the journal is out of disk space: running calls continue, new ones are refused");
                }
            }
            Err(error) => {
                if say {
                    let given_up = self.journal.given_up();
                    tracing::error!(%error, given_up, "cannot write the journal: running calls continue, new ones are refused");
                }
                self.take_back();
            }
        }
        self.work.begun.clear();
        // Last, because nobody may hear of a call that was taken back.
        self.tell_presence();
        for effect in self.work.effects.drain(..) {
            match effect {
                // Nobody listening is no fault.
                Effect::Notice(notice) => drop(self.notices.send(Arc::new(notice))),
                Effect::Room(act) => self.rooms.carry_out(act),
                Effect::Recording(record) => drop(self.recording_changes.send(record)),
                Effect::Reply { reply, answer, opens: None } => drop(reply.send(answer)),
                Effect::Reply { reply, answer, opens: Some(call) } => self.rooms.answer(call, reply, answer),
                Effect::Reading(answer) => answer(),
            }
        }
    }
}

impl SwitchboardThread {
    /// The call that a command began, if it did that and nothing else: one that met another call is part of what ran already.
    fn begun(&self, answer: &Result<Answer, ControlError>) -> Option<(CallId, UserId)> {
        let Ok(Answer::Call(call)) = answer else { return None };
        let alone = self.work.written.iter().all(|(written, _)| *written == call.id);
        let began = self.work.written.iter().any(|(_, began)| *began);
        (alone && began).then(|| (call.id, call.initiator.clone()))
    }

    /// Ends the calls that this batch began and that are on no disk, and lets nothing out of them but a refusal.
    fn take_back(&mut self) {
        let begun = std::mem::take(&mut self.work.begun);
        if begun.is_empty() {
            return;
        }
        let effects = std::mem::take(&mut self.work.effects);
        for begun in &begun {
            let end = Command::End { call: begun.call, user: begun.by.clone(), reason: None };
            drop(self.command(end));
        }
        let comes_of_them = |at: usize| begun.iter().any(|begun| begun.effects.contains(&at));
        // The same request may have come twice in the batch.
        let is_of_them = |answer: &Result<Answer, ControlError>| {
            let (Ok(Answer::Call(call)) | Ok(Answer::Joined { call, .. })) = answer else { return false };
            begun.iter().any(|begun| begun.call == call.id)
        };
        let let_out = effects.into_iter().enumerate().filter_map(|(at, effect)| match effect {
            Effect::Reply { reply, answer, .. } if is_of_them(&answer) => {
                Some(Effect::Reply { reply, answer: Err(UNRECORDED), opens: None })
            }
            Effect::Notice(_) | Effect::Room(_) | Effect::Recording(_) if comes_of_them(at) => None,
            effect => Some(effect),
        });
        self.work.effects = let_out.collect();
    }
}

/// Tells all members about the channel's new state.
fn changed(channel: &Channel) -> Effect {
    Effect::Notice(Notice::to(channel.members.clone(), NoticeBody::ChannelChanged(Arc::new(channel.clone()))))
}

fn deleted(members: Vec<UserId>, id: &ChannelId) -> Effect {
    Effect::Notice(Notice::to(members, NoticeBody::ChannelDeleted(id.clone())))
}

/// A call as the switchboard has it, and whether this user may know of it and enter its room.
pub(crate) struct Seen {
    pub(crate) call: CallSnapshot,
    pub(crate) visible: bool,
    pub(crate) may_enter: bool,
}

/// Looks a call up for a user.
pub(crate) fn look(switchboard: &Switchboard, roster: &Roster, id: CallId, user: &UserId) -> Option<Seen> {
    let call = switchboard.call(id)?;
    let visible = call.participant(user).is_some() || roster.sees_in_channel(&call, user);
    Some(Seen { visible, may_enter: switchboard.may_enter(id, user), call })
}

#[cfg(test)]
mod tests;
