//! Users, accounts and channels, as the store keeps them.

use model::{ChannelId, Permission, Secret, Timestamp, UserId};

/// A user, whoever made it: a token, the host app, a local account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The host app's id.
    pub id: UserId,
    /// What people see; the id where nothing else is known.
    pub name: String,
    /// Address of a picture, if there is one.
    pub avatar_url: Option<String>,
    /// A guest of `--dev`.
    pub is_guest: bool,
    /// When the user was first seen.
    pub created_at: Timestamp,
}

/// What is newly known of a user; `None` leaves it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserPatch {
    /// What people see; `None`: as it was.
    pub name: Option<String>,
    /// Address of a picture; `None`: as it was.
    pub avatar_url: Option<String>,
    /// A guest of `--dev`.
    pub is_guest: bool,
}

/// A local account of the web app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The name to sign in with: lower case, unique.
    pub username: String,
    /// The user that signs in with it.
    pub user: UserId,
    /// Hash of the password: argon2id, as a PHC string.
    pub password_hash: Secret<String>,
    /// What it may do.
    pub permissions: Vec<Permission>,
}

/// A group of users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// The host app's id, or ours.
    pub id: ChannelId,
    /// What people see.
    pub name: String,
    /// Who is in it.
    pub members: Vec<UserId>,
    /// The call that runs in it, if one does.
    pub active_call: Option<model::CallId>,
    /// When the channel was made.
    pub created_at: Timestamp,
}

impl Channel {
    /// A channel of which nothing is known but that a token names it.
    pub(crate) fn of_token(id: ChannelId, created_at: Timestamp) -> Self {
        Self { name: id.to_string(), id, members: Vec::new(), active_call: None, created_at }
    }
}

/// A request for a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewChannel {
    /// The channel to make or to change; `None`: a new one, with an ID of ours.
    pub id: Option<ChannelId>,
    /// What people see.
    pub name: String,
    /// Who is in it; the maker is added.
    pub members: Vec<UserId>,
}

/// A user's membership in a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The member.
    pub user: UserId,
    /// When they came in.
    pub since: Timestamp,
}
