//! Nonces that need no memory: a time and an HMAC over it and the client's address. So one that another source
//! overheard is worth nothing, and a million of them cost nothing.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use model::Secret;
use sha1::Sha1;

use crate::FiveTuple;

/// 4 bytes of time and 14 of HMAC: 24 characters, so that a 401 stays short.
const RAW: usize = 18;
/// The length of a nonce in characters.
pub(crate) const LENGTH: usize = RAW / 3 * 4;

pub(crate) struct Nonces {
    key: Secret<[u8; 32]>,
    epoch: Instant,
    lifetime: Duration,
}

impl Nonces {
    pub(crate) fn new(key: Secret<[u8; 32]>, epoch: Instant, lifetime: Duration) -> Self {
        Self { key, epoch, lifetime }
    }

    /// A nonce for this client.
    pub(crate) fn mint(&self, now: Instant, client: &FiveTuple) -> String {
        let second = self.second(now);
        let mut raw = [0; RAW];
        raw[..4].copy_from_slice(&second.to_be_bytes());
        raw[4..].copy_from_slice(&self.mac(second, client).finalize().into_bytes()[..RAW - 4]);
        URL_SAFE_NO_PAD.encode(raw)
    }

    /// Whether this server gave the nonce to this client, and not too long ago.
    pub(crate) fn is_valid(&self, now: Instant, client: &FiveTuple, nonce: &[u8]) -> bool {
        let mut raw = [0; RAW];
        if nonce.len() != LENGTH || URL_SAFE_NO_PAD.decode_slice(nonce, &mut raw) != Ok(RAW) {
            return false;
        }
        let second = u32::from_be_bytes([raw[0], raw[1], raw[2], raw[3]]);
        let genuine = self.mac(second, client).verify_truncated_left(&raw[4..]).is_ok();
        let age = self.second(now).checked_sub(second);
        genuine && age.is_some_and(|age| Duration::from_secs(age.into()) <= self.lifetime)
    }

    fn second(&self, now: Instant) -> u32 {
        // 136 years of running.
        now.saturating_duration_since(self.epoch).as_secs() as u32
    }

    fn mac(&self, second: u32, client: &FiveTuple) -> Hmac<Sha1> {
        let mut mac = Hmac::<Sha1>::new_from_slice(self.key.reveal()).expect("HMAC takes a key of any length");
        mac.update(&second.to_be_bytes());
        match client.client.ip() {
            IpAddr::V4(ip) => mac.update(&ip.octets()),
            IpAddr::V6(ip) => mac.update(&ip.octets()),
        }
        mac.update(&client.client.port().to_be_bytes());
        mac.update(&[client.transport as u8]);
        mac
    }
}
