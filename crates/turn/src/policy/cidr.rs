//! Ranges of addresses.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A range of addresses, as `10.0.0.0/8` or as one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    net: IpAddr,
    bits: u8,
}

/// Why a text is no range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an address range: {why}")]
pub struct CidrError {
    /// What could not be read.
    pub text: String,
    why: &'static str,
}

impl Cidr {
    /// Whether the address is in the range. IPv4 ranges hold no IPv6 addresses, whatever these embed.
    pub fn contains(&self, ip: IpAddr) -> bool {
        match (self.net, ip) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => (net.to_bits() ^ ip.to_bits()) & v4_mask(self.bits) == 0,
            (IpAddr::V6(net), IpAddr::V6(ip)) => (net.to_bits() ^ ip.to_bits()) & v6_mask(self.bits) == 0,
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

fn v4_mask(bits: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0)
}

fn v6_mask(bits: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0)
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, CidrError> {
        let fail = |why| CidrError { text: text.to_owned(), why };
        let (net, bits) = text.split_once('/').map_or((text, None), |(net, bits)| (net, Some(bits)));
        let net: IpAddr = net.parse().map_err(|_| fail("there is no IP address before the slash"))?;
        let most = if net.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(bits) if bits.bytes().all(|byte| byte.is_ascii_digit()) => {
                bits.parse().map_err(|_| fail("there is no prefix length after the slash"))?
            }
            Some(_) => return Err(fail("there is no prefix length after the slash")),
        };
        if bits > most {
            return Err(fail("the prefix is longer than the address"));
        }
        let rest = match net {
            IpAddr::V4(net) => u128::from(net.to_bits() & !v4_mask(bits)),
            IpAddr::V6(net) => net.to_bits() & !v6_mask(bits),
        };
        if rest != 0 {
            return Err(fail("bits beyond the prefix are set"));
        }
        Ok(Self { net, bits })
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.net, self.bits)
    }
}
