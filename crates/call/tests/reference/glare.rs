//! Two who call each other; a call that knocks; holding.

use model::CallId;

use super::{Name, Outcome, Part, Reference};

impl Reference {
    /// The call in which `user` is calling `caller`.
    pub fn met(&self, caller: Name, user: Name) -> Option<CallId> {
        let mut all = self.calls.values();
        let pending = |part: Option<&Part>| part.is_some_and(Part::pending);
        all.find(|call| call.waiting() && call.one_to_one && call.caller == user && pending(call.part(caller)))
            .map(|call| call.id)
    }

    /// The new call stands; which of the two is left?
    pub fn meet(&mut self, there: CallId, id: CallId) {
        let (winner, loser) = if id < there { (id, there) } else { (there, id) };
        if winner == id {
            let other = self.calls[&there].clone();
            let on = other.part(other.caller).unwrap().device.unwrap();
            self.take(id, other.caller, on).unwrap();
        }
        let now = self.now;
        let caller = self.calls[&loser].caller;
        let call = self.calls.get_mut(&loser).unwrap();
        let rang: Vec<Name> = call.parts.iter().filter(|part| part.status == "ringing").map(|part| part.user).collect();
        for part in call.parts.iter_mut().filter(|part| part.engaged()) {
            part.go(now, "left", "cancelled");
        }
        call.status = "cancelled";
        call.ended = Some(now);
        call.reason = Some("cancelled");
        call.by = Some(caller);
        call.into = Some(winner);
        call.forget = now + 600_000;
        let payload = format!("mergedInto=\"{winner}\" reason=\"cancelled\" status=\"cancelled\"");
        self.log(loser, "ended", Some(caller), &payload);
        self.out.push(format!("room {loser} close"));
        for part in self.calls[&winner].parts.clone().into_iter().filter(|part| rang.contains(&part.user)) {
            let (user, on) = (part.user, part.device.unwrap());
            if self.devices.keys().any(|(owner, other)| *owner == user && *other != on) {
                self.out.push(format!("{user}!{on} < answered-elsewhere {loser} at {now} {on}"));
            }
            if self.devices.contains_key(&(user, on)) {
                self.out.push(format!("{user}/{on} < cancelled {loser} at {now}"));
            }
        }
        for part in self.calls[&winner].parts.clone() {
            let line = format!("merged {loser} at {now} on {} | {}", part.device.unwrap(), self.text(winner));
            self.tell(part.user, &line);
        }
    }

    fn on_the_phone(&self, user: Name) -> Option<CallId> {
        let mut all = self.calls.values();
        all.find(|call| !call.over() && call.part(user).is_some_and(Part::joined_now)).map(|call| call.id)
    }

    fn takes_waiting(&self, user: Name) -> bool {
        let waits = |(key, said): (&(Name, Name), &(super::Can, bool))| {
            key.0 == user && said.1 && self.devices.contains_key(key)
        };
        self.config.call_waiting && self.said.iter().any(waits)
    }

    pub fn busy(&self, user: Name) -> bool {
        self.rings(user) >= 16 || (self.on_the_phone(user).is_some() && !self.takes_waiting(user))
    }

    pub fn ring_line(&self, id: CallId, user: Name, until: i64) -> String {
        let caller = self.presence(self.calls[&id].caller);
        match self.on_the_phone(user).filter(|_| self.takes_waiting(user)) {
            Some(other) => format!("waiting until {until} while {other} from one {caller} | {}", self.text(id)),
            None => format!("incoming until {until} from one {caller} | {}", self.text(id)),
        }
    }

    pub fn tell_inside(&mut self, id: CallId, what: &str) {
        for part in self.calls[&id].parts.clone() {
            if part.joined_now() {
                self.tell(part.user, what);
            }
        }
    }

    pub fn put_on_hold(&mut self, id: CallId, user: Name, on: bool) {
        self.part(id, user).held = on;
        let word = if on { "held" } else { "resumed" };
        self.log(id, word, Some(user), &format!("user={user:?}"));
        self.tell_inside(id, &format!("{word} {id} at {} {user} by {user}", self.now));
        self.hold_in_room(id, &[user], on);
        self.follow_up(id, Some(user), None, false);
    }

    pub fn hold_others(&mut self, user: Name, but: CallId) {
        for call in self.calls.values().cloned().collect::<Vec<_>>() {
            let open = |part: &Part| part.joined_now() && part.status != "disconnected" && !part.held;
            if call.id != but && call.running() && call.part(user).is_some_and(open) {
                self.put_on_hold(call.id, user, true);
            }
        }
    }

    pub fn hold(&mut self, id: CallId, user: Name, on: bool) -> Outcome {
        let id = self.name(id);
        self.inside(id, user)?;
        if !self.calls[&id].running() {
            return Err("invalid_state");
        }
        if self.part(id, user).held != on {
            self.put_on_hold(id, user, on);
        }
        Ok("call")
    }

    /// Refused where the user is not in the call.
    pub fn inside(&self, id: CallId, user: Name) -> Result<(), &'static str> {
        let Some((call, part)) = self.seen(id, user) else { return Err("call_not_found") };
        if call.over() {
            return Err("call_over");
        }
        if part.joined_now() { Ok(()) } else { Err("invalid_state") }
    }
}
