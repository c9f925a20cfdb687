//! What happens by itself: at once after something else, or after a time.

use std::collections::BTreeSet;

use model::CallId;

use super::{Name, Part, Reference};

/// Due first is first; at the same moment the lower rank.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Recovery,
    CallerLost,
    Ring,
    Lost(usize),
    Empty,
    Forget,
}

impl Reference {
    /// Time passes; what is due happens, the earliest first.
    pub fn advance(&mut self, now: i64) {
        self.now = self.now.max(now);
        loop {
            let of_calls =
                self.calls.keys().filter_map(|id| self.due(*id).map(|(at, due)| (at, 0, Some((*id, due)), "")));
            let of_users = self.linger.iter().map(|(user, at)| (*at, 1, None, *user));
            // Among calls that are due at once the order is that of their ids, which `min_by_key` keeps.
            let next = of_calls.chain(of_users).min_by_key(|(at, kind, ..)| (*at, *kind));
            match next {
                Some((at, _, Some((id, due)), _)) if at <= self.now => self.fire(id, due),
                Some((at, _, None, user)) if at <= self.now => drop(self.linger.remove(user)),
                _ => return,
            }
            self.step_is_over();
        }
    }

    pub fn next(&self) -> Option<i64> {
        let calls = self.calls.keys().filter_map(|id| self.due(*id)).map(|(at, _)| at);
        calls.chain(self.linger.values().copied()).min()
    }

    fn due(&self, id: CallId) -> Option<(i64, Due)> {
        let call = &self.calls[&id];
        if call.over() {
            return Some((call.forget, Due::Forget));
        }
        let mut all = Vec::new();
        if let Some((_, until)) = call.recovery {
            all.push((until, Due::Recovery));
        }
        let caller_absent = call.part(call.caller).is_some_and(Part::absent);
        if let Some(since) = call.caller_lost.filter(|_| call.waiting() && caller_absent) {
            all.push((since + self.reconnect(), Due::CallerLost));
        }
        for (number, part) in call.parts.iter().enumerate() {
            if part.pending() {
                all.push((part.invited + call.ring, Due::Ring));
            }
            if part.absent() && call.running() {
                all.push((part.absent_since + self.reconnect(), Due::Lost(number)));
            }
            if part.status == "disconnected" {
                all.push((part.lost_until, Due::Lost(number)));
            }
        }
        if let Some(since) = call.empty_since.filter(|_| call.running()) {
            all.push((since + self.config.empty_timeout.as_millis() as i64, Due::Empty));
        }
        all.into_iter().min()
    }

    fn fire(&mut self, id: CallId, due: Due) {
        let call = self.calls[&id].clone();
        match due {
            Due::Recovery => {
                let (seen, _) = call.recovery.unwrap();
                self.finish(id, "failed", "server_failure", None, seen, None);
            }
            Due::CallerLost => self.finish(id, "cancelled", "connection_lost", None, self.now, None),
            Due::Lost(_) if call.waiting() => self.finish(id, "cancelled", "connection_lost", None, self.now, None),
            Due::Lost(number) => self.leave_for(id, call.parts[number].user, "connection_lost", "expired"),
            Due::Empty => self.finish(id, "ended", "empty", None, self.now, None),
            Due::Forget if call.into.is_some_and(|into| self.calls.get(&into).is_some_and(|winner| !winner.over())) => {
                self.calls.get_mut(&id).unwrap().forget = self.now + 600_000;
            }
            Due::Forget => drop(self.calls.remove(&id)),
            Due::Ring => self.ring_out(id),
        }
    }

    fn ring_out(&mut self, id: CallId) {
        let call = self.calls[&id].clone();
        let due = call.parts.iter().filter(|part| part.pending() && part.invited + call.ring <= self.now);
        let due: Vec<Name> = due.map(|part| part.user).collect();
        for user in &due {
            let now = self.now;
            let part = self.part(id, user);
            let why = if part.status == "ringing" { "no_answer" } else { "timeout" };
            part.go(now, "left", why);
        }
        self.log(id, "missed", None, &format!("users={}", super::acts::list(&due)));
        for user in &due {
            self.tell_missed(id, user);
        }
        let goes_on = call.running() || self.calls[&id].parts.iter().any(Part::pending);
        if goes_on {
            for user in &due {
                let why = self.part(id, user).why.unwrap();
                self.tell_others(id, user, &format!("left {id} at {} {user} {why}", self.now));
            }
        }
        self.follow_up(id, None, None, false);
    }

    pub fn tell_missed(&mut self, id: CallId, user: Name) {
        let call = &self.calls[&id];
        let line =
            format!("missed {id} at {} {} {} {}", self.now, call.caller, call.media, call.channel.unwrap_or("-"));
        self.tell(user, &line);
    }

    /// One who is in the call goes: on their own by "asked" or "room", or given up as "expired".
    pub fn leave_for(&mut self, id: CallId, user: Name, why: &'static str, how: &str) {
        let now = self.now;
        let held = self.part(id, user).held;
        self.part(id, user).go(now, "left", why);
        let by = if how == "expired" { None } else { Some(user) };
        self.log(id, "participant_left", by, &format!("reason={why:?} user={user:?}"));
        let line = format!("left {id} at {now} {user} {why}");
        self.tell_others(id, user, &line);
        self.tell(user, &line);
        if how != "room" {
            self.out.push(format!("room {id} remove {user}"));
        }
        self.hold_in_room(id, &[user][..usize::from(held)], false);
        self.follow_up(id, by, None, why == "connection_lost");
    }

    /// The call is over.
    pub fn finish(
        &mut self,
        id: CallId,
        status: &'static str,
        reason: &'static str,
        by: Option<Name>,
        at: i64,
        note: Option<&str>,
    ) {
        self.recording_over(id, None, at);
        let mut rang = Vec::new();
        let now = self.now;
        let call = self.calls.get_mut(&id).unwrap();
        for part in &mut call.parts {
            let why = if part.pending() {
                rang.push(part.user);
                match (reason, part.status) {
                    ("no_answer" | "timeout", "ringing") => "no_answer",
                    ("no_answer" | "timeout", _) => "timeout",
                    _ => "cancelled",
                }
            } else {
                reason
            };
            if part.engaged() {
                part.go(at, "left", why);
            }
        }
        call.status = status;
        call.ended = Some(at);
        call.reason = Some(reason);
        call.by = by;
        call.recovery = None;
        call.passes = None;
        call.forget = now + 600_000;
        let note = note.map_or(String::new(), |note| format!("note={note:?} "));
        self.log(id, "ended", by, &format!("{note}reason={reason:?} status={status:?}"));
        for user in rang {
            if status == "cancelled" {
                self.tell(user, &format!("cancelled {id} at {now}"));
            }
            self.tell_missed(id, user);
        }
        let line = format!("ended at {now} {reason} {} | {}", by.unwrap_or("-"), self.text(id));
        for part in self.calls[&id].parts.clone() {
            self.tell(part.user, &line);
        }
        self.out.push(format!("room {id} close"));
    }

    /// Does something follow at once? `by`: who did what it follows from; `decliner`: if that was a refusal, whose; `lost`: if it was a
    /// loss.
    pub fn follow_up(&mut self, id: CallId, by: Option<Name>, decliner: Option<Name>, lost: bool) {
        if self.pass_on(id) {
            return;
        }
        let call = self.calls[&id].clone();
        let now = self.now;
        let awaited = call.passes.as_ref().is_some_and(|passing| call.part(passing.target).is_some_and(Part::pending));
        if call.waiting() && !call.parts.iter().any(Part::pending) {
            let called: Vec<&str> =
                call.parts.iter().filter(|part| part.user != call.caller).map(|part| part.status).collect();
            let outcome = if called.iter().all(|status| *status == "busy") {
                "busy"
            } else if called.iter().all(|status| *status == "busy" || *status == "declined") {
                "declined"
            } else if call.status == "ringing" {
                "no_answer"
            } else {
                "timeout"
            };
            self.finish(id, outcome, outcome, decliner, now, None);
        } else if call.running()
            && (call.deserted() || call.joined() + usize::from(awaited) < if call.one_to_one { 2 } else { 1 })
        {
            let status = if lost && call.connected.is_none() { "failed" } else { "ended" };
            let reason = match (lost, call.one_to_one) {
                (true, _) => "connection_lost",
                (false, true) => "completed",
                (false, false) => "empty",
            };
            self.finish(id, status, reason, by, now, None);
        } else if call.status == "connecting" {
            let up = call.parts.iter().filter(|part| part.status == "connected").count();
            if up >= 2 {
                let call = self.calls.get_mut(&id).unwrap();
                call.status = "connected";
                call.connected = Some(now);
                self.log(id, "connected", None, "");
                self.record_by_itself(id);
            }
        }
    }

    /// After each command and each timer: who is there, and who has to know.
    pub fn step_is_over(&mut self) {
        let now = self.now;
        for call in self.calls.values_mut().filter(|call| call.running()) {
            if call.parts.iter().any(|part| part.status == "connected" && !part.helps) {
                call.empty_since = None;
            } else {
                call.empty_since = call.empty_since.or(Some(now));
            }
        }
        let touched = std::mem::take(&mut self.touched);
        for user in self.users.clone() {
            let state = self.presence(user);
            if self.told.insert(user, state).unwrap_or("offline") == state {
                continue;
            }
            let beside =
                self.users.iter().copied().filter(|mate| *mate != user && self.shares_a_call(user, mate, &touched));
            let beside: Vec<Name> = beside.collect();
            self.out.push(format!("presence at {now} {user} {state} beside {}", beside.join(",")));
        }
    }

    fn shares_a_call(&self, user: Name, mate: Name, touched: &BTreeSet<CallId>) -> bool {
        self.calls.values().any(|call| match (call.part(user), call.part(mate)) {
            (Some(mine), Some(theirs)) => {
                touched.contains(&call.id) || (!call.over() && mine.engaged() && theirs.engaged())
            }
            _ => false,
        })
    }
}
