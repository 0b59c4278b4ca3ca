//! The sockets of a puppet. Those of UDP are made call by call, because each call is a hook of its own: the standard
//! library binds every one of them.

use anyhow::{Context, Result};
use rustix::net::{AddressFamily, Protocol, RawProtocol, SocketFlags, SocketType, sockopt};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

/// Longer than anything takes that comes at all.
const TIMEOUT: Duration = Duration::from_secs(5);
const LONGEST: usize = 65536;

/// All open sockets, by the names the test gave them.
#[derive(Default)]
pub(crate) struct Sockets {
    /// UDP, and raw ones, which have the same calls.
    datagram: HashMap<String, UdpSocket>,
    streams: HashMap<String, TcpStream>,
    listeners: HashMap<String, TcpListener>,
}

impl Sockets {
    pub(crate) fn udp(&mut self, name: &str, family: &str) -> Result<String> {
        let socket = make(family, SocketType::DGRAM, None)?;
        // As servers do that have a socket for each peer.
        sockopt::set_socket_reuseaddr(&socket, true)?;
        sockopt::set_socket_reuseport(&socket, true)?;
        self.datagram.insert(name.to_owned(), socket);
        done()
    }

    pub(crate) fn raw(&mut self, name: &str, protocol: &str) -> Result<String> {
        let protocol = RawProtocol::new(protocol.parse()?).context("protocol 0")?;
        let socket = make("4", SocketType::RAW, Some(Protocol::from_raw(protocol)))?;
        self.datagram.insert(name.to_owned(), socket);
        done()
    }

    pub(crate) fn bind(&self, name: &str, address: &str) -> Result<String> {
        rustix::net::bind(self.datagram(name)?, &address.parse::<SocketAddr>()?)?;
        done()
    }

    pub(crate) fn connect(&self, name: &str, address: &str) -> Result<String> {
        self.datagram(name)?.connect(address.parse::<SocketAddr>()?)?;
        done()
    }

    pub(crate) fn disconnect(&self, name: &str) -> Result<String> {
        rustix::net::connect_unspec(self.datagram(name)?)?;
        done()
    }

    pub(crate) fn send(&mut self, name: &str, bytes: &str) -> Result<String> {
        let bytes = from_hex(bytes)?;
        match self.streams.get_mut(name) {
            Some(stream) => stream.write_all(&bytes)?,
            None => drop(self.datagram(name)?.send(&bytes)?),
        }
        done()
    }

    pub(crate) fn send_to(&self, name: &str, address: &str, bytes: &str) -> Result<String> {
        self.datagram(name)?.send_to(&from_hex(bytes)?, address.parse::<SocketAddr>()?)?;
        done()
    }

    pub(crate) fn receive(&mut self, name: &str) -> Result<String> {
        let mut buffer = vec![0; LONGEST];
        let length = match self.streams.get_mut(name) {
            Some(stream) => stream.read(&mut buffer)?,
            None => self.datagram(name)?.recv(&mut buffer)?,
        };
        buffer.truncate(length);
        Ok(hex(&buffer))
    }

    pub(crate) fn receive_from(&self, name: &str) -> Result<String> {
        let mut buffer = vec![0; LONGEST];
        let (length, from) = self.datagram(name)?.recv_from(&mut buffer)?;
        buffer.truncate(length);
        Ok(format!("{from} {}", hex(&buffer)))
    }

    pub(crate) fn address(&self, name: &str) -> Result<String> {
        Ok(match self.streams.get(name) {
            Some(stream) => stream.local_addr()?,
            None => self.datagram(name)?.local_addr()?,
        }
        .to_string())
    }

    pub(crate) fn tcp(&mut self, name: &str, address: &str, milliseconds: &str) -> Result<String> {
        let timeout = Duration::from_millis(milliseconds.parse()?);
        let stream = TcpStream::connect_timeout(&address.parse()?, timeout)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        self.streams.insert(name.to_owned(), stream);
        done()
    }

    pub(crate) fn listen(&mut self, name: &str, address: &str) -> Result<String> {
        self.listeners.insert(name.to_owned(), TcpListener::bind(address)?);
        done()
    }

    pub(crate) fn accept(&mut self, name: &str, new: &str) -> Result<String> {
        let (stream, from) = self.listeners.get(name).context("no such listener")?.accept()?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        self.streams.insert(new.to_owned(), stream);
        Ok(from.to_string())
    }

    pub(crate) fn close(&mut self, name: &str) -> Result<String> {
        let datagram = self.datagram.remove(name).is_some();
        let stream = self.streams.remove(name).is_some();
        let listener = self.listeners.remove(name).is_some();
        (datagram || stream || listener).then(String::new).context("no such socket")
    }

    fn datagram(&self, name: &str) -> Result<&UdpSocket> {
        self.datagram.get(name).with_context(|| format!("no socket {name}"))
    }
}

/// Sends one byte to each of `count` ports, from one socket that hears of no error. Says how many were sent.
pub(crate) fn spray_udp(ip: &str, first: &str, count: &str) -> Result<String> {
    let (ip, first, count): (IpAddr, u16, u16) = (ip.parse()?, first.parse()?, count.parse()?);
    let socket = UdpSocket::bind(unspecified(ip))?;
    let sent = (first..first.saturating_add(count)).filter(|port| socket.send_to(b"x", (ip, *port)).is_ok());
    Ok(sent.count().to_string())
}

/// Connects to each of `count` ports, where nobody need listen. Says how many attempts were made.
pub(crate) fn spray_tcp(ip: &str, first: &str, count: &str) -> Result<String> {
    let (ip, first, count): (IpAddr, u16, u16) = (ip.parse()?, first.parse()?, count.parse()?);
    for port in first..first.saturating_add(count) {
        drop(TcpStream::connect_timeout(&(ip, port).into(), TIMEOUT));
    }
    Ok(count.to_string())
}

fn make(family: &str, kind: SocketType, protocol: Option<Protocol>) -> Result<UdpSocket> {
    let family = if family == "6" { AddressFamily::INET6 } else { AddressFamily::INET };
    let socket = UdpSocket::from(rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC, protocol)?);
    socket.set_read_timeout(Some(TIMEOUT))?;
    Ok(socket)
}

fn unspecified(like: IpAddr) -> SocketAddr {
    match like {
        IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        IpAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}

fn done() -> Result<String> {
    Ok(String::new())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Result<Vec<u8>> {
    let digits = (0..text.len() / 2).map(|index| text.get(index * 2..index * 2 + 2).context("not hexadecimal"));
    digits.map(|pair| Ok(u8::from_str_radix(pair?, 16)?)).collect()
}
