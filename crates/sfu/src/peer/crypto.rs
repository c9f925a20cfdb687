//! The DTLS side of a connection: one certificate and one set of checked configurations a process.
//!
//! Building a dimpl configuration validates the crypto again each time, 1 ms of CPU a join; here it is built once.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use str0m::config::{CryptoProvider, DtlsCert, DtlsVersion};
use str0m::crypto::dtls::{DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, ProtocolVersion};
use str0m::crypto::{CryptoError, from_feature_flags};

/// A lost flight is repeated after this, then after twice that, and so on. The usual second makes people wait ten on a
/// bad path (RFC 9147 §5.8.2 allows less where the application is in a hurry).
const HANDSHAKE_RTO: Duration = Duration::from_millis(250);
/// Enough to reach the 40 s after which a handshake has failed.
const HANDSHAKE_RETRIES: usize = 7;

/// The crypto of every connection of this process.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| {
        let mut provider = from_feature_flags();
        provider.dtls_provider = &CachedDtls;
        Arc::new(provider)
    }))
}

/// The certificate every connection of this process presents. Its fingerprint goes into each description.
pub(crate) fn certificate() -> DtlsCert {
    static CERTIFICATE: OnceLock<DtlsCert> = OnceLock::new();
    CERTIFICATE
        .get_or_init(|| {
            let made = dimpl::certificate::generate_self_signed_certificate();
            made.expect("a self-signed certificate needs nothing but memory and randomness")
        })
        .clone()
}

#[derive(Debug)]
struct CachedDtls;

impl DtlsProvider for CachedDtls {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        Some(certificate())
    }

    fn new_dtls(
        &self,
        cert: &DtlsCert,
        now: Instant,
        version: DtlsVersion,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        let config = config_for(mtu)?;
        let dtls = match version {
            DtlsVersion::Dtls12 => dimpl::Dtls::new_12(config, cert.clone(), now),
            DtlsVersion::Dtls13 => dimpl::Dtls::new_13(config, cert.clone(), now),
            _ => dimpl::Dtls::new_auto(config, cert.clone(), now),
        };
        Ok(Box::new(Dtls(dtls)))
    }
}

fn config_for(mtu: Option<usize>) -> Result<Arc<dimpl::Config>, CryptoError> {
    static CONFIG: OnceLock<(Option<usize>, Arc<dimpl::Config>)> = OnceLock::new();
    if let Some((cached_mtu, config)) = CONFIG.get()
        && *cached_mtu == mtu
    {
        return Ok(Arc::clone(config));
    }
    // ICE has verified that the other side can be reached before DTLS starts: cookies would only cost a round trip.
    let mut builder = dimpl::Config::builder()
        .use_server_cookie(false)
        .flight_start_rto(HANDSHAKE_RTO)
        .flight_retries(HANDSHAKE_RETRIES);
    if let Some(mtu) = mtu {
        builder = builder.mtu(mtu);
    }
    let built = builder.build().map_err(|error| CryptoError::Other(format!("DTLS configuration: {error}")))?;
    let config = Arc::new(built);
    let _ = CONFIG.set((mtu, Arc::clone(&config)));
    Ok(config)
}

struct Dtls(dimpl::Dtls);

impl std::fmt::Debug for Dtls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dtls").finish_non_exhaustive()
    }
}

impl DtlsInstance for Dtls {
    fn set_active(&mut self, active: bool) {
        self.0.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        self.0.handle_packet(packet)
    }

    fn poll_output<'a>(&mut self, buf: &'a mut [u8]) -> DtlsOutput<'a> {
        self.0.poll_output(buf)
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.0.handle_timeout(now)
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        self.0.send_application_data(data)
    }

    fn is_active(&self) -> bool {
        self.0.is_active()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.0.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.0.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.0.close()
    }
}
