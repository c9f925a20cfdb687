//! Transfers, and what the host does to others.

use model::CallId;

use super::acts::list;
use super::{Name, Outcome, Part, Passing, Reference};

impl Reference {
    pub fn transfer(&mut self, id: CallId, by: Name, target: Name, mode: &'static str) -> Outcome {
        let id = self.name(id);
        self.inside(id, by)?;
        let call = self.calls[&id].clone();
        if !call.running() || call.passes.is_some() {
            return Err("invalid_state");
        }
        if target == by {
            return Err("invalid_request");
        }
        let others: Vec<&Part> = call.parts.iter().filter(|part| part.joined_now() && part.user != by).collect();
        if call.part(target).is_some_and(Part::engaged) || others.is_empty() {
            return Err("invalid_state");
        }
        let attended = mode == "attended";
        if call.places_taken() + usize::from(attended) > call.max {
            return Err("call_full");
        }
        let open = others.iter().filter(|part| attended && !part.held);
        let held: Vec<Name> = open.map(|part| part.user).collect();
        let busy = self.busy(target);
        self.name_again(id, target, busy);
        for user in &held {
            self.part(id, user).held = true;
        }
        self.calls.get_mut(&id).unwrap().passes = Some(Passing { by, target, mode, held: held.clone() });
        self.log(id, "transfer_started", Some(by), &format!("mode={mode:?} target={target:?}"));
        let now = self.now;
        self.tell_inside(id, &format!("transfer-started {id} at {now} {by}>{target} {mode}"));
        for user in &held {
            self.tell_inside(id, &format!("held {id} at {now} {user} by {by}"));
        }
        self.hold_in_room(id, &held, true);
        self.follow_up(id, Some(by), None, false);
        self.ring(id);
        Ok("call")
    }

    /// Rung, or rung again; or busy at once.
    pub fn name_again(&mut self, id: CallId, user: Name, busy: bool) {
        let now = self.now;
        let call = self.calls.get_mut(&id).unwrap();
        let mut part = Part::new(user, now, call.media);
        if let Some(known) = call.part(user) {
            part = Part { status: "invited", invited: now, device: None, left: None, why: None, ..known.clone() };
        }
        if busy {
            part.go(now, "busy", "busy");
        }
        match call.parts.iter_mut().find(|known| known.user == user) {
            Some(known) => *known = part,
            None => call.parts.push(part),
        }
    }

    /// What a transfer brings about by itself; whether it did.
    pub fn pass_on(&mut self, id: CallId) -> bool {
        let call = self.calls[&id].clone();
        let Some(passing) = call.passes.clone() else { return false };
        if !call.running() {
            return false;
        }
        let target = call.part(passing.target).unwrap();
        let by_here = call.part(passing.by).is_some_and(Part::joined_now);
        let other = |part: &Part| part.joined_now() && part.user != passing.by && part.user != passing.target;
        let somebody = call.parts.iter().any(other);
        if !target.engaged() {
            let why = target.why.unwrap();
            self.transfer_fails(id, if why == "removed" { "cancelled" } else { why }, None);
        } else if target.joined_now() && !by_here {
            let held = self.end_passing(id);
            self.log(id, "transferred", None, "");
            let line = format!("transferred {id} at {} {}>{} {}", self.now, passing.by, passing.target, passing.mode);
            self.tell_inside(id, &line);
            self.tell(passing.by, &line);
            self.tell_resumed(id, passing.by, &held);
            self.hold_in_room(id, &held, false);
            self.follow_up(id, None, None, false);
        } else if target.joined_now() && passing.mode == "blind" {
            self.leave_for(id, passing.by, "completed", "asked");
        } else if !somebody {
            self.transfer_fails(id, "completed", None);
        } else {
            return false;
        }
        true
    }

    /// In the order of the call's parts.
    pub fn hold_in_room(&mut self, id: CallId, users: &[Name], on: bool) {
        let parts = self.calls[&id].parts.iter().map(|part| part.user).filter(|user| users.contains(user));
        self.out.extend(parts.map(|user| format!("room {id} hold {user} {on}")).collect::<Vec<_>>());
    }

    /// Gives who was still held.
    fn end_passing(&mut self, id: CallId) -> Vec<Name> {
        let passing = self.calls.get_mut(&id).unwrap().passes.take().unwrap();
        self.let_go(id, passing.held)
    }

    fn let_go(&mut self, id: CallId, mut held: Vec<Name>) -> Vec<Name> {
        held.retain(|user| self.part(id, user).held);
        for user in &held {
            self.part(id, user).held = false;
        }
        held
    }

    fn tell_resumed(&mut self, id: CallId, by: Name, held: &[Name]) {
        for user in held {
            self.tell_inside(id, &format!("resumed {id} at {} {user} by {by}", self.now));
        }
    }

    fn transfer_fails(&mut self, id: CallId, why: &'static str, by: Option<Name>) {
        let passing = self.calls[&id].passes.clone().unwrap();
        let held = self.end_passing(id);
        let now = self.now;
        let rang = self.part(id, passing.target).pending();
        if rang {
            self.part(id, passing.target).go(now, "left", "cancelled");
        }
        self.log(id, "transfer_failed", by, &format!("reason={why:?}"));
        if rang {
            self.tell(passing.target, &format!("cancelled {id} at {now}"));
            self.tell_missed(id, passing.target);
        }
        let line = format!("transfer-failed {id} at {now} {}>{} {} {why}", passing.by, passing.target, passing.mode);
        self.tell_inside(id, &line);
        if !self.part(id, passing.by).joined_now() {
            self.tell(passing.by, &line);
        }
        self.tell_resumed(id, passing.by, &held);
        self.hold_in_room(id, &held, false);
        self.follow_up(id, by, None, false);
    }

    fn mine_to_end(&self, id: CallId, by: Name) -> Result<Passing, &'static str> {
        self.inside(id, by)?;
        match &self.calls[&id].passes {
            None => Err("invalid_state"),
            Some(passing) if passing.by != by => Err("forbidden"),
            Some(passing) => Ok(passing.clone()),
        }
    }

    pub fn complete(&mut self, id: CallId, by: Name) -> Outcome {
        let id = self.name(id);
        let passing = self.mine_to_end(id, by)?;
        if self.part(id, passing.target).joined_now() {
            self.leave_for(id, by, "completed", "asked");
        } else if passing.mode == "attended" {
            let call = self.calls.get_mut(&id).unwrap();
            call.passes = Some(Passing { mode: "blind", held: Vec::new(), ..passing.clone() });
            let held = self.let_go(id, passing.held);
            self.log(id, "transfer_released", Some(by), "");
            self.tell_resumed(id, by, &held);
            self.hold_in_room(id, &held, false);
            self.follow_up(id, Some(by), None, false);
        }
        Ok("call")
    }

    pub fn cancel_transfer(&mut self, id: CallId, by: Name) -> Outcome {
        let id = self.name(id);
        let passing = self.mine_to_end(id, by)?;
        if self.part(id, passing.target).joined_now() {
            self.put_out(id, passing.target, by);
        } else {
            self.transfer_fails(id, "cancelled", Some(by));
        }
        Ok("call")
    }

    fn put_out(&mut self, id: CallId, user: Name, by: Name) {
        let now = self.now;
        let rang = self.part(id, user).pending();
        let held = self.part(id, user).held;
        self.part(id, user).go(now, "left", "removed");
        self.log(id, "participant_removed", Some(by), &format!("user={user:?}"));
        let line = format!("left {id} at {now} {user} removed");
        self.tell_others(id, user, &line);
        if rang {
            self.tell(user, &format!("cancelled {id} at {now}"));
            self.tell_missed(id, user);
        } else {
            self.tell(user, &line);
        }
        self.out.push(format!("room {id} remove {user}"));
        self.hold_in_room(id, &[user][..usize::from(held)], false);
        self.follow_up(id, Some(by), None, false);
    }

    /// Refused where `by` may not act as host.
    fn hosted(&self, id: CallId, by: Name, admin: bool) -> Result<(), &'static str> {
        let known = self.calls.get(&id).filter(|call| admin || call.part(by).is_some());
        let Some(call) = known else { return Err("call_not_found") };
        if call.over() {
            return Err("call_over");
        }
        if admin {
            return Ok(());
        }
        let joined: Vec<&Part> = call.parts.iter().filter(|part| part.joined_now()).collect();
        let first = joined.iter().map(|part| part.joined).min();
        let host = joined.iter().find(|part| part.user == call.caller);
        let host = host.or_else(|| joined.iter().find(|part| Some(part.joined) == first));
        if host.is_some_and(|host| host.user == by) { Ok(()) } else { Err("forbidden") }
    }

    pub fn remove(&mut self, id: CallId, by: Name, admin: bool, user: Name) -> Outcome {
        let id = self.name(id);
        self.hosted(id, by, admin)?;
        if user == by {
            return Err("invalid_state");
        }
        let call = self.calls[&id].clone();
        let Some(part) = call.part(user) else { return Err("participant_not_found") };
        let nobody_else = call.parts.iter().all(|part| !part.pending() || part.user == user);
        if call.waiting() && (user == call.caller || nobody_else) {
            return Err("invalid_state");
        }
        if part.engaged() {
            self.put_out(id, user, by);
        }
        Ok("call")
    }

    pub fn mute(&mut self, id: CallId, by: Name, admin: bool, user: Option<Name>, hard: bool) -> Outcome {
        let id = self.name(id);
        let users = self.named(id, by, admin, user, false)?;
        let call = self.calls[&id].clone();
        let open = |user: &&Name| call.part(user).is_some_and(|part| !part.muted || (hard && !part.shut));
        let users: Vec<Name> = users.iter().filter(open).copied().collect();
        if users.is_empty() {
            return Ok("call");
        }
        for user in &users {
            let part = self.part(id, user);
            part.muted = true;
            part.shut |= hard;
        }
        self.log(id, "muted", Some(by), &format!("hard={hard} users={}", list(&users)));
        let now = self.now;
        for user in &users {
            self.tell_inside(id, &format!("muted {id} at {now} {user} by {by} {hard}/true"));
            let (video, screen) = (self.part(id, user).video, self.part(id, user).screen);
            self.tell_others(id, user, &format!("media {id} at {now} {user} true/{video}/{screen}"));
        }
        for user in &users {
            self.out.push(format!("room {id} mute {user} {hard}"));
        }
        self.follow_up(id, Some(by), None, false);
        Ok("call")
    }

    fn named(
        &self,
        id: CallId,
        by: Name,
        admin: bool,
        user: Option<Name>,
        own: bool,
    ) -> Result<Vec<Name>, &'static str> {
        self.hosted(id, by, admin)?;
        let joined = self.calls[&id].parts.iter().filter(|part| part.joined_now()).map(|part| part.user);
        match user {
            None => Ok(joined.filter(|user| own || *user != by).collect()),
            Some(user) if joined.into_iter().any(|joined| joined == user) => Ok(vec![user]),
            Some(_) => Err("participant_not_found"),
        }
    }

    pub fn lift(&mut self, id: CallId, by: Name, admin: bool, user: Option<Name>) -> Outcome {
        let id = self.name(id);
        let mut users = self.named(id, by, admin, user, true)?;
        users.retain(|user| self.part(id, user).shut);
        if users.is_empty() {
            return Ok("call");
        }
        for user in &users {
            self.part(id, user).shut = false;
        }
        self.log(id, "mute_lifted", Some(by), &format!("users={}", list(&users)));
        for user in &users {
            self.tell_inside(id, &format!("muted {id} at {} {user} by {by} false/false", self.now));
        }
        for user in &users {
            self.out.push(format!("room {id} lift {user}"));
        }
        self.follow_up(id, Some(by), None, false);
        Ok("call")
    }

    /// How a line is, in the words of the bands; nothing where a report has no number.
    pub fn quality(&mut self, id: CallId, user: Name, bands: &[Option<&'static str>], by_server: bool) -> Outcome {
        let id = self.name(id);
        self.inside(id, user)?;
        let now = self.now;
        let part = self.part(id, user);
        if !by_server {
            part.reported = Some(now);
        } else if part.reported.is_some_and(|at| now - at <= 30_000) {
            return Ok("done");
        }
        let (mut alert, mut last) = (None, None);
        for band in bands.iter().flatten() {
            last = Some(band);
            if *band != "poor" {
                (part.poor, part.alerted) = (None, false);
                continue;
            }
            let since = *part.poor.get_or_insert(now);
            if !part.alerted && now - since >= 10_000 {
                part.alerted = true;
                alert = Some(since);
            }
        }
        if let Some(band) = last {
            self.tell_inside(id, &format!("quality {id} at {now} {user} {band}"));
        }
        if let Some(since) = alert {
            let at = model::Timestamp(since).to_rfc3339();
            self.log(id, "quality_alert", None, &format!("since={at:?} user={user:?}"));
            self.tell_inside(id, &format!("alert {id} at {now} {user} {since}"));
            self.follow_up(id, None, None, false);
        }
        Ok("done")
    }
}
