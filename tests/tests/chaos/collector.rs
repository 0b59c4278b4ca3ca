//! The collector's process, killed and started anew, and what it hands out in the end.

use crate::disk::SmallDisk;
use netwright_record::collector::{Export, Status};
use netwright_record::{Observation, file};
use netwright_tests::world::prerequisites::program;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// See the module.
pub(crate) struct Collector {
    pub(crate) address: SocketAddr,
    pub(crate) disk: SmallDisk,
    export: SocketAddr,
    health: SocketAddr,
    folder: PathBuf,
    kubeconfig: PathBuf,
    store: Option<String>,
    process: Option<Child>,
}

impl Collector {
    /// Prepares one, that keeps what it is told in `store`, or else in a file on a small disk of its own.
    pub(crate) fn new(folder: PathBuf, kubeconfig: &Path, store: Option<String>) -> Self {
        let disk = SmallDisk::mount(folder.join("data"), "96m");
        let [address, export, health] = [(); 3].map(|()| free());
        Self { address, disk, export, health, folder, kubeconfig: kubeconfig.to_owned(), store, process: None }
    }

    /// Starts it; it is not ready yet.
    pub(crate) fn start(&mut self) {
        let log = File::options().create(true).append(true).open(self.folder.join("log")).unwrap();
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL"])
            .arg(program("netwright-collector").unwrap())
            .args(["serve", "--tls-name", "localhost", "--log-format", "text", "--data"])
            .arg(self.folder.join("data"))
            .args(["--listen", &self.address.to_string(), "--health-listen", &self.health.to_string()])
            .args(["--export-listen", &self.export.to_string()])
            .args(["--settle", "200ms", "--settle-limit", "2s"])
            .env("KUBECONFIG", &self.kubeconfig)
            .stdin(Stdio::null())
            .stderr(log);
        if let Some(store) = &self.store {
            command.args(["--store", store]);
        }
        self.process = Some(command.spawn().unwrap());
    }

    /// Whether it runs. One that has ended by itself is let go of.
    pub(crate) fn runs(&mut self) -> bool {
        let ended = self.process.as_mut().is_some_and(|process| process.try_wait().unwrap().is_some());
        if ended {
            self.process = None;
        }
        self.process.is_some()
    }

    /// Ends it without a word. Returns whether it ran.
    pub(crate) fn kill(&mut self) -> bool {
        let Some(mut process) = self.process.take() else { return false };
        let ran = process.try_wait().unwrap().is_none();
        // Else it has ended by itself.
        let _ = process.kill();
        process.wait().unwrap();
        ran
    }

    /// How it stands, if it answers.
    pub(crate) fn status(&self) -> Option<Status> {
        let (status, body) = ask(self.export, "GET", "/v1/status").ok()?;
        (status == 200).then(|| serde_json::from_slice(&body).unwrap())
    }

    /// Everything it holds.
    pub(crate) fn export(&self) -> Observation {
        let (status, body) = ask(self.export, "POST", "/v1/exports").unwrap();
        assert_eq!(status, 201, "{}", String::from_utf8_lossy(&body));
        let made: Export = serde_json::from_slice(&body).unwrap();
        let (status, body) = ask(self.export, "GET", &format!("/v1/exports/{}", made.id)).unwrap();
        assert_eq!((status, body.len() as u64), (200, made.bytes));
        let (observation, warnings) = file::read(body.as_slice(), Path::new("export")).unwrap();
        assert!(warnings.is_empty(), "{warnings:?}");
        observation
    }

    /// The end of what it has said.
    pub(crate) fn log(&self) -> String {
        let text = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.kill();
    }
}

/// An address of the loopback that nobody uses.
pub(crate) fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// One request. Returns status and body.
fn ask(address: SocketAddr, method: &str, path: &str) -> std::io::Result<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let length = if method == "POST" { "content-length: 0\r\n" } else { "" };
    write!(stream, "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{length}\r\n")?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").ok_or(std::io::ErrorKind::UnexpectedEof)?;
    let status = String::from_utf8_lossy(&bytes[..end]).split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.unwrap_or(0), bytes[end + 4..].to_vec()))
}
