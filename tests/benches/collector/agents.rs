//! The simulated agents: each has one TLS connection of its own, sends its segments in order, and the next when the last is acknowledged.

use crate::api::TOKEN;
use crate::world::{INTERVAL, NODES, RUN, World, node_name};
use anyhow::{Context, Result, bail};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The name in the collector's certificate.
pub(crate) const NAME: &str = "netwright-collector.netwright.svc";
/// How many agents send at a time: agents of a real cluster are spread over their interval.
const AT_ONCE: usize = 32;
/// How long the segment is that ends a phase: all of what came before is settled by it.
const CLOSING: i64 = 120;

/// All agents.
pub(crate) struct Agents {
    world: Arc<World>,
    connections: Vec<Option<Connection>>,
    /// The number and the time of the next segment, the same for all.
    sequence: u64,
    second: i64,
}

impl Agents {
    /// Connects them all.
    pub(crate) async fn connect(world: Arc<World>, address: SocketAddr, authorities: &str) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(authorities.as_bytes()) {
            roots.add(certificate?)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let connector = TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth()));
        let mut connections = Vec::with_capacity(NODES);
        for _ in 0..NODES {
            let stream = connect(&connector, address).await?;
            connections.push(Some(Connection { connector: connector.clone(), address, stream }));
        }
        Ok(Self { world, connections, sequence: 0, second: 0 })
    }

    /// So many segments of each agent, and one without flows that lets the others settle. Returns how many flows were sent.
    pub(crate) async fn phase(&mut self, rounds: u64) -> Result<u64> {
        for _ in 0..rounds {
            self.round(INTERVAL, true).await?;
        }
        self.round(CLOSING, false).await?;
        Ok(rounds * self.world.records())
    }

    /// A segment without flows of each agent: those whose connection was closed meanwhile, since they were quiet for long as agents
    /// never are, connect anew.
    pub(crate) async fn wake(&mut self) -> Result<()> {
        self.round(CLOSING, false).await
    }

    async fn round(&mut self, length: i64, with_flows: bool) -> Result<()> {
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        let (sequence, second) = (self.sequence, self.second);
        let mut tasks = JoinSet::new();
        for (node, connection) in self.connections.iter_mut().enumerate() {
            let (world, turns) = (self.world.clone(), turns.clone());
            let mut connection = connection.take().context("a connection is lost")?;
            tasks.spawn(async move {
                let _turn = turns.acquire().await?;
                let body = world.segment(node, second, length, with_flows);
                put(&mut connection, node, sequence, &body).await?;
                anyhow::Ok((node, connection))
            });
        }
        while let Some(done) = tasks.join_next().await {
            let (node, connection) = done??;
            self.connections[node] = Some(connection);
        }
        self.sequence += 1;
        self.second += length;
        Ok(())
    }
}

/// An agent's way to the collector.
struct Connection {
    connector: TlsConnector,
    address: SocketAddr,
    stream: TlsStream<TcpStream>,
}

async fn connect(connector: &TlsConnector, address: SocketAddr) -> Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(connector.connect(ServerName::try_from(NAME)?, stream).await?)
}

/// Sends a segment until it is stored. One that is sent again is stored once, so whatever breaks is done again.
async fn put(connection: &mut Connection, node: usize, sequence: u64, body: &[u8]) -> Result<()> {
    let node = node_name(node);
    let head = format!(
        "PUT /v1/segments/{node}/{RUN}/{sequence} HTTP/1.1\r\nhost: {NAME}\r\nauthorization: Bearer {TOKEN}:{node}\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    for _ in 0..1000 {
        match exchange(&mut connection.stream, head.as_bytes(), body).await {
            Ok((200, _)) => return Ok(()),
            Ok((429 | 503, _)) => tokio::time::sleep(Duration::from_millis(200)).await,
            Ok((status, text)) => bail!("{node}/{sequence}: {status} {text}"),
            // The collector ends connections that were quiet for long.
            Err(_) => connection.stream = connect(&connection.connector, connection.address).await?,
        }
    }
    bail!("{node}/{sequence}: refused for minutes")
}

async fn exchange(stream: &mut TlsStream<TcpStream>, head: &[u8], body: &[u8]) -> Result<(u16, String)> {
    stream.write_all(head).await?;
    stream.write_all(body).await?;
    stream.flush().await?;
    answer(stream).await
}

/// Status and body of one answer.
async fn answer(connection: &mut TlsStream<TcpStream>) -> Result<(u16, String)> {
    let mut bytes = Vec::with_capacity(512);
    loop {
        anyhow::ensure!(connection.read_buf(&mut bytes).await? > 0, "the collector closed a connection");
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no status")?;
            return Ok((status, body.to_owned()));
        }
    }
}
