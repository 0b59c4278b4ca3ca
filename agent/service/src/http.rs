//! Serves HTTP/1.1 to whoever connects, without letting them hold more than their share: bounds on connections and on the time
//! that a head may take. What is under way when the program is told to stop is finished.

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower_service::Service as _;

/// How many bytes a connection reads ahead, and may keep between two requests: thousands of agents are connected at a time.
const MOST_BUFFERED: usize = 16 << 10;

/// What one server grants.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at a time. Others wait in the kernel's queue.
    pub connections: usize,
    /// How long a handshake may take, a request's head, and the silence between two requests of a connection.
    pub head: Duration,
    /// How long requests under way may take once the program was told to stop.
    pub drain: Duration,
}

/// Listens on `address`. Where that is `[::]` and the host has no IPv6, on `0.0.0.0`.
///
/// # Errors
/// Neither can be listened on.
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let any = address.ip() == std::net::Ipv6Addr::UNSPECIFIED;
    match TcpListener::bind(address).await {
        // EAFNOSUPPORT and EADDRNOTAVAIL: built without IPv6, or told to do without.
        Err(error) if any && error.kind() != io::ErrorKind::AddrInUse => {
            TcpListener::bind((std::net::Ipv4Addr::UNSPECIFIED, address.port())).await
        }
        bound => bound,
    }
}

/// Serves `router` on `listener` until `stop`, then finishes what is under way, for [`Limits::drain`] at most. `accept` makes of
/// a connection what bytes are read from and written to: itself, or the inside of a TLS session. Handlers find the other end's
/// address as `ConnectInfo<SocketAddr>`.
///
/// Errors of single connections are theirs alone and are logged at debug.
pub async fn serve<A, F, T>(listener: TcpListener, accept: A, router: Router, limits: Limits, stop: CancellationToken)
where
    A: Fn(TcpStream) -> F,
    F: Future<Output = io::Result<T>> + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let graceful = GracefulShutdown::new();
    let permits = Arc::new(Semaphore::new(limits.connections));
    while let Some((stream, peer, permit)) = next(&listener, &permits, &stop).await {
        let (accepted, watcher, router, stop) = (accept(stream), graceful.watcher(), router.clone(), stop.clone());
        tokio::spawn(async move {
            let _permit = permit;
            let handshake = tokio::time::timeout(limits.head, accepted);
            let result = tokio::select! {
                () = stop.cancelled() => return,
                result = handshake => result,
            };
            let stream = match result {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => return tracing::debug!(%peer, %error, "no connection was made"),
                Err(_) => return tracing::debug!(%peer, "the handshake took too long"),
            };
            let connection = connection(stream, peer, router, limits.head);
            if let Err(error) = watcher.watch(connection).await {
                tracing::debug!(%peer, %error, "a connection broke");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(limits.drain, graceful.shutdown()).await.is_err() {
        tracing::warn!(seconds = limits.drain.as_secs(), "requests were still under way at the end");
    }
}

type Next = (TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit);

/// The next connection and the right to serve it; `None` once told to stop.
async fn next(listener: &TcpListener, permits: &Arc<Semaphore>, stop: &CancellationToken) -> Option<Next> {
    let accepting = async {
        let permit = permits.clone().acquire_owned().await.ok()?;
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => return Some((stream, peer, permit)),
                // Out of file descriptors, or the other end is gone already: neither is a reason to end.
                Err(error) => {
                    tracing::debug!(%error, "a connection was not accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => None,
        next = accepting => next,
    }
}

/// One connection. Each request learns who is at the other end.
fn connection<T>(
    stream: T,
    peer: SocketAddr,
    router: Router,
    head: Duration,
) -> impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().call(request)
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .max_buf_size(MOST_BUFFERED)
        .serve_connection(TokioIo::new(stream), service)
}
