//! Whether a token's grants allow a method.

use model::RoomName;

use super::error::{Code, TwirpError};
use crate::livekit::no_room_name;

/// Whoever holds the token of a request.
pub(super) struct Asker {
    pub claims: auth::LiveKitClaims,
}

impl Asker {
    /// May make and delete rooms.
    pub fn may_create(&self) -> Result<(), TwirpError> {
        granted(self.claims.video.room_create)
    }

    /// May list rooms.
    pub fn may_list(&self) -> Result<(), TwirpError> {
        granted(self.claims.video.room_list)
    }

    /// May act in this room.
    pub fn may_administer(&self, room: &str) -> Result<RoomName, TwirpError> {
        let video = &self.claims.video;
        granted(video.room_admin && video.room == room)?;
        room_name(room)
    }

    /// May send participants of one room to another.
    pub fn may_send(&self, from: &str, to: &str) -> Result<(RoomName, RoomName), TwirpError> {
        let room = self.may_administer(from)?;
        granted(self.claims.video.destination_room == to)?;
        if from == to {
            return Err(TwirpError::argument("destination room cannot be the same as source room", ""));
        }
        Ok((room, room_name(to)?))
    }
}

fn granted(granted: bool) -> Result<(), TwirpError> {
    if granted { Ok(()) } else { Err(denied()) }
}

/// Whoever asks may not. LiveKit's own code for it; SDKs look at the status.
pub(super) fn denied() -> TwirpError {
    TwirpError::new(Code::Unauthenticated, "permissions denied".to_owned())
}

/// A room's name, where it is one.
pub(super) fn room_name(name: &str) -> Result<RoomName, TwirpError> {
    RoomName::new(name).map_err(|error| TwirpError::from_behind(Code::InvalidArgument, no_room_name(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asker(video: auth::VideoGrant) -> Asker {
        Asker { claims: auth::LiveKitClaims { video, ..Default::default() } }
    }

    #[test]
    fn a_grant_is_for_its_room_and_its_kind_of_act() {
        let admin = asker(auth::VideoGrant { room_admin: true, room: "a".into(), ..Default::default() });
        assert!(admin.may_administer("a").is_ok());
        for refused in [admin.may_administer("b").is_err(), admin.may_create().is_err(), admin.may_list().is_err()] {
            assert!(refused);
        }
        assert!(admin.may_send("a", "b").is_err());
        let join = asker(auth::VideoGrant { room_join: true, room: "a".into(), ..Default::default() });
        assert!(join.may_administer("a").is_err());
        let mover = auth::VideoGrant { destination_room: "b".into(), ..admin.claims.video };
        let mover = asker(mover);
        assert!(mover.may_send("a", "b").is_ok() && mover.may_send("a", "c").is_err());
        assert!(asker(auth::VideoGrant { room_admin: true, ..Default::default() }).may_administer("").is_err());
    }
}
