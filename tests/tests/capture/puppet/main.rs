//! `netwright-puppet SOCKET`: a process of a pod that does one step at a time, as a test tells it over a Unix socket.
//!
//! What the capture has to get right depends on the order of steps in several pods: who speaks first, who
//! closes when. So every step is a line, `VERB WORDS…`, and is answered by a line, `ok …` or `error …`, when it is done.

mod sockets;

use anyhow::{Context, Result, bail};
use sockets::Sockets;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;

fn main() -> Result<()> {
    let path = std::env::args().nth(1).context("no socket given: netwright-puppet SOCKET")?;
    let listener = UnixListener::bind(&path).with_context(|| format!("listening on {path}"))?;
    let (stream, _) = listener.accept()?;
    let mut answers = stream.try_clone()?;
    let mut sockets = Sockets::default();
    for line in BufReader::new(stream).lines() {
        let line = line?;
        let answer = match step(&mut sockets, &line) {
            Ok(value) => format!("ok {value}"),
            Err(error) => format!("error {error:#}").replace('\n', " "),
        };
        writeln!(answers, "{answer}")?;
    }
    Ok(())
}

/// Does one step. Sockets are named by the test.
fn step(sockets: &mut Sockets, line: &str) -> Result<String> {
    let words: Vec<&str> = line.split(' ').collect();
    match *words.as_slice() {
        ["udp", name, family] => sockets.udp(name, family),
        ["raw", name, protocol] => sockets.raw(name, protocol),
        ["bind", name, address] => sockets.bind(name, address),
        ["connect", name, address] => sockets.connect(name, address),
        ["disconnect", name] => sockets.disconnect(name),
        ["send", name, bytes] => sockets.send(name, bytes),
        ["send-to", name, address, bytes] => sockets.send_to(name, address, bytes),
        ["receive", name] => sockets.receive(name),
        ["receive-from", name] => sockets.receive_from(name),
        ["address", name] => sockets.address(name),
        ["tcp", name, address, milliseconds] => sockets.tcp(name, address, milliseconds),
        ["listen", name, address] => sockets.listen(name, address),
        ["accept", name, new] => sockets.accept(name, new),
        ["close", name] => sockets.close(name),
        ["spray-udp", ip, first, count] => sockets::spray_udp(ip, first, count),
        ["spray-tcp", ip, first, count] => sockets::spray_tcp(ip, first, count),
        ["pid"] => Ok(std::process::id().to_string()),
        _ => bail!("not a step: {line:?}"),
    }
}
