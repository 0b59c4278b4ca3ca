//! UDP roles: a statsd server that never answers, NTP, and the clients of both.

use super::Options;
use super::pace::{Pace, say};
use anyhow::{Context, Result, bail};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

/// NTP version 4, mode 3 (client) and mode 4 (server), in the first byte of a message.
const NTP_CLIENT: u8 = 0x23;
const NTP_SERVER: u8 = 0x24;
const NTP_LENGTH: usize = 48;

/// Takes metrics and stays silent, as statsd does.
pub(super) fn serve_statsd(options: &Options) -> Result<()> {
    let socket = bind(options)?;
    loop {
        socket.recv_from(&mut [0; 512])?;
    }
}

/// Sends one metric a beat from one unconnected socket.
pub(super) fn send_statsd(options: &Options) -> Result<()> {
    let mut socket = None;
    Pace::new(options)?.run(|| {
        let server = options.server()?;
        let socket = match &socket {
            Some(socket) => socket,
            None => socket.insert(client(server)?),
        };
        socket.send_to(b"shop.orders:1|c", server).context("sending a metric")?;
        Ok(())
    })
}

/// Sends back what it gets.
pub(super) fn serve_echo(options: &Options) -> Result<()> {
    let socket = bind(options)?;
    let mut buffer = [0; 512];
    loop {
        let (length, from) = socket.recv_from(&mut buffer)?;
        // A client that is gone by now is no reason to stop serving.
        let _ = socket.send_to(buffer.get(..length).unwrap_or_default(), from);
    }
}

/// One datagram there and back at each beat, from a new connected socket: the other side is `udp-serve`.
pub(super) fn call(options: &Options) -> Result<()> {
    Pace::new(options)?.run(|| {
        let server = options.server()?;
        let socket = client(server)?;
        socket.connect(server)?;
        socket.send(b"ping")?;
        socket.recv(&mut [0; 4]).context("waiting for the echo")?;
        Ok(())
    })
}

/// Answers NTP requests; the time in them is all zero.
pub(super) fn serve_ntp(options: &Options) -> Result<()> {
    let socket = bind(options)?;
    let mut request = [0; NTP_LENGTH];
    loop {
        let (length, from) = socket.recv_from(&mut request)?;
        if length == NTP_LENGTH && request.first() == Some(&NTP_CLIENT) {
            // A client that is gone by now is no reason to stop serving.
            let _ = socket.send_to(&ntp(NTP_SERVER), from);
        }
    }
}

/// Asks once a beat from a new connected socket, as ntpdate and chrony do.
pub(super) fn query_ntp(options: &Options) -> Result<()> {
    Pace::new(options)?.run(|| {
        let server = options.server()?;
        let socket = client(server)?;
        socket.connect(server)?;
        socket.send(&ntp(NTP_CLIENT))?;
        let mut answer = [0; NTP_LENGTH];
        let length = socket.recv(&mut answer).context("waiting for the time")?;
        if length != NTP_LENGTH || answer.first() != Some(&NTP_SERVER) {
            bail!("{server} answered something that is not NTP");
        }
        Ok(())
    })
}

fn ntp(mode: u8) -> [u8; NTP_LENGTH] {
    let mut message = [0; NTP_LENGTH];
    if let Some(first) = message.first_mut() {
        *first = mode;
    }
    message
}

/// A server's socket on `on=ADDRESS:PORT`.
pub(super) fn bind(options: &Options) -> Result<UdpSocket> {
    let address: SocketAddr = options.required("on")?;
    let socket = UdpSocket::bind(address).with_context(|| format!("binding {address}"))?;
    say("listening")?;
    Ok(socket)
}

/// A client's socket of the family of `server`, which waits at most two seconds for an answer.
pub(super) fn client(server: SocketAddr) -> Result<UdpSocket> {
    let socket = match server {
        SocketAddr::V4(_) => UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)),
    }?;
    socket.set_read_timeout(Some(Duration::from_secs(2)))?;
    Ok(socket)
}
