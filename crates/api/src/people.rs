//! Names and pictures of users, as responses and events show them.
//!
//! A cache in front of the store. Every change of a name goes through here, so the cache is always right. What is not in
//! it is read in the background, by one task for everyone: events are shown without ([`People::known`]), responses wait
//! a moment ([`People::show`]) unless the store is known not to answer. Who has no name yet is shown by their ID. A token
//! says enough to serve its user. The store is told in the background, and nobody waits if it cannot take the news. All
//! names are shown as `auth::shown_name` cleans them.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use auth::{UserClaims, shown_name};
use control::{Account, ControlError, Handle, User, UserPatch};
use model::{ChannelId, ErrorCode, UserId};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// The most users that are kept in memory; beyond that the cache is emptied.
const MOST: usize = 20_000;
/// The most users of whom the store has yet to be told; of others, their next request tells it.
const MOST_BEHIND: usize = 10_000;
/// The most users whose names wait to be read; others are shown by their ID.
const MOST_WANTED: usize = 10_000;
/// The most names read at a time.
const READ_AT_ONCE: usize = 500;
/// How long the store has to answer with names, and so the longest that a response waits for them.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long a new user's first request waits for a store that is well, so that what it asks for knows the user.
const FIRST_PATIENCE: Duration = Duration::from_millis(250);
/// How soon a store that did not listen is told again, and one that did not answer is asked again.
const RETRY: Duration = Duration::from_secs(1);

/// How a user is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    pub name: String,
    pub avatar_url: Option<String>,
    pub is_guest: bool,
}

impl From<&User> for Person {
    fn from(user: &User) -> Self {
        let name = shown_name(&user.name).unwrap_or_else(|| Self::unknown(&user.id).name);
        Self { name, avatar_url: user.avatar_url.clone(), is_guest: user.is_guest }
    }
}

impl Person {
    /// One of whom nothing is known but the id.
    fn unknown(user: &UserId) -> Self {
        let name = shown_name(user.as_str()).unwrap_or_else(|| user.as_str().escape_unicode().to_string());
        Self { name, avatar_url: None, is_guest: false }
    }

    /// Whether this says no more of the user than their id does.
    pub fn is_unknown(&self, user: &UserId) -> bool {
        *self == Self::unknown(user)
    }
}

/// How some users are shown.
pub(crate) struct Shown {
    people: HashMap<UserId, Person>,
    /// Whose names have yet to be read.
    lacks: BTreeSet<UserId>,
}

impl Shown {
    /// One user; by their id where nothing is known.
    pub fn of(&self, user: &UserId) -> Person {
        self.people.get(user).cloned().unwrap_or_else(|| Person::unknown(user))
    }

    /// Those who are shown by their ID because their names have yet to be read.
    pub fn lacks(&self) -> &BTreeSet<UserId> {
        &self.lacks
    }
}

pub(crate) struct People(Arc<Inside>);

struct Inside {
    handle: Handle,
    known: Mutex<Known>,
    /// Moves when there is something to tell the store, and when it was told.
    moved: watch::Sender<()>,
    /// The store took what it was last told.
    keeps_up: AtomicBool,
    /// Moves when there are names to read.
    asked: watch::Sender<()>,
    /// Moves when names are learned, or could not be read.
    learned: watch::Sender<()>,
    /// The store did not answer when it was last asked for names.
    is_mute: AtomicBool,
}

#[derive(Default)]
struct Known {
    people: HashMap<UserId, Person>,
    /// Whose names are to be read.
    wanted: BTreeSet<UserId>,
    /// Channels that a user's token has named and that the user is known to be in.
    joined: HashMap<UserId, Vec<ChannelId>>,
    /// What tokens said and the store has yet to be told.
    behind: HashMap<UserId, News>,
}

/// What a token newly says of its user.
#[derive(Debug, Clone, Default, PartialEq)]
struct News {
    patch: UserPatch,
    channels: Vec<ChannelId>,
}

impl People {
    pub fn new(handle: Handle) -> Self {
        let (moved, moves) = watch::channel(());
        let (asked, asks) = watch::channel(());
        let inside = Arc::new(Inside {
            handle,
            known: Mutex::default(),
            moved,
            keeps_up: AtomicBool::new(true),
            asked,
            learned: watch::Sender::new(()),
            is_mute: AtomicBool::new(false),
        });
        tokio::spawn(tell_the_store(Arc::downgrade(&inside), moves));
        tokio::spawn(read_names(Arc::downgrade(&inside), asks));
        Self(inside)
    }

    /// How these users are shown, by what is in memory. Other names are read in the background.
    pub fn known(&self, users: &[&UserId]) -> Shown {
        let (shown, is_new) = self.with(|known| known.show(users));
        if is_new {
            self.0.asked.send_replace(());
        }
        shown
    }

    /// Reads the names of users who are about to be shown, if they are not in memory.
    pub fn prepare<'a>(&self, users: impl IntoIterator<Item = &'a UserId>) {
        self.known(&users.into_iter().collect::<Vec<_>>());
    }

    /// How these users are shown. Waits for names that are not in memory, as long as the store answers.
    pub async fn show(&self, users: &[&UserId]) -> Shown {
        let mut learned = self.0.learned.subscribe();
        let shown = self.known(users);
        let is_mute = || self.0.is_mute.load(Ordering::Relaxed);
        if shown.lacks.is_empty() || is_mute() {
            return shown;
        }
        let over = |known: &mut Known| !shown.lacks.iter().any(|user| known.wanted.contains(user));
        let answered = learned.wait_for(|()| is_mute() || self.with(over));
        _ = timeout(PATIENCE, answered).await;
        self.known(users)
    }

    /// Moves when names are learned.
    pub fn learned(&self) -> watch::Receiver<()> {
        self.0.learned.subscribe()
    }

    /// Takes over what a user's token says of them.
    pub async fn note_token(&self, claims: &UserClaims) {
        let user = &claims.user;
        let joined = claims.channels.is_empty() || self.with(|known| known.joined.get(user) == Some(&claims.channels));
        if !joined {
            for id in &claims.channels {
                if let Err(error) = self.0.handle.join_channel(id, user).await {
                    tracing::warn!(%error, channel = %id, "cannot add a user to a channel that their token names");
                    return;
                }
            }
        }
        let patch = UserPatch { name: claims.name.clone(), avatar_url: claims.avatar_url.clone(), is_guest: false };
        let channels = if joined { Vec::new() } else { claims.channels.clone() };
        let is_news = self.with(|known| known.note(user, News { patch, channels }));
        if !is_news {
            return;
        }
        self.0.learned.send_replace(());
        let mut moves = self.0.moved.subscribe();
        self.0.moved.send_replace(());
        if self.0.keeps_up.load(Ordering::Relaxed) {
            let told = moves.wait_for(|_| self.with(|known| !known.behind.contains_key(user)));
            if timeout(FIRST_PATIENCE, told).await.is_err() {
                self.0.keeps_up.store(false, Ordering::Relaxed);
            }
        }
    }

    /// Makes a user or takes over what is newly known.
    pub async fn upsert(&self, user: &UserId, patch: UserPatch) -> Result<User, ControlError> {
        let patch = UserPatch { name: patch.name.as_deref().and_then(shown_name), ..patch };
        let user = self.0.handle.upsert_user(user, patch).await?;
        self.remember(&user);
        Ok(user)
    }

    /// Makes a local account.
    pub async fn create_account(&self, account: Account, name: &str) -> Result<User, ControlError> {
        let user = self.0.handle.create_account(account, name).await?;
        self.remember(&user);
        Ok(user)
    }

    fn remember(&self, user: &User) {
        self.with(|known| known.remember(&user.id, Person::from(user)));
        self.0.learned.send_replace(());
    }

    /// Forgets a user who was erased.
    pub fn forget(&self, user: &UserId) {
        self.with(|known| {
            known.people.remove(user);
            known.wanted.remove(user);
            known.joined.remove(user);
            known.behind.remove(user);
        });
    }

    /// Forgets which channels tokens were seen to name (a membership changed).
    pub fn forget_memberships(&self) {
        self.with(|known| known.joined.clear());
    }

    fn with<T>(&self, f: impl FnOnce(&mut Known) -> T) -> T {
        self.0.with(f)
    }
}

impl Inside {
    fn with<T>(&self, f: impl FnOnce(&mut Known) -> T) -> T {
        f(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tells the store of one user.
    async fn tell(&self, user: &UserId, news: &News) -> Result<(), ControlError> {
        let kept = self.handle.upsert_user(user, news.patch.clone()).await?;
        for id in &news.channels {
            self.handle.keep_member(id, user).await?;
        }
        self.with(|known| {
            // It knew more than the token says: a picture, or a name where the token has none.
            known.remember(user, Person::from(&kept));
            if !news.channels.is_empty() {
                known.joined.insert(user.clone(), news.channels.clone());
            }
        });
        self.learned.send_replace(());
        Ok(())
    }
}

impl Known {
    /// How these users are shown, and whether there are names to read that were not wanted before.
    fn show(&mut self, users: &[&UserId]) -> (Shown, bool) {
        let mut shown = Shown { people: HashMap::new(), lacks: BTreeSet::new() };
        let mut is_new = false;
        for user in users {
            if let Some(person) = self.people.get(*user) {
                shown.people.insert((*user).clone(), person.clone());
            } else {
                is_new |= self.wanted.len() < MOST_WANTED && self.wanted.insert((*user).clone());
                shown.lacks.insert((*user).clone());
            }
        }
        (shown, is_new)
    }

    /// Takes over what was read. A name that has come from elsewhere in the meantime is newer.
    fn take(&mut self, users: &[User]) {
        for user in users {
            if self.wanted.contains(&user.id) {
                self.remember(&user.id, Person::from(user));
            }
        }
    }

    /// Takes over news of a user; false where they are none.
    fn note(&mut self, user: &UserId, news: News) -> bool {
        let known = self.people.get(user);
        let is_news = !news.channels.is_empty()
            || known.is_none_or(|person| {
                news.patch.name.as_ref().is_some_and(|name| *name != person.name)
                    || (news.patch.avatar_url.is_some() && news.patch.avatar_url != person.avatar_url)
            });
        if !is_news || (self.behind.len() >= MOST_BEHIND && !self.behind.contains_key(user)) {
            return false;
        }
        if let Some(name) = &news.patch.name {
            let before = known.cloned().unwrap_or_else(|| Person::unknown(user));
            let avatar_url = news.patch.avatar_url.clone().or(before.avatar_url);
            self.remember(user, Person { name: name.clone(), avatar_url, is_guest: before.is_guest });
        }
        let behind = self.behind.entry(user.clone()).or_default();
        behind.patch.name = news.patch.name.or(behind.patch.name.take());
        behind.patch.avatar_url = news.patch.avatar_url.or(behind.patch.avatar_url.take());
        if !news.channels.is_empty() {
            behind.channels = news.channels;
        }
        true
    }

    /// The store was told this; what tokens have said meanwhile it has yet to be told.
    fn told(&mut self, user: &UserId, news: &News) {
        if self.behind.get(user) == Some(news) {
            self.behind.remove(user);
        }
    }

    fn remember(&mut self, user: &UserId, person: Person) {
        if self.people.len() >= MOST {
            self.people.clear();
            self.joined.clear();
        }
        self.wanted.remove(user);
        self.people.insert(user.clone(), person);
    }
}

/// Tells the store what tokens say, one user after the other, for as long as there is anybody to tell it of.
async fn tell_the_store(people: Weak<Inside>, mut moves: watch::Receiver<()>) {
    let mut complained = false;
    while moves.changed().await.is_ok() {
        loop {
            let Some(people) = people.upgrade() else { return };
            let next = people.with(|known| known.behind.iter().next().map(|(user, news)| (user.clone(), news.clone())));
            let Some((user, news)) = next else { break };
            let is_away = match people.tell(&user, &news).await {
                Err(error) if error.code() == ErrorCode::Unavailable => {
                    if !complained {
                        tracing::warn!(%error, "cannot store what tokens say about their users yet; trying again");
                    }
                    true
                }
                told => {
                    if let Err(error) = told {
                        tracing::error!(%error, %user, "cannot store what a token says about its user");
                    }
                    people.with(|known| known.told(&user, &news));
                    false
                }
            };
            complained = is_away;
            people.keeps_up.store(!is_away, Ordering::Relaxed);
            people.moved.send_replace(());
            drop(people);
            if is_away {
                sleep(RETRY).await;
            }
        }
    }
}

/// Reads the names that are wanted, many at a time, for as long as there is anybody to show them to.
async fn read_names(people: Weak<Inside>, mut asks: watch::Receiver<()>) {
    while asks.changed().await.is_ok() {
        loop {
            let Some(people) = people.upgrade() else { return };
            let next = people.with(|known| known.wanted.iter().take(READ_AT_ONCE).cloned().collect::<Vec<_>>());
            if next.is_empty() {
                people.is_mute.store(false, Ordering::Relaxed);
                break;
            }
            let is_mute = match timeout(PATIENCE, people.handle.users(&next)).await {
                Ok(Ok(users)) => {
                    people.with(|known| known.take(&users));
                    false
                }
                Ok(Err(error)) => {
                    tracing::debug!(%error, "cannot read names");
                    true
                }
                Err(_) => {
                    tracing::debug!("reading names took too long");
                    true
                }
            };
            people.is_mute.store(is_mute, Ordering::Relaxed);
            people.learned.send_replace(());
            drop(people);
            if is_mute {
                sleep(RETRY).await;
            }
        }
    }
}
