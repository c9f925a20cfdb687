//! What people, devices and the media side do.

use model::CallId;

use super::{Call, Name, Outcome, Part, Reference, Request};

const GONE: Outcome = Err("call_not_found");

impl Reference {
    pub fn device_connected(&mut self, user: Name, device: Name) -> Outcome {
        *self.devices.entry((user, device)).or_insert(0) += 1;
        self.linger.remove(user);
        for id in self.calls.keys().copied().collect::<Vec<_>>() {
            let call = self.calls.get_mut(&id).unwrap();
            if call.over() {
                continue;
            }
            if call.caller == user && call.waiting() {
                call.caller_lost = None;
            }
            let Some(part) = call.parts.iter_mut().find(|part| part.user == user && part.pending()) else { continue };
            let until = part.invited + call.ring;
            if part.status == "invited" {
                part.status = "ringing";
                if call.status == "initiating" {
                    call.status = "ringing";
                }
                self.log(id, "ringing", None, &format!("users=[{user:?}]"));
            }
            let line = self.ring_line(id, user, until);
            self.out.push(format!("{user}/{device} < {line}"));
        }
        self.peer_back(user, device);
        Ok("done")
    }

    pub fn device_disconnected(&mut self, user: Name, device: Name) -> Outcome {
        let Some(count) = self.devices.get_mut(&(user, device)) else { return Ok("done") };
        *count -= 1;
        if *count > 0 {
            return Ok("done");
        }
        self.devices.remove(&(user, device));
        self.said.remove(&(user, device));
        self.peer_gone(user, device);
        if !self.connected(user) {
            self.linger.insert(user, self.now + 5_000);
            let now = self.now;
            for call in self.calls.values_mut().filter(|call| call.caller == user && call.waiting()) {
                call.caller_lost = Some(now);
            }
        }
        Ok("done")
    }

    pub fn channel_upserted(&mut self, channel: Name, members: Vec<Name>) -> Outcome {
        self.channels.insert(channel, members);
        Ok("done")
    }

    pub fn channel_deleted(&mut self, channel: Name) -> Outcome {
        self.channels.remove(channel);
        Ok("done")
    }

    /// `id`: the one the server made, where the client named none.
    pub fn initiate(&mut self, request: Request, id: CallId) -> Outcome {
        let Request { caller, device, channel, media, metadata, .. } = request;
        let mut named = request.users.as_ref().map(|(users, _)| users.clone()).unwrap_or_default();
        named.retain(|user| *user != caller);
        named.sort();
        named.dedup();
        let asked_one = request.users.as_ref().is_some_and(|(_, one)| *one);
        let body = format!("{caller} {channel:?} {asked_one} {named:?} {media} {:?} {metadata}", request.ring);
        let body = if request.users.is_none() { format!("channel {body}") } else { body };
        if let Some(call) = self.calls.get(&id) {
            let same = match &call.request {
                Some(known) => *known == body,
                None => {
                    call.caller == caller
                        && call.media == media
                        && call.metadata == metadata
                        && call.channel == channel
                        && call.in_channel == request.users.is_none()
                        && named.iter().all(|user| call.part(user).is_some())
                        && (!asked_one || call.one_to_one || call.parts.len() > 2)
                }
            };
            return if same { Ok("call") } else { Err("call_id_conflict") };
        }
        let mut called = Vec::new();
        match &request.users {
            Some((users, _)) => {
                for user in users {
                    if *user != caller && !called.contains(user) {
                        called.push(*user);
                    }
                }
            }
            None => {
                if !self.member(channel.unwrap(), caller) {
                    return Err("channel_not_found");
                }
                called = self.channels[channel.unwrap()].clone();
                called.retain(|user| *user != caller);
                called.truncate(self.config.max_participants - 1);
            }
        }
        if called.is_empty() {
            return Err("invalid_request");
        }
        let one_to_one = asked_one && called.len() == 1;
        if (media == "voice" && !self.config.voice_calls)
            || (media == "video" && !self.config.video_calls)
            || (media == "screen_share" && !self.config.screen_sharing)
            || (!one_to_one && !self.config.group_calls)
        {
            return Err("feature_disabled");
        }
        let runs_there = |call: &Call| !call.over() && call.in_channel && call.channel == channel;
        if request.users.is_none() && self.calls.values().any(runs_there) {
            return Err("channel_call_active");
        }
        let talks = |call: &Call| {
            let part = call.part(caller);
            let here = |part: &Part| part.status == "connecting" || part.status == "connected";
            !call.over() && part.is_some_and(|part| here(part) && !part.held)
        };
        if self.calls.values().any(talks) {
            return Err("already_in_call");
        }
        if called.len() + 1 > self.config.max_participants {
            return Err("call_full");
        }
        let met = one_to_one.then(|| self.met(caller, called[0])).flatten();
        let topology = match met {
            // Whose call is there already calls from one device.
            Some(there) => {
                let on = self.calls[&there].part(called[0]).unwrap().device.unwrap();
                let winner = self.topology(one_to_one, &[self.can(caller, device), self.can(called[0], on)]);
                if id < there { winner } else { Some(self.calls[&there].topology) }
            }
            None => {
                let mut said = vec![self.can(caller, device)];
                said.extend(called.iter().map(|user| self.can_all(user)));
                self.topology(one_to_one, &said)
            }
        };
        let Some(topology) = topology else { return Err("no_common_media") };
        let nameless = request.id.is_none();
        if let Some(there) = met.filter(|there| id > *there) {
            self.take(there, caller, device)?;
            if nameless {
                return Ok("call");
            }
        }
        let mut parts = vec![Part::new(caller, self.now, media)];
        parts[0].status = "connecting";
        parts[0].device = Some(device);
        parts[0].can = self.can(caller, device);
        for user in called {
            let mut part = Part::new(user, self.now, media);
            if met.is_none() && (self.rings(user) >= 16 || (one_to_one && self.busy(user))) {
                part.go(self.now, "busy", "busy");
            }
            parts.push(part);
        }
        let call = Call {
            topology,
            into: None,
            passes: None,
            rec: None,
            was_recorded: false,
            starts: Vec::new(),
            id,
            one_to_one,
            media,
            status: "initiating",
            caller,
            channel,
            in_channel: request.users.is_none(),
            created: self.now,
            started: None,
            connected: None,
            ended: None,
            reason: None,
            by: None,
            ring: request.ring.unwrap_or(self.config.ring_timeout.as_millis() as i64).clamp(5_000, 180_000),
            max: self.config.max_participants,
            metadata,
            request: Some(body),
            parts,
            caller_lost: None,
            recovery: None,
            empty_since: None,
            forget: 0,
        };
        self.calls.insert(id, call.clone());
        self.log(id, "initiated", Some(caller), "");
        for part in call.parts.iter().filter(|part| part.status == "busy") {
            self.tell(caller, &format!("declined {id} at {} {} busy", self.now, part.user));
        }
        self.out.push(format!("room {id} open {}", self.config.max_participants));
        if let Some(there) = met {
            self.meet(there, id);
            return Ok("call");
        }
        self.follow_up(id, None, None, false);
        self.ring(id);
        Ok("call")
    }

    pub fn rings(&self, user: Name) -> usize {
        self.calls.values().filter(|call| call.part(user).is_some_and(Part::pending)).count()
    }

    pub fn ring(&mut self, id: CallId) {
        let call = self.calls[&id].clone();
        let reached = call.parts.iter().filter(|part| part.status == "invited" && self.connected(part.user));
        let reached: Vec<Name> = reached.map(|part| part.user).collect();
        if reached.is_empty() {
            return;
        }
        for user in &reached {
            self.part(id, user).status = "ringing";
        }
        if call.status == "initiating" {
            self.calls.get_mut(&id).unwrap().status = "ringing";
        }
        self.log(id, "ringing", None, &format!("users={}", list(&reached)));
        for user in reached {
            let until = self.part(id, user).invited + call.ring;
            let line = self.ring_line(id, user, until);
            self.tell(user, &line);
        }
    }

    pub fn accept(&mut self, id: CallId, user: Name, device: Name) -> Outcome {
        let id = self.name(id);
        let Some((call, part)) = self.seen(id, user) else { return GONE };
        if call.over() {
            return Err("call_over");
        }
        if part.pending() {
            self.take(id, user, device)?;
        } else if !part.joined_now() {
            return Err("invalid_state");
        } else if part.device != Some(device) {
            return Err("answered_elsewhere");
        } else if part.status == "disconnected" {
            self.come_back(id, user, device);
        }
        Ok("joined")
    }

    pub fn seen(&self, id: CallId, user: Name) -> Option<(Call, Part)> {
        let call = self.calls.get(&id)?;
        Some((call.clone(), call.part(user)?.clone()))
    }

    pub fn take(&mut self, id: CallId, user: Name, device: Name) -> Result<(), &'static str> {
        if self.beside(id, user).iter().filter(|part| !part.helps).count() >= self.calls[&id].max {
            return Err("call_full");
        }
        self.take_in(id, user, device)
    }

    fn take_in(&mut self, id: CallId, user: Name, device: Name) -> Result<(), &'static str> {
        self.make_way(id, user, device)?;
        self.hold_others(user, id);
        self.enter(id, user, device);
        self.log(id, "accepted", Some(user), &format!("device={device:?} user={user:?}"));
        let now = self.now;
        self.tell_others(id, user, &format!("accepted {id} at {now} {user}"));
        if self.devices.keys().any(|(owner, other)| *owner == user && *other != device) {
            self.out.push(format!("{user}!{device} < answered-elsewhere {id} at {now} {device}"));
        }
        let part = self.text_of(id, user);
        self.tell_others(id, user, &format!("joined {id} at {now} {part}"));
        self.ask(id, user);
        self.follow_up(id, Some(user), None, false);
        Ok(())
    }

    /// Someone enters; the first to do so starts the call and the caller's stay.
    fn enter(&mut self, id: CallId, user: Name, device: Name) {
        let now = self.now;
        let can = self.can(user, device);
        let peers = self.calls[&id].topology != "sfu";
        let until = now + self.reconnect();
        let part = self.part(id, user);
        part.enter(now, device);
        part.can = can;
        if peers {
            part.status = "connected";
        }
        let call = self.calls.get_mut(&id).unwrap();
        call.recovery = None;
        if call.waiting() {
            call.status = "connecting";
            call.started = Some(now);
            for part in call.parts.iter_mut().filter(|part| part.joined_now()) {
                part.joined = part.joined.or(Some(now));
                part.from = part.from.or(Some(now));
                part.absent_since = now;
                if peers && part.status == "connecting" && !part.in_room {
                    part.status = if call.caller_lost.is_some() { "disconnected" } else { "connected" };
                    part.lost_since = call.caller_lost.unwrap_or(0);
                    part.lost_until = until;
                }
            }
        }
    }

    pub fn come_back(&mut self, id: CallId, user: Name, device: Name) {
        let now = self.now;
        let peers = self.calls[&id].topology != "sfu";
        let part = self.part(id, user);
        part.status = if peers { "connected" } else { "connecting" };
        part.in_room = false;
        part.absent_since = now;
        part.device = Some(device);
        self.alive(id);
        self.log(id, "participant_returned", Some(user), &format!("device={device:?} user={user:?}"));
        self.follow_up(id, Some(user), None, false);
    }

    pub fn alive(&mut self, id: CallId) {
        let call = self.calls.get_mut(&id).unwrap();
        call.recovery = None;
        call.caller_lost = None;
    }

    pub fn join(&mut self, id: CallId, user: Name, device: Name) -> Outcome {
        let id = self.name(id);
        let Some(call) = self.calls.get(&id).cloned() else { return GONE };
        let part = call.part(user);
        let late = call.in_channel && self.member(call.channel.unwrap(), user);
        if part.is_none() && !late {
            return GONE;
        }
        if call.over() {
            return Err("call_over");
        }
        match part {
            Some(part) if part.pending() => self.take(id, user, device)?,
            Some(part) if part.status == "disconnected" => self.come_back(id, user, device),
            Some(part) if part.joined_now() && part.device != Some(device) => {
                let here = |device| self.devices.contains_key(&(user, device));
                if !here(device) || part.device.is_some_and(here) {
                    return Err("answered_elsewhere");
                }
            }
            Some(part) if part.joined_now() => {}
            Some(part) if part.status == "left" && part.why == Some("removed") => return Err("forbidden"),
            Some(_) if call.waiting() => return Err("invalid_state"),
            _ if call.parts.iter().filter(|part| part.joined_now() && !part.helps).count() >= call.max => {
                return Err("call_full");
            }
            _ => {
                self.make_way(id, user, device)?;
                self.hold_others(user, id);
                if part.is_none() {
                    let newcomer = Part::new(user, self.now, call.media);
                    self.calls.get_mut(&id).unwrap().parts.push(newcomer);
                }
                self.enter(id, user, device);
                self.log(id, "participant_joined", Some(user), &format!("device={device:?} user={user:?}"));
                let part = self.text_of(id, user);
                self.tell_others(id, user, &format!("joined {id} at {} {part}", self.now));
                self.ask(id, user);
                self.follow_up(id, Some(user), None, false);
            }
        }
        Ok("joined")
    }

    pub fn refuse(&mut self, id: CallId, user: Name, word: &'static str) {
        let now = self.now;
        self.part(id, user).go(now, word, word);
        self.log(id, "declined", Some(user), &format!("reason={word:?} user={user:?}"));
        self.tell_others(id, user, &format!("declined {id} at {now} {user} {word}"));
        self.tell(user, &format!("answered-elsewhere {id} at {now} -"));
        self.follow_up(id, Some(user), Some(user), false);
    }

    pub fn decline(&mut self, id: CallId, user: Name, busy: bool) -> Outcome {
        let id = self.name(id);
        let Some((call, part)) = self.seen(id, user) else { return GONE };
        if part.status == "declined" || part.status == "busy" {
            return Ok("call");
        }
        if call.over() {
            return Err("call_over");
        }
        if part.joined_now() {
            return Err(if call.caller == user { "invalid_state" } else { "answered_elsewhere" });
        }
        if part.pending() {
            self.refuse(id, user, if busy { "busy" } else { "declined" });
        }
        Ok("call")
    }

    pub fn cancel(&mut self, id: CallId, user: Name) -> Outcome {
        let id = self.name(id);
        let Some((call, _)) = self.seen(id, user) else { return GONE };
        if call.caller != user {
            Err("forbidden")
        } else if call.waiting() {
            self.finish(id, "cancelled", "cancelled", Some(user), self.now, None);
            Ok("call")
        } else if call.status == "cancelled" {
            Ok("call")
        } else {
            Err(if call.over() { "call_over" } else { "invalid_state" })
        }
    }

    pub fn leave(&mut self, id: CallId, user: Name) -> Outcome {
        let id = self.name(id);
        if self.seen(id, user).is_none() {
            return GONE;
        }
        self.go(id, user, "asked");
        Ok("call")
    }

    pub fn go(&mut self, id: CallId, user: Name, how: &str) {
        let (call, part) = self.seen(id, user).unwrap();
        if call.over() || !part.engaged() {
            return;
        }
        if part.pending() {
            self.refuse(id, user, "declined");
        } else if call.waiting() {
            self.finish(id, "cancelled", "cancelled", Some(user), self.now, None);
        } else {
            self.leave_for(id, user, "completed", how);
        }
    }

    pub fn end(&mut self, id: CallId, user: Name, note: Option<&str>) -> Outcome {
        let id = self.name(id);
        let Some((call, part)) = self.seen(id, user) else { return GONE };
        if call.over() {
            return Ok("call");
        }
        if part.pending() {
            self.refuse(id, user, "declined");
        } else if part.joined_now() {
            let (status, reason) = if call.waiting() { ("cancelled", "cancelled") } else { ("ended", "completed") };
            self.finish(id, status, reason, Some(user), self.now, note);
        } else if call.running() {
            return Err("forbidden");
        }
        Ok("call")
    }

    pub fn invite(&mut self, id: CallId, by: Name, users: Vec<Name>) -> Outcome {
        let id = self.name(id);
        let Some((call, part)) = self.seen(id, by) else { return GONE };
        if call.over() {
            return Err("call_over");
        }
        if !part.joined_now() {
            return Err("forbidden");
        }
        let mut named = Vec::new();
        for user in users {
            if user != by && !named.contains(&user) {
                named.push(user);
            }
        }
        if named.is_empty() {
            return Err("invalid_request");
        }
        named.retain(|user| !call.part(user).is_some_and(Part::engaged));
        if named.is_empty() {
            return Ok("call");
        }
        if !self.config.group_calls {
            return Err("feature_disabled");
        }
        if call.places_taken() + named.len() > call.max {
            return Err("call_full");
        }
        let mut busy = Vec::new();
        for user in &named {
            let overrun = self.rings(user) >= 16;
            let mut part = Part::new(user, self.now, call.media);
            if let Some(known) = call.part(user) {
                part =
                    Part { status: "invited", invited: self.now, device: None, left: None, why: None, ..known.clone() };
            }
            if overrun {
                part.go(self.now, "busy", "busy");
                busy.push(*user);
            }
            let call = self.calls.get_mut(&id).unwrap();
            match call.parts.iter_mut().find(|known| known.user == *user) {
                Some(known) => *known = part,
                None => call.parts.push(part),
            }
        }
        self.calls.get_mut(&id).unwrap().one_to_one = false;
        self.log(id, "invited", Some(by), &format!("users={}", list(&named)));
        let known: Vec<Name> = call.parts.iter().filter(|part| part.engaged()).map(|part| part.user).collect();
        for user in &named {
            let part = self.text_of(id, user);
            known.iter().for_each(|one| self.tell(one, &format!("invited {id} at {} {part} by {by}", self.now)));
        }
        for user in busy {
            self.tell_others(id, "", &format!("declined {id} at {} {user} busy", self.now));
        }
        self.follow_up(id, Some(by), None, false);
        self.ring(id);
        Ok("call")
    }

    pub fn set_media(
        &mut self,
        id: CallId,
        user: Name,
        muted: Option<bool>,
        screen: Option<bool>,
        quality: Option<&'static str>,
    ) -> Outcome {
        let id = self.name(id);
        let Some((call, before)) = self.seen(id, user) else { return GONE };
        if call.over() {
            return Err("call_over");
        }
        if !before.joined_now() {
            return Err("invalid_state");
        }
        if screen == Some(true) && !self.config.screen_sharing {
            return Err("feature_disabled");
        }
        if muted == Some(false) && before.shut {
            return Err("forbidden");
        }
        let part = self.part(id, user);
        part.muted = muted.unwrap_or(part.muted);
        part.screen = screen.unwrap_or(part.screen);
        part.quality = quality.unwrap_or(part.quality);
        let part = part.clone();
        if (part.muted, part.screen, part.quality) != (before.muted, before.screen, before.quality) {
            let Part { muted, video, screen, quality, .. } = part;
            let payload = format!(
                "isMuted={muted} isScreenSharing={screen} isVideoEnabled={video} user={user:?} videoQuality={quality:?}"
            );
            self.log(id, "media_state_changed", Some(user), &payload);
            self.tell_others(id, user, &format!("media {id} at {} {user} {muted}/{video}/{screen}", self.now));
        }
        Ok("call")
    }

    pub fn media_joined(&mut self, id: CallId, user: Name, device: Name, helps: bool) -> Outcome {
        let id = self.name(id);
        let Some(call) = self.calls.get(&id).cloned() else { return GONE };
        let Some(part) = call.part(user).filter(|part| part.engaged() && !call.over()) else {
            if call.over() {
                self.out.push(format!("room {id} close"));
                return Err("call_over");
            }
            self.out.push(format!("room {id} remove {user}"));
            return Err(if call.part(user).is_some() { "invalid_state" } else { "call_not_found" });
        };
        let comes = if helps { Self::take_in } else { Self::take };
        if part.pending()
            && let Err(full) = comes(self, id, user, device)
        {
            self.out.push(format!("room {id} remove {user}"));
            return Err(full);
        }
        let was_between_peers = self.calls[&id].topology != "sfu";
        if let Err(nothing) = self.move_to_room(id, user, "livekit_join") {
            self.out.push(format!("room {id} remove {user}"));
            return Err(nothing);
        }
        let part = self.part(id, user);
        let there = part.status == "connected" || (part.status == "connecting" && part.in_room);
        if there && !was_between_peers && part.device == Some(device) && part.helps == helps {
            return Ok("done");
        }
        part.device = Some(device);
        part.helps = helps;
        part.in_room = true;
        if part.status == "disconnected" {
            part.status = "connecting";
        }
        self.alive_unless_up(id, user);
        self.log(id, "media_joined", Some(user), &format!("device={device:?} user={user:?}"));
        self.follow_up(id, Some(user), None, false);
        Ok("done")
    }

    /// One who has media and opens a second session is no more alive than before, which makes no difference: nobody waits for them.
    fn alive_unless_up(&mut self, id: CallId, user: Name) {
        if self.part(id, user).status != "connected" {
            self.alive(id);
        }
    }

    pub fn media_connected(&mut self, id: CallId, user: Name) -> Outcome {
        let id = self.name(id);
        let Some((call, part)) = self.seen(id, user) else { return GONE };
        if call.over() {
            return Err("call_over");
        }
        if !part.joined_now() {
            return Err("invalid_state");
        }
        if part.status != "connected" {
            let part = self.part(id, user);
            part.status = "connected";
            part.in_room = true;
            self.alive(id);
            self.log(id, "media_connected", Some(user), &format!("user={user:?}"));
            self.follow_up(id, Some(user), None, false);
        }
        Ok("done")
    }

    pub fn media_left(&mut self, id: CallId, user: Name, clean: bool) -> Outcome {
        let id = self.name(id);
        let Some((call, part)) = self.seen(id, user) else { return GONE };
        if call.over() || !part.joined_now() || part.absent() || call.topology != "sfu" {
            return Ok("done");
        }
        if clean {
            self.go(id, user, "room");
        } else if part.status != "disconnected" {
            let (now, until) = (self.now, self.now + self.reconnect());
            let part = self.part(id, user);
            part.status = "disconnected";
            part.lost_since = now;
            part.lost_until = until;
            let written = model::Timestamp(until).to_rfc3339();
            self.log(id, "participant_disconnected", None, &format!("until={written:?} user={user:?}"));
            self.follow_up(id, None, None, false);
        }
        Ok("done")
    }

    /// The process dies. What is left is what the store has.
    pub fn crash(&mut self) -> Vec<Call> {
        self.devices.clear();
        self.said.clear();
        self.linger.clear();
        self.told.clear();
        let calls = std::mem::take(&mut self.calls);
        calls.into_values().filter(|call| !call.over()).collect()
    }

    pub fn restore(&mut self, mut call: Call, seen: i64) {
        let id = call.id;
        let (now, until) = (self.now, self.now + self.reconnect());
        let (waiting, told) = (call.waiting(), call.status == "ringing");
        call.request = None;
        call.starts.clear();
        call.caller_lost = waiting.then_some(now);
        call.recovery = (!waiting).then_some((seen, until));
        call.empty_since = (!waiting).then_some(now);
        for part in &mut call.parts {
            part.still_unknown();
            part.past = part.past / 1_000 * 1_000;
            part.from = part.joined.map(|joined| joined + part.past);
            if part.joined_now() {
                part.status = if waiting { "connecting" } else { "disconnected" };
                (part.in_room, part.helps) = (false, false);
                part.lost_since = seen;
                part.lost_until = until;
                part.can = None;
            }
        }
        let rings_until = call.parts.iter().filter(|part| part.pending()).map(|part| part.invited + call.ring).max();
        self.calls.insert(id, call);
        match rings_until {
            Some(at) if waiting && at <= now => {
                let word = if told { "no_answer" } else { "timeout" };
                self.finish(id, word, word, None, at, None);
            }
            _ => {
                self.log(id, "restored", None, "");
                let max = self.calls[&id].max;
                self.out.push(format!("room {id} open {max}"));
                self.record_on(id);
                let held: Vec<Name> =
                    self.calls[&id].parts.iter().filter(|part| part.held).map(|part| part.user).collect();
                self.hold_in_room(id, &held, true);
            }
        }
    }
}

/// As JSON without spaces.
pub(super) fn list(users: &[Name]) -> String {
    let quoted: Vec<String> = users.iter().map(|user| format!("{user:?}")).collect();
    format!("[{}]", quoted.join(","))
}
