//! What an agent does, by hand: TLS against the collector's own authorities, one request a connection.

use netwright_collector::ingest::{Authenticator, Ingest, Limits};
use netwright_collector::metrics::Metrics;
use netwright_collector::store::Store;
use netwright_collector::tls::{self, Current, Own};
use netwright_record::Time;
use netwright_service::CancellationToken;
use netwright_service::http;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::api::{AUDIENCE, Api};

pub(crate) const NAME: &str = "netwright-collector.netwright.svc";
pub(crate) const LIMITS: Limits = Limits {
    segment: 1 << 20,
    unpacked: 4 << 20,
    memory: 8 << 20,
    inbox: 64 << 20,
    window: jiff::SignedDuration::from_hours(24),
};

/// A collector that takes segments in, without what merges them.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) store: Store,
    pub(crate) api: Arc<Api>,
    pub(crate) ingest: Arc<Ingest>,
    pub(crate) metrics: Metrics,
    pub(crate) current: Current,
    pub(crate) authorities: String,
    pub(crate) stop: CancellationToken,
    pub(crate) task: tokio::task::JoinHandle<()>,
    pub(crate) committer: tokio::task::JoinHandle<()>,
    pub(crate) folder: TempDir,
}

impl Served {
    pub(crate) async fn start(limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&format!("sqlite:{}", folder.path().join("store.db").display())).await.unwrap();
        store.migrate().await.unwrap();
        let (api, (metrics, _), current) = (Arc::new(Api::default()), Metrics::new(), Current::default());
        let authenticator = Authenticator::new(api.clone().client(), AUDIENCE, "netwright", "netwright-agent");
        let (ingest, committer) = Ingest::start(store.clone(), authenticator, limits, metrics.clone());
        let mut own = Own::new(store.clone(), vec![NAME.into()]);
        let (bundle, _) = own.refresh(&current, Time::now().as_second()).await.unwrap().unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(tls::server_config(current.clone()).unwrap()));
        let accept = move |stream| {
            let acceptor = acceptor.clone();
            async move { acceptor.accept(stream).await }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let connections =
            http::Limits { connections: 1000, head: Duration::from_secs(2), drain: Duration::from_secs(5) };
        let router = ingest.clone().router();
        let task = tokio::spawn(http::serve(listener, accept, router, connections, stop.clone()));
        let authorities = bundle.authorities();
        Self { address, store, api, ingest, metrics, current, authorities, stop, task, committer, folder }
    }

    pub(crate) async fn connect(&self) -> TlsStream<TcpStream> {
        connect(self.address, &self.authorities).await.unwrap()
    }

    /// Sends a segment. Returns status and body.
    pub(crate) async fn put(&self, path: &str, token: Option<&str>, body: &[u8]) -> (u16, String) {
        let stream = self.connect().await;
        put(stream, path, token, body).await.unwrap()
    }
}

/// A connection, if the certificate is one of `authorities` for the name.
pub(crate) async fn connect(address: SocketAddr, authorities: &str) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authorities.as_bytes()) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let connector = TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth()));
    connector.connect(ServerName::try_from(NAME).unwrap(), TcpStream::connect(address).await?).await
}

pub(crate) async fn put(
    mut stream: TlsStream<TcpStream>,
    path: &str,
    token: Option<&str>,
    body: &[u8],
) -> std::io::Result<(u16, String)> {
    let authorization = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    let head = format!(
        "PUT {path} HTTP/1.1\r\nhost: {NAME}\r\nconnection: close\r\n{authorization}content-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    // A server that refuses closes before it has read all.
    let _ = stream.write_all(body).await;
    let _ = stream.flush().await;
    answer(stream).await
}

/// Reads an answer to its end.
pub(crate) async fn answer(mut stream: impl tokio::io::AsyncRead + Unpin) -> std::io::Result<(u16, String)> {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes).await {
        // The other end need not say goodbye in TLS when it closes.
        Err(error) if bytes.is_empty() => return Err(error),
        _ => {}
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.map(|status| (status, text)).ok_or_else(|| std::io::ErrorKind::UnexpectedEof.into())
}
