//! Turns layers of values into settings that make sense together.

use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;

use model::{Bitrate, RecordingDecline, RecordingPolicy};

use super::connections;
use super::credentials::{auth, turn_secret, webhooks};
use super::reader::Reader;
use super::recording::recording;
use super::sources::{Layer, Value};
use super::{Config, ConfigError, Log, Room};
use crate::acme::{Acme, LETS_ENCRYPT};
use crate::turn::TurnSettings;

const MOST_WORKERS: usize = 64;
/// TURN threads.
const MOST_TURN_WORKERS: usize = 16;

/// Checks the settings of a server. `cores` is what the host has.
pub fn validate(layer: &Layer, cores: usize) -> Result<Config, ConfigError> {
    layer.check()?;
    let read = Reader::new(layer);
    let dev = read.bool("dev", false)?;
    let (udp_ports, tcp_port) = ports(&read, cores)?;
    let domain = read.text("domain")?;
    // With a URL of its own there is a proxy in front, which has the certificate.
    let ask = domain.is_some() && !dev && read.url("public_url")?.is_none();
    let public_url = match (read.url("public_url")?, &domain) {
        (None, Some(domain)) => Some(format!("https://{domain}")),
        (url, _) => url,
    };
    let certificate = certificate(&read)?;
    let https = read.listen("https", if dev { Some("7843") } else { ask.then_some("443") })?;
    let acme = if ask && https.is_some() && certificate.is_none() { Some(acme(&read)?) } else { None };
    let trusted = https.is_some() && (certificate.is_some() || acme.is_some());
    let turn = turn(&read, cores, https.is_some(), trusted)?;
    Ok(Config {
        dev,
        data_dir: data_dir(layer)?,
        http: read.listen("http", Some("7880"))?.ok_or_else(|| read.refuse("http", "cannot be \"off\""))?,
        https,
        acme,
        certificate,
        public_url,
        domain,
        udp_ports,
        tcp_port,
        announce: announce(&read)?,
        spread_from: Some(read.number("media.spread_from", 0..=100_000)?.unwrap_or(200)).filter(|from| *from > 0),
        initial_bitrate: Bitrate(read.number("media.initial_bitrate", 100_000..=1_000_000_000)?.unwrap_or(7_000_000)),
        log: Log {
            filter: read.text("log.level")?.unwrap_or_else(|| "info".to_owned()),
            json: read.bool("log.json", false)?,
        },
        auth: auth(&read, dev)?,
        webhooks: webhooks(&read, dev)?,
        sign_up: read.bool("accounts.sign_up", true)?,
        strict_users: read.bool("users.strict", false)?,
        keep_quality: read.duration("quality.keep", 2_592_000, 3_600, 315_360_000)?,
        room: room(&read, dev)?,
        call: calls(&read)?,
        cors_origins: origins(&read, "cors.origins")?,
        image_sources: image_sources(&read)?,
        trust_forwarded: read.bool("proxy.trust_forwarded", false)?,
        ice_servers: ice_servers(&read)?,
        turn,
        turn_handout: turn_handout(&read)?,
        recording: recording(&read, &data_dir(layer)?)?,
        limits: limits(&read)?,
        admin_http: connections::admin_http(&read)?,
        hsts: read.bool("tls.hsts", true)?,
        connections: connections::most(&read)?,
        patience: connections::patience(&read)?,
    })
}

/// Where everything is kept.
pub fn data_dir(layer: &Layer) -> Result<PathBuf, ConfigError> {
    Ok(PathBuf::from(Reader::new(layer).text("data_dir")?.unwrap_or_else(|| "data".to_owned())))
}

/// The servers of the table, and those that are named by themselves.
fn ice_servers(read: &Reader<'_>) -> Result<Vec<api::IceServer>, ConfigError> {
    let mut servers = match read.value("ice_servers")? {
        Some(Value::Servers(servers)) => servers.clone(),
        _ => Vec::new(),
    };
    let named = |key: &'static str, schemes: [&str; 2]| -> Result<Vec<String>, ConfigError> {
        let urls = read.list(key)?;
        match urls.iter().find(|url| !schemes.iter().any(|scheme| url.starts_with(scheme))) {
            Some(url) => Err(read.refuse(key, &format!("{url:?} must begin with {}", schemes.join(" or ")))),
            None => Ok(urls),
        }
    };
    let stun = named("ice.stun_server", ["stun:", "stuns:"])?;
    if !stun.is_empty() {
        servers.push(api::IceServer { urls: stun, username: None, credential: None });
    }
    let turn = named("ice.turn_server", ["turn:", "turns:"])?;
    let (username, credential) = (read.text("ice.turn_username")?, read.text("ice.turn_credential")?);
    if !turn.is_empty() {
        if username.is_none() || credential.is_none() {
            return Err(read.refuse("ice.turn_server", "needs ice.turn_username and ice.turn_credential as well"));
        }
        servers.push(api::IceServer { urls: turn, username, credential });
    }
    Ok(servers)
}

fn turn_handout(read: &Reader<'_>) -> Result<api::TurnHandout, ConfigError> {
    let secret = turn_secret(read)?;
    let port = read.number("turn.server_port", 1..=65_535)?.unwrap_or(3478);
    let urls = match read.text("turn.server_host")? {
        None => Vec::new(),
        Some(_) if secret.is_none() => return Err(read.refuse("turn.server_host", "needs turn.secret as well")),
        Some(host) if host.contains([' ', '/', '?']) => {
            return Err(read.refuse("turn.server_host", "must be a host name or an IP address"));
        }
        Some(host) => {
            let host = if host.parse::<Ipv6Addr>().is_ok() { format!("[{host}]") } else { host };
            ["udp", "tcp"].map(|transport| format!("turn:{host}:{port}?transport={transport}")).to_vec()
        }
    };
    let ttl = read.duration("turn.credential_ttl", 12 * 3_600, 60, 30 * 86_400)?;
    Ok(api::TurnHandout { secret, ttl, urls })
}

fn ports(read: &Reader<'_>, cores: usize) -> Result<(Vec<u16>, Option<u16>), ConfigError> {
    let (first, last) = match read.text("media.udp_ports")? {
        None => (7882, None),
        Some(text) => port_range(&text).ok_or_else(|| {
            read.refuse("media.udp_ports", "must be a port such as 7882 or a range such as 7882-7889")
        })?,
    };
    let room = usize::from(last.unwrap_or(u16::MAX) - first) + 1;
    let workers = match read.number("media.workers", 1..=MOST_WORKERS as u64)? {
        Some(workers) if workers as usize > room => {
            return Err(
                read.refuse("media.workers", &format!("{workers} workers need {workers} ports in media.udp_ports"))
            );
        }
        Some(workers) => workers as usize,
        None => cores.clamp(1, MOST_WORKERS.min(room)),
    };
    let udp = (0..workers as u16).map(|n| first + n).collect();
    let tcp = match read.number("media.tcp_port", 0..=65_535)?.unwrap_or(7881) {
        0 => None,
        port => Some(port as u16),
    };
    Ok((udp, tcp))
}

/// `7882`, `7882-` and `7882-7889`.
fn port_range(text: &str) -> Option<(u16, Option<u16>)> {
    let (first, last) = match text.split_once(['-', '…']) {
        None => (text, None),
        Some((first, "")) => (first, None),
        Some((first, last)) => (first, Some(last.trim().parse().ok()?)),
    };
    let first: u16 = first.trim().parse().ok()?;
    (first > 0 && last.is_none_or(|last: u16| last >= first)).then_some((first, last))
}

fn turn(read: &Reader<'_>, cores: usize, https: bool, trusted: bool) -> Result<Option<TurnSettings>, ConfigError> {
    let port = |name: &str, default: Option<u16>| match read.text(name)?.as_deref() {
        None => Ok(default),
        Some("off" | "0") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| read.refuse(name, "must be a port such as 3478 or \"off\"")),
    };
    let tls_port = port("turn.tls_port", trusted.then_some(5349))?;
    if tls_port.is_some() && !https {
        return Err(read.refuse("turn.tls_port", "needs --https, because it uses the same certificate"));
    }
    let Some(port) = port("turn.port", Some(3478))? else { return Ok(None) };
    let relay_ports = match read.text("turn.relay_ports")? {
        None => None,
        Some(text) => match port_range(&text) {
            Some((first, Some(last))) if first >= 1024 => Some(first..=last),
            _ => return Err(read.refuse("turn.relay_ports", "must be a range above 1023, such as 49152-49251")),
        },
    };
    // Each thread has ports of its own.
    let room = relay_ports.as_ref().map_or(MOST_TURN_WORKERS, ExactSizeIterator::len);
    let workers = match read.number("turn.workers", 1..=MOST_TURN_WORKERS as u64)? {
        Some(workers) if workers as usize > room => {
            return Err(read.refuse(
                "turn.workers",
                &format!("{workers} threads need at least {workers} ports in turn.relay_ports"),
            ));
        }
        Some(workers) => workers as usize,
        None => cores.clamp(1, MOST_TURN_WORKERS.min(room)),
    };
    let cidrs = |name: &str| -> Result<Vec<String>, ConfigError> {
        let list = read.list(name)?;
        match list.iter().find_map(|text| text.parse::<turn::policy::Cidr>().err()) {
            Some(error) => Err(read.refuse(name, &error.to_string())),
            None => Ok(list),
        }
    };
    Ok(Some(TurnSettings {
        port,
        tls_port,
        workers,
        relay_ports,
        p2p_relay: read.bool("turn.p2p_relay", true)?,
        allow: cidrs("turn.allow")?,
        deny: cidrs("turn.deny")?,
        limits: turn_limits(read)?,
        credential_ttl: read.duration("turn.credential_ttl", 12 * 3_600, 60, 30 * 86_400)?,
        secret: turn_secret(read)?,
    }))
}

fn turn_limits(read: &Reader<'_>) -> Result<turn::Limits, ConfigError> {
    let default = turn::Limits::default();
    let rate = |name: &str| -> Result<Option<turn::Rate>, ConfigError> {
        let bits = read.number(name, 0..=1_000_000_000_000)?.unwrap_or(0);
        // Half a second's worth at once, and never less than a burst of video.
        let burst = (bits / 16).max(256 << 10);
        Ok((bits > 0).then_some(turn::Rate { bytes_per_second: (bits / 8).max(1), burst }))
    };
    let count = |name: &str, default: u32| -> Result<u32, ConfigError> {
        Ok(read.number(name, 1..=1_000_000)?.map_or(default, |number| number as u32))
    };
    Ok(turn::Limits {
        allocations_per_user: count("turn.allocations_per_user", default.allocations_per_user)?,
        allocations: count("turn.allocations", default.allocations)?,
        challenges_per_second: read
            .number("turn.challenges", 1..=255)?
            .map_or(default.challenges_per_second, |n| n as u8),
        user_rate: rate("turn.user_bitrate")?,
        total_rate: rate("turn.total_bitrate")?,
        ..default
    })
}

fn announce(read: &Reader<'_>) -> Result<Vec<IpAddr>, ConfigError> {
    let parse = |text: &String| {
        let address: Option<IpAddr> = text.parse().ok();
        address.filter(|ip| !ip.is_unspecified() && !ip.is_multicast()).ok_or_else(|| {
            read.refuse("media.announce", &format!("{text:?} is not an IP address that clients can reach"))
        })
    };
    read.list("media.announce")?.iter().map(parse).collect()
}

fn certificate(read: &Reader<'_>) -> Result<Option<(PathBuf, PathBuf)>, ConfigError> {
    match (read.text("tls.cert")?, read.text("tls.key")?) {
        (Some(cert), Some(key)) => Ok(Some((cert.into(), key.into()))),
        (None, None) => Ok(None),
        (Some(_), None) => Err(read.refuse("tls.cert", "needs tls.key as well")),
        (None, Some(_)) => Err(read.refuse("tls.key", "needs tls.cert as well")),
    }
}

fn acme(read: &Reader<'_>) -> Result<Acme, ConfigError> {
    Ok(Acme {
        directory: read.url("acme.directory")?.unwrap_or_else(|| LETS_ENCRYPT.to_owned()),
        email: read.text("acme.email")?,
        ca: read.text("acme.ca")?.map(PathBuf::from),
    })
}

fn room(read: &Reader<'_>, dev: bool) -> Result<Room, ConfigError> {
    Ok(Room {
        auto_create: read.bool("room.auto_create", dev)?,
        max_participants: read.number("room.max_participants", 0..=100_000)?.unwrap_or(0) as usize,
        empty_timeout: read.duration("room.empty_timeout", 300, 1, 86_400)?,
        departure_timeout: read.duration("room.departure_timeout", 20, 1, 600)?,
    })
}

fn calls(read: &Reader<'_>) -> Result<call::Config, ConfigError> {
    let default = call::Config::default();
    Ok(call::Config {
        ring_timeout: read.duration("call.ring_timeout", 30, 5, 180)?,
        reconnect_window: read.duration("call.reconnect_window", 30, 1, 600)?,
        empty_timeout: read.duration("call.empty_timeout", 300, 1, 86_400)?,
        max_participants: read
            .number("call.max_participants", 2..=10_000)?
            .map_or(default.max_participants, |most| most as usize),
        voice_calls: read.bool("features.voice_calls", true)?,
        video_calls: read.bool("features.video_calls", true)?,
        group_calls: read.bool("features.group_calls", true)?,
        screen_sharing: read.bool("features.screen_sharing", true)?,
        call_recording: read.bool("features.call_recording", false)?,
        recording_policy: word(read, "recording.policy", RecordingPolicy::ALL, RecordingPolicy::as_str)?
            .unwrap_or(default.recording_policy),
        recording_decline: word(read, "recording.decline", RecordingDecline::ALL, RecordingDecline::as_str)?
            .unwrap_or(default.recording_decline),
        call_waiting: read.bool("call.waiting", true)?,
    })
}

/// One of these words.
fn word<T: Copy>(
    read: &Reader<'_>,
    key: &str,
    all: &[T],
    as_str: fn(T) -> &'static str,
) -> Result<Option<T>, ConfigError> {
    let Some(text) = read.text(key)? else { return Ok(None) };
    let known = all.iter().copied().find(|one| as_str(*one) == text);
    let words = || all.iter().map(|one| as_str(*one)).collect::<Vec<_>>().join(", ");
    known.map(Some).ok_or_else(|| read.refuse(key, &format!("{text:?} is not one of {}", words())))
}

fn origins(read: &Reader<'_>, key: &str) -> Result<Vec<String>, ConfigError> {
    let parse = |text: &String| {
        if is_origin(text) {
            return Ok(text.clone());
        }
        Err(read.refuse(key, &format!("{text:?} is not an origin such as https://app.example.org")))
    };
    read.list(key)?.iter().map(parse).collect()
}

/// Origins, or `https:` for any; nothing that could end the policy's directive.
fn image_sources(read: &Reader<'_>) -> Result<Vec<String>, ConfigError> {
    let key = "web.image_sources";
    if read.list(key)?.iter().any(|text| text == "https:") {
        return Ok(vec!["https:".to_owned()]);
    }
    origins(read, key)
}

fn is_origin(text: &str) -> bool {
    let authority = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    authority.is_some_and(|host| {
        !host.is_empty()
            && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']'))
    })
}

fn limits(read: &Reader<'_>) -> Result<api::Limits, ConfigError> {
    let mut limits = api::Limits::default();
    let set = |name: &str, place: &mut u32| -> Result<(), ConfigError> {
        if let Some(value) = read.number(name, 1..=1_000_000)? {
            *place = value as u32;
        }
        Ok(())
    };
    set("limits.sign_ins_a_minute", &mut limits.sign_ins_a_minute)?;
    limits.sign_in_burst = limits.sign_in_burst.max(limits.sign_ins_a_minute);
    set("limits.requests_a_second", &mut limits.requests_a_second)?;
    set("limits.request_burst", &mut limits.request_burst)?;
    set("limits.server_requests_a_second", &mut limits.server_requests_a_second)?;
    set("limits.server_request_burst", &mut limits.server_request_burst)?;
    set("limits.key_requests_a_second", &mut limits.key_requests_a_second)?;
    set("limits.key_request_burst", &mut limits.key_request_burst)?;
    set("limits.address_requests_a_second", &mut limits.address_requests_a_second)?;
    set("limits.address_request_burst", &mut limits.address_request_burst)?;
    set("limits.signals_a_second", &mut limits.signals_a_second)?;
    set("limits.signal_burst", &mut limits.signal_burst)?;
    Ok(limits)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::reader::{parse_duration, parse_listen};
    use super::super::sources::{environment, flags};
    use super::*;

    fn of(pairs: &[(&'static str, &'static str, &str)]) -> Result<Config, ConfigError> {
        let given = pairs.iter().map(|(name, flag, text)| (*name, *flag, (*text).to_owned())).collect();
        validate(&flags(given)?, 2)
    }

    #[test]
    fn nothing_configured_is_a_server() {
        let config = validate(&Layer::default(), 2).expect("defaults");
        assert_eq!((config.udp_ports, config.tcp_port), (vec![7882, 7883], Some(7881)));
        assert_eq!(config.http.address, "0.0.0.0:7880".parse().expect("an address"));
        assert_eq!((config.https, config.dev, config.room.auto_create), (None, false, false));
        let dev = of(&[("dev", "--dev", "true")]).expect("dev");
        assert_eq!(dev.https.map(|https| https.address.port()), Some(7843));
        assert!(dev.room.auto_create);
    }

    #[test]
    fn how_calls_are_recorded_is_one_of_a_few_words() {
        let with =
            |key: &'static str, word: &str| validate(&flags(vec![(key, "word", word.to_owned())]).expect("a layer"), 1);
        let config = with("recording.policy", "always").expect("valid");
        assert_eq!(config.call.recording_policy, RecordingPolicy::Always);
        assert_eq!((config.call.recording_decline, config.call.call_recording), (RecordingDecline::Exclude, false));
        let config = with("recording.decline", "leave").expect("valid");
        assert_eq!(config.call.recording_decline, RecordingDecline::Leave);
        let refused = with("recording.policy", "sometimes").expect_err("no such word").to_string();
        assert!(refused.contains("off, ask, announce, always"), "{refused}");
    }

    #[test]
    fn flags_win_over_the_environment_and_that_over_the_file() {
        let layer = |http: &str| flags(vec![("http", "place", http.to_owned())]).expect("a layer");
        let env = environment([("STOA_HTTP".to_owned(), "2".to_owned())].into_iter());
        let port = |layer: &Layer| validate(layer, 1).expect("valid").http.address.port();
        assert_eq!(port(&layer("1")), 1);
        assert_eq!(port(&layer("1").over(env.clone())), 2);
        assert_eq!(port(&layer("1").over(env).over(layer("3"))), 3);
    }

    #[test]
    fn other_programs_names_are_read_where_they_mean_the_same() {
        let given = [
            ("NEXT_PUBLIC_STUN_SERVER", "stun:s.example.org:3478"),
            ("NEXT_PUBLIC_TURN_SERVER", "turn:t.example.org:3478"),
            ("NEXT_PUBLIC_TURN_USERNAME", "user"),
            ("NEXT_PUBLIC_TURN_CREDENTIAL", "word"),
            ("NEXT_PUBLIC_ENABLE_VIDEO_CALLS", "false"),
            ("NEXT_PUBLIC_ENABLE_SCREEN_SHARING", "false"),
            ("NEXT_PUBLIC_ENABLE_CALL_RECORDING", "true"),
            ("NEXT_PUBLIC_MAX_CALL_PARTICIPANTS", "50"),
            ("NEXT_PUBLIC_SOMETHING_ELSE", "x"),
        ];
        let layer = environment(given.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())));
        let config = validate(&layer, 1).expect("valid");
        let urls: Vec<&str> = config.ice_servers.iter().flat_map(|server| &server.urls).map(String::as_str).collect();
        assert_eq!(urls, ["stun:s.example.org:3478", "turn:t.example.org:3478"]);
        assert_eq!(config.ice_servers[1].username.as_deref(), Some("user"));
        assert_eq!((config.call.video_calls, config.call.screen_sharing), (false, false));
        assert!(config.call.call_recording);
        assert_eq!(config.call.max_participants, 50);
        let own = [("STOA_FEATURES_VIDEO_CALLS", "true"), ("NEXT_PUBLIC_ENABLE_VIDEO_CALLS", "false")];
        let layer = environment(own.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())));
        assert!(validate(&layer, 1).expect("valid").call.video_calls, "our own name wins");
    }

    #[test]
    fn every_refusal_is_one_line_with_the_place() {
        let cases = [
            ("media.workers", "--workers", "0", "--workers: must be a whole number from 1 to 64"),
            ("media.udp_ports", "--udp-ports", "7890-7882", "--udp-ports: must be a port such as 7882"),
            ("http", "--http", "nonsense", "--http: must be a port such as 7880"),
            ("media.announce", "--announce", "0.0.0.0", "--announce: \"0.0.0.0\" is not an IP address"),
            ("public_url", "--public-url", "calls.example.org", "--public-url: must be a URL"),
            (
                "call.ring_timeout",
                "STOA_CALL_RING_TIMEOUT",
                "1s",
                "STOA_CALL_RING_TIMEOUT: must be a duration from 5s to 180s",
            ),
            (
                "ice.turn_server",
                "NEXT_PUBLIC_TURN_SERVER",
                "turn:t.example.org",
                "NEXT_PUBLIC_TURN_SERVER: needs ice.turn_username",
            ),
            (
                "ice.stun_server",
                "NEXT_PUBLIC_STUN_SERVER",
                "s.example.org",
                "NEXT_PUBLIC_STUN_SERVER: \"s.example.org\" must begin with",
            ),
            ("livekit.api_key", "LIVEKIT_API_KEY", "k", "LIVEKIT_API_KEY: needs livekit.api_secret"),
            ("livekit.keys", "LIVEKIT_KEYS", "key", "LIVEKIT_KEYS: write each one"),
            ("livekit.keys", "LIVEKIT_KEYS", "key:short", "LIVEKIT_KEYS: the secret of \"key\": must have at least 16"),
            (
                "livekit.keys",
                "LIVEKIT_KEYS",
                "devkey: secret",
                "LIVEKIT_KEYS: the secret of \"devkey\": devkey/secret works",
            ),
            ("webhooks.urls", "STOA_WEBHOOKS_URLS", "app", "STOA_WEBHOOKS_URLS: \"app\" is not a URL"),
            ("webhooks.api_key", "STOA_WEBHOOKS_API_KEY", "k", "STOA_WEBHOOKS_API_KEY: must be livekit.api_key or"),
            ("turn.server_host", "TURN_SERVER_HOST", "t.example.org", "TURN_SERVER_HOST: needs turn.secret"),
            ("turn.secret", "TURN_SECRET", "short", "TURN_SECRET: must have at least 16"),
            ("auth.token_secret", "STOA_AUTH_TOKEN_SECRET", "short", "STOA_AUTH_TOKEN_SECRET: must have at least 16"),
            (
                "cors.origins",
                "STOA_CORS_ORIGINS",
                "app.example.org",
                "STOA_CORS_ORIGINS: \"app.example.org\" is not an origin",
            ),
        ];
        for (name, flag, text, wanted) in cases {
            let error = of(&[(name, flag, text)]).expect_err(name).to_string();
            assert!(error.starts_with(wanted), "{error}");
            assert_eq!(error.lines().count(), 1);
        }
        let few = [("turn.relay_ports", "--relay", "49152-49153"), ("turn.workers", "--turn-workers", "3")];
        assert!(of(&few).expect_err("too few").to_string().contains("ports in turn.relay_ports"));
        let few = of(&[("media.udp_ports", "--udp-ports", "7882-7883"), ("media.workers", "--workers", "3")]);
        assert!(few.expect_err("too few").to_string().contains("ports in media.udp_ports"));
    }

    #[test]
    fn the_pair_of_livekits_tutorials_is_good_for_development_alone() {
        let pair =
            [("livekit.api_key", "LIVEKIT_API_KEY", "devkey"), ("livekit.api_secret", "LIVEKIT_API_SECRET", "secret")];
        let refused = of(&pair).expect_err("in production").to_string();
        assert_eq!(refused, "LIVEKIT_API_SECRET: devkey/secret works with --dev only; set a secret of your own");
        let dev = of(&[&pair[..], &[("dev", "--dev", "true")]].concat()).expect("in development");
        assert_eq!(dev.auth.livekit.map(|key| key.key).as_deref(), Some("devkey"));
        let other = [pair[0], ("livekit.api_secret", "LIVEKIT_API_SECRET", "another"), ("dev", "--dev", "true")];
        assert!(of(&other).expect_err("short").to_string().contains("at least 16"));
    }

    #[test]
    fn ports_addresses_and_times_read_as_written() {
        assert_eq!(port_range("7882"), Some((7882, None)));
        assert_eq!(port_range("7882-"), Some((7882, None)));
        assert_eq!(port_range("7882-7889"), Some((7882, Some(7889))));
        assert_eq!(port_range("0"), None);
        assert_eq!(parse_listen("[::1]:80").map(|listen| listen.address), "[::1]:80".parse().ok());
        assert_eq!(parse_listen(":80").and_then(|listen| listen.also), "[::]:80".parse().ok());
        assert_eq!(parse_duration("90s"), Some(Duration::from_secs(90)));
        assert_eq!(parse_duration("2h"), Some(Duration::from_secs(7_200)));
        assert_eq!(parse_duration("1w"), None);
        let domain = of(&[("domain", "--domain", "a.org")]).expect("valid");
        assert_eq!(domain.public_url.as_deref(), Some("https://a.org"));
        assert_eq!(domain.https.map(|https| https.address.port()), Some(443));
        assert_eq!(domain.acme.map(|acme| acme.directory).as_deref(), Some(LETS_ENCRYPT));
        let behind = [("domain", "--domain", "a.org"), ("public_url", "--public-url", "https://a.org")];
        let behind = of(&behind).expect("valid");
        assert_eq!((behind.https, behind.acme), (None, None), "a proxy in front has the certificate");
    }
}
