//! Users and channels.

use call::PresenceState;
use model::UserId;
use serde::Serialize;
use utoipa::ToSchema;

use super::{schema, time};
use crate::people::Person;
use crate::state::AppState;

/// A user.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct User {
    /// Your app's ID for the user.
    id: String,
    /// The name that people see.
    name: String,
    /// URL of a picture.
    #[schema(required)]
    avatar_url: Option<String>,
    /// Whether the user can be reached.
    #[schema(value_type = schema::Presence)]
    presence: PresenceState,
    /// Whether they signed in with just a name: nobody has checked who they are.
    is_guest: bool,
}

impl User {
    pub fn new(id: &UserId, person: Person, presence: PresenceState) -> Self {
        Self {
            id: id.to_string(),
            name: person.name,
            avatar_url: person.avatar_url,
            presence,
            is_guest: person.is_guest,
        }
    }
}

/// A group of users who can call each other.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Channel {
    /// Your app's ID, or one that Stoa made.
    id: String,
    /// The name that people see.
    name: String,
    /// The members' user IDs.
    members: Vec<String>,
    /// The call running in the channel.
    #[schema(required)]
    active_call_id: Option<String>,
    /// When it was created.
    #[schema(value_type = schema::Time)]
    created_at: String,
}

impl From<&control::Channel> for Channel {
    fn from(channel: &control::Channel) -> Self {
        Self {
            id: channel.id.to_string(),
            name: auth::shown_name(&channel.name).unwrap_or_else(|| channel.id.as_str().escape_unicode().to_string()),
            members: channel.members.iter().map(UserId::to_string).collect(),
            active_call_id: channel.active_call.map(|id| id.to_string()),
            created_at: time(channel.created_at),
        }
    }
}

/// A user with name and presence, as far as they are known.
pub(crate) async fn user_view(state: &AppState, id: &UserId) -> User {
    let person = state.people.show(&[id]).await.of(id);
    let presence = state.handle().presence(std::slice::from_ref(id)).await;
    User::new(id, person, presence_of(&presence, id))
}

/// The presence found for a user.
pub(crate) fn presence_of(presence: &[(UserId, PresenceState)], user: &UserId) -> PresenceState {
    presence.iter().find(|(id, _)| id == user).map_or(PresenceState::Offline, |(_, state)| *state)
}
