//! `stoa doctor`: what stops calls from working here, and how to fix it. It only looks, and leaves nothing changed: where recordings are kept,
//! it writes a small object and deletes it.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use crate::config::{Config, Listen, Place};
use crate::doctor_turn;
use crate::failure::Failure;
use crate::media::{Addresses, UdpPort, announce_by_default, interface_addresses, listen};
use crate::output::print;
use crate::recording_storage;
use crate::secrets::{Secrets, take_data_dir};

/// Below this, a burst of video overruns the socket.
const SMALL_BUFFER: usize = 2 << 20;
const FEW_FILES: u64 = 4_096;
/// A clock before this is wrong (2025-01-01).
const EARLIEST: i64 = 1_735_689_600;

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// As it should be.
    Good(String),
    /// Works, but could be better: what, and what to do.
    Mind(String, String),
    /// Does not work: what, and what to do.
    Bad(String, String),
}

/// Looks at everything and prints what it finds.
pub fn run(config: &Config) -> Result<(), Failure> {
    let mut findings = Vec::new();
    let running = data_dir(config, &mut findings);
    if running {
        findings.push(Finding::Good("a server is running here, so its ports were not tried".to_owned()));
        doctor_turn::running(config, &mut findings);
    } else {
        ports(config, &mut findings);
    }
    storage(config, &mut findings);
    sockets(&mut findings);
    addresses(config, &mut findings);
    certificate(config, &mut findings);
    findings.push(clock(jiff::Timestamp::now().as_second()));
    findings.push(open_files(&fs::read_to_string("/proc/self/limits").unwrap_or_default()));
    for finding in &findings {
        match finding {
            Finding::Good(what) => print(format_args!("ok    {what}"))?,
            Finding::Mind(what, change) => print(format_args!("warn  {what}\n      → {change}"))?,
            Finding::Bad(what, change) => print(format_args!("fail  {what}\n      → {change}"))?,
        }
    }
    let bad = findings.iter().filter(|finding| matches!(finding, Finding::Bad(..))).count();
    match bad {
        0 => Ok(()),
        1 => Err(Failure::Fault("one problem stops calls from working here; it is marked \"fail\" above".to_owned())),
        _ => {
            Err(Failure::Fault(format!("{bad} problems stop calls from working here; they are marked \"fail\" above")))
        }
    }
}

/// Whether a server holds the data directory.
fn data_dir(config: &Config, findings: &mut Vec<Finding>) -> bool {
    let dir = &config.data_dir;
    let shown = dir.display();
    if !dir.exists() {
        findings.push(Finding::Mind(
            format!("data directory {shown} does not exist yet"),
            "`stoa serve` creates it when it first starts".to_owned(),
        ));
        return false;
    }
    let running = match take_data_dir(dir) {
        Ok(_) => false,
        Err(Failure::Setup(line)) if line.contains("in use") => true,
        Err(Failure::Setup(line) | Failure::Fault(line)) => {
            let (what, change) = line.split_once("; ").unwrap_or((&line, "make it writable"));
            findings.push(Finding::Bad(what.to_owned(), change.to_owned()));
            return false;
        }
    };
    findings.push(Finding::Good(format!("data directory {shown} is writable")));
    match Secrets::read(dir) {
        Ok(Some(_)) => findings.push(secrets_mode(&dir.join("secrets.json"))),
        Ok(None) => {}
        Err(Failure::Setup(line) | Failure::Fault(line)) => {
            let (what, change) = line.split_once("; ").unwrap_or((&line, "restore it"));
            findings.push(Finding::Bad(what.to_owned(), change.to_owned()));
        }
    }
    running
}

/// Whether recordings can be kept: a small object is written, read and deleted.
fn storage(config: &Config, findings: &mut Vec<Finding>) {
    let place = match &config.recording.place {
        // The first start makes it.
        Place::Folder(folder) if !folder.exists() => return,
        Place::Folder(folder) => format!("the folder {}", folder.display()),
        Place::S3(s3) => format!("the bucket {}", s3.bucket),
    };
    let change = "check the settings storage.*".to_owned();
    let tried = recording_storage::open(&config.recording).and_then(|storage| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::fault)?;
        let seals = storage.seals();
        runtime.block_on(storage.try_out()).map(|()| seals).map_err(Failure::setup)
    });
    findings.push(match tried {
        Ok(true) => Finding::Good(format!("recordings can be kept in {place}, encrypted")),
        Ok(false) => Finding::Good(format!("recordings can be kept in {place}, unencrypted")),
        Err(Failure::Setup(line) | Failure::Fault(line)) => {
            Finding::Bad(format!("recordings cannot be kept in {place}: {line}"), change)
        }
    });
}

fn secrets_mode(path: &Path) -> Finding {
    match fs::metadata(path).map(|meta| meta.permissions().mode() & 0o077) {
        Ok(0) => Finding::Good("only the owner can read the secrets".to_owned()),
        _ => Finding::Mind(format!("other users can read {}", path.display()), format!("chmod 600 {}", path.display())),
    }
}

fn ports(config: &Config, findings: &mut Vec<Finding>) {
    let mut tcp = |what: &str, address: SocketAddr, flag: &str| {
        findings.push(match listen(address) {
            Ok(_) => Finding::Good(format!("{what} port {} is free", address.port())),
            Err(error) => Finding::Bad(
                format!("{what} port {}: {error}", address.port()),
                format!("stop the program that uses it (ss -ltnp), or choose another with {flag}"),
            ),
        });
    };
    let first = |listen: &Listen| listen.address;
    tcp("http", first(&config.http), "--http");
    if let Some(admin) = config.admin_http.as_ref().filter(|admin| admin.chosen) {
        tcp("metrics", first(&admin.listen), "--admin-http");
    }
    if let Some(https) = &config.https {
        tcp("https", first(https), "--https");
    }
    if let Some(port) = config.tcp_port {
        tcp("media TCP", SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)), "--tcp-port");
    }
    if let Some(turn) = &config.turn {
        let any = |port| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
        tcp("TURN TCP", any(turn.port), "--turn-port");
        if let Some(port) = turn.tls_port {
            tcp("TURN TLS", any(port), "--turn-tls-port");
        }
        findings.push(match UdpPort::bind(false, turn.port) {
            Ok(_) => Finding::Good(format!("TURN UDP port {} is free; start the server to test relaying", turn.port)),
            Err(error) => Finding::Bad(
                format!("TURN UDP port {}: {error}", turn.port),
                "stop the program that uses it (ss -lunp), or choose another with --turn-port".to_owned(),
            ),
        });
    }
    for port in &config.udp_ports {
        findings.push(match UdpPort::bind(false, *port) {
            Ok(_) => Finding::Good(format!("media UDP port {port} is free")),
            Err(error) => Finding::Bad(
                format!("media UDP port {port}: {error}"),
                "stop the program that uses it (ss -lunp), or choose others with --udp-ports".to_owned(),
            ),
        });
    }
}

fn sockets(findings: &mut Vec<Finding>) {
    let socket = match UdpPort::bind(false, 0) {
        Ok(socket) => socket,
        Err(error) => {
            findings.push(Finding::Bad(format!("cannot open a UDP socket: {error}"), "check ulimit -n".to_owned()));
            return;
        }
    };
    // The kernel reports twice what it grants.
    findings.push(receive_buffer(socket.receive_buffer().unwrap_or(0) / 2));
    findings.push(match socket.most_segments() {
        0 | 1 => Finding::Mind(
            "the kernel does not support UDP GSO".to_owned(),
            "with Linux 4.18 or newer, the same CPU sends several times as many packets".to_owned(),
        ),
        most => Finding::Good(format!("the kernel sends up to {most} packets in one system call (UDP GSO)")),
    });
}

fn receive_buffer(bytes: usize) -> Finding {
    let kib = bytes >> 10;
    if bytes >= SMALL_BUFFER {
        return Finding::Good(format!("UDP receive buffers hold {kib} KiB"));
    }
    Finding::Mind(
        format!("UDP receive buffers hold only {kib} KiB, so packets get lost when many people send at once"),
        "sysctl -w net.core.rmem_max=8388608 net.core.wmem_max=8388608 (and in /etc/sysctl.d)".to_owned(),
    )
}

fn addresses(config: &Config, findings: &mut Vec<Finding>) {
    let local = interface_addresses();
    let named = !config.announce.is_empty();
    let announced = if named { config.announce.clone() } else { announce_by_default(&local, config.dev) };
    let addresses = Addresses::new(&announced, &local);
    let list = addresses.announced().iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", ");
    findings.push(Finding::Good(format!("clients are told to use {list}")));
    for ip in addresses.announced().iter().filter(|ip| addresses.source_for(**ip).is_some()) {
        if let Err(error) = reaches_itself(*ip) {
            findings.push(Finding::Bad(
                format!("a UDP packet sent to {ip} did not come back: {error}"),
                "allow UDP in this host's firewall, or announce other addresses with --announce".to_owned(),
            ));
        }
    }
    findings.extend(reach(addresses.announced(), config.dev));
    let elsewhere: Vec<&IpAddr> =
        addresses.announced().iter().filter(|ip| addresses.source_for(**ip).is_none()).collect();
    if !elsewhere.is_empty() {
        let ports = config.udp_ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
        let tcp = config.tcp_port.map(|port| format!(" and TCP {port}")).unwrap_or_default();
        findings.push(Finding::Mind(
            format!("no interface of this host has {elsewhere:?}"),
            format!("forward UDP {ports}{tcp} from there to this host, each to the same port"),
        ));
    }
}

/// Who can reach these addresses.
fn reach(announced: &[IpAddr], dev: bool) -> Option<Finding> {
    let private = |ip: &IpAddr| match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    };
    if announced.iter().all(IpAddr::is_loopback) {
        return Some(Finding::Mind(
            "only this computer can join calls".to_owned(),
            "connect it to a network, or set an address with --announce".to_owned(),
        ));
    }
    (announced.iter().all(private) && !dev).then(|| {
        Finding::Mind(
            "only the local network can reach these addresses".to_owned(),
            "for callers from outside, announce the public address: --announce PUBLIC_IP".to_owned(),
        )
    })
}

fn reaches_itself(ip: IpAddr) -> std::io::Result<()> {
    let (receiver, sender) = (UdpSocket::bind((ip, 0))?, UdpSocket::bind((ip, 0))?);
    receiver.set_read_timeout(Some(Duration::from_millis(500)))?;
    sender.send_to(b"stoa", receiver.local_addr()?)?;
    receiver.recv_from(&mut [0; 16]).map(|_| ())
}

fn certificate(config: &Config, findings: &mut Vec<Finding>) {
    if let (Some(_), Some(acme)) = (&config.https, &config.acme) {
        findings.push(Finding::Good(format!("the certificate comes from {}", acme.directory)));
        return;
    }
    match (&config.https, &config.certificate, &config.public_url) {
        (Some(_), Some((cert, key)), _) => {
            for path in [cert, key] {
                findings.push(match fs::read(path) {
                    Ok(_) => Finding::Good(format!("{} can be read", path.display())),
                    Err(error) => Finding::Bad(
                        format!("{}: {error}", path.display()),
                        "check tls.cert and tls.key, and who can read them".to_owned(),
                    ),
                });
            }
        }
        (Some(_), None, _) => findings.push(Finding::Mind(
            "the https certificate is self-signed: browsers warn once".to_owned(),
            "for the open internet, set domain, or tls.cert and tls.key, or put a proxy in front".to_owned(),
        )),
        (None, _, Some(url)) if url.starts_with("https://") => {
            findings.push(Finding::Good(format!("a proxy in front of {} serves {url}", config.http.address)));
        }
        (None, _, _) => findings.push(Finding::Mind(
            "without https, browsers allow camera and microphone only for pages on this computer".to_owned(),
            "use --domain or --https 7843, or put a proxy in front and set --public-url https://…".to_owned(),
        )),
    }
}

fn clock(now: i64) -> Finding {
    if now >= EARLIEST {
        return Finding::Good("the clock looks right".to_owned());
    }
    Finding::Bad(
        "the clock is years behind, so every token looks as if it came from the future".to_owned(),
        "set it, preferably with NTP".to_owned(),
    )
}

/// From the text of /proc/self/limits.
fn open_files(limits: &str) -> Finding {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next()).unwrap_or("unlimited");
    match soft.parse::<u64>() {
        Ok(files) if files < FEW_FILES => Finding::Mind(
            format!("only {files} files can be open: that limits how many people can be connected"),
            "raise the limit: ulimit -n 65536, or LimitNOFILE=65536 in the systemd unit".to_owned(),
        ),
        _ => Finding::Good(format!("up to {soft} files can be open")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rank(finding: &Finding) -> u8 {
        match finding {
            Finding::Good(_) => 0,
            Finding::Mind(..) => 1,
            Finding::Bad(..) => 2,
        }
    }

    #[test]
    fn judges_what_it_reads() {
        assert_eq!(rank(&receive_buffer(212_992)), 1);
        assert_eq!(rank(&receive_buffer(4 << 20)), 0);
        assert_eq!(rank(&clock(0)), 2);
        assert_eq!(rank(&clock(1_800_000_000)), 0);
        assert_eq!(rank(&open_files("Max open files            1024                 524288               files\n")), 1);
        assert_eq!(rank(&open_files("Max open files            65536                524288               files\n")), 0);
        assert_eq!(rank(&open_files("")), 0);
    }

    #[test]
    fn says_who_can_reach_it() {
        let ip = |text: &str| -> IpAddr { text.parse().expect("an address") };
        assert_eq!(reach(&[ip("203.0.113.7")], false), None);
        assert!(reach(&[ip("10.0.0.5")], false).is_some());
        assert_eq!(reach(&[ip("10.0.0.5")], true), None);
        assert!(reach(&[ip("127.0.0.1")], true).is_some());
    }

    #[test]
    fn loopback_reaches_itself() {
        assert!(reaches_itself(IpAddr::from([127, 0, 0, 1])).is_ok());
    }
}
