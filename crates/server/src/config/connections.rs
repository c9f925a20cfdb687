//! Settings for connections: where metrics are served, how many connections there may be, and how long they may take.

use std::net::Ipv4Addr;

use super::reader::Reader;
use super::{AdminHttp, ConfigError, Connections, Listen};
use crate::admission::Patience;

/// Beside the ports of the web and of media.
const ADMIN_HTTP: &str = "127.0.0.1:7879";
const OF_ADDRESS: u64 = 512;

/// A port alone is one of this machine: whoever reaches it may read what is there.
pub(super) fn admin_http(read: &Reader<'_>) -> Result<Option<AdminHttp>, ConfigError> {
    let chosen = read.text("admin_http")?;
    let Some(mut listen) = read.listen("admin_http", Some(ADMIN_HTTP))? else { return Ok(None) };
    if chosen.as_ref().is_some_and(|text| text.trim_start_matches(':').parse::<u16>().is_ok()) {
        listen = Listen { address: (Ipv4Addr::LOCALHOST, listen.address.port()).into(), also: None };
    }
    Ok(Some(AdminHttp { listen, chosen: chosen.is_some() }))
}

pub(super) fn most(read: &Reader<'_>) -> Result<Connections, ConfigError> {
    let web = read.number("limits.connections", 16..=1_000_000)?;
    let of_address = read.number("limits.address_connections", 1..=1_000_000)?.unwrap_or(OF_ADDRESS);
    Ok(Connections { web: web.map(|most| most as usize), of_address: of_address as usize })
}

pub(super) fn patience(read: &Reader<'_>) -> Result<Patience, ConfigError> {
    let Patience { head, body, idle } = Patience::default();
    Ok(Patience {
        head: read.duration("limits.header_timeout", head.as_secs(), 1, 600)?,
        body: read.duration("limits.body_timeout", body.as_secs(), 1, 3_600)?,
        idle: read.duration("limits.idle_timeout", idle.as_secs(), 1, 3_600)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{flags, validate};

    #[test]
    fn metrics_are_for_this_machine_unless_said_otherwise() {
        let read = |text: Option<&str>| {
            let given = text.map(|text| ("admin_http", "--admin-http", text.to_owned())).into_iter().collect();
            let admin = validate(&flags(given).expect("known"), 1).expect("valid").admin_http;
            admin.map(|admin| (admin.listen.address.to_string(), admin.listen.also.is_some(), admin.chosen))
        };
        assert_eq!(read(None), Some(("127.0.0.1:7879".into(), false, false)));
        assert_eq!(read(Some("9000")), Some(("127.0.0.1:9000".into(), false, true)));
        assert_eq!(read(Some(":9000")), Some(("127.0.0.1:9000".into(), false, true)));
        assert_eq!(read(Some("0.0.0.0:9000")), Some(("0.0.0.0:9000".into(), false, true)));
        assert_eq!(read(Some("off")), None);
    }
}
