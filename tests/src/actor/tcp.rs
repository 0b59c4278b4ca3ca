//! TCP roles: an echo server, an HTTP server and its client, a connection that is kept, and two that never come about.

use super::pace::{Pace, say};
use super::{Options, dns};
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::{sleep, spawn};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(2);

/// Sends back what it gets.
pub(super) fn serve_echo(options: &Options) -> Result<()> {
    serve(options, |mut stream| {
        let mut buffer = [0; 512];
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            stream.write_all(buffer.get(..length).unwrap_or_default())?;
        }
        Ok(())
    })
}

/// Answers every request with a short page and closes.
pub(super) fn serve_http(options: &Options) -> Result<()> {
    serve(options, |mut stream| answer_http(&mut stream))
}

/// Reads one request and answers it.
pub(super) fn answer_http(stream: &mut (impl Read + Write)) -> Result<()> {
    let mut lines = BufReader::new(&mut *stream).lines();
    while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n")?;
    Ok(())
}

/// Listens on `on=`, and has each connection answered in a thread of its own.
pub(super) fn serve(
    options: &Options,
    answer: impl Fn(TcpStream) -> Result<()> + Clone + Send + 'static,
) -> Result<()> {
    let address: SocketAddr = options.required("on")?;
    let listener = TcpListener::bind(address).with_context(|| format!("listening on {address}"))?;
    say("listening")?;
    for stream in listener.incoming() {
        let (stream, answer) = (stream?, answer.clone());
        // A client that went away in mid-answer is the client's affair.
        spawn(move || answer(stream));
    }
    Ok(())
}

/// Opens a connection for each request. `warm=N` asks the resolver N times before the first one.
pub(super) fn call_http(options: &Options) -> Result<()> {
    warm(options)?;
    Pace::new(options)?.run(|| request_http(&mut connect(options.server()?)?))
}

/// Sends one request and reads the whole answer.
pub(super) fn request_http(stream: &mut (impl Read + Write)) -> Result<()> {
    stream.write_all(b"GET / HTTP/1.1\r\nHost: server\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).context("reading the answer")?;
    if !answer.starts_with("HTTP/1.1 200") {
        bail!("unexpected answer {answer:?}");
    }
    Ok(())
}

/// A new connection for each beat, with a few bytes there and back: the other side is `tcp-serve`.
pub(super) fn call(options: &Options) -> Result<()> {
    Pace::new(options)?.run(|| {
        let mut stream = connect(options.server()?)?;
        stream.write_all(b"ping")?;
        Ok(stream.read_exact(&mut [0; 4])?)
    })
}

fn warm(options: &Options) -> Result<()> {
    let Some(times) = options.optional::<u32>("warm")? else { return Ok(()) };
    let to: String = options.required("to")?;
    let host = to.rsplit_once(':').map_or(to.as_str(), |(host, _)| host);
    for _ in 0..times {
        dns::lookup(options.required("resolver")?, host, 4)?;
        sleep(Duration::from_secs(1));
    }
    Ok(())
}

/// One connection, kept, with a byte there and back at each beat; another one where it broke.
pub(super) fn hold(options: &Options) -> Result<()> {
    let mut held = None;
    Pace::new(options)?.run(|| {
        let mut stream = match held.take() {
            Some(stream) => stream,
            None => connect(options.server()?)?,
        };
        stream.write_all(b"x")?;
        stream.read_exact(&mut [0])?;
        held = Some(stream);
        Ok(())
    })
}

/// Connects to where nobody listens; being refused is what is expected.
pub(super) fn refused(options: &Options) -> Result<()> {
    expect_failure(options, ErrorKind::ConnectionRefused)
}

/// Connects to where packets vanish; hearing nothing is what is expected.
pub(super) fn unanswered(options: &Options) -> Result<()> {
    expect_failure(options, ErrorKind::TimedOut)
}

fn expect_failure(options: &Options, kind: ErrorKind) -> Result<()> {
    let timeout = options.milliseconds("timeout")?.unwrap_or(TIMEOUT);
    Pace::new(options)?.run(|| match TcpStream::connect_timeout(&options.server()?, timeout) {
        Err(error) if error.kind() == kind => Ok(()),
        Err(error) => Err(error).context("failed, but not in the expected way"),
        Ok(_) => bail!("connected, where {kind} was expected"),
    })
}

/// Connects, and lets no later read or write hang.
pub(super) fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, TIMEOUT).with_context(|| format!("connecting to {address}"))?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    Ok(stream)
}
