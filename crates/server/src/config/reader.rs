//! Reads typed values from a layer. Knows where each one was set, so that an error can name the place.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use super::sources::{Layer, Value};
use super::{ConfigError, Listen};

/// Reads typed values; knows where each was set, for messages.
pub(super) struct Reader<'a> {
    layer: &'a Layer,
}

impl<'a> Reader<'a> {
    /// Over a layer.
    pub(super) fn new(layer: &'a Layer) -> Self {
        Self { layer }
    }

    /// The value of a key, or why the source that sets it is wrong.
    pub(super) fn value(&self, name: &str) -> Result<Option<&'a Value>, ConfigError> {
        match self.layer.get(name) {
            Some((Value::Wrong(error), _)) => Err(error.clone()),
            found => Ok(found.map(|(value, _)| value)),
        }
    }

    /// What is wrong with a key's value, in one line that starts with the place where it was set.
    pub(super) fn refuse(&self, name: &str, what: &str) -> ConfigError {
        let place = self.layer.get(name).map_or(name, |(_, place)| place);
        ConfigError(format!("{place}: {what}"))
    }

    pub(super) fn bool(&self, name: &str, default: bool) -> Result<bool, ConfigError> {
        match self.value(name)? {
            None => Ok(default),
            Some(Value::Bool(value)) => Ok(*value),
            Some(_) => Err(self.refuse(name, "must be true or false")),
        }
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<String>, ConfigError> {
        match self.value(name)? {
            None => Ok(None),
            Some(Value::Text(text)) if !text.trim().is_empty() => Ok(Some(text.trim().to_owned())),
            Some(_) => Err(self.refuse(name, "must be a non-empty string")),
        }
    }

    pub(super) fn list(&self, name: &str) -> Result<Vec<String>, ConfigError> {
        match self.value(name)? {
            None => Ok(Vec::new()),
            Some(Value::List(list)) => Ok(list.clone()),
            Some(_) => Err(self.refuse(name, "must be a list of strings")),
        }
    }

    pub(super) fn number(&self, name: &str, range: std::ops::RangeInclusive<u64>) -> Result<Option<u64>, ConfigError> {
        let Some(value) = self.value(name)? else { return Ok(None) };
        match value {
            Value::Number(number) if u64::try_from(*number).is_ok_and(|number| range.contains(&number)) => {
                Ok(Some(number.unsigned_abs()))
            }
            _ => Err(self.refuse(name, &format!("must be a whole number from {} to {}", range.start(), range.end()))),
        }
    }

    pub(super) fn duration(&self, name: &str, default: u64, least: u64, most: u64) -> Result<Duration, ConfigError> {
        let seconds = match self.value(name)? {
            None => Some(default),
            Some(Value::Number(number)) => u64::try_from(*number).ok(),
            Some(Value::Text(text)) => parse_duration(text).map(|duration| duration.as_secs()),
            Some(_) => None,
        };
        match seconds {
            Some(seconds) if (least..=most).contains(&seconds) => Ok(Duration::from_secs(seconds)),
            _ => {
                Err(self
                    .refuse(name, &format!("must be a duration from {least}s to {most}s, such as \"30s\" or \"5m\"")))
            }
        }
    }

    pub(super) fn url(&self, name: &str) -> Result<Option<String>, ConfigError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        match rest {
            Some(rest) if !rest.is_empty() && !rest.starts_with('/') => Ok(Some(text.trim_end_matches('/').to_owned())),
            _ => Err(self.refuse(name, "must be a URL such as https://calls.example.org")),
        }
    }

    pub(super) fn listen(&self, name: &str, default: Option<&str>) -> Result<Option<Listen>, ConfigError> {
        let text = self.text(name)?;
        match text.as_deref().or(default) {
            None | Some("off") => Ok(None),
            Some(text) => parse_listen(text)
                .map(Some)
                .ok_or_else(|| self.refuse(name, "must be a port such as 7880 or an address such as 127.0.0.1:7880")),
        }
    }
}

/// A port on every address, or one address.
pub(super) fn parse_listen(text: &str) -> Option<Listen> {
    if let Ok(port) = text.strip_prefix(':').unwrap_or(text).parse::<u16>() {
        let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
        return Some(Listen { address, also: Some(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))) });
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(Listen { address, also: None });
    }
    let (host, port) = text.rsplit_once(':')?;
    let port: u16 = port.parse().ok()?;
    let mut found: Vec<SocketAddr> = (host, port).to_socket_addrs().ok()?.collect();
    found.sort_by_key(SocketAddr::is_ipv6);
    let address = *found.first()?;
    Some(Listen { address, also: found.into_iter().find(|other| other.is_ipv6() && address.is_ipv4()) })
}

/// `45`, `90s`, `5m`, `1h`, `2d`.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    let unit = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    number.checked_mul(unit).map(Duration::from_secs)
}
