//! Between whom the media goes: from peer to peer, in a mesh or through the SFU.

use model::CallId;

use super::{Can, Name, Outcome, Part, Reference};

impl Reference {
    pub fn declared(&mut self, user: Name, device: Name, can: Can, waiting: bool) -> Outcome {
        self.said.insert((user, device), (can, waiting));
        Ok("done")
    }

    pub fn can(&self, user: Name, device: Name) -> Can {
        self.said.get(&(user, device)).and_then(|said| said.0)
    }

    /// What the connected devices can do between them.
    pub fn can_all(&self, user: Name) -> Can {
        let mut all = None;
        for (owner, device) in self.devices.keys().filter(|(owner, _)| *owner == user) {
            let (p2p, sfu) = self.can(owner, device)?;
            let (a, b) = all.unwrap_or((false, false));
            all = Some((a || p2p, b || sfu));
        }
        all
    }

    pub fn topology(&self, one_to_one: bool, said: &[Can]) -> Option<&'static str> {
        let p2p = !self.server_hears(None) && said.iter().all(|can| can.is_none_or(|can| can.0));
        let sfu = said.iter().all(|can| can.is_none_or(|can| can.1));
        let all_say = said.iter().all(Option::is_some);
        match (one_to_one, p2p, sfu) {
            (true, true, _) if all_say => Some("p2p"),
            (_, _, true) => Some("sfu"),
            (true, true, false) => Some("p2p"),
            (false, true, false) => Some("mesh"),
            (_, false, false) => None,
        }
    }

    /// Those in the call who stay when `user` comes.
    pub fn beside(&self, id: CallId, user: Name) -> Vec<Part> {
        let call = &self.calls[&id];
        let going = call.passes.as_ref().filter(|passing| passing.target == user && passing.mode == "blind");
        let going = going.map(|passing| passing.by);
        let stays = |part: &&Part| part.joined_now() && part.user != user && Some(part.user) != going;
        call.parts.iter().filter(stays).cloned().collect()
    }

    pub fn make_way(&mut self, id: CallId, user: Name, device: Name) -> Result<(), &'static str> {
        let others = self.beside(id, user);
        let coming = self.can(user, device);
        let all = |which: fn((bool, bool)) -> bool| {
            others.iter().map(|part| part.can).chain([coming]).all(|can| can.is_none_or(which))
        };
        let (p2p, sfu) = (all(|can| can.0) && !self.server_hears(Some(id)), all(|can| can.1));
        let media =
            others.iter().any(|part| part.status == "connected" || (part.status == "connecting" && part.in_room));
        let one_to_one = self.calls[&id].one_to_one;
        let topology = self.calls[&id].topology;
        let third = others.len() >= 2;
        let (to, why) = match topology {
            "p2p" if third && sfu => ("sfu", "third_joined"),
            "p2p" if third && p2p => ("mesh", "third_joined"),
            "p2p" if third => return Err("no_common_media"),
            "p2p" | "mesh" if p2p => return Ok(()),
            "p2p" | "mesh" if sfu => ("sfu", "device_media"),
            "sfu" if sfu => return Ok(()),
            "sfu" if p2p && !media => (if one_to_one { "p2p" } else { "mesh" }, "device_media"),
            _ => return Err("no_common_media"),
        };
        self.turn_to(id, to, why, user);
        Ok(())
    }

    fn turn_to(&mut self, id: CallId, to: &'static str, why: &str, by: Name) {
        let now = self.now;
        let call = self.calls.get_mut(&id).unwrap();
        call.topology = to;
        if call.running() {
            for part in call.parts.iter_mut().filter(|part| part.joined_now() && part.status != "disconnected") {
                if to != "sfu" {
                    part.status = "connected";
                } else if part.status == "connected" {
                    part.status = "connecting";
                    part.in_room = false;
                    part.absent_since = now;
                }
            }
        }
        self.log(id, "topology_changed", Some(by), &format!("reason={why:?} topology={to:?}"));
        for part in self.calls[&id].parts.clone() {
            if part.joined_now() {
                self.tell(part.user, &format!("topology {id} at {now} {to} {why} on {}", part.device.unwrap()));
            }
        }
        self.follow_up(id, Some(by), None, false);
    }

    pub fn move_to_room(&mut self, id: CallId, by: Name, why: &str) -> Result<(), &'static str> {
        let call = &self.calls[&id];
        if call.topology == "sfu" {
            return Ok(());
        }
        let cannot = |part: &Part| part.joined_now() && part.user != by && part.can.is_some_and(|can| !can.1);
        if call.parts.iter().any(cannot) {
            return Err("no_common_media");
        }
        self.turn_to(id, "sfu", why, by);
        Ok(())
    }

    pub fn media_failed(&mut self, id: CallId, user: Name) -> Outcome {
        let id = self.name(id);
        self.inside(id, user)?;
        let own = self.part(id, user).can;
        if self.calls[&id].topology != "sfu" && own.is_some_and(|can| !can.1) {
            return Err("no_common_media");
        }
        self.move_to_room(id, user, "media_failed")?;
        Ok("call")
    }

    pub fn peer_signalled(&mut self, id: CallId, user: Name) -> Outcome {
        let id = self.name(id);
        self.inside(id, user)?;
        let hears = self.server_hears(Some(id));
        let call = &self.calls[&id];
        let fits = |part: &Part| {
            let in_room = part.status == "connected" || (part.status == "connecting" && part.in_room);
            !part.joined_now() || (!in_room && part.can.is_none_or(|can| can.0 && !can.1))
        };
        if call.topology == "sfu" && !hears && call.running() && call.parts.iter().all(fits) {
            let to = if call.one_to_one { "p2p" } else { "mesh" };
            self.turn_to(id, to, "peer_signalling", user);
        }
        Ok("done")
    }

    fn of_device(&self, user: Name, device: Name, status: &str) -> Vec<CallId> {
        let mine = |part: &Part| part.device == Some(device) && part.status == status;
        let all = self.calls.values().filter(|call| call.running() && call.topology != "sfu");
        all.filter(|call| call.part(user).is_some_and(mine)).map(|call| call.id).collect()
    }

    pub fn peer_gone(&mut self, user: Name, device: Name) {
        for id in self.of_device(user, device, "connected") {
            self.lose(id, user);
        }
    }

    pub fn peer_back(&mut self, user: Name, device: Name) {
        for id in self.of_device(user, device, "disconnected") {
            self.come_back(id, user, device);
        }
    }

    pub fn lose(&mut self, id: CallId, user: Name) {
        let (now, until) = (self.now, self.now + self.reconnect());
        let part = self.part(id, user);
        part.status = "disconnected";
        part.lost_since = now;
        part.lost_until = until;
        let written = model::Timestamp(until).to_rfc3339();
        self.log(id, "participant_disconnected", None, &format!("until={written:?} user={user:?}"));
        self.follow_up(id, None, None, false);
    }
}
