//! Users, accounts and channels, as the store keeps them.

use model::{ChannelId, Permission, Secret, Timestamp, UserId};

/// A user, whoever made it: a token, the host app, a local account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The host app's id.
    pub id: UserId,
    /// What people see; the id where nothing else is known.
    pub name: String,
    /// A picture.
    pub avatar_url: Option<String>,
    /// A guest of `--dev`.
    pub is_guest: bool,
    /// First seen.
    pub created_at: Timestamp,
}

/// What is newly known of a user; `None` leaves it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserPatch {
    /// Name.
    pub name: Option<String>,
    /// Picture.
    pub avatar_url: Option<String>,
    /// Guest.
    pub is_guest: bool,
}

/// A local account of the web app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Lower-cased, unique.
    pub username: String,
    /// Its user.
    pub user: UserId,
    /// argon2id, PHC string.
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
    /// Its running call.
    pub active_call: Option<model::CallId>,
    /// Made.
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
    /// An upsert where given.
    pub id: Option<ChannelId>,
    /// What people see.
    pub name: String,
    /// Who is in it; the maker is added.
    pub members: Vec<UserId>,
}

/// Membership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user: UserId,
    /// Since.
    pub since: Timestamp,
}
