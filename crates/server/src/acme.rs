//! The certificate that an authority issues for the server's domain (ACME, RFC 8555), using the challenge that needs no
//! port other than that of https (TLS-ALPN-01, RFC 8737). It is kept in the data directory and renewed in time, while
//! connections continue.

use std::path::PathBuf;
use std::sync::Arc;

use axum_server::tls_rustls::RustlsConfig;
use futures_util::StreamExt;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_acme::caches::DirCache;
use rustls_acme::{AcmeConfig, EventOk};

use crate::failure::Failure;
use crate::turn::ALPN;

/// The authority that is asked where the operator names none.
pub const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// Whom is asked for a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acme {
    /// The authority's directory.
    pub directory: String,
    /// Where it may write to when something is wrong.
    pub email: Option<String>,
    /// Roots that the directory's own certificate is verified with, PEM, in place of the public ones.
    pub ca: Option<PathBuf>,
}

impl Acme {
    /// Takes the certificate from the data directory, or asks for it; keeps at it while the server runs.
    pub fn start(&self, domain: &str, data_dir: &std::path::Path) -> Result<RustlsConfig, Failure> {
        let config = match &self.ca {
            Some(ca) => AcmeConfig::new_with_client_config([domain], Arc::new(trusting(ca)?)),
            None => AcmeConfig::new([domain]),
        };
        let contact = self.email.iter().map(|email| format!("mailto:{email}"));
        let config = config.directory(&self.directory).contact(contact).cache(DirCache::new(data_dir.join("acme")));
        let mut state = config.state();
        let mut tls = ServerConfig::builder().with_no_client_auth().with_cert_resolver(state.resolver());
        tls.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
        let domain = domain.to_owned();
        tokio::spawn(async move {
            while let Some(event) = state.next().await {
                match event {
                    Ok(EventOk::DeployedNewCert) => tracing::info!(domain, "using a new certificate"),
                    Ok(EventOk::DeployedCachedCert) => tracing::info!(domain, "using the certificate from disk"),
                    Ok(event) => tracing::debug!(domain, ?event, "ACME"),
                    Err(error) => tracing::warn!(
                        domain,
                        %error,
                        "no certificate yet: the domain must point to this server, and its port 443 to --https; trying again"
                    ),
                }
            }
        });
        Ok(RustlsConfig::from_config(Arc::new(tls)))
    }
}

fn trusting(ca: &std::path::Path) -> Result<ClientConfig, Failure> {
    let cannot = |error: &dyn std::fmt::Display| Failure::Setup(format!("acme.ca: {}: {error}", ca.display()));
    let mut roots = RootCertStore::empty();
    for cert in CertificateDer::pem_file_iter(ca).map_err(|error| cannot(&error))? {
        roots.add(cert.map_err(|error| cannot(&error))?).map_err(|error| cannot(&error))?;
    }
    Ok(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}
