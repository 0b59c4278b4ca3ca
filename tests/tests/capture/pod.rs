//! A pod of a scene, from the test's side: a process that does what it is told, step by step, and its sockets.

use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

/// See the module. Shared by threads: one step at a time.
pub(crate) struct Pod {
    /// How the test calls it.
    pub(crate) name: String,
    /// Its UID, as in the cgroup's path; empty for what is no pod.
    pub(crate) uid: String,
    /// Its addresses.
    pub(crate) v4: IpAddr,
    pub(crate) v6: IpAddr,
    puppet: Mutex<BufReader<UnixStream>>,
    sockets: AtomicU32,
}

impl Pod {
    pub(super) fn new(name: &str, uid: String, [v4, v6]: [IpAddr; 2], socket: &Path) -> Self {
        let puppet = Mutex::new(BufReader::new(connect(socket)));
        Self { name: name.to_owned(), uid, v4, v6, puppet, sockets: AtomicU32::new(0) }
    }

    /// Has one step done; the error is what the puppet says.
    pub(crate) fn attempt(&self, step: &str) -> Result<String, String> {
        let mut puppet = self.puppet.lock().unwrap();
        writeln!(puppet.get_mut(), "{step}").unwrap();
        let mut answer = String::new();
        puppet.read_line(&mut answer).unwrap();
        match answer.trim_end().split_once(' ') {
            Some(("ok", value)) => Ok(value.to_owned()),
            Some(("error", reason)) => Err(reason.to_owned()),
            _ if answer.starts_with("ok") => Ok(String::new()),
            _ => panic!("{} was told {step:?} and answered {answer:?}", self.name),
        }
    }

    /// Has one step done that must succeed.
    pub(crate) fn tell(&self, step: &str) -> String {
        self.attempt(step).unwrap_or_else(|error| panic!("{}: {step}: {error}", self.name))
    }

    /// The address and port of a server in this pod.
    pub(crate) fn at(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.v4, port)
    }

    /// The same over IPv6.
    pub(crate) fn at6(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.v6, port)
    }

    /// A new UDP socket, neither bound nor connected.
    pub(crate) fn udp(&self) -> Socket<'_> {
        self.socket(|name| format!("udp {name} 4"))
    }

    /// The same for IPv6 (and mapped IPv4).
    pub(crate) fn udp6(&self) -> Socket<'_> {
        self.socket(|name| format!("udp {name} 6"))
    }

    /// A UDP socket bound to the port on all addresses.
    pub(crate) fn udp_server(&self, port: u16) -> Socket<'_> {
        let socket = self.udp();
        socket.bind(port);
        socket
    }

    /// A UDP socket connected to `peer`.
    pub(crate) fn udp_client(&self, peer: SocketAddr) -> Socket<'_> {
        let socket = self.udp();
        socket.connect(peer);
        socket
    }

    /// A raw socket of an IP protocol.
    pub(crate) fn raw(&self, protocol: u8) -> Socket<'_> {
        self.socket(|name| format!("raw {name} {protocol}"))
    }

    /// A TCP listener on an address, `0.0.0.0:80` or `[::]:80`.
    pub(crate) fn listen(&self, address: &str) -> Socket<'_> {
        self.socket(|name| format!("listen {name} {address}"))
    }

    /// An open TCP connection to `peer`.
    pub(crate) fn tcp(&self, peer: SocketAddr) -> Socket<'_> {
        self.socket(|name| format!("tcp {name} {peer} 5000"))
    }

    /// A TCP connection that cannot be opened; says why not.
    pub(crate) fn tcp_fails(&self, peer: SocketAddr, patience: Duration) -> String {
        let name = self.sockets.fetch_add(1, Ordering::Relaxed);
        self.attempt(&format!("tcp {name} {peer} {}", patience.as_millis())).unwrap_err()
    }

    fn socket(&self, step: impl Fn(u32) -> String) -> Socket<'_> {
        let name = self.sockets.fetch_add(1, Ordering::Relaxed);
        self.tell(&step(name));
        Socket { pod: self, name }
    }
}

/// A socket in a pod. It stays open until [`Socket::close`].
pub(crate) struct Socket<'a> {
    pod: &'a Pod,
    name: u32,
}

impl<'a> Socket<'a> {
    pub(crate) fn bind(&self, port: u16) {
        self.pod.tell(&format!("bind {} 0.0.0.0:{port}", self.name));
    }

    pub(crate) fn bind_to(&self, address: &str) {
        self.pod.tell(&format!("bind {} {address}", self.name));
    }

    pub(crate) fn connect(&self, peer: SocketAddr) {
        self.pod.tell(&format!("connect {} {peer}", self.name));
    }

    /// Connects to no address: what getaddrinfo does between two.
    pub(crate) fn disconnect(&self) {
        self.pod.tell(&format!("disconnect {}", self.name));
    }

    pub(crate) fn send(&self, bytes: &[u8]) {
        self.pod.tell(&format!("send {} {}", self.name, hex(bytes)));
    }

    pub(crate) fn send_to(&self, peer: SocketAddr, bytes: &[u8]) {
        self.pod.tell(&format!("send-to {} {peer} {}", self.name, hex(bytes)));
    }

    pub(crate) fn receive(&self) -> Vec<u8> {
        from_hex(&self.pod.tell(&format!("receive {}", self.name)))
    }

    pub(crate) fn receive_from(&self) -> (SocketAddr, Vec<u8>) {
        let answer = self.pod.tell(&format!("receive-from {}", self.name));
        let (from, bytes) = answer.split_once(' ').unwrap();
        (from.parse().unwrap(), from_hex(bytes))
    }

    /// Receives from a peer and sends it the same back.
    pub(crate) fn echo(&self) {
        let (peer, bytes) = self.receive_from();
        self.send_to(peer, &bytes);
    }

    /// Its own address, as getsockname says.
    pub(crate) fn address(&self) -> SocketAddr {
        self.pod.tell(&format!("address {}", self.name)).parse().unwrap()
    }

    pub(crate) fn accept(&self) -> Socket<'a> {
        self.pod.socket(|new| format!("accept {} {new}", self.name))
    }

    pub(crate) fn close(self) {
        self.pod.tell(&format!("close {}", self.name));
    }
}

fn connect(socket: &Path) -> UnixStream {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match UnixStream::connect(socket) {
            Ok(stream) => {
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                return stream;
            }
            Err(error) if Instant::now() > deadline => panic!("no puppet at {}: {error}", socket.display()),
            Err(_) => sleep(Duration::from_millis(10)),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Vec<u8> {
    text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}
