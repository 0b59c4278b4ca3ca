//! The one way from this machine into a cluster: a port on the loopback that leads to the API server.
//!
//! A socket belongs to the network namespace in which it was made, whoever holds it. So the starter listens here and hands
//! the socket on, and the program that accepts and connects runs in the cluster's namespace.

use super::component::{Component, Place};
use crate::world::prerequisites;
use anyhow::{Context, Result};
use std::io::{copy, stdin};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::Stdio;
use std::thread::spawn;

/// Opens a door to `target` from `place`, and returns the port it has on 127.0.0.1.
pub(super) fn open(place: &Place, target: SocketAddr, directory: &Path) -> Result<(Component, u16)> {
    let program = prerequisites::program("netwright-cluster")?.display().to_string();
    let listener = TcpListener::bind("127.0.0.1:0").context("listening on the loopback")?;
    let port = listener.local_addr()?.port();
    let door =
        Component::new("door", place, vec![program, "door".into(), target.to_string()], directory.join("door.log"));
    door.start_from(Stdio::from(OwnedFd::from(listener)))?;
    Ok((door, port))
}

/// The program: passes every connection that the socket on standard input accepts on to `target`.
///
/// # Errors
/// Standard input is no listening socket.
pub(super) fn serve(target: SocketAddr) -> Result<()> {
    let listener = TcpListener::from(stdin().as_fd().try_clone_to_owned()?);
    loop {
        let (client, _) = listener.accept().context("accepting a connection")?;
        // Who cannot be connected is hung up on, as by a server that is down.
        spawn(move || pass(&client, &TcpStream::connect(target)?));
    }
}

fn pass(client: &TcpStream, server: &TcpStream) -> std::io::Result<()> {
    std::thread::scope(|scope| {
        scope.spawn(|| one_way(client, server));
        one_way(server, client)
    })
}

fn one_way(mut from: &TcpStream, mut to: &TcpStream) -> std::io::Result<()> {
    let result = copy(&mut from, &mut to);
    // The other side hears of the end, whether this side closed or broke off.
    to.shutdown(Shutdown::Write)?;
    result.map(drop)
}
