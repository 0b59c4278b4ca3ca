//! Certificates that the collector makes for itself: an authority that agents trust, and a certificate for the Service.
//!
//! Both are in the store, so that all replicas have the same and a restart changes nothing. The certificate is made anew after two
//! thirds of its life. An authority has a successor halfway through its own, which agents are given at once, and which signs
//! after a day: by then every agent trusts it.

use super::{Current, certified_key};
use crate::store::{Store, StoredCertificate};
use anyhow::Context as _;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
/// How long an authority lives.
const AUTHORITY: i64 = 730 * DAY;
/// How long a certificate lives.
const SERVER: i64 = 90 * DAY;
/// How long an authority is known before it signs.
const KNOWN_FIRST: i64 = DAY;
/// How far clocks may be behind.
const SKEW: i64 = HOUR;
/// Its name in the store.
const NAME: &str = "tls";

/// A certificate, its key, and when it holds, in seconds since 1970.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Pair {
    certificate: String,
    key: String,
    from: i64,
    until: i64,
}

/// All that the collector made.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundle {
    /// The newest last.
    authorities: Vec<Pair>,
    server: Pair,
    /// What `server` is for.
    names: Vec<String>,
}

impl Bundle {
    /// What has to take the place of `old` at `now`, in seconds since 1970; `None` where nothing has to.
    ///
    /// # Errors
    /// A name is none, or keys cannot be made.
    pub fn renewed(old: Option<&Bundle>, names: &[String], now: i64) -> anyhow::Result<Option<Bundle>> {
        let mut authorities: Vec<Pair> = old.iter().flat_map(|old| old.authorities.clone()).collect();
        authorities.retain(|authority| authority.until > now);
        if authorities.last().is_none_or(|newest| newest.until - now < AUTHORITY / 2) {
            authorities.push(new_authority(now)?);
        }
        let trusted = authorities.iter().rfind(|authority| authority.from + KNOWN_FIRST <= now);
        let signer = trusted.or(authorities.first()).context("there is no authority")?;
        let current = old.filter(|old| old.names == names).map(|old| &old.server);
        let server = match current {
            Some(server) if server.until - now > SERVER / 3 && authorities.iter().any(|one| signed(server, one)) => {
                server.clone()
            }
            _ => new_server(signer, names, now)?,
        };
        let bundle = Bundle { authorities, server, names: names.to_vec() };
        Ok((old != Some(&bundle)).then_some(bundle))
    }

    /// What agents are to trust, as PEM.
    pub fn authorities(&self) -> String {
        self.authorities.iter().map(|authority| authority.certificate.as_str()).collect()
    }
}

/// Without the keys.
impl std::fmt::Debug for Bundle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bundle").field("names", &self.names).finish_non_exhaustive()
    }
}

/// Whether `authority` is the one that signed `server`: the chain of a server's certificate ends with that.
fn signed(server: &Pair, authority: &Pair) -> bool {
    server.certificate.ends_with(&authority.certificate)
}

fn new_authority(now: i64) -> anyhow::Result<Pair> {
    let mut params = CertificateParams::new(Vec::new()).context("cannot make an authority")?;
    params.distinguished_name.push(DnType::CommonName, format!("netwright-collector authority {now}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let (from, until) = (now, now + AUTHORITY);
    (params.not_before, params.not_after) = (date(from - SKEW)?, date(until)?);
    let key = KeyPair::generate().context("cannot make a key")?;
    let certificate = params.self_signed(&key).context("cannot make an authority")?;
    Ok(Pair { certificate: certificate.pem(), key: key.serialize_pem(), from, until })
}

fn new_server(authority: &Pair, names: &[String], now: i64) -> anyhow::Result<Pair> {
    let key = KeyPair::from_pem(&authority.key).ok().context("the key of the authority cannot be read")?;
    let issuer = Issuer::from_ca_cert_pem(&authority.certificate, key).context("the authority cannot be read")?;
    let told = || format!("cannot make a certificate for {names:?}; --tls-name takes DNS names and addresses");
    let mut params = CertificateParams::new(names.to_vec()).with_context(told)?;
    let common = names.first().filter(|name| name.len() <= 64).map_or("netwright-collector", String::as_str);
    params.distinguished_name.push(DnType::CommonName, common);
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let (from, until) = (now, (now + SERVER).min(authority.until));
    (params.not_before, params.not_after) = (date(from - SKEW)?, date(until)?);
    let key = KeyPair::generate().context("cannot make a key")?;
    let certificate = params.signed_by(&key, &issuer).with_context(told)?;
    Ok(Pair { certificate: certificate.pem() + &authority.certificate, key: key.serialize_pem(), from, until })
}

fn date(seconds: i64) -> anyhow::Result<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(seconds).context("the clock shows no date")
}

/// The certificates in the store.
#[derive(Debug)]
pub struct Own {
    store: Store,
    names: Vec<String>,
    used: Option<StoredCertificate>,
}

impl Own {
    /// For a Service of these names.
    pub fn new(store: Store, names: Vec<String>) -> Self {
        Self { store, names, used: None }
    }

    /// Makes what is missing or due, reads what another replica made, and uses it. Returns the bundle, and until when its
    /// certificate is valid, where it is another than before.
    ///
    /// # Errors
    /// The store fails, or a name is none: what was in use stays.
    pub async fn refresh(&mut self, current: &Current, now: i64) -> anyhow::Result<Option<(Bundle, i64)>> {
        let (stored, bundle) = self.current(now).await?;
        if self.used.as_ref() == Some(&stored) {
            return Ok(None);
        }
        let (key, until) = certified_key(&bundle.server.certificate, &bundle.server.key)?;
        current.set(key);
        tracing::info!(names = ?bundle.names, "uses a certificate of its own");
        self.used = Some(stored);
        Ok(Some((bundle, until)))
    }

    /// What is in the store, after what is due was done by this replica or by another.
    async fn current(&self, now: i64) -> anyhow::Result<(StoredCertificate, Bundle)> {
        loop {
            let stored = self.store.certificate(NAME).await?;
            let bundle: Option<Bundle> = stored
                .as_ref()
                .map(|stored| serde_json::from_str(&stored.pem))
                .transpose()
                .ok()
                .context("the certificates in the store cannot be read; a later version may have written them")?;
            match Bundle::renewed(bundle.as_ref(), &self.names, now)? {
                None => {
                    return Ok((
                        stored.context("there is no certificate")?,
                        bundle.context("there is no certificate")?,
                    ));
                }
                Some(renewed) => {
                    let pem = serde_json::to_string(&renewed).context("cannot write certificates")?;
                    let before = stored.as_ref().map(|stored| stored.changed);
                    // Not that of before, whatever the clock says: who replaces them goes by it.
                    let changed = before.map_or(now, |before| now.max(before + 1));
                    self.store.replace_certificate(NAME, before, &StoredCertificate { changed, pem }).await?;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::RootCertStore;
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier as _;
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use std::sync::Arc;
    use std::time::Duration;

    const START: i64 = 1_800_000_000;

    fn names() -> Vec<String> {
        vec!["netwright-collector.netwright.svc".into()]
    }

    /// Whether who trusts `authorities` would talk to `server` at `now`.
    fn is_trusted(authorities: &str, server: &Bundle, name: &str, now: i64) -> bool {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(authorities.as_bytes()) {
            roots.add(certificate.unwrap()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        let chain: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(server.server.certificate.as_bytes()).map(Result::unwrap).collect();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(now).unwrap()));
        let name = ServerName::try_from(name.to_owned()).unwrap();
        verifier.verify_server_cert(&chain[0], &chain[1..], &name, &[], now).is_ok()
    }

    #[test]
    fn it_is_trusted_for_its_names_alone() {
        let bundle = Bundle::renewed(None, &names(), START).unwrap().unwrap();
        assert!(is_trusted(&bundle.authorities(), &bundle, &names()[0], START));
        assert!(is_trusted(&bundle.authorities(), &bundle, &names()[0], START - HOUR / 2), "a clock may be behind");
        assert!(!is_trusted(&bundle.authorities(), &bundle, "other.netwright.svc", START));
        let other = Bundle::renewed(None, &names(), START).unwrap().unwrap();
        assert!(!is_trusted(&other.authorities(), &bundle, &names()[0], START));
        assert!(certified_key(&bundle.server.certificate, &bundle.server.key).is_ok());
        assert!(certified_key(&bundle.server.certificate, &other.server.key).is_err());
    }

    #[test]
    fn nothing_changes_without_need() {
        let bundle = Bundle::renewed(None, &names(), START).unwrap().unwrap();
        assert_eq!(Bundle::renewed(Some(&bundle), &names(), START + 30 * DAY).unwrap(), None);
        let more = vec!["a.example".to_owned(), "198.18.0.1".to_owned()];
        let renamed = Bundle::renewed(Some(&bundle), &more, START + DAY).unwrap().unwrap();
        assert_eq!(renamed.authorities(), bundle.authorities());
        assert!(is_trusted(&bundle.authorities(), &renamed, "198.18.0.1", START + DAY));
    }

    /// Ten years, a day at a time; agents trust what they were told the day before.
    #[test]
    fn agents_that_are_a_day_behind_always_trust_it() {
        let mut bundle = Bundle::renewed(None, &names(), START).unwrap().unwrap();
        let (mut told, mut servers, mut most) = (bundle.authorities(), 1, 0);
        for day in 1..3650 {
            let now = START + day * DAY;
            if let Some(renewed) = Bundle::renewed(Some(&bundle), &names(), now).unwrap() {
                servers += u32::from(renewed.server != bundle.server);
                bundle = renewed;
            }
            assert!(is_trusted(&told, &bundle, &names()[0], now), "day {day}");
            assert!(is_trusted(&told, &bundle, &names()[0], now + DAY - 1), "day {day}, in the evening");
            told = bundle.authorities();
            most = most.max(bundle.authorities.len());
        }
        assert!((55..80).contains(&servers) && most == 2, "{servers}, {most}");
    }

    #[test]
    fn a_name_that_is_none_is_told() {
        let error = Bundle::renewed(None, &["ä".to_owned()], START).unwrap_err();
        assert!(format!("{error:#}").contains("--tls-name"), "{error:#}");
    }
}
