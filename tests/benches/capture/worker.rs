//! What runs in the pods: one thread that does what it is told over a Unix socket, and says how much CPU time it has used.

use anyhow::{Context, Result, bail};
use rustix::net::{AddressFamily, SocketType};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

const PORT: u16 = 7000;
const MESSAGE: usize = 64;
const CHUNK: usize = 64 * 1024;

/// An operation to repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Workload {
    /// Connect, one request, one answer, close.
    TcpShort,
    /// A request and an answer on an open connection.
    TcpRoundTrip,
    /// 64 KiB on an open connection.
    TcpBulk,
    /// A datagram and an answer, by sendto and recvfrom.
    UdpRoundTrip,
    /// The same on a connected socket, by send and recv.
    UdpConnected,
    /// The same with a new connected socket each time, as resolvers do.
    UdpShort,
}

impl Workload {
    /// All of them.
    pub(crate) const ALL: [Self; 6] =
        [Self::TcpShort, Self::TcpRoundTrip, Self::TcpBulk, Self::UdpRoundTrip, Self::UdpConnected, Self::UdpShort];

    /// Its name in the results.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::TcpShort => "tcp-short",
            Self::TcpRoundTrip => "tcp-rr",
            Self::TcpBulk => "tcp-bulk",
            Self::UdpRoundTrip => "udp-rr",
            Self::UdpConnected => "udp-rr-connected",
            Self::UdpShort => "udp-short",
        }
    }

    /// How many make a slice of about 30 ms.
    pub(crate) fn operations(self) -> u64 {
        match self {
            Self::TcpShort => 300,
            Self::TcpRoundTrip | Self::UdpRoundTrip | Self::UdpConnected => 1500,
            Self::TcpBulk => 800,
            Self::UdpShort => 1000,
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|workload| workload.name() == name)
    }
}

/// A worker, from outside.
pub(crate) struct Remote {
    input: BufReader<UnixStream>,
}

impl Remote {
    /// Connects to the worker's socket as soon as it is there.
    pub(crate) fn connect(socket: &Path, patience: Duration) -> Result<Self> {
        let deadline = Instant::now() + patience;
        loop {
            match UnixStream::connect(socket) {
                Ok(stream) => return Ok(Self { input: BufReader::new(stream) }),
                Err(error) if Instant::now() > deadline => return Err(error).context("the worker did not start"),
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// Has it do operations, and waits.
    pub(crate) fn work(&mut self, workload: Workload, operations: u64) -> Result<()> {
        self.ask(&format!("work {} {operations}", workload.name())).map(drop)
    }

    /// The CPU time it has used, nanoseconds.
    pub(crate) fn cpu(&mut self) -> Result<u64> {
        Ok(self.ask("cpu")?.parse()?)
    }

    fn ask(&mut self, question: &str) -> Result<String> {
        writeln!(self.input.get_mut(), "{question}")?;
        let mut answer = String::new();
        self.input.read_line(&mut answer)?;
        match answer.trim().split_once(' ') {
            Some(("ok", answer)) => Ok(answer.to_owned()),
            _ => bail!("the worker said {answer:?} to {question:?}"),
        }
    }
}

/// The worker itself: `worker ROLE SOCKET SERVER UDP_SERVER`.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let [_, role, socket, tcp_server, udp_server, ..] = arguments else {
        bail!("worker ROLE SOCKET SERVER UDP_SERVER")
    };
    let server = |address: &str| Ok::<_, anyhow::Error>(SocketAddrV4::new(address.parse()?, PORT));
    let (server, udp_server) = (server(tcp_server)?, server(udp_server)?);
    let control = UnixListener::bind(socket)?;
    if role != "client" {
        return serve(control, role == "udp-server");
    }
    let (stream, _) = control.accept()?;
    let mut client = Client::new(server, udp_server)?;
    for line in BufReader::new(stream.try_clone()?).lines() {
        let line = line?;
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["cpu"] => writeln!(&stream, "ok {}", cpu()?)?,
            ["work", name, operations] => {
                let workload = Workload::from_name(name).context("no such workload")?;
                client.work(workload, operations.parse()?)?;
                writeln!(&stream, "ok done")?;
            }
            _ => writeln!(&stream, "what?")?,
        }
    }
    Ok(())
}

/// CPU time of this process's first thread, from the scheduler: to the nanosecond, interrupts in its time included.
fn cpu() -> Result<u64> {
    cpu_of(&std::fs::read_to_string("/proc/self/schedstat")?)
}

fn cpu_of(schedstat: &str) -> Result<u64> {
    Ok(schedstat.split_whitespace().next().context("no schedstat")?.parse()?)
}

/// A server and the control socket, each a thread; their CPU times are summed.
fn serve(control: UnixListener, udp: bool) -> Result<()> {
    if udp {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT))?;
        std::thread::spawn(move || serve_udp(&socket));
    } else {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT))?;
        std::thread::spawn(move || serve_tcp(&listener));
    }
    let (stream, _) = control.accept()?;
    for line in BufReader::new(stream.try_clone()?).lines() {
        line?;
        writeln!(&stream, "ok {}", cpu_of_threads()?)?;
    }
    Ok(())
}

fn cpu_of_threads() -> Result<u64> {
    let mut sum = 0;
    for entry in std::fs::read_dir("/proc/self/task")? {
        // A thread that ends meanwhile is a connection's: those are the same in every arm.
        if let Ok(schedstat) = std::fs::read_to_string(entry?.path().join("schedstat")) {
            sum += cpu_of(&schedstat)?;
        }
    }
    Ok(sum)
}

/// One connection after the other: the first byte says whether to answer, or to take in what comes.
fn serve_tcp(listener: &TcpListener) -> Option<()> {
    let mut long = Vec::new();
    for stream in listener.incoming() {
        let mut stream = stream.ok()?;
        let mut buffer = [0; MESSAGE];
        stream.read_exact(&mut buffer).ok()?;
        stream.set_nodelay(true).ok()?;
        if buffer[0] == b's' {
            stream.write_all(&buffer).ok()?;
        } else {
            long.push(std::thread::spawn(move || serve_open(stream)));
        }
    }
    Some(())
}

fn serve_open(mut stream: TcpStream) -> Option<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        let length = stream.read(&mut buffer).ok().filter(|length| *length > 0)?;
        // A message is answered; of a chunk, only its last byte, which the client marks.
        let answer = match (buffer.first()?, buffer.get(length - 1)?) {
            (b'r', _) => buffer.get(..length)?,
            (_, b'!') => b"!",
            _ => continue,
        };
        stream.write_all(answer).ok()?;
    }
}

fn serve_udp(socket: &UdpSocket) -> Option<()> {
    let mut buffer = [0; MESSAGE];
    loop {
        let (length, from) = socket.recv_from(&mut buffer).ok()?;
        socket.send_to(buffer.get(..length)?, from).ok()?;
    }
}

/// The client's open sockets.
struct Client {
    server: SocketAddrV4,
    udp_server: SocketAddrV4,
    open: TcpStream,
    free: UdpSocket,
    connected: UdpSocket,
}

impl Client {
    fn new(server: SocketAddrV4, udp_server: SocketAddrV4) -> Result<Self> {
        let deadline = Instant::now() + Duration::from_secs(5);
        let mut open = loop {
            match TcpStream::connect(server) {
                Ok(stream) => break stream,
                Err(error) if Instant::now() > deadline => return Err(error.into()),
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        open.set_nodelay(true)?;
        open.write_all(&[b'o'; MESSAGE])?;
        let udp = || {
            UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| {
                socket.set_read_timeout(Some(Duration::from_secs(1)))?;
                Ok(socket)
            })
        };
        let connected = udp()?;
        connected.connect(udp_server)?;
        Ok(Self { server, udp_server, open, free: udp()?, connected })
    }

    fn work(&mut self, workload: Workload, operations: u64) -> Result<()> {
        let mut buffer = [0; MESSAGE];
        match workload {
            Workload::TcpShort => (0..operations).try_for_each(|_| self.short()),
            Workload::TcpBulk => self.bulk(operations),
            Workload::TcpRoundTrip => (0..operations).try_for_each(|_| {
                self.open.write_all(&[b'r'; MESSAGE])?;
                Ok(self.open.read_exact(&mut buffer)?)
            }),
            Workload::UdpRoundTrip => (0..operations).try_for_each(|_| {
                self.free.send_to(&[b'u'; MESSAGE], self.udp_server)?;
                Ok(self.free.recv_from(&mut buffer).map(drop)?)
            }),
            Workload::UdpConnected => (0..operations).try_for_each(|_| {
                self.connected.send(&[b'u'; MESSAGE])?;
                Ok(self.connected.recv(&mut buffer).map(drop)?)
            }),
            Workload::UdpShort => (0..operations).try_for_each(|_| {
                // Not bound first, as the standard library would: resolvers do not.
                let socket = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None)?;
                rustix::net::connect(&socket, &self.udp_server)?;
                let socket = UdpSocket::from(socket);
                socket.send(&[b'u'; MESSAGE])?;
                Ok(socket.recv(&mut buffer).map(drop)?)
            }),
        }
    }

    /// The server closes first, so that the client's ports are free again at once.
    fn short(&self) -> Result<()> {
        let mut stream = TcpStream::connect(self.server)?;
        stream.write_all(&[b's'; MESSAGE])?;
        let mut answer = [0; MESSAGE];
        stream.read_exact(&mut answer)?;
        match stream.read(&mut answer)? {
            0 => Ok(()),
            more => bail!("{more} bytes after the answer"),
        }
    }

    fn bulk(&mut self, chunks: u64) -> Result<()> {
        let chunk = vec![b'b'; CHUNK];
        for _ in 0..chunks {
            self.open.write_all(&chunk)?;
        }
        self.open.write_all(b"!")?;
        let mut answer = [0];
        Ok(self.open.read_exact(&mut answer)?)
    }
}
