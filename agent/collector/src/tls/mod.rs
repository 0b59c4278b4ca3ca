//! The collector's certificate: one that is given in files, or one of its own. Either may change while connections are served.

mod files;
mod own;
mod publish;

pub use files::Files;
pub use own::{Bundle, Own};
pub use publish::Publisher;

use anyhow::{Context as _, ensure};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, crypto};
use std::sync::{Arc, PoisonError, RwLock};

/// The certificate in use.
#[derive(Debug, Clone, Default)]
pub struct Current {
    key: Arc<RwLock<Option<Arc<CertifiedKey>>>>,
}

impl Current {
    /// Uses this from the next handshake on.
    pub fn set(&self, key: CertifiedKey) {
        *self.key.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(key));
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.key.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// How connections are made secure: TLS 1.2 and 1.3, HTTP/1.1 within, the certificate that is `current` at the time.
///
/// # Errors
/// The library refuses its own defaults.
pub fn server_config(current: Current) -> anyhow::Result<ServerConfig> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .context("cannot set TLS up")?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(current));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Reads a chain and its key, both PEM. Returns also until when the certificate is valid, in seconds since 1970.
fn certified_key(chain: &str, key: &str) -> anyhow::Result<(CertifiedKey, i64)> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain.as_bytes())
        .collect::<Result<_, _>>()
        .context("the certificate is no PEM")?;
    ensure!(!chain.is_empty(), "there is no certificate in it");
    // The error must not repeat what it read.
    let key =
        PrivateKeyDer::from_pem_slice(key.as_bytes()).ok().context("there is no private key in PEM form in it")?;
    let until = expiry(chain.first().context("there is no certificate in it")?)?;
    let certified = CertifiedKey::from_der(chain, key, &crypto::ring::default_provider())
        .context("the key and the certificate do not belong together, or are of a kind that is not known")?;
    Ok((certified, until))
}

fn expiry(certificate: &CertificateDer<'_>) -> anyhow::Result<i64> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).context("the certificate cannot be read")?;
    Ok(parsed.validity().not_after.timestamp())
}
