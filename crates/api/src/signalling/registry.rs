//! Which sockets a user's devices hold.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use model::{DeviceId, UserId};
use serde_json::Value;
use socketioxide::extract::SocketRef;
use socketioxide::socket::Sid;

use crate::access::caller::Caller;

/// All open sockets, by user.
#[derive(Default)]
pub(crate) struct Registry {
    users: Mutex<HashMap<UserId, Vec<DeviceSocket>>>,
}

struct DeviceSocket {
    device: DeviceId,
    socket: SocketRef,
}

impl Registry {
    pub fn add(&self, caller: &Caller, socket: &SocketRef) {
        let entry = DeviceSocket { device: caller.device.clone(), socket: socket.clone() };
        self.with(|users| users.entry(caller.user.clone()).or_default().push(entry));
    }

    pub fn remove(&self, caller: &Caller, socket: Sid) {
        self.with(|users| {
            if let Some(sockets) = users.get_mut(&caller.user) {
                sockets.retain(|entry| entry.socket.id != socket);
                if sockets.is_empty() {
                    users.remove(&caller.user);
                }
            }
        });
    }

    /// Whether one of these users has a socket at all.
    pub fn has(&self, of: &[UserId]) -> bool {
        self.with(|users| of.iter().any(|user| users.contains_key(user)))
    }

    /// Whether one of a user's sockets is of this device.
    pub fn has_device(&self, user: &UserId, device: &DeviceId) -> bool {
        self.with(|users| users.get(user).is_some_and(|sockets| sockets.iter().any(|entry| entry.device == *device)))
    }

    /// The sockets of a user.
    pub fn of(&self, user: &UserId) -> Vec<SocketRef> {
        self.with(|users| users.get(user).into_iter().flatten().map(|entry| entry.socket.clone()).collect())
    }

    /// To the sockets of these users: of one device, of all but one, or of all. Each socket gets its events in one go, and so
    /// in one write.
    pub fn emit(
        &self,
        to: &[UserId],
        device: Option<&DeviceId>,
        except: Option<&DeviceId>,
        events: &[(&'static str, Value)],
    ) {
        let wanted = |entry: &&DeviceSocket| {
            device.is_none_or(|id| *id == entry.device) && except.is_none_or(|id| *id != entry.device)
        };
        let sockets: Vec<SocketRef> = self.with(|users| {
            let sockets = to.iter().filter_map(|user| users.get(user)).flatten();
            sockets.filter(wanted).map(|entry| entry.socket.clone()).collect()
        });
        for socket in sockets {
            events.iter().for_each(|(event, data)| send(&socket, event, data));
        }
    }

    /// To every socket.
    pub fn emit_to_all(&self, event: &str, data: &Value) {
        self.all().iter().for_each(|socket| send(socket, event, data));
    }

    /// Open sockets, of one user or of all.
    pub fn count(&self, user: Option<&UserId>) -> usize {
        self.with(|users| match user {
            Some(user) => users.get(user).map_or(0, Vec::len),
            None => users.values().map(Vec::len).sum(),
        })
    }

    fn all(&self) -> Vec<SocketRef> {
        self.with(|users| users.values().flatten().map(|entry| entry.socket.clone()).collect())
    }

    fn with<T>(&self, f: impl FnOnce(&mut HashMap<UserId, Vec<DeviceSocket>>) -> T) -> T {
        f(&mut self.users.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A client too slow to take what it is sent is cut off: it connects again and fetches what it missed.
pub(crate) fn send(socket: &SocketRef, event: &str, data: &Value) {
    if socket.emit(event, data).is_err() && socket.connected() {
        tracing::debug!(socket = %socket.id, "disconnecting a slow socket");
        _ = socket.clone().disconnect();
    }
}
