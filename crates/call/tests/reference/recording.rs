//! Recording: who may, who is asked, whom it takes in.

use model::{CallId, RecordingDecline, RecordingPolicy};

use super::{Name, Outcome, Part, Rec, Reference};

impl Reference {
    fn always(&self) -> bool {
        self.config.call_recording && self.config.recording_policy == RecordingPolicy::Always
    }

    /// Something on the server has to hear every call, or this one.
    pub fn server_hears(&self, id: Option<CallId>) -> bool {
        self.always() || id.and_then(|id| self.running_rec(id)).is_some()
    }

    fn running_rec(&self, id: CallId) -> Option<&Rec> {
        self.calls[&id].rec.as_ref().filter(|rec| ["starting", "recording", "paused"].contains(&rec.status))
    }

    fn recordable(&self, id: CallId, by: Name, admin: bool) -> Result<(), &'static str> {
        if !admin {
            return self.inside(id, by);
        }
        let call = self.calls.get(&id).ok_or("call_not_found")?;
        if call.over() { Err("call_over") } else { Ok(()) }
    }

    pub fn start_recording(&mut self, id: CallId, by: Name, admin: bool, audio: bool) -> Outcome {
        let id = self.name(id);
        self.recordable(id, by, admin)?;
        if !self.config.call_recording {
            return Err("feature_disabled");
        }
        if self.config.recording_policy == RecordingPolicy::Off {
            return Err("recording_off");
        }
        if !self.calls[&id].running() {
            return Err("invalid_state");
        }
        if self.running_rec(id).is_some() {
            return Err("already_recording");
        }
        let lately = self.calls[&id].starts.iter().filter(|at| self.now - **at < 60_000).count();
        if lately >= 5 {
            return Err("rate_limited");
        }
        let own = self.calls[&id].part(by).filter(|part| part.joined_now()).and_then(|part| part.can);
        if self.calls[&id].topology != "sfu" && own.is_some_and(|can| !can.1) {
            return Err("no_common_media");
        }
        self.move_to_room(id, by, "recording")?;
        self.request_recording(id, Some(by), audio);
        Ok("call")
    }

    pub fn record_by_itself(&mut self, id: CallId) {
        if self.always() && self.running_rec(id).is_none() {
            assert_eq!(self.calls[&id].topology, "sfu", "so it was from the start");
            self.request_recording(id, None, false);
        }
    }

    fn request_recording(&mut self, id: CallId, by: Option<Name>, audio: bool) {
        let now = self.now;
        let policy = self.config.recording_policy.as_str();
        let leave = self.config.recording_decline == RecordingDecline::Leave;
        let call = self.calls.get_mut(&id).unwrap();
        for part in &mut call.parts {
            part.yes = (policy == "ask" && part.joined_now() && by == Some(part.user)).then_some((true, now));
        }
        call.starts.push(now);
        let rec = Rec {
            status: "starting",
            policy,
            leave,
            by,
            started: now,
            began: None,
            ended: None,
            ended_by: None,
            error: None,
            audio,
        };
        call.rec = Some(rec);
        self.log(id, "recording_requested", by, &format!("policy={policy:?}"));
        for part in self.calls[&id].parts.clone() {
            self.ask(id, part.user);
        }
        self.out.push(format!("room {id} record {audio} {}", self.taken_in(id)));
    }

    /// One who is in the call, where they have not said.
    pub fn ask(&mut self, id: CallId, user: Name) {
        let Some(rec) = self.running_rec(id).filter(|rec| rec.policy == "ask").cloned() else { return };
        if self.calls[&id].part(user).is_some_and(|part| part.joined_now() && part.yes.is_none()) {
            self.tell(user, &format!("asked {id} at {} {}", self.now, rec.text()));
        }
    }

    fn taken_in(&self, id: CallId) -> String {
        let call = &self.calls[&id];
        if call.rec.as_ref().unwrap().policy != "ask" {
            return "everyone".to_owned();
        }
        let yes = |part: &&Part| part.yes.is_some_and(|yes| yes.0);
        let names: Vec<Name> = call.parts.iter().filter(yes).map(|part| part.user).collect();
        format!("only {}", names.join(","))
    }

    fn moment(&mut self, id: CallId, word: &str, by: Option<Name>) {
        let text = self.calls[&id].rec.as_ref().unwrap().text();
        self.tell_inside(id, &format!("{word} {id} at {} by {} {text}", self.now, by.unwrap_or("-")));
    }

    fn rec(&mut self, id: CallId) -> &mut Rec {
        self.calls.get_mut(&id).unwrap().rec.as_mut().unwrap()
    }

    pub fn pause_recording(&mut self, id: CallId, by: Name, admin: bool, on: bool) -> Outcome {
        let id = self.name(id);
        self.recordable(id, by, admin)?;
        let Some(rec) = self.running_rec(id) else { return Err("not_recording") };
        match (rec.status, on) {
            ("starting", true) => return Err("invalid_state"),
            ("recording", true) => {
                self.rec(id).status = "paused";
                self.log(id, "recording_paused", Some(by), "");
                self.moment(id, "rec-paused", Some(by));
                self.out.push(format!("room {id} pause"));
            }
            ("paused", false) => {
                self.rec(id).status = "recording";
                self.log(id, "recording_resumed", Some(by), "");
                self.moment(id, "rec-resumed", Some(by));
                self.out.push(format!("room {id} go-on"));
            }
            _ => {}
        }
        Ok("call")
    }

    pub fn stop_recording(&mut self, id: CallId, by: Name, admin: bool) -> Outcome {
        let id = self.name(id);
        self.recordable(id, by, admin)?;
        if self.running_rec(id).is_none() {
            return Err("not_recording");
        }
        self.recording_over(id, Some(by), self.now);
        Ok("call")
    }

    /// It is over, where one is being made.
    pub fn recording_over(&mut self, id: CallId, by: Option<Name>, at: i64) {
        if self.running_rec(id).is_none() {
            return;
        }
        let rec = self.rec(id);
        (rec.status, rec.ended, rec.ended_by) = ("processing", Some(at), by);
        self.log(id, "recording_stopped", by, "");
        self.moment(id, "rec-stopped", by);
        self.out.push(format!("room {id} stop-recording"));
        self.out.push(format!("room {id} mark false"));
    }

    pub fn consent(&mut self, id: CallId, user: Name, given: bool) -> Outcome {
        let id = self.name(id);
        self.inside(id, user)?;
        let Some(rec) = self.running_rec(id).cloned() else { return Err("not_recording") };
        if rec.policy != "ask" {
            return Err("consent_not_asked");
        }
        let now = self.now;
        let part = self.part(id, user);
        if part.yes.map(|yes| yes.0) != Some(given) {
            part.yes = Some((given, now));
            self.log(id, "recording_consent", Some(user), &format!("given={given} user={user:?}"));
            self.tell_inside(id, &format!("consent {id} at {now} {user} {given}"));
            self.out.push(format!("room {id} record {} {}", rec.audio, self.taken_in(id)));
        }
        if !given && rec.leave {
            self.go(id, user, "asked");
        }
        Ok("call")
    }

    /// `same`: it is about the call's latest recording.
    pub fn recording_began(&mut self, id: CallId, same: bool) -> Outcome {
        let id = self.name(id);
        if !self.calls.contains_key(&id) {
            return Err("call_not_found");
        }
        if !same || self.running_rec(id).is_none_or(|rec| rec.began.is_some()) {
            return Ok("done");
        }
        let now = self.now;
        let rec = self.rec(id);
        (rec.status, rec.began) = ("recording", Some(now));
        self.calls.get_mut(&id).unwrap().was_recorded = true;
        self.log(id, "recording_started", None, "");
        self.moment(id, "rec-started", None);
        self.out.push(format!("room {id} mark true"));
        Ok("done")
    }

    pub fn recording_ended(&mut self, id: CallId, same: bool) -> Outcome {
        let id = self.name(id);
        if !self.calls.contains_key(&id) {
            return Err("call_not_found");
        }
        if same {
            self.recording_over(id, None, self.now);
        }
        Ok("done")
    }

    pub fn recording_failed(&mut self, id: CallId, same: bool, code: Name) -> Outcome {
        let id = self.name(id);
        if !self.calls.contains_key(&id) {
            return Err("call_not_found");
        }
        if same && self.running_rec(id).is_some() {
            let now = self.now;
            let rec = self.rec(id);
            (rec.status, rec.ended, rec.error) = ("failed", Some(now), Some(code));
            self.log(id, "recording_failed", None, &format!("code={code:?}"));
            self.moment(id, "rec-failed", None);
            self.out.push(format!("room {id} mark false"));
        }
        Ok("done")
    }

    /// A room that was opened again after a restart.
    pub fn record_on(&mut self, id: CallId) {
        let Some(rec) = self.running_rec(id).cloned() else { return };
        self.out.push(format!("room {id} record {} {}", rec.audio, self.taken_in(id)));
        if rec.status == "paused" {
            self.out.push(format!("room {id} pause"));
        }
        if rec.began.is_some() {
            self.out.push(format!("room {id} mark true"));
        }
    }
}

impl Rec {
    pub fn text(&self) -> String {
        let at = |at: Option<i64>| at.map_or("-".to_owned(), |at| at.to_string());
        format!(
            "{}/{}/{}/{}/{}/{}/{}/{}/{}",
            self.status,
            self.policy,
            if self.leave { "leave" } else { "exclude" },
            self.by.unwrap_or("-"),
            self.started,
            at(self.began),
            at(self.ended),
            self.ended_by.unwrap_or("-"),
            self.error.unwrap_or("-"),
        )
    }
}
