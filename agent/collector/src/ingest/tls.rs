//! The collector's certificate: from files, or made by the collector itself. Either may change while it serves.
//!
//! Its own: an authority and a certificate for the names of the Service, kept in the store so that all replicas have the same, and made
//! anew when a third of their time is left. Agents learn the authority from a ConfigMap ([`publish`]); the authority before it stays
//! in there, so that agents who have not read it yet are not cut off.

use crate::store::{Store, StoreError, StoredCertificate};
use anyhow::{Context as _, bail};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

/// For how long an authority and its certificate are made.
const VALID: SignedDuration = SignedDuration::from_hours(24 * 365);
/// When so much is left they are made anew.
const RENEWED: SignedDuration = SignedDuration::from_hours(24 * 122);
/// The name in the store.
const STORED: &str = "serving";

/// The certificate in use. Clones are handles to the same.
#[derive(Debug, Clone)]
pub struct Serving {
    key: Arc<RwLock<Arc<CertifiedKey>>>,
}

impl ResolvesServerCert for Serving {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.key.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// Where the certificate comes from.
#[derive(Debug, Clone)]
pub enum Source {
    /// Files: certificates and key, PEM.
    Files(PathBuf, PathBuf),
    /// Made here, for these names.
    Own(Vec<String>),
}

/// What the collector made.
#[derive(Serialize, Deserialize)]
struct Own {
    authority: String,
    authority_before: String,
    certificate: String,
    key: String,
    expires: Timestamp,
    names: Vec<String>,
}

/// A certificate that is loaded.
pub struct Loaded {
    key: CertifiedKey,
    /// What agents have to trust, where it is ours.
    pub authorities: Option<String>,
    /// When it expires, where that is known.
    pub expires: Option<Timestamp>,
}

impl Serving {
    /// Begins with `loaded`.
    pub fn new(loaded: Loaded) -> Self {
        Self { key: Arc::new(RwLock::new(Arc::new(loaded.key))) }
    }

    /// From the next connection on, `loaded` is used.
    pub fn replace(&self, loaded: Loaded) {
        *self.key.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(loaded.key);
    }

    /// What a TLS server needs.
    ///
    /// # Errors
    /// The cryptographic library does not know TLS 1.2 or 1.3.
    pub fn config(&self) -> anyhow::Result<rustls::ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::new(self.clone()));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

/// Loads the certificate. One of its own is made if there is none, or it is about to expire.
///
/// # Errors
/// The files cannot be read or do not belong together; or the store refuses.
pub async fn load(source: &Source, store: &Store, now: Timestamp) -> anyhow::Result<Loaded> {
    match source {
        Source::Files(certificate, key) => {
            let key = certified(&read(certificate)?, &read(key)?)
                .with_context(|| format!("the certificate {} and the key {}", certificate.display(), key.display()))?;
            Ok(Loaded { key, authorities: None, expires: None })
        }
        Source::Own(names) => {
            let own = own(names, store, now).await?;
            let key =
                certified(own.certificate.as_bytes(), own.key.as_bytes()).context("the certificate in the store")?;
            let authorities = format!("{}{}", own.authority, own.authority_before);
            Ok(Loaded { key, authorities: Some(authorities), expires: Some(own.expires) })
        }
    }
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn certified(certificates: &[u8], key: &[u8]) -> anyhow::Result<CertifiedKey> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificates).collect::<Result<_, _>>()?;
    if chain.is_empty() {
        bail!("there is no certificate in it");
    }
    let key = PrivateKeyDer::from_pem_slice(key).context("there is no private key in it")?;
    let signer = rustls::crypto::ring::sign::any_supported_type(&key)?;
    let certified = CertifiedKey::new(chain, signer);
    certified.keys_match().context("certificate and key do not belong together")?;
    Ok(certified)
}

/// What is in the store, or made anew. Of several replicas that make one at once, one wins.
async fn own(names: &[String], store: &Store, now: Timestamp) -> anyhow::Result<Own> {
    loop {
        let stored = store.certificate(STORED).await?;
        let known = stored.as_ref().and_then(|stored| serde_json::from_str::<Own>(&stored.pem).ok());
        if let Some(known) = &known
            && known.names == names
            && known.expires.duration_since(now) > RENEWED
            && let Some(stored) = &stored
        {
            return serde_json::from_str(&stored.pem).context("the certificate in the store");
        }
        let made = make(names, known.map(|known| known.authority).unwrap_or_default(), now)?;
        let pem = serde_json::to_string(&made)?;
        let new = StoredCertificate { changed: now.as_millisecond(), pem };
        if keep(store, stored.map(|stored| stored.changed), &new).await? {
            tracing::info!(expires = %made.expires, names = ?names, "made a certificate");
            return Ok(made);
        }
    }
}

async fn keep(store: &Store, before: Option<i64>, new: &StoredCertificate) -> Result<bool, StoreError> {
    store.replace_certificate(STORED, before, new).await
}

/// An authority that signs one certificate, and whose key is thrown away.
fn make(names: &[String], authority_before: String, now: Timestamp) -> anyhow::Result<Own> {
    let expires = now.checked_add(VALID)?;
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    authority.distinguished_name.push(DnType::CommonName, format!("netwright collector {}", now.as_second()));
    let mut certificate = CertificateParams::new(names)?;
    certificate.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    certificate.distinguished_name.push(DnType::CommonName, "netwright collector");
    for params in [&mut authority, &mut certificate] {
        // Clocks of nodes may be behind.
        params.not_before = date(now.saturating_sub(SignedDuration::from_hours(1)).unwrap_or(now))?;
        params.not_after = date(expires)?;
    }
    let (authority_key, key) = (KeyPair::generate()?, KeyPair::generate()?);
    let signed_authority = authority.self_signed(&authority_key)?;
    let issuer = Issuer::new(authority, authority_key);
    let signed = certificate.signed_by(&key, &issuer)?;
    Ok(Own {
        authority: signed_authority.pem(),
        authority_before,
        certificate: signed.pem(),
        key: key.serialize_pem(),
        expires,
        names: names.to_vec(),
    })
}

fn date(time: Timestamp) -> anyhow::Result<time::OffsetDateTime> {
    Ok(time::OffsetDateTime::from_unix_timestamp(time.as_second())?)
}

/// Writes what agents have to trust to the ConfigMap `name`, key `ca.crt`.
///
/// # Errors
/// The API server refuses, or there is no such ConfigMap.
pub async fn publish(client: &Client, namespace: &str, name: &str, authorities: &str) -> anyhow::Result<()> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let patch = serde_json::json!({"data": {"ca.crt": authorities}});
    let done = maps.patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await;
    done.map(drop).with_context(|| format!("cannot write the certificates to the ConfigMap {namespace}/{name}"))
}
