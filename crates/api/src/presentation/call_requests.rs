//! What clients ask about a call, in the API's own JSON, checked as far as form goes.

use std::time::Duration;

use ::call::{CallSnapshot, InitiateCall, Target};
use model::{CallId, CallMedia, ChannelId, Permission, UserId};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{AUDIO_MARK, schema};
use crate::access::caller::Caller;
use crate::http::error::{ApiError, ApiResult};
use crate::state::AppState;

const RING_SECONDS: std::ops::RangeInclusive<u64> = 5..=180;
const LONGEST_METADATA: usize = 16 * 1024;
/// The longest reason a client may give, in characters; more is cut off.
pub(crate) const LONGEST_REASON: usize = 200;
const MOST_TARGETS: usize = 1_000;

/// A new call. It rings the users in `targetUserId`, `targetUserIds` and `participants` together or, without any of these, the
/// members of the channel.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Initiate {
    /// A UUID that the client chooses. Repeating the request with it returns the same call.
    call_id: Option<String>,
    #[serde(rename = "type")]
    #[schema(value_type = Option<schema::CallType>)]
    word: Option<String>,
    /// Another name for `type`.
    #[schema(value_type = Option<schema::CallType>)]
    pub call_type: Option<String>,
    /// One user to call. The call is one-to-one.
    pub target_user_id: Option<String>,
    target_user_ids: Option<Vec<String>>,
    participants: Option<Vec<String>>,
    pub channel_id: Option<String>,
    /// An object for your app's own use, at most 16 KiB.
    metadata: Option<Value>,
    /// How long to ring, in seconds: 5 to 180.
    ring_timeout: Option<u64>,
}

/// Why the call is declined.
#[derive(Default, Deserialize, ToSchema)]
pub(crate) struct Decline {
    pub reason: Option<DeclineReason>,
}

/// Either busy or simply declined.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DeclineReason {
    Busy,
    Declined,
}

/// What the client reports about the end of the call.
#[derive(Default, Deserialize, ToSchema)]
pub(crate) struct End {
    pub reason: Option<String>,
    /// Accepted but ignored: the server measures the duration itself.
    #[serde(rename = "duration")]
    #[allow(dead_code)]
    duration: Option<f64>,
}

/// Starts a call, in whatever shape it is then answered.
pub(crate) async fn start(state: &AppState, caller: &Caller, body: Initiate) -> ApiResult<CallSnapshot> {
    caller.require(Permission::CallsCreate)?;
    let request = request(body, caller)?;
    if let Target::Users { users, .. } = &request.target {
        state.people.prepare(users.iter().chain([&caller.user]));
    }
    Ok(state.handle().initiate(request).await?)
}

/// The request for a new call, checked as far as form goes.
fn request(body: Initiate, caller: &Caller) -> ApiResult<InitiateCall> {
    let id = body.call_id.as_deref().map(str::parse::<CallId>).transpose();
    let word = body.word.or(body.call_type);
    let (media, is_audio) = media(word.as_deref())?;
    let ring_timeout = match body.ring_timeout {
        None => None,
        Some(seconds) if RING_SECONDS.contains(&seconds) => Some(Duration::from_secs(seconds)),
        Some(_) => return Err(ApiError::invalid("ringTimeout", "must be from 5 to 180 seconds")),
    };
    let channel =
        body.channel_id.map(ChannelId::new).transpose().map_err(|error| ApiError::invalid_id("channelId", &error))?;
    let mut users = user_ids("targetUserId", body.target_user_id.as_slice())?;
    users.extend(user_ids("targetUserIds", body.target_user_ids.as_deref().unwrap_or_default())?);
    users.extend(user_ids("participants", body.participants.as_deref().unwrap_or_default())?);
    let mut seen = std::collections::HashSet::new();
    users.retain(|user| *user != caller.user && seen.insert(user.clone()));
    let spoke_of_users = body.target_user_id.is_some() || body.target_user_ids.is_some() || body.participants.is_some();
    let target = match channel {
        Some(channel) if users.is_empty() && !spoke_of_users => Target::Channel(channel),
        Some(channel) if users.is_empty() && body.target_user_id.is_none() => Target::Channel(channel),
        channel => {
            if users.is_empty() {
                return Err(ApiError::invalid("targetUserId", "name a user or a channel to call"));
            }
            let one_to_one = body.target_user_id.is_some() && users.len() == 1;
            Target::Users { users, channel, one_to_one }
        }
    };
    Ok(InitiateCall {
        id: id.map_err(|error| ApiError::invalid_id("callId", &error))?,
        caller: caller.user.clone(),
        device: caller.device.clone(),
        target,
        media,
        ring_timeout,
        metadata: metadata(body.metadata, is_audio)?,
    })
}

/// What a call is started with, and whether the client's word for it was `audio`.
fn media(word: Option<&str>) -> ApiResult<(CallMedia, bool)> {
    match word {
        None => Ok((CallMedia::Voice, false)),
        Some("audio") => Ok((CallMedia::Voice, true)),
        Some(word) => match word.parse() {
            Ok(media) => Ok((media, false)),
            Err(()) => Err(ApiError::invalid("type", "must be voice, audio, video or screen_share")),
        },
    }
}

fn metadata(given: Option<Value>, is_audio: bool) -> ApiResult<Value> {
    let mut object = match given {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(object)) => object,
        Some(_) => return Err(ApiError::invalid("metadata", "must be an object")),
    };
    object.remove(AUDIO_MARK);
    if Value::Object(object.clone()).to_string().len() > LONGEST_METADATA {
        return Err(ApiError::invalid("metadata", "must not exceed 16 KiB"));
    }
    if is_audio {
        object.insert(AUDIO_MARK.to_owned(), json!("audio"));
    }
    Ok(Value::Object(object))
}

/// Users by their IDs, as `field` names them.
pub(crate) fn user_ids(field: &'static str, ids: &[String]) -> ApiResult<Vec<UserId>> {
    if ids.len() > MOST_TARGETS {
        return Err(ApiError::invalid(field, "has too many users"));
    }
    ids.iter().map(|id| UserId::new(id).map_err(|error| ApiError::invalid_id(field, &error))).collect()
}

#[cfg(test)]
mod tests {
    use model::DeviceId;

    use super::*;

    fn ask(body: Value) -> ApiResult<InitiateCall> {
        let caller = Caller { user: UserId::new("me").unwrap(), permissions: vec![], device: DeviceId::unnamed() };
        request(serde_json::from_value(body).unwrap(), &caller)
    }

    fn users(ids: &[&str]) -> Vec<UserId> {
        ids.iter().map(|id| UserId::new(id).unwrap()).collect()
    }

    #[test]
    fn whom_a_call_is_for() {
        let team = || Some(ChannelId::new("team").unwrap());
        for (body, target) in [
            (json!({"targetUserId": "a"}), Target::Users { users: users(&["a"]), channel: None, one_to_one: true }),
            (
                json!({"targetUserIds": ["a", "me", "a", "b"]}),
                Target::Users { users: users(&["a", "b"]), channel: None, one_to_one: false },
            ),
            (json!({"targetUserIds": ["a"]}), Target::Users { users: users(&["a"]), channel: None, one_to_one: false }),
            (
                json!({"participants": ["a"], "channelId": "team"}),
                Target::Users { users: users(&["a"]), channel: team(), one_to_one: false },
            ),
            (
                json!({"targetUserId": "a", "targetUserIds": ["b"]}),
                Target::Users { users: users(&["a", "b"]), channel: None, one_to_one: false },
            ),
            (json!({"channelId": "team"}), Target::Channel(team().unwrap())),
            (json!({"channelId": "team", "participants": []}), Target::Channel(team().unwrap())),
        ] {
            assert_eq!(ask(body.clone()).unwrap().target, target, "{body}");
        }
    }

    #[test]
    fn what_is_not_a_call() {
        for (body, code) in [
            (json!({}), "invalid_request"),
            (json!({"targetUserId": "me"}), "invalid_request"),
            (json!({"targetUserId": ""}), "invalid_id"),
            (json!({"targetUserId": "a", "callId": "7"}), "invalid_id"),
            (json!({"targetUserId": "a", "type": "smoke"}), "invalid_request"),
            (json!({"targetUserId": "a", "ringTimeout": 4}), "invalid_request"),
            (json!({"targetUserId": "a", "metadata": [1]}), "invalid_request"),
            (json!({"targetUserId": "a", "metadata": {"x": "y".repeat(16 * 1024)}}), "invalid_request"),
        ] {
            assert_eq!(ask(body.clone()).unwrap_err().code.as_str(), code, "{body}");
        }
    }

    #[test]
    fn audio_is_voice_by_another_word() {
        let call = ask(json!({"targetUserId": "a", "callType": "audio", "metadata": {"stoa.type": "forged", "k": 1}}))
            .unwrap();
        assert_eq!((call.media, call.metadata), (CallMedia::Voice, json!({"k": 1, "stoa.type": "audio"})));
        let call = ask(json!({"targetUserId": "a", "metadata": {"stoa.type": "forged"}})).unwrap();
        assert_eq!((call.media, call.metadata), (CallMedia::Voice, json!({})));
    }
}
