//! `stoa serve`: puts the parts together, runs them, and shuts them down in an order in which nothing is lost.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use control::{Control, Handle, MediaNotices};
use tokio::net::lookup_host;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::admin_link::AdminCodes;
use crate::admission::{Admission, Most};
use crate::banner::{banner, web_app_url};
use crate::config::Config;
use crate::descriptors::{self, Shares};
use crate::failure::Failure;
use crate::http::{Bound, Web};
use crate::keys;
use crate::media::{self, Addresses, MediaSettings, Plane, PortError, Recordings, RoomDefaults};
use crate::metrics::Metrics;
use crate::output;
use crate::recording_storage;
use crate::secrets::{Secrets, take_data_dir};
use crate::tls;
use crate::turn::{Around, TurnPlane};
use crate::webhooks::Webhooks;

/// How long recordings may take to be put on disk when the server stops.
const FLUSH: Duration = Duration::from_secs(5);
/// Notices of workers that may wait for the control plane.
const NOTICES: usize = 65_536;
/// How long requests under way may take at the end.
const GRACE: Duration = Duration::from_millis(800);
/// Web connections at once, however many descriptors there are.
const MOST_CONNECTIONS: usize = 65_536;
/// Of those who read metrics.
const ADMIN_CONNECTIONS: usize = 32;
/// How long `domain` may take to resolve.
const RESOLVE: Duration = Duration::from_secs(3);

/// Runs the server until it is told to stop.
pub async fn serve(config: Config) -> Result<(), Failure> {
    let started = Instant::now();
    let mut lock = take_data_dir(&config.data_dir)?;
    let is_first_start = Secrets::read(&config.data_dir)?.is_none();
    let secrets = Secrets::read_or_make(&config.data_dir)?;
    // First, so that a key typed wrong is not hidden behind anything slower.
    let verifier = keys::user_verifier(&config, &secrets)?;
    let storage = recording_storage::open(&config.recording)?;
    let local = media::interface_addresses();
    let addresses = addresses(&config, &local).await;

    let doors = Doors::new(&config, descriptors::raise());
    let http = Bound::bind(&config.http, "--http")?;
    let admin_http = admin_http(&config)?;
    let https = match &config.https {
        Some(listen) => Some((Bound::bind(listen, "--https")?, certificate(&config, &local)?)),
        None => None,
    };
    let mut hooks = Webhooks::start(&config, &secrets).map_err(Failure::fault)?;
    let mut settings = media_settings(&config, addresses.clone(), doors.media.clone());
    settings.defaults.token_key = Some(keys::livekit_key(config.auth.livekit.as_ref(), &secrets));
    settings.defaults.hooks = hooks.as_ref().map(Webhooks::sender);
    let (told, of_recordings) = mpsc::channel(NOTICES);
    let recordings = Recordings::start(config.data_dir.join("recordings"), told).map_err(Failure::fault)?;
    settings.recordings = Some(recordings.clone());
    let mut sockets = settings.bind().map_err(port_failure)?;
    let turn = match &config.turn {
        Some(turn) => {
            let mut bound = turn.bind(addresses.any_v6()).map_err(port_failure)?;
            bound.share(sockets.take_tcp());
            Some((turn.clone(), bound))
        }
        None => None,
    };
    let around = around(&config, &addresses, &local, doors.media.clone());
    let relays = turn.as_ref().map(|(turn, sockets)| turn.relays(sockets, &around)).unwrap_or_default();

    let store = store::open(config.data_dir.join("stoa.db")).await.map_err(Failure::setup)?;
    let (notices, from_workers) = mpsc::channel(NOTICES);
    let plane = settings.start(sockets, notices, &relays).map_err(Failure::fault)?;
    let control = control::Settings {
        journal_dir: config.data_dir.join("journal"),
        call: config.call.clone(),
        strict_users: config.strict_users,
        keep_quality: config.keep_quality,
        linger: control::LINGER,
        seed: rand::random(),
    };
    let tls = https.as_ref().map(|(_, tls)| tls);
    let turn = turn.map(|(turn, sockets)| turn.start(sockets, &around, plane.workers(), tls)).transpose()?;
    let notices = MediaNotices { rooms: from_workers, recordings: of_recordings };
    let handle = Control::start(control, Arc::new(store.clone()), Arc::clone(&plane) as _, notices)
        .await
        .map_err(Failure::setup)?;
    if let Some(hooks) = &mut hooks {
        hooks.follow(handle.recording_changes());
    }
    let metrics = Metrics::install(Arc::clone(plane.workers()), turn.clone());
    let mut api = api_config(&config, &secrets, verifier, handle.clone(), turn.clone());
    api.media_ports.addresses = addresses.announced().iter().copied().filter(|ip| !ip.is_loopback()).collect();
    api.recordings = Some(recording_storage::start(&config.recording, &handle, storage).await?);
    let api = api::Api::start(api);

    // Signals are caught before anyone can be told that the server runs.
    let stop = StopSignal::catch().map_err(Failure::fault)?;
    let mut web = Web::default();
    let metrics_at = admin_http.as_ref().and_then(Bound::address);
    let router = api.router();
    web.serve(&router, http, &doors.web).map_err(Failure::fault)?;
    if let Some(https) = https {
        web.serve_tls(&router, https, turn.as_ref().map(TurnPlane::door), &doors.web).map_err(Failure::fault)?;
    }
    if let Some(bound) = admin_http {
        web.serve(&metrics.router(), bound, &doors.admin).map_err(Failure::fault)?;
    }
    if let Err(error) = lock.note_url(&web_app_url(&config, &local)) {
        tracing::debug!(%error, "cannot note the web app's URL in the data directory");
    }
    let code = is_first_start.then(|| AdminCodes::new(&config.data_dir).issue(handle.now())).transpose()?;
    // Whoever started it may have stopped reading.
    // A server goes on when nobody can be told where it is.
    let _ = output::print(banner(&config, code.as_ref(), &local, metrics_at));
    let (workers, milliseconds) = (plane.workers().len(), started.elapsed().as_millis() as u64);
    tracing::info!(workers, announced = ?addresses.announced(), milliseconds, "listening");

    stop.wait().await;
    shut_down(&plane, &handle, &api, web).await;
    // A disk that hangs does not keep the program from ending.
    let flushed = tokio::task::spawn_blocking(move || recordings.flush());
    if tokio::time::timeout(FLUSH, flushed).await.is_err() {
        tracing::warn!("the recordings could not be put on disk in time");
    }
    if let Some(turn) = turn {
        turn.stop().await;
    }
    if let Some(hooks) = hooks {
        hooks.stop().await;
    }
    store.close().await;
    Ok(())
}

/// The control plane first, so that what happens from here on is no event of a call; then whoever is connected is told.
async fn shut_down(plane: &Arc<Plane>, handle: &Handle, api: &api::Api, web: Web) {
    let begun = Instant::now();
    tracing::info!("stopping");
    tokio::join!(handle.shutdown(), plane.stop());
    api.close();
    web.stop(GRACE).await;
    tracing::info!(milliseconds = begun.elapsed().as_millis() as u64, "stopped");
}

struct StopSignal {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl StopSignal {
    fn catch() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn wait(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

async fn addresses(config: &Config, local: &[IpAddr]) -> Addresses {
    if !config.announce.is_empty() {
        return Addresses::new(&config.announce, local);
    }
    let mut announced = Vec::new();
    if let Some(domain) = &config.domain {
        match tokio::time::timeout(RESOLVE, lookup_host((domain.as_str(), 0))).await {
            Ok(Ok(found)) => announced.extend(found.map(|address| address.ip())),
            Ok(Err(error)) => {
                tracing::warn!(domain, %error, "cannot resolve the domain; its addresses are not announced")
            }
            Err(_) => tracing::warn!(domain, "resolving the domain took too long; its addresses are not announced"),
        }
    }
    announced.extend(media::announce_by_default(local, config.dev));
    Addresses::new(&announced, local)
}

fn certificate(config: &Config, local: &[IpAddr]) -> Result<axum_server::tls_rustls::RustlsConfig, Failure> {
    match (&config.certificate, &config.acme, &config.domain) {
        (Some((cert, key)), _, _) => tls::from_files(cert, key),
        (None, Some(acme), Some(domain)) => acme.start(domain, &config.data_dir),
        (None, _, _) => {
            let mut names = vec!["localhost".to_owned()];
            names.extend(config.domain.clone());
            let usable: Vec<IpAddr> = media::announce_by_default(local, true);
            tls::self_signed(&config.data_dir, &names, &usable)
        }
    }
}

/// Who may have a connection, by what they come for: one of them being full closes no other.
struct Doors {
    web: Admission,
    media: Admission,
    admin: Admission,
}

impl Doors {
    fn new(config: &Config, descriptors: usize) -> Self {
        let relays = config.turn.as_ref().and_then(|turn| turn.relay_ports.as_ref()).map_or(0, ExactSizeIterator::len);
        let shares = Shares::of(descriptors, relays);
        let web = config.connections.web.unwrap_or(MOST_CONNECTIONS).min(shares.web);
        if let Some(wanted) = config.connections.web.filter(|wanted| *wanted > web) {
            tracing::warn!(
                wanted,
                web,
                descriptors,
                "limits.connections is higher than the limit on open files allows: raise that limit (nofile)"
            );
        }
        let most = |connections: usize| {
            // All of them may come from a proxy's address.
            let of_address = (!config.trust_forwarded).then(|| config.connections.of_address.min(connections / 2));
            Most { connections, of_address }
        };
        let admin = Most { connections: ADMIN_CONNECTIONS, of_address: None };
        tracing::debug!(descriptors, web, media = shares.media, "connection limits");
        Self {
            web: Admission::new("web", most(web), config.patience),
            media: Admission::new("media", most(shares.media), config.patience),
            admin: Admission::new("admin", admin, config.patience),
        }
    }
}

/// The port of the metrics: where nobody chose one and another program has it, they are done without.
fn admin_http(config: &Config) -> Result<Option<Bound>, Failure> {
    let Some(admin) = &config.admin_http else { return Ok(None) };
    match Bound::bind(&admin.listen, "--admin-http") {
        Ok(bound) => Ok(Some(bound)),
        Err(failure) if admin.chosen => Err(failure),
        Err(Failure::Setup(reason) | Failure::Fault(reason)) => {
            tracing::warn!(reason, "metrics are off");
            Ok(None)
        }
    }
}

/// What the TURN server must know of the rest.
fn around<'a>(config: &'a Config, addresses: &'a Addresses, local: &'a [IpAddr], admission: Admission) -> Around<'a> {
    let public = config.public_url.as_deref().and_then(|url| url.split_once("://")).map(|(_, rest)| rest);
    let host =
        public.and_then(|rest| rest.split(['/', '?']).next()).map(|authority| match authority.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name.to_owned(),
            _ => authority.to_owned(),
        });
    Around {
        data_dir: &config.data_dir,
        udp_ports: &config.udp_ports,
        tcp_port: config.tcp_port,
        addresses,
        own: local,
        host: config.domain.clone().or(host),
        https_port: config.https.as_ref().map(|listen| listen.address.port()),
        admission,
        trusted: config.has_real_certificate(),
    }
}

fn media_settings(config: &Config, addresses: Addresses, admission: Admission) -> MediaSettings {
    let defaults = RoomDefaults {
        max_participants: config.room.max_participants,
        empty_timeout: config.room.empty_timeout,
        departure_timeout: config.room.departure_timeout,
        initial_bitrate: config.initial_bitrate,
        candidates: Vec::new(),
        ufrag_prefix: String::new(),
        token_key: None,
        hooks: None,
        spread_from: config.spread_from,
        local: Arc::clone(addresses.announced()),
    };
    MediaSettings {
        udp_ports: config.udp_ports.clone(),
        tcp_port: config.tcp_port,
        addresses,
        defaults,
        recordings: None,
        admission,
        rethrow_panics: false,
    }
}

/// A media port that cannot be had, with the flag that chooses another.
pub fn port_failure(error: PortError) -> Failure {
    let flag = match error.protocol {
        "UDP" => "--udp-ports",
        "TURN UDP" | "TURN TCP" => "--turn-port",
        "TURN TLS" => "--turn-tls-port",
        _ => "--tcp-port",
    };
    let (protocol, port) = (error.protocol, error.port);
    Failure::Setup(match error.error.kind() {
        std::io::ErrorKind::AddrInUse => format!(
            "{protocol} port {port} is in use by another program; stop that one, or choose another port with {flag}"
        ),
        _ => format!("cannot open {protocol} port {port}: {}; choose another port with {flag}", error.error),
    })
}

fn api_config(
    config: &Config,
    secrets: &Secrets,
    users: Arc<arc_swap::ArcSwap<auth::UserVerifier>>,
    handle: Handle,
    turn: Option<TurnPlane>,
) -> api::ApiConfig {
    let calls = &config.call;
    api::ApiConfig {
        users,
        admin_codes: Some(Arc::new(AdminCodes::new(&config.data_dir))),
        public_url: config.public_url.clone(),
        dev: config.dev,
        sign_up: config.sign_up,
        features: api::Features {
            voice_calls: calls.voice_calls,
            video_calls: calls.video_calls,
            group_calls: calls.group_calls,
            screen_sharing: calls.screen_sharing,
            call_recording: calls.call_recording && calls.recording_policy != model::RecordingPolicy::Off,
            max_call_participants: calls.max_participants,
        },
        cors_origins: config.cors_origins.clone(),
        image_sources: config.image_sources.clone(),
        trust_forwarded: config.trust_forwarded,
        auto_create_rooms: config.room.auto_create,
        ice_servers: config.ice_servers.clone(),
        // ICE-TCP ports speak TURN as well where it is on, and so can be tried.
        media_ports: api::MediaPorts {
            addresses: Vec::new(),
            udp: config.udp_ports.clone(),
            tcp: config.tcp_port.filter(|_| turn.is_some()),
        },
        built_in_turn: turn.map(|turn| Arc::new(turn) as _),
        turn: config.turn_handout.clone(),
        limits: config.limits,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        hsts: config.hsts && config.has_real_certificate(),
        link_key: auth::LinkKey::derive(secrets.token_secret.reveal().as_bytes()),
        recording_link_ttl: config.recording.link_ttl,
        ..api::ApiConfig::new(handle, auth::UserVerifier::new(), keys::livekit_keys(config, secrets))
    }
}
