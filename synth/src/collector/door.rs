//! Opens connections to a collector: over the API server's port forwarding, or straight to an address.

use super::kubernetes::{Cluster, Where};
use super::{CollectorError, PORT};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use std::path::PathBuf;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// What a person says of where the collector is.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// `http://HOST:PORT`: straight there. The rest is for the way through an API server.
    pub server: Option<String>,
    /// The kubeconfig; else as kubectl finds it.
    pub kubeconfig: Option<PathBuf>,
    /// The context in it; else the current one.
    pub context: Option<String>,
    /// The collector's namespace.
    pub namespace: String,
    /// The labels of its pods.
    pub selector: String,
}

/// The way to a collector. Each [`Door::open`] is a connection of its own.
pub enum Door {
    /// To an address.
    Direct {
        /// `HOST:PORT`.
        authority: String,
    },
    /// To a pod, through the API server.
    Forward(Box<Cluster>),
}

impl Door {
    /// Finds the way. `pod` is preferred while it is ready: a download goes on where it began.
    ///
    /// # Errors
    /// No usable kubeconfig, no rights, or no collector that is ready.
    pub async fn find(place: &Place, pod: Option<&str>) -> Result<Self, CollectorError> {
        match &place.server {
            Some(server) => Ok(Self::Direct { authority: authority(server)? }),
            None => {
                let at = Where { namespace: &place.namespace, selector: &place.selector, pod };
                let (kubeconfig, context) = (place.kubeconfig.as_deref(), place.context.as_deref());
                Ok(Self::Forward(Box::new(Cluster::find(kubeconfig, context, at).await?)))
            }
        }
    }

    /// What tells this collector from another: the address, or the API server, the namespace.
    pub fn source(&self) -> String {
        match self {
            Self::Direct { authority } => format!("http://{authority}"),
            Self::Forward(cluster) => cluster.source(),
        }
    }

    /// The pod behind it, where it is known.
    pub fn pod(&self) -> Option<&str> {
        match self {
            Self::Direct { .. } => None,
            Self::Forward(cluster) => Some(cluster.pod()),
        }
    }

    /// Opens a connection for HTTP/1.
    ///
    /// # Errors
    /// Nobody answers there, or RBAC forbids it.
    pub async fn open(&self) -> Result<SendRequest<Full<Bytes>>, CollectorError> {
        match self {
            Self::Direct { authority } => {
                let stream = TcpStream::connect(authority).await.map_err(|error| CollectorError::Unreachable {
                    what: format!("connect to {authority}"),
                    reason: error.to_string(),
                })?;
                handshake(stream).await
            }
            Self::Forward(cluster) => handshake(cluster.forward(PORT).await?).await,
        }
    }
}

async fn handshake<S>(stream: S) -> Result<SendRequest<Full<Bytes>>, CollectorError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |error: hyper::Error| CollectorError::Broken(error.to_string());
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // How it ends is seen by who waits for an answer on it.
    tokio::spawn(connection);
    Ok(sender)
}

/// `HOST:PORT` of `http://HOST:PORT`, with or without a slash at its end.
fn authority(server: &str) -> Result<String, CollectorError> {
    let wrong = || CollectorError::Address(server.to_owned());
    let uri: hyper::Uri = server.parse().map_err(|_| wrong())?;
    let authority = uri.authority().filter(|it| it.port_u16().is_some() && !it.as_str().contains('@'));
    match (uri.scheme_str(), authority, uri.path()) {
        (Some("http"), Some(authority), "" | "/") if uri.query().is_none() => Ok(authority.to_string()),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_host_and_a_port_and_nothing_else() {
        assert_eq!(authority("http://127.0.0.1:8444/").unwrap(), "127.0.0.1:8444");
        assert_eq!(authority("http://[::1]:8444").unwrap(), "[::1]:8444");
        for wrong in ["127.0.0.1:8444", "https://a:1", "http://a", "http://u@a:1", "http://a:1/x", "http://a:1/?x", ""]
        {
            assert!(authority(wrong).is_err(), "{wrong}");
        }
    }
}
