//! The command line. Every error is one line on standard error, with exit code 2 or 1 (see `failure`).

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use model::{ChannelId, Permission, Timestamp, UserId};

use crate::admin_link::{AdminCodes, link};
use crate::config::{self, ConfigError, KEYS, Layer, parse_duration};
use crate::failure::Failure;
use crate::output::{self, print};
use crate::recording::{self, RecordingCmd};
use crate::secrets::{Secrets, noted_url};
use crate::turn::TurnSecrets;
use crate::{doctor, keys, logging, replay, serve};

const DEFAULT_FILE: &str = "stoa.toml";

/// Voice and video calls for your app, in one program.
#[derive(Debug, Parser)]
#[command(name = "stoa", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Cmd,
}

#[derive(Debug, Subcommand)]
enum Cmd {
    /// Run the server: web app, API, signalling and media
    Serve(Box<ServeFlags>),
    /// Print an access token, signed with the secrets in the data directory
    #[command(subcommand)]
    Token(TokenCmd),
    /// Manage the built-in TURN server
    #[command(subcommand)]
    Turn(TurnCmd),
    /// Find out what stops calls from working here, and how to fix it
    Doctor(ServeFlags),
    /// Bring the database up to date (`stoa serve` also does this)
    Migrate(Place),
    /// Recover records that the database refused
    #[command(subcommand)]
    Journal(JournalCmd),
    /// Work with recordings
    #[command(subcommand)]
    Recording(RecordingCmd),
    /// Load-test a server and measure it
    #[command(args_conflicts_with_subcommands = true)]
    Bench(bench::Options),
    /// List every setting, with its name in stoa.toml and in the environment
    Settings,
}

/// Where the installation is.
#[derive(Debug, Args, Clone)]
struct Place {
    /// Folder that holds all data [default: ./data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// Settings file [default: ./stoa.toml, if it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, Args, Clone)]
struct ServeFlags {
    #[command(flatten)]
    place: Place,
    /// For development: sign in with just a name, LiveKit key devkey/secret, https with a self-signed certificate
    #[arg(long)]
    dev: bool,
    /// Port or address for the web app and the API [default: 7880]
    #[arg(long, value_name = "ADDR")]
    http: Option<String>,
    /// Port or address for the same over TLS, or "off" [default: 7843 with --dev, 443 with --domain, otherwise off]
    #[arg(long, value_name = "ADDR")]
    https: Option<String>,
    /// Port or address for metrics, or "off" [default: 127.0.0.1:7879]
    #[arg(long, value_name = "ADDR")]
    admin_http: Option<String>,
    /// Number of media threads [default: one per core]
    #[arg(long, value_name = "N")]
    workers: Option<String>,
    /// UDP ports for media, one per worker: 7882 (and up) or 7882-7889 [default: 7882]
    #[arg(long, value_name = "PORTS")]
    udp_ports: Option<String>,
    /// Port for media over TCP, or 0 for none [default: 7881]
    #[arg(long, value_name = "PORT")]
    tcp_port: Option<String>,
    /// Port for the built-in STUN and TURN server (UDP and TCP), or "off" [default: 3478]
    #[arg(long, value_name = "PORT")]
    turn_port: Option<String>,
    /// Port for TURN over TLS, in addition to the https port, or "off" [default: 5349 if there is a certificate]
    #[arg(long, value_name = "PORT")]
    turn_tls_port: Option<String>,
    /// IP addresses that clients are told to use [default: those of this machine's interfaces]
    #[arg(long, value_name = "IP[,IP]")]
    announce: Option<String>,
    /// The server's domain: clients use its addresses and https://DOMAIN, and Stoa gets its certificate
    #[arg(long, value_name = "DOMAIN")]
    domain: Option<String>,
    /// URL at which clients reach the server
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// How much to log: error, warn, info, debug or trace [default: info]
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// Log JSON, one object per line
    #[arg(long)]
    log_json: bool,
}

#[derive(Debug, Subcommand)]
enum TokenCmd {
    /// Print a user's token for the REST API and Socket.IO
    User(UserToken),
    /// Print a LiveKit access token for a room
    Livekit(LivekitToken),
    /// Print a link that signs you in to the web app as the administrator. It works once, within ten minutes, and
    /// replaces any earlier link
    Admin(Place),
}

#[derive(Debug, Subcommand)]
enum TurnCmd {
    /// Replace the secret that signs TURN credentials; credentials already handed out work until they expire
    Rotate(Place),
}

#[derive(Debug, Subcommand)]
enum JournalCmd {
    /// Try again to store the records that the database refused; the server may be running
    Replay(Place),
}

#[derive(Debug, Args)]
struct UserToken {
    #[command(flatten)]
    place: Place,
    /// The user's ID in your app
    #[arg(long)]
    id: String,
    /// Name that other people see
    #[arg(long)]
    name: Option<String>,
    /// Permission to grant: calls:create, calls:join, calls:record, streams:create, streams:moderate or admin; may be repeated
    /// [default: calls:create and calls:join]
    #[arg(long = "permission", value_name = "P")]
    permissions: Vec<String>,
    /// Channel the user belongs to; may be repeated
    #[arg(long = "channel", value_name = "ID")]
    channels: Vec<String>,
    /// How long the token is valid
    #[arg(long, default_value = "1h", value_name = "TIME")]
    ttl: String,
}

#[derive(Debug, Args)]
struct LivekitToken {
    #[command(flatten)]
    place: Place,
    /// Room to join
    #[arg(long)]
    room: String,
    /// The participant's identity in the room
    #[arg(long)]
    identity: String,
    /// Name that other people see [default: the identity]
    #[arg(long)]
    name: Option<String>,
    /// Metadata that the other participants can read
    #[arg(long)]
    metadata: Option<String>,
    /// Allow publishing tracks
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL")]
    can_publish: bool,
    /// Allow subscribing to tracks
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL")]
    can_subscribe: bool,
    /// Allow sending data
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL")]
    can_publish_data: bool,
    /// Allow the participant to change its own name and metadata
    #[arg(long)]
    can_update_own_metadata: bool,
    /// Hide the participant from the others
    #[arg(long)]
    hidden: bool,
    /// How long the token is valid
    #[arg(long, default_value = "6h", value_name = "TIME")]
    ttl: String,
}

/// Runs the program.
pub fn main() -> ExitCode {
    // Files the program writes are for their owner alone, whatever umask the shell has.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    let done = match cli.command {
        Cmd::Serve(flags) => run_server(&flags),
        Cmd::Token(TokenCmd::User(token)) => user_token(&token),
        Cmd::Token(TokenCmd::Livekit(token)) => livekit_token(&token),
        Cmd::Token(TokenCmd::Admin(place)) => admin_token(&place),
        Cmd::Turn(TurnCmd::Rotate(place)) => rotate_turn(&place),
        Cmd::Doctor(flags) => examine(&flags),
        Cmd::Migrate(place) => migrate(&place),
        Cmd::Journal(JournalCmd::Replay(place)) => replay_journal(&place),
        Cmd::Recording(RecordingCmd::Compose(flags)) => recording::compose(flags),
        Cmd::Bench(options) => load_test(options),
        Cmd::Settings => list_settings(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// The parser's error, in one line.
fn refuse(error: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind;
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            if error.exit_code() == 0 { ExitCode::SUCCESS } else { ExitCode::from(2) }
        }
        _ => Failure::Setup(one_line(&error.to_string())).report(),
    }
}

fn one_line(message: &str) -> String {
    let before_usage = message.split("\nUsage:").next().unwrap_or(message);
    let parts = before_usage.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut text = String::new();
    for part in parts {
        let part = part.strip_prefix("error: ").unwrap_or(part);
        let tip = part.strip_prefix("tip: ");
        if !text.is_empty() {
            text.push_str(if tip.is_some() { "; " } else { " " });
        }
        text.push_str(tip.unwrap_or(part));
    }
    if !text.contains("--help") {
        text.push_str("; see --help");
    }
    text
}

fn run_server(flags: &ServeFlags) -> Result<(), Failure> {
    let layers = server_layers(flags)?;
    let config = config::validate(&layers, cores())?;
    logging::start(&config.log)?;
    for warning in layers.warnings() {
        tracing::warn!("{warning}");
    }
    // Both ring-free: one provider for https, key sets and nothing else.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::fault)?;
    let done = runtime.block_on(serve::serve(config));
    runtime.shutdown_timeout(Duration::from_millis(500));
    done
}

fn examine(flags: &ServeFlags) -> Result<(), Failure> {
    let layers = server_layers(flags)?;
    for warning in layers.warnings() {
        output::note(warning);
    }
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    doctor::run(&config::validate(&layers, cores())?)
}

fn load_test(options: bench::Options) -> Result<(), Failure> {
    print(bench::run(options).map_err(|error| Failure::Fault(format!("{error:#}")))?)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn server_layers(flags: &ServeFlags) -> Result<Layer, Failure> {
    let texts = [
        ("http", "--http", &flags.http),
        ("https", "--https", &flags.https),
        ("admin_http", "--admin-http", &flags.admin_http),
        ("media.workers", "--workers", &flags.workers),
        ("media.udp_ports", "--udp-ports", &flags.udp_ports),
        ("media.tcp_port", "--tcp-port", &flags.tcp_port),
        ("turn.port", "--turn-port", &flags.turn_port),
        ("turn.tls_port", "--turn-tls-port", &flags.turn_tls_port),
        ("media.announce", "--announce", &flags.announce),
        ("domain", "--domain", &flags.domain),
        ("public_url", "--public-url", &flags.public_url),
        ("log.level", "--log-level", &flags.log_level),
    ];
    let mut given: Vec<_> =
        texts.into_iter().filter_map(|(name, flag, text)| Some((name, flag, text.clone()?))).collect();
    let switches = [("dev", "--dev", flags.dev), ("log.json", "--log-json", flags.log_json)];
    given.extend(switches.into_iter().filter(|(_, _, on)| *on).map(|(name, flag, _)| (name, flag, "true".to_owned())));
    Ok(layers(&flags.place, given)?)
}

/// Everything that the sources say, unchecked: a command checks only the settings it uses.
fn layers(place: &Place, mut given: Vec<(&'static str, &'static str, String)>) -> Result<Layer, ConfigError> {
    given.extend(place.data_dir.clone().map(|dir| ("data_dir", "--data-dir", dir)));
    let file = place.config.clone().or_else(|| std::env::var_os("STOA_CONFIG").map(PathBuf::from));
    let file = match file {
        Some(path) => config::file(&path)?,
        None if PathBuf::from(DEFAULT_FILE).is_file() => config::file(DEFAULT_FILE.as_ref())?,
        None => Layer::default(),
    };
    let variables =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    Ok(file.over(config::environment(variables)).over(config::flags(given)?))
}

/// The settings, and the secrets that sign a token.
fn signing(place: &Place) -> Result<(Layer, Secrets), Failure> {
    let layers = layers(place, Vec::new())?;
    let data_dir = config::data_dir(&layers)?;
    let secrets = Secrets::read(&data_dir)?.ok_or_else(|| {
        let dir = data_dir.display();
        Failure::Setup(format!(
            "there are no secrets in {dir}; start `stoa serve` there first, or pass the server's --data-dir"
        ))
    })?;
    Ok((layers, secrets))
}

fn now() -> Timestamp {
    Timestamp(jiff::Timestamp::now().as_millisecond())
}

fn ttl(text: &str) -> Result<Duration, Failure> {
    let ttl = parse_duration(text).filter(|ttl| !ttl.is_zero());
    ttl.ok_or_else(|| Failure::Setup(format!("--ttl: {text:?} is not a duration such as 90s, 15m, 1h or 30d")))
}

fn user_token(token: &UserToken) -> Result<(), Failure> {
    let (layers, secrets) = signing(&token.place)?;
    let configured = config::token_secret(&layers)?;
    let permission = |text: &String| {
        let known = || Permission::ALL.iter().map(|p| p.as_str()).collect::<Vec<_>>().join(", ");
        text.parse::<Permission>()
            .map_err(|()| Failure::Setup(format!("--permission: {text:?} is not one of {}", known())))
    };
    let channel = |text: &String| ChannelId::new(text).map_err(|e| Failure::Setup(format!("--channel: {e}")));
    let permissions: Vec<Permission> = token.permissions.iter().map(permission).collect::<Result<_, _>>()?;
    let claims = auth::UserClaims {
        user: UserId::new(&token.id).map_err(|error| Failure::Setup(format!("--id: {error}")))?,
        name: token.name.clone(),
        avatar_url: None,
        permissions: if permissions.is_empty() { auth::DEFAULT_PERMISSIONS.to_vec() } else { permissions },
        channels: token.channels.iter().map(channel).collect::<Result<_, _>>()?,
        expires: now() + ttl(&token.ttl)?,
    };
    print(auth::mint_user(keys::token_secret(configured.as_ref(), &secrets).as_bytes(), &claims, now()))
}

fn livekit_token(token: &LivekitToken) -> Result<(), Failure> {
    let (layers, secrets) = signing(&token.place)?;
    let configured = config::minting_key(&layers)?;
    let (from, until) = (now(), now() + ttl(&token.ttl)?);
    let seconds = |at: Timestamp| at.as_millis().div_euclid(1_000).unsigned_abs();
    for (flag, text) in [("--room", &token.room), ("--identity", &token.identity)] {
        if text.is_empty() {
            return Err(Failure::Setup(format!("{flag}: must not be empty")));
        }
    }
    let claims = auth::LiveKitClaims {
        sub: token.identity.clone(),
        name: token.name.clone().unwrap_or_else(|| token.identity.clone()),
        metadata: token.metadata.clone().unwrap_or_default(),
        nbf: seconds(from),
        exp: seconds(until),
        video: auth::VideoGrant {
            room_join: true,
            room: token.room.clone(),
            can_publish: Some(token.can_publish),
            can_subscribe: Some(token.can_subscribe),
            can_publish_data: Some(token.can_publish_data),
            can_update_own_metadata: Some(token.can_update_own_metadata),
            hidden: token.hidden,
            ..auth::VideoGrant::default()
        },
        ..auth::LiveKitClaims::default()
    };
    print(auth::mint_livekit(&keys::livekit_key(configured.as_ref(), &secrets), &claims))
}

/// A running server takes it at once.
fn admin_token(place: &Place) -> Result<(), Failure> {
    let data_dir = config::data_dir(&layers(place, Vec::new())?)?;
    let url = noted_url(&data_dir).ok_or_else(|| {
        let dir = data_dir.display();
        Failure::Setup(format!(
            "no server has run in {dir} yet; start `stoa serve` there first, or pass the server's --data-dir"
        ))
    })?;
    print(link(&url, &AdminCodes::new(&data_dir).issue(now())?))
}

/// A running server notices within seconds.
fn rotate_turn(place: &Place) -> Result<(), Failure> {
    let layers = layers(place, Vec::new())?;
    if config::has_turn_secret(&layers)? {
        return Err(Failure::Setup("turn.secret is set in your settings; change it there".to_owned()));
    }
    let data_dir = config::data_dir(&layers)?;
    if !data_dir.is_dir() {
        let dir = data_dir.display();
        return Err(Failure::Setup(format!("{dir} does not exist; pass the server's --data-dir")));
    }
    TurnSecrets::rotate(&data_dir)?;
    print("rotated; credentials made with the old secret work until they expire")
}

fn replay_journal(place: &Place) -> Result<(), Failure> {
    replay::run(&config::data_dir(&layers(place, Vec::new())?)?)
}

fn migrate(place: &Place) -> Result<(), Failure> {
    let data_dir = config::data_dir(&layers(place, Vec::new())?)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::fault)?;
    std::fs::create_dir_all(&data_dir).map_err(|error| {
        let dir = data_dir.display();
        Failure::Setup(format!("cannot write to {dir}: {error}; make it writable, or choose another with --data-dir"))
    })?;
    let path = data_dir.join("stoa.db");
    let report = runtime.block_on(store::migrate(&path)).map_err(Failure::setup)?;
    for (version, name) in &report.applied {
        print(format_args!("applied {version} {name}"))?;
    }
    print(format_args!("{} is at schema {} (was {})", path.display(), report.to, report.from))
}

fn list_settings() -> Result<(), Failure> {
    print("Stoa reads stoa.toml, then the environment, then flags. Later ones win. Defaults are in parentheses.\n")?;
    for key in KEYS {
        print(key.name)?;
        let alias = key.alias.map(|alias| format!(" or {alias}")).unwrap_or_default();
        if key.kind != config::Kind::Servers {
            print(format_args!("    {}{alias}", key.variable()))?;
        }
        print(format_args!("    {}", key.help))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn refusals_of_the_parser_are_one_line() {
        for arguments in [&["stoa", "serve", "--prot"][..], &["stoa", "srve"], &["stoa", "token", "user"]] {
            let error = Cli::try_parse_from(arguments).expect_err("wrong");
            let line = one_line(&error.to_string());
            assert_eq!(line.lines().count(), 1, "{line}");
            assert!(line.contains("--help") || line.contains("similar"), "{line}");
        }
    }
}
