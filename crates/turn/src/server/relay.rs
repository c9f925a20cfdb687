//! The packet path: from a client to a peer, from a peer to a client. Nothing is copied and nothing allocated here.

use std::net::SocketAddr;
use std::ops::Range;
use std::time::Instant;

use super::Server;
use crate::allocation::Socket;
use crate::forward::{Forward, Head, LONGEST_PAYLOAD};
use crate::message::{Family, Message, attr, xor_address};
use crate::metrics::Drop;
use crate::policy::Route;
use crate::{AllocationId, FiveTuple, channel_data};

impl Server {
    /// ChannelData (RFC 8656 §12.6). A bound channel is leave enough: its address and port were judged when it was bound.
    pub(super) fn channel_data(&mut self, now: Instant, client: &FiveTuple, bytes: &[u8]) -> Option<Forward> {
        let Some((channel, payload)) = channel_data::parse(bytes) else { return self.dropped(Drop::Malformed) };
        let Some(id) = self.table.by_client(client) else { return self.dropped(Drop::NoAllocation) };
        let peer = self.table.get(id).and_then(|allocation| allocation.peer_of(now, channel));
        match peer {
            Some((peer, route)) => self.forward_to_peer(now, id, (peer, route), payload),
            None => self.dropped(Drop::NoChannel),
        }
    }

    /// A Send indication (RFC 8656 §11.2).
    pub(super) fn send_indication(
        &mut self,
        now: Instant,
        client: &FiveTuple,
        message: &Message<'_>,
    ) -> Option<Forward> {
        let mut peer = None;
        let mut data = None;
        for (kind, value) in message.attributes() {
            match kind {
                attr::XOR_PEER_ADDRESS if peer.is_none() => peer = Some(value),
                attr::DATA if data.is_none() => data = Some(value),
                attr::XOR_PEER_ADDRESS | attr::DATA => {}
                // DONT-FRAGMENT among them: the sender wants what this server does not do.
                kind if kind < 0x8000 => return self.dropped(Drop::Malformed),
                _ => {}
            }
        }
        let peer = peer.and_then(|value| xor_address(value, message.transaction()));
        let (Some(peer), Some(data)) = (peer, data) else { return self.dropped(Drop::Malformed) };
        let Some(id) = self.table.by_client(client) else { return self.dropped(Drop::NoAllocation) };
        let permitted = self.table.get(id).is_some_and(|allocation| {
            allocation.family() == Family::of(peer.ip()) && allocation.permits(now, peer.ip())
        });
        if !permitted {
            return self.dropped(Drop::NoPermission);
        }
        // A permission is by IP only.
        let Ok(route) = self.policy.judge(peer) else { return self.dropped(Drop::Denied) };
        self.forward_to_peer(now, id, (peer, route), message.range_of(data))
    }

    /// The one way to a peer that was judged, address and port.
    fn forward_to_peer(
        &mut self,
        now: Instant,
        id: AllocationId,
        (peer, route): (SocketAddr, Route),
        payload: Range<usize>,
    ) -> Option<Forward> {
        let Some(allocation) = self.table.get(id) else { return self.dropped(Drop::NoAllocation) };
        let (relayed, socket) = (allocation.relayed, allocation.socket);
        if route == Route::Elsewhere && socket != Socket::Open {
            return self.dropped(Drop::NoSocket);
        }
        if peer == relayed {
            return self.dropped(Drop::Denied);
        }
        if !allocation.quota.charge(now, payload.len()) {
            return self.dropped(Drop::Rate);
        }
        let length = payload.len() as u64;
        let forward = match route {
            Route::Local => Some(Forward::Local { allocation: id, relayed, peer, payload }),
            Route::Elsewhere => Some(Forward::Peer { relayed, peer, payload }),
            Route::Relayed => self.forward_to_client(now, peer, relayed, payload),
        };
        if forward.is_some() {
            self.metrics.packets_to_peers += 1;
            self.metrics.bytes_to_peers += length;
        }
        forward
    }

    /// The one way to a client (RFC 8656 §11.3, §12.7), for peers of all kinds.
    pub(super) fn forward_to_client(
        &mut self,
        now: Instant,
        relayed: SocketAddr,
        peer: SocketAddr,
        payload: Range<usize>,
    ) -> Option<Forward> {
        let Some(id) = self.table.by_relayed(relayed) else { return self.dropped(Drop::NoAllocation) };
        let Some(allocation) = self.table.get(id) else { return self.dropped(Drop::NoAllocation) };
        if !allocation.permits(now, peer.ip()) {
            return self.dropped(Drop::NoPermission);
        }
        let (client, channel) = (allocation.client, allocation.channel_of(now, peer));
        if channel.is_none() && self.policy.judge(peer).is_err() {
            return self.dropped(Drop::Denied);
        }
        if payload.len() > LONGEST_PAYLOAD {
            return self.dropped(Drop::TooLarge);
        }
        if !allocation.quota.charge(now, payload.len()) {
            return self.dropped(Drop::Rate);
        }
        let length = payload.len() as u16;
        let padding = payload.len().next_multiple_of(4) - payload.len();
        let (head, padding) = match channel {
            Some(channel) if client.transport.is_stream() => (Head::channel(channel, length), padding),
            Some(channel) => (Head::channel(channel, length), 0),
            None => (Head::indication(self.transaction(), peer, length), padding),
        };
        self.metrics.packets_to_clients += 1;
        self.metrics.bytes_to_clients += u64::from(length);
        Some(Forward::Client { client, head, payload, padding })
    }
}
