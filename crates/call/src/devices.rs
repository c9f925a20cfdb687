//! Connected devices and what others have been told of a user's presence. Knows nothing of calls.

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
    /// It was the user's last.
    LastDevice,
}

impl Devices {
    /// One connection more. `false`: too many devices.
    pub fn connect(&mut self, user: &UserId, device: &DeviceId) -> bool {
        let reach = self.users.entry(user.clone()).or_insert_with(|| Reach {
            connections: BTreeMap::new(),
            lingers: false,
            told: PresenceState::Offline,
        });
        if !reach.connections.contains_key(device) && reach.connections.len() >= MOST_DEVICES {
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
        if !reach.connections.is_empty() {
            return Disconnected::Nothing;
        }
        reach.lingers = true;
        Disconnected::LastDevice
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

    /// Notes the presence that others are told of; whether it is another than before.
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
