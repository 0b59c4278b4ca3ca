//! A PostgreSQL server that the test process starts for itself.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

/// A PostgreSQL server on a loopback port, in a folder that goes with it.
pub(crate) struct Server {
    port: u16,
    /// It serves until this is closed, whatever becomes of the test process.
    _lifeline: Mutex<Child>,
}

impl Server {
    /// The server of this process.
    pub(crate) fn shared() -> Option<&'static Self> {
        static SERVER: OnceLock<Option<Server>> = OnceLock::new();
        SERVER.get_or_init(Self::start).as_ref()
    }

    fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            // Once a process, whether or not output is captured.
            let _ = writeln!(
                std::io::stderr(),
                "skipped: PostgreSQL is not installed, so its half of these tests: apt-get install postgresql"
            );
            return None;
        };
        let folder = tempfile::Builder::new().prefix("netwright-postgres-").tempdir().unwrap().keep();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let user = Command::new("id").arg("-u").output().unwrap();
        let mut shell = if user.stdout.starts_with(b"0\n") {
            let id = |flag| Command::new("id").args([flag, "postgres"]).output().unwrap().stdout;
            let number = |text: Vec<u8>| String::from_utf8(text).unwrap().trim().parse::<u32>().unwrap();
            chown(&folder, Some(number(id("-u"))), Some(number(id("-g")))).unwrap();
            let mut runuser = Command::new("runuser");
            runuser.args(["-u", "postgres", "--", "sh", "-c"]);
            runuser
        } else {
            let mut shell = Command::new("sh");
            shell.arg("-c");
            shell
        };
        // Whoever holds the other end of its input is alive. Nothing of it is kept, so nothing has to be synced.
        let script = format!(
            "cd '{folder}' && '{programs}/initdb' -D data -U netwright -A trust -E UTF8 --locale=C -N >log 2>&1 || exit 1\n\
             '{programs}/postgres' -D data -p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
             -c fsync=off -c max_connections=200 >>log 2>&1 & server=$!\n\
             cat >/dev/null; kill -INT $server; wait $server; rm -rf '{folder}'",
            folder = folder.display(),
            programs = programs.display(),
        );
        let lifeline = shell.arg(script).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let server = Self { port, _lifeline: Mutex::new(lifeline.unwrap()) };
        server.wait(&programs, &folder);
        Some(server)
    }

    fn wait(&self, programs: &Path, folder: &Path) {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(60) {
            let port = self.port.to_string();
            let ready = Command::new(programs.join("pg_isready")).args(["-q", "-h", "127.0.0.1", "-p", &port]).status();
            if ready.unwrap().success() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("PostgreSQL did not start: {}", fs::read_to_string(folder.join("log")).unwrap_or_default());
    }

    /// A new database in it.
    pub(crate) fn create(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("test{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let programs = programs().unwrap();
        let created = Command::new(programs.join("createdb"))
            .args(["-h", "127.0.0.1", "-U", "netwright", "-p", &self.port.to_string(), &name])
            .output()
            .unwrap();
        assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stderr));
        format!("postgres://netwright@127.0.0.1:{}/{name}", self.port)
    }
}

/// Debian keeps each version's programs apart.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut programs: Vec<PathBuf> = versions.flatten().map(|version| version.path().join("bin")).collect();
    programs.retain(|programs| programs.join("initdb").is_file() && programs.join("postgres").is_file());
    programs.sort();
    programs.pop()
}
