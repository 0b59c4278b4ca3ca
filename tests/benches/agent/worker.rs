//! What runs in the pods: a server that accepts on many ports, and a client that opens connections at a fixed pace.

use anyhow::{Context, Result, bail};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::sockopt::set_socket_linger;
use std::io::{ErrorKind, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How many ports the server has.
pub(crate) const PORTS: u16 = 500;
const FIRST: u16 = 7000;
/// How often the client catches up with its pace.
const TICK: Duration = Duration::from_millis(2);

/// The worker itself: `worker ROLE SERVER RATE`. It runs until it is killed.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let [_, role, server, rate] = arguments else { bail!("worker ROLE SERVER RATE") };
    match role.as_str() {
        "server" => serve(),
        _ => call(server.parse()?, rate.parse()?),
    }
}

fn ready() -> Result<()> {
    println!("ready");
    Ok(std::io::stdout().flush()?)
}

/// Accepts and closes.
fn serve() -> Result<()> {
    let listen = |port: u16| {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, FIRST + port))?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    let listeners: Vec<TcpListener> = (0..PORTS).map(listen).collect::<Result<_>>()?;
    ready()?;
    loop {
        let mut waiting: Vec<PollFd<'_>> =
            listeners.iter().map(|listener| PollFd::new(listener, PollFlags::IN)).collect();
        poll(&mut waiting, None)?;
        let due: Vec<bool> = waiting.iter().map(|one| !one.revents().is_empty()).collect();
        for (listener, _) in listeners.iter().zip(due).filter(|(_, due)| *due) {
            accept_all(listener)?;
        }
    }
}

fn accept_all(listener: &TcpListener) -> Result<()> {
    loop {
        match listener.accept() {
            Ok((stream, _)) => drop(stream),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            // The client was gone before.
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
            Err(error) => return Err(error).context("accepting"),
        }
    }
}

/// Connects `rate` times a second, to each port in turn.
fn call(server: IpAddr, rate: u64) -> Result<()> {
    ready()?;
    let (begun, mut done) = (Instant::now(), 0_u64);
    loop {
        let due = (begun.elapsed().as_secs_f64() * rate as f64) as u64;
        while done < due {
            let port = FIRST + (done % u64::from(PORTS)) as u16;
            let stream = TcpStream::connect(SocketAddr::new(server, port)).context("connecting")?;
            // Else each would stay in TIME_WAIT for a minute, and ports would run out.
            set_socket_linger(&stream, Some(Duration::ZERO))?;
            done += 1;
        }
        sleep(TICK);
    }
}
