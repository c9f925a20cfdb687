//! Names and pictures of users, as answers and events show them.
//!
//! A cache in front of the store. Every change of a name goes through here, so what is cached is right; where the store
//! cannot be read, a user is shown by their id.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use auth::UserClaims;
use control::{Account, ControlError, Handle, NewChannel, User, UserPatch};
use model::{ChannelId, UserId};
use tokio::time::timeout;

/// The most users that are kept in memory; past it the cache starts anew.
const MOST: usize = 20_000;

/// How long an answer or event waits for names; a ring that is late is worse than one that shows an id.
const PATIENCE: Duration = Duration::from_millis(500);

/// How a user is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    pub name: String,
    pub avatar_url: Option<String>,
    pub is_guest: bool,
}

impl From<&User> for Person {
    fn from(user: &User) -> Self {
        Self { name: user.name.clone(), avatar_url: user.avatar_url.clone(), is_guest: user.is_guest }
    }
}

/// How some users are shown.
pub(crate) struct Shown(HashMap<UserId, Person>);

impl Shown {
    /// One user; by their id where nothing is known.
    pub fn of(&self, user: &UserId) -> Person {
        self.0.get(user).cloned().unwrap_or_else(|| Person {
            name: user.to_string(),
            avatar_url: None,
            is_guest: false,
        })
    }
}

pub(crate) struct People {
    handle: Handle,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    people: HashMap<UserId, Person>,
    /// Channels that a user's token has named and that the user is known to be in.
    joined: HashMap<UserId, Vec<ChannelId>>,
}

impl People {
    pub fn new(handle: Handle) -> Self {
        Self { handle, known: Mutex::default() }
    }

    /// How these users are shown.
    pub async fn show(&self, users: &[&UserId]) -> Shown {
        let mut shown = HashMap::new();
        let mut unknown = Vec::new();
        self.with(|known| {
            for user in users {
                match known.people.get(*user) {
                    Some(person) => _ = shown.insert((*user).clone(), person.clone()),
                    None => unknown.push((*user).clone()),
                }
            }
        });
        if !unknown.is_empty() {
            unknown.sort();
            unknown.dedup();
            match timeout(PATIENCE, self.handle.users(&unknown)).await {
                Ok(Ok(users)) => {
                    users.iter().for_each(|user| self.remember(user));
                    shown.extend(users.iter().map(|user| (user.id.clone(), Person::from(user))));
                }
                Ok(Err(error)) => tracing::debug!(%error, "names could not be read"),
                Err(_) => tracing::debug!("names could not be read in time"),
            }
        }
        Shown(shown)
    }

    /// Takes over what a user's token says of them. A store that is away does not keep them out.
    pub async fn note_token(&self, claims: &UserClaims) {
        let known = self.with(|known| known.people.get(&claims.user).cloned());
        let says_more = known.is_none_or(|person| {
            claims.name.as_ref().is_some_and(|name| *name != person.name)
                || (claims.avatar_url.is_some() && claims.avatar_url != person.avatar_url)
        });
        if says_more {
            let patch = UserPatch { name: claims.name.clone(), avatar_url: claims.avatar_url.clone(), is_guest: false };
            if let Err(error) = self.upsert(&claims.user, patch).await {
                tracing::warn!(%error, "what a token says of its user could not be kept");
            }
        }
        let joined = self.with(|known| known.joined.get(&claims.user) == Some(&claims.channels));
        if !joined && !claims.channels.is_empty() {
            self.join_channels(claims).await;
        }
    }

    /// Makes the user a member of the channels that their token names.
    async fn join_channels(&self, claims: &UserClaims) {
        for id in &claims.channels {
            if let Err(error) = self.join_channel(&claims.user, id).await {
                tracing::warn!(%error, channel = %id, "a channel of a token could not be joined");
                return;
            }
        }
        self.with(|known| known.joined.insert(claims.user.clone(), claims.channels.clone()));
    }

    async fn join_channel(&self, user: &UserId, id: &ChannelId) -> Result<(), ControlError> {
        let (name, mut members) = match self.handle.any_channel(id).await {
            Ok(channel) if channel.members.contains(user) => return Ok(()),
            Ok(channel) => (channel.name, channel.members),
            Err(ControlError::ChannelNotFound) => (id.to_string(), Vec::new()),
            Err(error) => return Err(error),
        };
        members.push(user.clone());
        self.handle.put_channel(NewChannel { id: Some(id.clone()), name, members }).await?;
        Ok(())
    }

    /// Makes a user or takes over what is newly known.
    pub async fn upsert(&self, user: &UserId, patch: UserPatch) -> Result<User, ControlError> {
        let user = self.handle.upsert_user(user, patch).await?;
        self.remember(&user);
        Ok(user)
    }

    /// Makes a local account.
    pub async fn create_account(&self, account: Account, name: &str) -> Result<User, ControlError> {
        let user = self.handle.create_account(account, name).await?;
        self.remember(&user);
        Ok(user)
    }

    fn remember(&self, user: &User) {
        self.with(|known| {
            if known.people.len() >= MOST {
                known.people.clear();
                known.joined.clear();
            }
            known.people.insert(user.id.clone(), Person::from(user));
        });
    }

    /// Forgets a user who was erased.
    pub fn forget(&self, user: &UserId) {
        self.with(|known| {
            known.people.remove(user);
            known.joined.remove(user);
        });
    }

    /// Forgets which channels tokens were seen to name (a membership changed).
    pub fn forget_memberships(&self) {
        self.with(|known| known.joined.clear());
    }

    fn with<T>(&self, f: impl FnOnce(&mut Known) -> T) -> T {
        f(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
