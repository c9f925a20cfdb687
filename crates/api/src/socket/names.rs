//! People who were shown by their ID because their name was not in memory when an event went out. An event never waits
//! for a name: whoever got one without gets `call:names` once the name has been read.

use std::collections::{BTreeMap, BTreeSet};

use model::{CallId, UserId};
use serde_json::{Value, json};

use crate::presentation::time;
use crate::state::AppState;

/// The most that wait to hear a name, counted once for each name they lack. More than this see IDs until they next fetch the call.
const MOST: usize = 4_096;

/// Who lacks whose name.
#[derive(Default)]
pub(super) struct Unnamed {
    /// By the one who has no name yet: in which call they were shown, and to whom.
    shown: BTreeMap<UserId, BTreeSet<(CallId, UserId)>>,
    count: usize,
}

impl Unnamed {
    pub fn is_empty(&self) -> bool {
        self.shown.is_empty()
    }

    /// These people were shown to those by their ID.
    pub fn note(&mut self, call: CallId, nameless: &BTreeSet<UserId>, to: &[UserId]) {
        for user in nameless {
            for other in to {
                if self.count < MOST && self.shown.entry(user.clone()).or_default().insert((call, other.clone())) {
                    self.count += 1;
                }
            }
        }
    }

    /// The call is over: its history has the names.
    pub fn forget(&mut self, call: CallId) {
        self.shown.values_mut().for_each(|to| to.retain(|(other, _)| *other != call));
        self.shown.retain(|_, to| !to.is_empty());
        self.count = self.shown.values().map(BTreeSet::len).sum();
    }

    /// Tells the names that have been read.
    pub fn tell(&mut self, state: &AppState) {
        let nameless: Vec<UserId> = self.shown.keys().cloned().collect();
        let shown = state.people.known(&nameless.iter().collect::<Vec<_>>());
        let mut news: BTreeMap<(CallId, UserId), Vec<Value>> = BTreeMap::new();
        for user in nameless.iter().filter(|user| !shown.lacks().contains(user)) {
            let to = self.shown.remove(user).unwrap_or_default();
            self.count -= to.len();
            let person = shown.of(user);
            if person.is_unknown(user) {
                continue;
            }
            let named = json!({
                "userId": user,
                "name": person.name,
                "avatarUrl": person.avatar_url,
                "isGuest": person.is_guest,
            });
            to.into_iter().for_each(|key| news.entry(key).or_default().push(named.clone()));
        }
        let at = time(state.handle().now());
        for ((call, user), named) in news {
            let data = json!({"callId": call, "at": at, "users": named});
            state.sockets.emit(&[user], None, None, &[("call:names", data)]);
        }
    }
}
