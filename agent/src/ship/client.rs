//! The connection to the collector: TLS against a bundle of certificates that may change, and a token that will.

use super::answer::{self, Answer};
use crate::spool::SegmentId;
use anyhow::{Context as _, ensure};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use netwright_record::Time;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);
/// How long an upload may take, its answer included.
const UPLOAD: Duration = Duration::from_secs(60);
/// The longest answer that is read.
const LONGEST_ANSWER: usize = 16 << 10;
/// The content type of a segment.
const SEGMENT: &str = "application/zstd";

type Connections = legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Where segments go, and by what right.
#[derive(Debug, Clone)]
pub struct Target {
    /// `https://host:port`, without a path.
    pub collector: Uri,
    /// PEM file of the certificates that the collector's is checked against.
    pub ca: PathBuf,
    /// File of the token that says who is asking.
    pub token: PathBuf,
    /// This node's name.
    pub node: String,
}

/// Uploads segments. Both files are looked at before each round of uploads ([`Client::refresh`]), as both are replaced while the
/// program runs.
#[derive(Debug)]
pub struct Client {
    target: Target,
    /// The bundle in use, and connections made with it.
    connections: Option<(Vec<u8>, Connections)>,
    authorization: Option<HeaderValue>,
}

impl Client {
    /// Reads nothing yet.
    pub fn new(target: Target) -> Self {
        Self { target, connections: None, authorization: None }
    }

    /// Reads the certificates and the token anew. New certificates begin new connections.
    ///
    /// # Errors
    /// One of the files cannot be read or used.
    pub fn refresh(&mut self) -> anyhow::Result<()> {
        let bundle = std::fs::read(&self.target.ca)
            .with_context(|| format!("cannot read the collector's certificates {}", self.target.ca.display()))?;
        if self.connections.as_ref().is_none_or(|(known, _)| *known != bundle) {
            let connections = connections(&bundle, &self.target.ca)?;
            self.connections = Some((bundle, connections));
        }
        self.authorization = Some(authorization(&self.target.token)?);
        Ok(())
    }

    /// Uploads one segment and reads the answer.
    ///
    /// # Errors
    /// There was no answer.
    pub async fn upload(&self, id: &SegmentId, body: Vec<u8>) -> anyhow::Result<Answer> {
        let (_, connections) = self.connections.as_ref().context("no certificates were read")?;
        let request = self.request(id, body)?;
        let answered = async {
            let response = connections.request(request).await.map_err(|error| told(&error))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, LONGEST_ANSWER).collect().await.map_err(|error| told(&*error))?;
            Ok(answer::read(head.status, &head.headers, &body.to_bytes(), Time::now()))
        };
        tokio::time::timeout(UPLOAD, answered).await.context("the collector did not answer in time")?
    }

    fn request(&self, id: &SegmentId, body: Vec<u8>) -> anyhow::Result<Request<Full<Bytes>>> {
        let Target { collector, node, .. } = &self.target;
        let base = collector.to_string();
        let uri = format!("{}/v1/segments/{node}/{}/{}", base.trim_end_matches('/'), id.run, id.sequence);
        let authorization = self.authorization.clone().context("no token was read")?;
        Request::builder()
            .method(Method::PUT)
            .uri(uri)
            .header(CONTENT_TYPE, SEGMENT)
            .header(USER_AGENT, crate::spool::segments::WRITTEN_BY)
            .header(AUTHORIZATION, authorization)
            .body(Full::new(body.into()))
            .context("cannot make a request of the collector's URL and the node's name")
    }
}

/// Reads the bundle and prepares to connect by it. A name or address that the certificate does not carry is refused by rustls.
fn connections(bundle: &[u8], path: &Path) -> anyhow::Result<Connections> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(bundle) {
        let certificate = certificate.with_context(|| format!("{} is no PEM file", path.display()))?;
        roots
            .add(certificate)
            .with_context(|| format!("{} holds a certificate that cannot be used", path.display()))?;
    }
    ensure!(!roots.is_empty(), "{} holds no certificate yet", path.display());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("cannot set TLS up")?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_connect_timeout(Some(CONNECT));
    http.set_nodelay(true);
    let https = HttpsConnectorBuilder::new().with_tls_config(config).https_only().enable_http1().wrap_connector(http);
    // The collector may close a connection that is idle; a timer lets it go on this side, too.
    Ok(legacy::Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(https))
}

fn authorization(path: &Path) -> anyhow::Result<HeaderValue> {
    let token = std::fs::read_to_string(path).with_context(|| format!("cannot read the token {}", path.display()))?;
    let token = token.trim();
    ensure!(!token.is_empty(), "the token {} is empty", path.display());
    // The error of a bad header value does not repeat it, and neither do logs.
    let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
        .with_context(|| format!("the token {} is none: it has other than visible ASCII characters", path.display()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// An error with all its causes: the one that says why is the last.
fn told(error: &(dyn std::error::Error + 'static)) -> anyhow::Error {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let text: Vec<String> = causes.map(ToString::to_string).collect();
    anyhow::anyhow!("{}", text.join(": ").escape_debug())
}
