//! The certificate for https: the operator's, or a self-signed one, which is kept in the data directory and renewed
//! when it no longer covers the host's addresses.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum_server::tls_rustls::RustlsConfig;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::failure::Failure;
use crate::secrets::write_private;
use crate::turn::ALPN;

/// How long a certificate of our own is good for; some systems refuse more.
const DAYS: i32 = 800;

/// How often the operator's files are looked at.
const WATCH: Duration = Duration::from_secs(5);

/// The certificate that the operator provided. Loaded again when the files change; connections continue.
pub fn from_files(cert: &Path, key: &Path) -> Result<RustlsConfig, Failure> {
    let config = read(cert, key).map_err(|error| {
        let (cert, key) = (cert.display(), key.display());
        Failure::Setup(format!("cannot use {cert} with {key}: {error}; check tls.cert and tls.key"))
    })?;
    let config = RustlsConfig::from_config(Arc::new(config));
    tokio::spawn(watch(cert.to_owned(), key.to_owned(), config.clone()));
    Ok(config)
}

async fn watch(cert: PathBuf, key: PathBuf, config: RustlsConfig) {
    let changed = || [&cert, &key].map(|path| fs::metadata(path).and_then(|meta| meta.modified()).ok());
    let mut known = changed();
    let mut ticks = tokio::time::interval(WATCH);
    loop {
        ticks.tick().await;
        let now = changed();
        if now == known {
            continue;
        }
        match read(&cert, &key) {
            Ok(fresh) => {
                config.reload_from_config(Arc::new(fresh));
                tracing::info!(cert = %cert.display(), "reloaded the certificate");
                known = now;
            }
            // Half written, perhaps: looked at again.
            Err(error) => {
                tracing::warn!(cert = %cert.display(), error, "cannot use the new certificate; the old one stays in use")
            }
        }
    }
}

fn read(cert: &Path, key: &Path) -> Result<ServerConfig, String> {
    let shown = |error: pem::Error| error.to_string();
    let chain: Vec<_> = CertificateDer::pem_file_iter(cert).map_err(shown)?.collect::<Result<_, _>>().map_err(shown)?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(shown)?;
    let builder = ServerConfig::builder().with_no_client_auth();
    let mut config = builder.with_single_cert(chain, key).map_err(|error| error.to_string())?;
    config.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
    Ok(config)
}

/// A certificate signed by itself for these names and addresses.
pub fn self_signed(data_dir: &Path, names: &[String], addresses: &[IpAddr]) -> Result<RustlsConfig, Failure> {
    let files = Files::under(data_dir);
    let mut wanted: Vec<String> = names.to_vec();
    wanted.extend(addresses.iter().map(IpAddr::to_string));
    wanted.sort();
    wanted.dedup();
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    if !files.hold(&wanted, today) {
        files.make(&wanted, today)?;
    }
    let config = read(&files.cert, &files.key).map_err(|error| {
        let dir = files.dir.display();
        Failure::Setup(format!(
            "cannot use the certificate in {dir}: {error}; delete the folder and Stoa makes a new one"
        ))
    })?;
    Ok(RustlsConfig::from_config(Arc::new(config)))
}

struct Files {
    dir: PathBuf,
    cert: PathBuf,
    key: PathBuf,
    /// What is in the certificate: its last day, then its names, a line each.
    contents: PathBuf,
}

impl Files {
    fn under(data_dir: &Path) -> Self {
        let dir = data_dir.join("tls");
        Self { cert: dir.join("cert.pem"), key: dir.join("key.pem"), contents: dir.join("contents.txt"), dir }
    }

    /// Whether the certificate there has every name and is good for a while.
    fn hold(&self, wanted: &[String], today: jiff::civil::Date) -> bool {
        let Ok(contents) = fs::read_to_string(&self.contents) else { return false };
        let mut lines = contents.lines();
        let last: Option<jiff::civil::Date> = lines.next().and_then(|line| line.parse().ok());
        let names: Vec<&str> = lines.collect();
        let lasts = last.is_some_and(|last| last > today.saturating_add(jiff::Span::new().days(30)));
        lasts && self.cert.exists() && self.key.exists() && wanted.iter().all(|name| names.contains(&name.as_str()))
    }

    fn make(&self, names: &[String], today: jiff::civil::Date) -> Result<(), Failure> {
        let first = today.saturating_sub(jiff::Span::new().days(1));
        let last = today.saturating_add(jiff::Span::new().days(DAYS));
        let day = |date: jiff::civil::Date| {
            rcgen::date_time_ymd(i32::from(date.year()), date.month().unsigned_abs(), date.day().unsigned_abs())
        };
        let mut params = CertificateParams::new(names.to_vec()).map_err(Failure::fault)?;
        params.not_before = day(first);
        params.not_after = day(last);
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "Stoa (self-signed)");
        let key = KeyPair::generate().map_err(Failure::fault)?;
        let cert = params.self_signed(&key).map_err(Failure::fault)?;
        let write = || {
            fs::create_dir_all(&self.dir)?;
            write_private(&self.key, key.serialize_pem().as_bytes())?;
            write_private(&self.cert, cert.pem().as_bytes())?;
            write_private(&self.contents, format!("{last}\n{}\n", names.join("\n")).as_bytes())
        };
        write().map_err(|e| Failure::Setup(format!("cannot write to {}: {e}; make it writable", self.dir.display())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_until_an_address_is_missing_or_it_runs_out() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let dir = tempfile::tempdir().expect("a folder");
        let files = Files::under(dir.path());
        let cert = || fs::read(&files.cert).expect("made");
        let names = ["localhost".to_owned()];
        let home: IpAddr = "10.0.0.5".parse().expect("an address");
        self_signed(dir.path(), &names, &[home]).expect("made");
        let first = cert();
        self_signed(dir.path(), &names, &[home]).expect("kept");
        assert_eq!(cert(), first);
        self_signed(dir.path(), &names, &[home, "10.0.0.6".parse().expect("an address")]).expect("made anew");
        assert_ne!(cert(), first);
        let far = "2199-01-01".parse().expect("a date");
        assert!(!files.hold(&[], far));
    }
}
