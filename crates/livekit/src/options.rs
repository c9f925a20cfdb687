//! The options of a room. They come from the request that creates it, or from the token of the participant who opens it by joining.
//!
//! Both are parsed here, so that the same options are accepted and refused. An option that isn't supported is refused, never ignored.

use std::collections::BTreeMap;
use std::time::Duration;

use livekit_protocol as proto;
use sfu::PlayoutDelay;

use crate::json;
use crate::limits::{LONGEST_METADATA, LONGEST_TAGS, LONGEST_TIMEOUT};
use crate::requests::RoomRefusal;
use crate::room::Room;

/// The longest playout delay if only the shortest was given. LiveKit uses the same value.
const MOST_PLAYOUT_DELAY: Duration = Duration::from_secs(10);

/// The options of a room. `None`: not given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RoomOptions {
    /// How long the room stays open before anyone has joined.
    pub empty_timeout: Option<Duration>,
    /// How long the room stays open after everyone has left.
    pub departure_timeout: Option<Duration>,
    /// The most participants it admits.
    pub max_participants: Option<usize>,
    /// Metadata that everyone in the room can read.
    pub metadata: Option<String>,
    /// How long subscribers should delay video.
    pub playout_delay: Option<PlayoutDelay>,
    /// Whether subscribers should play a participant's tracks in sync.
    pub sync_streams: Option<bool>,
    /// Labels for the operator.
    pub tags: BTreeMap<String, String>,
}

impl RoomOptions {
    /// The options in an access token, for the room that its holder may open.
    pub fn of_token(claims: &auth::LiveKitClaims) -> Result<Self, RoomRefusal> {
        let config: proto::RoomConfiguration = match &claims.room_config {
            Some(config) => serde_json::to_vec(config)
                .ok()
                .and_then(|config| json::read(&config).ok())
                .ok_or(RoomRefusal::Invalid("the room's configuration cannot be read"))?,
            None => proto::RoomConfiguration::default(),
        };
        Self::try_from(proto::CreateRoomRequest {
            room_preset: claims.room_preset.clone(),
            empty_timeout: config.empty_timeout,
            departure_timeout: config.departure_timeout,
            max_participants: config.max_participants,
            metadata: config.metadata,
            egress: config.egress,
            agents: config.agents,
            min_playout_delay: config.min_playout_delay,
            max_playout_delay: config.max_playout_delay,
            sync_streams: config.sync_streams,
            tags: config.tags,
            ..Default::default()
        })
    }

    /// Refuses metadata and tags that are too long.
    pub(crate) fn check(&self) -> Result<(), RoomRefusal> {
        if self.metadata.as_ref().is_some_and(|metadata| metadata.len() > LONGEST_METADATA) {
            return Err(RoomRefusal::TooLong { what: "metadata size exceeds limits", most: LONGEST_METADATA });
        }
        if self.tags.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>() > LONGEST_TAGS {
            return Err(RoomRefusal::Invalid("tags exceed limits"));
        }
        Ok(())
    }
}

impl TryFrom<proto::CreateRoomRequest> for RoomOptions {
    type Error = RoomRefusal;

    /// As in LiveKit, zero and empty values count as not given.
    fn try_from(request: proto::CreateRoomRequest) -> Result<Self, RoomRefusal> {
        if request.egress.is_some() {
            return Err(RoomRefusal::Unsupported("egress of a room is not supported"));
        }
        if !request.agents.is_empty() {
            return Err(RoomRefusal::Unsupported("agents of a room are not supported"));
        }
        if !request.room_preset.is_empty() {
            return Err(RoomRefusal::Invalid("unknown room preset: this server has none"));
        }
        let options = Self {
            empty_timeout: timeout(request.empty_timeout)?,
            departure_timeout: timeout(request.departure_timeout)?,
            max_participants: (request.max_participants > 0).then_some(request.max_participants as usize),
            metadata: (!request.metadata.is_empty()).then_some(request.metadata),
            playout_delay: playout_delay(request.min_playout_delay, request.max_playout_delay)?,
            sync_streams: request.sync_streams.then_some(true),
            tags: request.tags.into_iter().collect(),
        };
        options.check().map(|()| options)
    }
}

fn timeout(seconds: u32) -> Result<Option<Duration>, RoomRefusal> {
    let timeout = Duration::from_secs(seconds.into());
    if timeout > LONGEST_TIMEOUT {
        return Err(RoomRefusal::Invalid("a timeout is longer than a week"));
    }
    Ok((seconds > 0).then_some(timeout))
}

/// Both in milliseconds.
fn playout_delay(least: u32, most: u32) -> Result<Option<PlayoutDelay>, RoomRefusal> {
    if (least, most) == (0, 0) {
        return Ok(None);
    }
    let most = if most == 0 { MOST_PLAYOUT_DELAY } else { Duration::from_millis(most.into()) };
    let delay = PlayoutDelay::new(Duration::from_millis(least.into()), most);
    delay.map(Some).ok_or(RoomRefusal::Invalid("the playout delay is no range within 40 seconds"))
}

impl Room {
    /// Options that aren't given stay as they are.
    pub(crate) fn apply(&mut self, options: RoomOptions) {
        if let Some(timeout) = options.empty_timeout {
            self.membership.facts.empty_timeout = timeout;
        }
        if let Some(timeout) = options.departure_timeout {
            self.membership.facts.close_after = timeout;
        }
        if let Some(most) = options.max_participants {
            self.membership.facts.max_participants = most;
        }
        if let Some(metadata) = options.metadata {
            self.membership.facts.metadata = metadata;
        }
        if options.playout_delay.is_some() {
            self.membership.facts.playout_delay = options.playout_delay;
            self.media.set_playout_delay(options.playout_delay);
        }
        if let Some(sync) = options.sync_streams {
            self.membership.facts.sync_streams = sync;
        }
        if !options.tags.is_empty() && options.tags != self.membership.facts.tags {
            tracing::info!(room = self.init.name, tags = ?options.tags, "a room is tagged");
            self.membership.facts.tags = options.tags;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(config: &str) -> Result<RoomOptions, RoomRefusal> {
        let room_config = Some(serde_json::from_str(config).expect("an object"));
        RoomOptions::of_token(&auth::LiveKitClaims { room_config, ..Default::default() })
    }

    #[test]
    fn a_token_says_all_that_a_request_may() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        let all = RoomOptions {
            empty_timeout: seconds(60),
            departure_timeout: seconds(2),
            max_participants: Some(1),
            metadata: Some("mm".into()),
            playout_delay: PlayoutDelay::new(Duration::from_millis(200), Duration::from_secs(2)),
            sync_streams: Some(true),
            tags: [("team".to_owned(), "a".to_owned())].into(),
        };
        let camel = r#"{"name":"n","maxParticipants":1,"departureTimeout":2,"emptyTimeout":60,"metadata":"mm",
            "minPlayoutDelay":200,"maxPlayoutDelay":2000,"syncStreams":true,"tags":{"team":"a"}}"#;
        let snake = r#"{"name":"n","max_participants":1,"departure_timeout":2,"empty_timeout":60,"metadata":"mm",
            "min_playout_delay":200,"max_playout_delay":2000,"sync_streams":true,"tags":{"team":"a"}}"#;
        assert_eq!((of(camel), of(snake)), (Ok(all.clone()), Ok(all)));
        // What the SDKs send if nothing was set.
        let nothing = r#"{"name":"","emptyTimeout":0,"agents":[],"tags":{},"syncStreams":false,"metadata":""}"#;
        assert_eq!((of("{}"), of(nothing)), (Ok(RoomOptions::default()), Ok(RoomOptions::default())));
    }

    #[test]
    fn what_is_not_taken_is_refused() {
        let long = format!(r#"{{"metadata":"{}"}}"#, "x".repeat(LONGEST_METADATA + 1));
        let tags = format!(r#"{{"tags":{{"t":"{}"}}}}"#, "x".repeat(LONGEST_TAGS));
        for (config, words) in [
            (r#"{"agents":[{"agentName":"a"}]}"#, "agents of a room are not supported"),
            (r#"{"egress":{"tracks":{"filepath":"x"}}}"#, "egress of a room is not supported"),
            (r#"{"maxParticipants":-1}"#, "the room's configuration cannot be read"),
            (r#"{"metadata":{}}"#, "the room's configuration cannot be read"),
            (r#"{"emptyTimeout":604801}"#, "a timeout is longer than a week"),
            (r#"{"departureTimeout":604801}"#, "a timeout is longer than a week"),
            (r#"{"minPlayoutDelay":3000,"maxPlayoutDelay":2000}"#, "the playout delay is no range within 40 seconds"),
            (r#"{"maxPlayoutDelay":41000}"#, "the playout delay is no range within 40 seconds"),
            (&long, "metadata size exceeds limits 65536"),
            (&tags, "tags exceed limits"),
        ] {
            assert_eq!(of(config).unwrap_err().to_string(), words, "{config:.60}");
        }
        let preset = auth::LiveKitClaims { room_preset: "big".into(), ..Default::default() };
        let refused = RoomOptions::of_token(&preset).unwrap_err();
        assert_eq!(refused.to_string(), "unknown room preset: this server has none");
    }
}
