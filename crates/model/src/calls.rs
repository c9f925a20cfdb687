//! The enums of a call, with the words they have on the wire and the numbers they have in the store.

use crate::words::words;

words! {
    /// Whether a call is for two people or for a group.
    CallKind {
        /// Two users. It ends when only one is left.
        OneToOne = 1, "one_to_one";
        /// Any number up to the limit.
        Group = 2, "group";
    }
}

words! {
    /// What media a call was started with.
    CallMedia {
        /// Sound only.
        Voice = 1, "voice";
        /// Camera and sound.
        Video = 2, "video";
        /// A screen and sound.
        ScreenShare = 3, "screen_share";
    }
}

words! {
    /// Which path the media takes.
    Topology {
        /// Browser to browser, two participants.
        P2p = 1, "p2p";
        /// Through the server.
        Sfu = 2, "sfu";
        /// Browser to browser, more than two.
        Mesh = 3, "mesh";
    }
}

words! {
    /// The status of a call.
    CallStatus {
        /// Created; nobody has been told yet.
        Initiating = 1, "initiating";
        /// At least one device rings.
        Ringing = 2, "ringing";
        /// Accepted; media is not connected yet.
        Connecting = 3, "connecting";
        /// At least two participants have media.
        Connected = 4, "connected";
        /// Ended after it was accepted.
        Ended = 5, "ended";
        /// Ended by a fault (a crash, a connection lost for good).
        Failed = 6, "failed";
        /// The caller gave up while it rang.
        Cancelled = 7, "cancelled";
        /// Everyone who was called declined.
        Declined = 8, "declined";
        /// Everyone who was called was busy.
        Busy = 9, "busy";
        /// Nobody answered, and no device was reached.
        Timeout = 10, "timeout";
        /// A device rang, but nobody answered.
        NoAnswer = 11, "no_answer";
    }
}

impl CallStatus {
    /// Whether the call is over.
    pub const fn is_over(self) -> bool {
        match self {
            CallStatus::Initiating | CallStatus::Ringing | CallStatus::Connecting | CallStatus::Connected => false,
            CallStatus::Ended
            | CallStatus::Failed
            | CallStatus::Cancelled
            | CallStatus::Declined
            | CallStatus::Busy
            | CallStatus::Timeout
            | CallStatus::NoAnswer => true,
        }
    }
}

words! {
    /// The status of one participant.
    ParticipantStatus {
        /// Called, but no device has been told yet.
        Invited = 1, "invited";
        /// At least one device rings.
        Ringing = 2, "ringing";
        /// Accepted; media is not connected yet.
        Connecting = 3, "connecting";
        /// Has media.
        Connected = 4, "connected";
        /// The connection was lost; they may come back within the reconnect window.
        Disconnected = 5, "disconnected";
        /// Left for good (or never answered a call that continued).
        Left = 6, "left";
        /// Declined the call.
        Declined = 7, "declined";
        /// In another call.
        Busy = 8, "busy";
    }
}

impl ParticipantStatus {
    /// Whether the call concerns them now: they are in it, even if their connection is lost, or it is ringing for them.
    pub const fn is_engaged(self) -> bool {
        match self {
            ParticipantStatus::Invited
            | ParticipantStatus::Ringing
            | ParticipantStatus::Connecting
            | ParticipantStatus::Connected
            | ParticipantStatus::Disconnected => true,
            ParticipantStatus::Left | ParticipantStatus::Declined | ParticipantStatus::Busy => false,
        }
    }
}

words! {
    /// Why a call or a participation ended.
    EndReason {
        /// Hung up normally.
        Completed = 1, "completed";
        /// The caller gave up.
        Cancelled = 2, "cancelled";
        /// Someone who was called declined.
        Declined = 3, "declined";
        /// Busy in another call.
        Busy = 4, "busy";
        /// Nobody answered a device that rang.
        NoAnswer = 5, "no_answer";
        /// No device was reached.
        Timeout = 6, "timeout";
        /// The last participant left.
        Empty = 7, "empty";
        /// Removed by a moderator.
        Removed = 8, "removed";
        /// Lost the connection for longer than the reconnect window.
        ConnectionLost = 9, "connection_lost";
        /// The server failed or was restarted.
        ServerFailure = 10, "server_failure";
    }
}

words! {
    /// What a token allows its user to do.
    Permission {
        /// Start calls.
        CallsCreate = 1, "calls:create";
        /// Enter calls.
        CallsJoin = 2, "calls:join";
        /// Record calls.
        CallsRecord = 3, "calls:record";
        /// Start streams.
        StreamsCreate = 4, "streams:create";
        /// Moderate streams.
        StreamsModerate = 5, "streams:moderate";
        /// Do everything that an administrator may.
        Admin = 6, "admin";
    }
}

words! {
    /// What an API key of a backend is for.
    Scope {
        /// Push, list, export and erase users.
        Users = 1, "users";
        /// Push, change and delete channels.
        Channels = 2, "channels";
        /// Act on calls in the name of users.
        Calls = 3, "calls";
        /// Do everything that an administrator may.
        Admin = 4, "admin";
    }
}

words! {
    /// Presets of a camera.
    VideoQuality {
        /// 320×180, 15 fps.
        P180 = 1, "180p";
        /// 640×360, 30 fps.
        P360 = 2, "360p";
        /// 1280×720, 30 fps.
        P720 = 3, "720p";
        /// 1920×1080, 30 fps.
        P1080 = 4, "1080p";
    }
}

words! {
    /// How a call is transferred to someone else.
    TransferMode {
        /// The person transferring leaves as soon as the target accepts.
        Blind = 1, "blind";
        /// The person transferring talks to the target first.
        Attended = 2, "attended";
    }
}

words! {
    /// Why the media of a call takes a different path than before.
    TopologyReason {
        /// More than two people are in it.
        ThirdJoined = 1, "third_joined";
        /// A LiveKit client entered the call's room.
        LivekitJoin = 2, "livekit_join";
        /// A client reported that peer-to-peer does not connect.
        MediaFailed = 3, "media_failed";
        /// A device joined that does not support the path the call used.
        DeviceMedia = 4, "device_media";
        /// Participants signal to each other and nobody is in the room.
        PeerSignalling = 5, "peer_signalling";
        /// The call is recorded, so the server has to hear it.
        Recording = 6, "recording";
    }
}

words! {
    /// How good a connection is.
    QualityBand {
        /// No problems.
        Excellent = 1, "excellent";
        /// Hardly noticeable problems.
        Good = 2, "good";
        /// Noticeable problems.
        Fair = 3, "fair";
        /// Hard to understand.
        Poor = 4, "poor";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_and_number_reads_back() {
        for status in CallStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(*status));
            assert_eq!(CallStatus::from_number(status.number().into()), Some(*status));
        }
        for permission in Permission::ALL {
            assert_eq!(permission.as_str().parse(), Ok(*permission));
        }
    }
}
