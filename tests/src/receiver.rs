//! A receiver of segments with the collector's contract and nothing behind it: TLS, a token, idempotent uploads. For tests of what an
//! agent does with each answer, none of which a real collector gives on request.

use anyhow::{Context, Result, ensure};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// The longest upload.
const MOST: usize = 64 << 20;

/// An upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// `/v1/segments/{node}/{run}/{sequence}`.
    pub path: String,
    /// The bearer token.
    pub token: String,
    /// `Content-Type`.
    pub content_type: String,
    /// The file.
    pub body: Vec<u8>,
}

impl Upload {
    /// Its number in the run.
    pub fn sequence(&self) -> Option<u64> {
        self.path.rsplit('/').next()?.parse().ok()
    }
}

/// What to do with an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Take it: `stored`, or `known` if it is there.
    Take,
    /// Take it after so long.
    TakeAfter(Duration),
    /// Take it, and break the connection before saying so.
    TakeSilently,
    /// Answer with this status and these lines of header.
    Refuse(u16, &'static str),
    /// Break the connection.
    Cut,
}

type Answer = Box<dyn FnMut(&Upload) -> Reply + Send>;

#[derive(Default)]
struct State {
    /// By path.
    taken: BTreeMap<String, Vec<u8>>,
    /// All of them, in order.
    seen: Vec<Upload>,
    /// Paths under which two different files arrived.
    conflicts: Vec<String>,
    answer: Option<Answer>,
}

/// See the module. It ends when it is dropped.
pub struct Receiver {
    /// Where to upload to.
    pub url: String,
    port: u16,
    directory: PathBuf,
    state: Arc<Mutex<State>>,
    config: Arc<Mutex<Arc<ServerConfig>>>,
    ended: Arc<AtomicBool>,
}

impl Receiver {
    /// Starts one on a free port of the loopback, with its certificates and a token in `directory`.
    ///
    /// # Errors
    /// The folder cannot be written, or there is no port.
    pub fn start(directory: &Path) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("listening for uploads")?;
        let port = listener.local_addr()?.port();
        let (ca, config) = certificates("localhost")?;
        fs::create_dir_all(directory)?;
        fs::write(directory.join("ca.crt"), ca)?;
        fs::write(directory.join("token"), "token-1\n")?;
        let receiver = Self {
            url: format!("https://localhost:{port}"),
            port,
            directory: directory.to_owned(),
            state: Arc::default(),
            config: Arc::new(Mutex::new(config)),
            ended: Arc::default(),
        };
        let (state, config, ended) = (receiver.state.clone(), receiver.config.clone(), receiver.ended.clone());
        thread::spawn(move || serve(&listener, &state, &config, &ended));
        Ok(receiver)
    }

    /// The file of the certificates to trust.
    pub fn ca(&self) -> PathBuf {
        self.directory.join("ca.crt")
    }

    /// The file of the token.
    pub fn token(&self) -> PathBuf {
        self.directory.join("token")
    }

    /// Serves with a certificate for `name` from now on, and returns what is to be trusted for it.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn renew(&self, name: &str) -> Result<String> {
        let (ca, config) = certificates(name)?;
        *lock(&self.config) = config;
        Ok(ca)
    }

    /// Replies as `answer` says from now on, instead of taking everything.
    pub fn answer(&self, answer: impl FnMut(&Upload) -> Reply + Send + 'static) {
        lock(&self.state).answer = Some(Box::new(answer));
    }

    /// All uploads so far, in order, whatever became of them.
    pub fn seen(&self) -> Vec<Upload> {
        lock(&self.state).seen.clone()
    }

    /// What was taken, by path.
    pub fn taken(&self) -> BTreeMap<String, Vec<u8>> {
        lock(&self.state).taken.clone()
    }

    /// Paths under which two different files arrived.
    pub fn conflicts(&self) -> Vec<String> {
        lock(&self.state).conflicts.clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // Wakes it up; it may have ended already.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// A certificate for `name` by an authority of its own: what to trust, and what to serve with.
fn certificates(name: &str) -> Result<(String, Arc<ServerConfig>)> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new([name.to_owned()])?.signed_by(&key, &authority)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    Ok((authority.pem(), Arc::new(config)))
}

fn serve(
    listener: &TcpListener,
    state: &Arc<Mutex<State>>,
    config: &Arc<Mutex<Arc<ServerConfig>>>,
    ended: &Arc<AtomicBool>,
) {
    for stream in listener.incoming().flatten() {
        if ended.load(Ordering::Relaxed) {
            return;
        }
        let (state, config, ended) = (state.clone(), lock(config).clone(), ended.clone());
        thread::spawn(move || {
            // A client that trusts another certificate breaks off: that is its right.
            let _ = converse(stream, config, &state, &ended);
        });
    }
}

fn converse(stream: TcpStream, config: Arc<ServerConfig>, state: &Mutex<State>, ended: &AtomicBool) -> Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut stream = BufReader::new(StreamOwned::new(ServerConnection::new(config)?, stream));
    while let Some(upload) = read(&mut stream)? {
        if ended.load(Ordering::Relaxed) {
            return Ok(());
        }
        let Some(answer) = reply(state, &upload) else { return Ok(()) };
        stream.get_mut().write_all(answer.as_bytes())?;
        stream.get_mut().flush()?;
    }
    Ok(())
}

/// The next request of a connection; none at its end.
fn read(stream: &mut impl BufRead) -> Result<Option<Upload>> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let path = line.strip_prefix("PUT ").and_then(|rest| rest.split(' ').next()).context("no PUT")?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let mut header = |name: &str| headers.remove(name).unwrap_or_default();
    let length: usize = header("content-length").parse().context("no Content-Length")?;
    ensure!(length <= MOST, "an upload of {length} bytes");
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    let token = header("authorization").strip_prefix("Bearer ").unwrap_or_default().to_owned();
    Ok(Some(Upload { path, token, content_type: header("content-type"), body }))
}

/// What to write; nothing if the connection is to be broken.
fn reply(state: &Mutex<State>, upload: &Upload) -> Option<String> {
    let reply = {
        let mut state = lock(state);
        state.seen.push(upload.clone());
        state.answer.as_mut().map_or(Reply::Take, |answer| answer(upload))
    };
    match reply {
        Reply::Take => Some(take(state, upload)),
        Reply::TakeAfter(wait) => {
            thread::sleep(wait);
            Some(take(state, upload))
        }
        Reply::TakeSilently => {
            take(state, upload);
            None
        }
        Reply::Refuse(status, headers) => Some(format!("HTTP/1.1 {status} No\r\ncontent-length: 2\r\n{headers}\r\nno")),
        Reply::Cut => None,
    }
}

fn take(state: &Mutex<State>, upload: &Upload) -> String {
    let mut state = lock(state);
    let known = state.taken.get(&upload.path).cloned();
    let word = match known {
        Some(known) if known == upload.body => "known",
        Some(_) => {
            state.conflicts.push(upload.path.clone());
            "known"
        }
        None => {
            state.taken.insert(upload.path.clone(), upload.body.clone());
            "stored"
        }
    };
    let body = format!(r#"{{"state":"{word}"}}"#);
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
