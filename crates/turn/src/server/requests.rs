//! Requests and their answers (RFC 8489 §6.3, RFC 8656 §7 to §12).

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use super::auth::{Caller, Rejection};
use super::{Ended, Output, Server, lifetime, next_look};
use crate::accounts::Full;
use crate::allocation::{Allocation, BindError, NewAllocation, Socket};
use crate::forward::Forward;
use crate::message::{Builder, Class, Family, Key, Message, Method, attr, xor_address};
use crate::metrics::Drop;
use crate::timers::Timer;
use crate::{AllocationId, FiveTuple, channel_data};

/// UDP, as REQUESTED-TRANSPORT numbers it.
const UDP: u8 = 17;
/// So many types a 420 lists, that the answer stay short.
const LISTED_UNKNOWN: usize = 16;

/// The attributes below 0x8000 that this server understands. DONT-FRAGMENT is not among them: relays in memory have no
/// such bit, and RFC 8656 §7.2 has a server that cannot set it answer 420.
const UNDERSTOOD: [u16; 18] = [
    attr::MAPPED_ADDRESS,
    attr::USERNAME,
    attr::MESSAGE_INTEGRITY,
    attr::ERROR_CODE,
    attr::UNKNOWN_ATTRIBUTES,
    attr::CHANNEL_NUMBER,
    attr::LIFETIME,
    attr::XOR_PEER_ADDRESS,
    attr::DATA,
    attr::REALM,
    attr::NONCE,
    attr::XOR_RELAYED_ADDRESS,
    attr::REQUESTED_ADDRESS_FAMILY,
    attr::EVEN_PORT,
    attr::REQUESTED_TRANSPORT,
    attr::MESSAGE_INTEGRITY_SHA256,
    attr::XOR_MAPPED_ADDRESS,
    attr::RESERVATION_TOKEN,
];

/// A refusal of a genuine request.
struct Refusal(u16);

impl Refusal {
    /// Short, and for eyes only: clients go by the code.
    fn reason(&self) -> &'static str {
        match self.0 {
            400 => "Bad Request",
            403 => "Forbidden",
            420 => "Unknown Attribute",
            437 => "Allocation Mismatch",
            440 => "Address Family not Supported",
            441 => "Wrong Credentials",
            442 => "Unsupported Transport Protocol",
            443 => "Peer Address Family Mismatch",
            486 => "Allocation Quota Reached",
            508 => "Insufficient Capacity",
            _ => "",
        }
    }
}

/// What a success carries beside its check attributes.
type Body = Box<dyn FnOnce(Builder) -> Builder>;

impl Server {
    pub(super) fn message(&mut self, now: Instant, client: FiveTuple, message: &Message<'_>) -> Option<Forward> {
        match (message.class(), message.method()) {
            (Class::Request, Method::Binding) => {
                self.binding(now, client, message);
                None
            }
            (Class::Request, Method::Allocate | Method::Refresh | Method::CreatePermission | Method::ChannelBind) => {
                self.request(now, client, message);
                None
            }
            (Class::Indication, Method::Send) => self.send_indication(now, &client, message),
            // A keepalive.
            (Class::Indication, Method::Binding) => None,
            (Class::Request, Method::Send | Method::Data | Method::Other(_))
            | (
                Class::Indication,
                Method::Allocate
                | Method::Refresh
                | Method::Data
                | Method::CreatePermission
                | Method::ChannelBind
                | Method::Other(_),
            )
            | (Class::Success | Class::Error, _) => self.dropped(Drop::Unexpected),
        }
    }

    fn binding(&mut self, now: Instant, client: FiveTuple, message: &Message<'_>) {
        let unknown = unknown_attributes(message);
        if !unknown.is_empty() {
            return self.refuse_stranger(now, client, message, 420, &unknown);
        }
        self.metrics.bindings += 1;
        let answer = answer(message, Class::Success).address(attr::XOR_MAPPED_ADDRESS, mapped(&client));
        self.send(client, message, answer, None);
    }

    fn request(&mut self, now: Instant, client: FiveTuple, message: &Message<'_>) {
        let existing = self.table.by_client(&client);
        let caller = match self.authenticate(now, &client, message, existing) {
            Ok(caller) => caller,
            Err(Rejection::Stranger(code)) => return self.refuse_stranger(now, client, message, code, &[]),
            Err(Rejection::WrongCredentials(key)) => return self.refuse(client, message, &key, &Refusal(441), &[]),
        };
        let unknown = unknown_attributes(message);
        if !unknown.is_empty() {
            return self.refuse(client, message, &caller.key, &Refusal(420), &unknown);
        }
        let key = caller.key.clone();
        let outcome = match message.method() {
            Method::Allocate => self.allocate(now, client, message, existing, caller),
            Method::Refresh => self.refresh(now, message, existing),
            Method::CreatePermission => self.create_permission(now, message, existing),
            Method::ChannelBind => self.channel_bind(now, message, existing),
            Method::Binding | Method::Send | Method::Data | Method::Other(_) => Err(Refusal(400)),
        };
        match outcome {
            Ok(body) => {
                let answer = body(answer(message, Class::Success));
                self.send(client, message, answer, Some(&key));
            }
            Err(refusal) => self.refuse(client, message, &key, &refusal, &[]),
        }
    }

    fn allocate(
        &mut self,
        now: Instant,
        client: FiveTuple,
        message: &Message<'_>,
        existing: Option<AllocationId>,
        caller: Caller,
    ) -> Result<Body, Refusal> {
        if let Some(allocation) = existing.and_then(|id| self.table.get(id)) {
            // A retransmission: the first answer was lost, or is on its way.
            return if allocation.transaction == message.transaction() {
                Ok(allocated(now, allocation))
            } else {
                Err(Refusal(437))
            };
        }
        let wishes = Wishes::read(message)?;
        let ip = self.config.relay.address(wishes.family).ok_or(Refusal(440))?;
        let quota = self.accounts.open(now, &caller.user).map_err(|full| match full {
            Full::Quota => Refusal(486),
            Full::Capacity => Refusal(508),
        })?;
        let (port, socket) =
            self.table.take_port(now, &mut self.rng, wishes.family, wishes.even_port).ok_or(Refusal(508))?;
        let relayed = SocketAddr::new(ip, port);
        let expires = now + lifetime(wishes.lifetime, self.config.limits.longest_lifetime);
        let id = self.table.insert(NewAllocation {
            client,
            relayed,
            socket,
            username: caller.username,
            quota,
            key: caller.key,
            transaction: message.transaction(),
            expires,
        });
        self.timers.set(next_look(now, expires), Timer::Allocation(id));
        self.metrics.allocated += 1;
        self.outputs.push_back(Output::Allocated { allocation: id, user: caller.user, client, relayed });
        let body = allocated(now, self.table.get(id).expect("it was just inserted"));
        // One relayed address an allocation: of two families the second is refused in the same answer.
        let second_family = wishes.additional_family;
        Ok(Box::new(move |answer| {
            let answer = body(answer);
            if second_family { answer.attribute(attr::ADDRESS_ERROR_CODE, &[2, 0, 4, 40]) } else { answer }
        }))
    }

    fn refresh(
        &mut self,
        now: Instant,
        message: &Message<'_>,
        existing: Option<AllocationId>,
    ) -> Result<Body, Refusal> {
        let id = existing.ok_or(Refusal(437))?;
        let requested = seconds(message)?;
        let family = family(message, attr::REQUESTED_ADDRESS_FAMILY)?;
        let longest = self.config.limits.longest_lifetime;
        let allocation = self.table.get_mut(id).ok_or(Refusal(437))?;
        if family.is_some_and(|family| family != allocation.family()) {
            return Err(Refusal(443));
        }
        if requested == Some(0) {
            self.end(now, id, Ended::Released);
            return Ok(Box::new(|answer| answer.number(attr::LIFETIME, 0)));
        }
        let lifetime = lifetime(requested, longest);
        allocation.expires = now + lifetime;
        Ok(Box::new(move |answer| answer.number(attr::LIFETIME, lifetime.as_secs() as u32)))
    }

    fn create_permission(
        &mut self,
        now: Instant,
        message: &Message<'_>,
        existing: Option<AllocationId>,
    ) -> Result<Body, Refusal> {
        let id = existing.ok_or(Refusal(437))?;
        let mut ips = Vec::new();
        for (_, value) in message.attributes().filter(|(kind, _)| *kind == attr::XOR_PEER_ADDRESS) {
            ips.push(xor_address(value, message.transaction()).ok_or(Refusal(400))?.ip());
        }
        if ips.is_empty() {
            return Err(Refusal(400));
        }
        self.permit(now, id, &ips)?;
        Ok(Box::new(|answer| answer))
    }

    fn channel_bind(
        &mut self,
        now: Instant,
        message: &Message<'_>,
        existing: Option<AllocationId>,
    ) -> Result<Body, Refusal> {
        let id = existing.ok_or(Refusal(437))?;
        let channel = match message.attribute(attr::CHANNEL_NUMBER) {
            Some(&[c0, c1, _, _]) => u16::from_be_bytes([c0, c1]),
            Some(_) | None => return Err(Refusal(400)),
        };
        let peer = message.attribute(attr::XOR_PEER_ADDRESS);
        let peer = peer.and_then(|value| xor_address(value, message.transaction())).ok_or(Refusal(400))?;
        if !channel_data::CHANNELS.contains(&channel) {
            return Err(Refusal(400));
        }
        let allocation = self.table.get_mut(id).ok_or(Refusal(437))?;
        if allocation.family() != Family::of(peer.ip()) {
            return Err(Refusal(443));
        }
        let route = self.policy.judge(peer).map_err(|_| Refusal(403))?;
        if peer == allocation.relayed {
            return Err(Refusal(403));
        }
        let most = self.config.limits.channels;
        allocation.can_bind(now, channel, peer, most).map_err(|error| match error {
            BindError::Conflict => Refusal(400),
            BindError::Full => Refusal(508),
        })?;
        self.permit(now, id, &[peer.ip()])?;
        if let Some(allocation) = self.table.get_mut(id) {
            allocation.bind(now, channel, peer, route);
        }
        Ok(Box::new(|answer| answer))
    }

    /// Permits all these addresses or none, opens the relay socket where one of them is elsewhere, and sees to the timer.
    fn permit(&mut self, now: Instant, id: AllocationId, ips: &[IpAddr]) -> Result<(), Refusal> {
        let allocation = self.table.get_mut(id).ok_or(Refusal(437))?;
        let family = allocation.family();
        if ips.iter().any(|ip| Family::of(*ip) != family) {
            return Err(Refusal(443));
        }
        let mut elsewhere = false;
        for ip in ips {
            elsewhere |= self.policy.judge_ip(*ip).map_err(|_| Refusal(403))?;
        }
        let opens = match (elsewhere, allocation.socket) {
            (false, _) | (true, Socket::Open) => false,
            (true, Socket::Unopened) => true,
            (true, Socket::Virtual | Socket::Failed) => return Err(Refusal(508)),
        };
        if !allocation.permit(now, ips, self.config.limits.permissions) {
            return Err(Refusal(508));
        }
        if opens {
            allocation.socket = Socket::Open;
            self.outputs.push_back(Output::OpenRelay { relayed: allocation.relayed });
        }
        if !allocation.bindings_timer {
            allocation.bindings_timer = true;
            self.timers.set(now + crate::allocation::PERMISSION_LIFETIME, Timer::Bindings(id));
        }
        Ok(())
    }

    /// Answers somebody unknown, unsigned; what could be aimed at a forged source is counted.
    fn refuse_stranger(&mut self, now: Instant, client: FiveTuple, message: &Message<'_>, code: u16, unknown: &[u16]) {
        if !self.accounts.may_challenge(now, client.client.ip().to_canonical()) {
            self.dropped(Drop::Challenges);
            return;
        }
        self.metrics.count_refusal(code);
        let mut refusal = with_unknown(answer(message, Class::Error).error(code, ""), unknown);
        if matches!(code, 401 | 438) {
            let nonce = self.nonces.mint(now, &client);
            refusal =
                refusal.attribute(attr::REALM, self.config.realm.as_bytes()).attribute(attr::NONCE, nonce.as_bytes());
        }
        self.send(client, message, refusal, None);
    }

    fn refuse(&mut self, client: FiveTuple, message: &Message<'_>, key: &Key, refusal: &Refusal, unknown: &[u16]) {
        self.metrics.count_refusal(refusal.0);
        let error = answer(message, Class::Error).error(refusal.0, refusal.reason());
        self.send(client, message, with_unknown(error, unknown), Some(key));
    }

    /// Signs where there is a key; a FINGERPRINT answers a FINGERPRINT.
    fn send(&mut self, client: FiveTuple, message: &Message<'_>, answer: Builder, key: Option<&Key>) {
        let answer = match key {
            Some(key) => answer.integrity(key),
            None => answer,
        };
        let answer = if message.has_fingerprint() { answer.fingerprint() } else { answer };
        self.outputs.push_back(Output::ToClient { client, bytes: answer.finish() });
    }
}

/// What an Allocate asks for.
struct Wishes {
    family: Family,
    even_port: bool,
    additional_family: bool,
    lifetime: Option<u32>,
}

impl Wishes {
    fn read(message: &Message<'_>) -> Result<Self, Refusal> {
        match message.attribute(attr::REQUESTED_TRANSPORT) {
            Some(&[UDP, ..]) => {}
            Some(&[_, _, _, _]) => return Err(Refusal(442)),
            Some(_) | None => return Err(Refusal(400)),
        }
        let requested = family(message, attr::REQUESTED_ADDRESS_FAMILY)?;
        let additional = message.attribute(attr::ADDITIONAL_ADDRESS_FAMILY);
        let even_port = message.attribute(attr::EVEN_PORT);
        let token = message.attribute(attr::RESERVATION_TOKEN);
        let conflict = token.is_some() && (even_port.is_some() || requested.is_some() || additional.is_some())
            || additional.is_some() && requested.is_some();
        if conflict {
            return Err(Refusal(400));
        }
        if let Some(additional) = additional
            && !matches!(additional, &[2, _, _, _])
        {
            return Err(Refusal(400));
        }
        // No reservations are made, so there is none to redeem.
        if token.is_some() {
            return Err(Refusal(508));
        }
        let even_port = match even_port {
            None => false,
            Some(&[flags]) if flags & 0x80 == 0 => true,
            Some(&[_]) => return Err(Refusal(508)),
            Some(_) => return Err(Refusal(400)),
        };
        Ok(Self {
            family: requested.unwrap_or(Family::V4),
            even_port,
            additional_family: additional.is_some(),
            lifetime: seconds(message)?.filter(|seconds| *seconds > 0),
        })
    }
}

fn answer(message: &Message<'_>, class: Class) -> Builder {
    Builder::new(class, message.method(), message.transaction())
}

/// The client's address as it would know it: a socket for both families shows IPv4 in its mapped form.
fn mapped(client: &FiveTuple) -> SocketAddr {
    SocketAddr::new(client.client.ip().to_canonical(), client.client.port())
}

fn allocated(now: Instant, allocation: &Allocation) -> Body {
    let (relayed, mapped) = (allocation.relayed, mapped(&allocation.client));
    let left = allocation.expires.saturating_duration_since(now).as_secs() as u32;
    Box::new(move |answer| {
        answer
            .address(attr::XOR_RELAYED_ADDRESS, relayed)
            .number(attr::LIFETIME, left)
            .address(attr::XOR_MAPPED_ADDRESS, mapped)
    })
}

fn unknown_attributes(message: &Message<'_>) -> Vec<u16> {
    let unknown = |kind: &u16| *kind < 0x8000 && !UNDERSTOOD.contains(kind);
    message.attributes().map(|(kind, _)| kind).filter(unknown).take(LISTED_UNKNOWN).collect()
}

fn with_unknown(answer: Builder, unknown: &[u16]) -> Builder {
    if unknown.is_empty() {
        return answer;
    }
    let list: Vec<u8> = unknown.iter().flat_map(|kind| kind.to_be_bytes()).collect();
    answer.attribute(attr::UNKNOWN_ATTRIBUTES, &list)
}

/// LIFETIME, where it is there.
fn seconds(message: &Message<'_>) -> Result<Option<u32>, Refusal> {
    let Some(value) = message.attribute(attr::LIFETIME) else { return Ok(None) };
    let value = <[u8; 4]>::try_from(value).map_err(|_| Refusal(400))?;
    Ok(Some(u32::from_be_bytes(value)))
}

/// A family attribute, where it is there; 440 for a family that nobody knows.
fn family(message: &Message<'_>, kind: u16) -> Result<Option<Family>, Refusal> {
    match message.attribute(kind) {
        None => Ok(None),
        Some(&[number, _, _, _]) => Family::from_number(number).map(Some).ok_or(Refusal(440)),
        Some(_) => Err(Refusal(400)),
    }
}
