//! Connected devices, and each user's presence as it was last announced. Knows nothing about calls.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{DeviceId, UserId};

use crate::output::Delivery;
use crate::snapshot::PresenceState;

/// The most devices a user may have connected at once.
pub(crate) const MOST_DEVICES: usize = 20;

/// How long a user without devices still counts as online: long enough for a page to load again or a socket to come back.
pub(crate) const OFFLINE_AFTER: Duration = Duration::from_secs(5);

/// Every user with a device, or with a presence that others know of.
#[derive(Debug, Default)]
pub(crate) struct Devices {
    users: BTreeMap<UserId, Reach>,
    /// What devices said of themselves, before they were connected or since.
    said: BTreeMap<UserId, BTreeMap<DeviceId, Said>>,
}

/// Which ways of media a device can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ability {
    /// From device to device.
    pub p2p: bool,
    /// Through the server.
    pub sfu: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Said {
    media: Option<Ability>,
    call_waiting: bool,
}

#[derive(Debug)]
struct Reach {
    /// How many connections each device has.
    connections: BTreeMap<DeviceId, u32>,
    /// The last device went away a moment ago.
    lingers: bool,
    told: PresenceState,
}

/// What a lost connection came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Disconnected {
    /// The device, or another one, is still there; or it was never known.
    Nothing,
    /// The device is gone; the user has others.
    Device,
    /// It was the user's last.
    LastDevice,
}

impl Devices {
    /// What a device says of itself.
    pub fn declare(&mut self, user: &UserId, device: &DeviceId, media: Option<Ability>, call_waiting: bool) {
        let said = self.said.entry(user.clone()).or_default();
        if said.contains_key(device) || said.len() < MOST_DEVICES {
            said.insert(device.clone(), Said { media, call_waiting });
        }
    }

    fn unsay(&mut self, user: &UserId, device: &DeviceId) {
        if let Some(said) = self.said.get_mut(user) {
            said.remove(device);
            if said.is_empty() {
                self.said.remove(user);
            }
        }
    }

    /// Which ways of media a device said that it can do.
    pub fn ability(&self, user: &UserId, device: &DeviceId) -> Option<Ability> {
        self.said.get(user).and_then(|said| said.get(device)).and_then(|said| said.media)
    }

    /// What the user's connected devices can do between them; `None` where one does not say, or none is connected.
    pub fn abilities(&self, user: &UserId) -> Option<Ability> {
        let reach = self.users.get(user)?;
        let mut all = Ability { p2p: false, sfu: false };
        for device in reach.connections.keys() {
            let one = self.ability(user, device)?;
            all = Ability { p2p: all.p2p || one.p2p, sfu: all.sfu || one.sfu };
        }
        (!reach.connections.is_empty()).then_some(all)
    }

    /// Whether a connected device of the user takes a second call (call waiting).
    pub fn takes_waiting(&self, user: &UserId) -> bool {
        let waits =
            |device| self.said.get(user).and_then(|said| said.get(device)).is_some_and(|said| said.call_waiting);
        self.users.get(user).is_some_and(|reach| reach.connections.keys().any(waits))
    }

    /// One connection more. `false`: too many devices.
    pub fn connect(&mut self, user: &UserId, device: &DeviceId) -> bool {
        let reach = self.users.entry(user.clone()).or_insert_with(|| Reach {
            connections: BTreeMap::new(),
            lingers: false,
            told: PresenceState::Offline,
        });
        if !reach.connections.contains_key(device) && reach.connections.len() >= MOST_DEVICES {
            self.unsay(user, device);
            return false;
        }
        let count = reach.connections.entry(device.clone()).or_default();
        *count = count.saturating_add(1);
        reach.lingers = false;
        true
    }

    /// One connection fewer.
    pub fn disconnect(&mut self, user: &UserId, device: &DeviceId) -> Disconnected {
        let Some(reach) = self.users.get_mut(user) else { return Disconnected::Nothing };
        let Some(count) = reach.connections.get_mut(device) else { return Disconnected::Nothing };
        *count -= 1;
        if *count > 0 {
            return Disconnected::Nothing;
        }
        reach.connections.remove(device);
        let last = reach.connections.is_empty();
        reach.lingers |= last;
        self.unsay(user, device);
        if last { Disconnected::LastDevice } else { Disconnected::Device }
    }

    /// The moment of grace is over.
    pub fn give_up(&mut self, user: &UserId) {
        if let Some(reach) = self.users.get_mut(user) {
            reach.lingers = false;
        }
    }

    /// Whether the user has a connected device.
    pub fn is_connected(&self, user: &UserId) -> bool {
        self.users.get(user).is_some_and(|reach| !reach.connections.is_empty())
    }

    /// Whether this device is connected.
    pub fn has(&self, user: &UserId, device: &DeviceId) -> bool {
        self.users.get(user).is_some_and(|reach| reach.connections.contains_key(device))
    }

    /// Whether the user counts as reachable.
    pub fn is_online(&self, user: &UserId) -> bool {
        self.users.get(user).is_some_and(|reach| !reach.connections.is_empty() || reach.lingers)
    }

    /// Whether a delivery has a connected device to go to.
    pub fn reaches(&self, delivery: &Delivery) -> bool {
        let Some(reach) = self.users.get(&delivery.user) else { return false };
        match (&delivery.device, &delivery.except) {
            (Some(device), _) => reach.connections.contains_key(device),
            (None, Some(except)) => reach.connections.keys().any(|device| device != except),
            (None, None) => !reach.connections.is_empty(),
        }
    }

    /// Notes the presence that is announced; returns whether it changed.
    pub fn tell(&mut self, user: &UserId, state: PresenceState) -> bool {
        let told = self.users.get(user).map_or(PresenceState::Offline, |reach| reach.told);
        let idle = !self.is_online(user);
        if state == PresenceState::Offline && idle {
            self.users.remove(user);
        } else {
            let reach = self.users.entry(user.clone()).or_insert_with(|| Reach {
                connections: BTreeMap::new(),
                lingers: false,
                told,
            });
            reach.told = state;
        }
        told != state
    }
}
