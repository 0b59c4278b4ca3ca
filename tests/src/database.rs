//! A PostgreSQL server as Debian packages it, that belongs to whoever starts it and can be killed and started anew.

use crate::world::signal;
use anyhow::{Context as _, Result, bail, ensure};
use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a server may take to answer: after a crash it recovers first.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server on a port of the loopback, with Debian's settings: what it has committed is on the disk. It ends with this.
#[derive(Debug)]
pub struct Database {
    programs: PathBuf,
    folder: PathBuf,
    user: (u32, u32),
    port: u16,
    process: Option<Child>,
}

impl Database {
    /// Makes one below `folder`, which the user `postgres` has to be able to pass, and starts it; `None` where it is not installed.
    ///
    /// # Errors
    ///
    /// Where its programs fail, with what they said; this has to be root.
    pub fn start(folder: &Path) -> Result<Option<Self>> {
        let Some(programs) = programs() else { return Ok(None) };
        let folder = folder.join("postgres");
        fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let user = (id("-u")?, id("-g")?);
        chown(&folder, Some(user.0), Some(user.1))?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut database = Self { programs, folder, user, port, process: None };
        let mut make = database.command("initdb")?;
        make.args(["-D", "data", "-U", "netwright", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"]);
        ensure!(make.status()?.success(), "initdb failed: {}", database.log());
        database.run()?;
        Ok(Some(database))
    }

    /// Where it is, for a store.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://netwright@127.0.0.1:{}/postgres", self.port)
    }

    /// The process id of the server, which is the parent of those of its connections; `None` while it is killed.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// Ends it as a crash does: the server alone, whose workers notice, or by SIGQUIT, which ends all of them at once.
    ///
    /// # Errors
    ///
    /// Where it cannot be signalled.
    pub fn kill(&mut self, alone: bool) -> Result<()> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        signal(process.id(), if alone { "KILL" } else { "QUIT" })?;
        process.wait()?;
        Ok(())
    }

    /// Starts it, and waits until it answers.
    ///
    /// # Errors
    ///
    /// Where it does not within a minute, with what it said.
    pub fn run(&mut self) -> Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let is_running = match &mut self.process {
                Some(process) => process.try_wait()?.is_none(),
                None => false,
            };
            // It does not start before the last worker of the one that was killed has ended.
            if !is_running {
                self.process = Some(self.spawn()?);
            }
            let port = self.port.to_string();
            if self.command("pg_isready")?.args(["-q", "-h", "127.0.0.1", "-p", &port]).status()?.success() {
                return Ok(());
            }
            sleep(Duration::from_millis(50));
        }
        bail!("PostgreSQL did not start: {}", self.log())
    }

    fn spawn(&self) -> Result<Child> {
        let mut command = self.command("postgres")?;
        command.args(["-D", "data", "-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1"]);
        Ok(command.args(["-c", "unix_socket_directories="]).spawn()?)
    }

    /// One of its programs, as its user, ending with this process.
    fn command(&self, name: &str) -> Result<Command> {
        let log = File::options().create(true).append(true).open(self.folder.with_extension("log"))?;
        let mut command = Command::new("setpriv");
        command
            .arg(format!("--reuid={}", self.user.0))
            .arg(format!("--regid={}", self.user.1))
            .args(["--clear-groups", "--pdeathsig", "KILL"])
            .arg(self.programs.join(name))
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        Ok(command)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.with_extension("log")).unwrap_or_default()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // It ends with this process in any case.
        let _ = self.kill(false);
    }
}

fn id(flag: &str) -> Result<u32> {
    let output = Command::new("id").args([flag, "postgres"]).output()?;
    String::from_utf8(output.stdout)?.trim().parse().context("no user postgres")
}

/// Debian keeps each version's programs apart.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    let mut found: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    found.retain(|programs| ["initdb", "postgres", "pg_isready"].iter().all(|name| programs.join(name).is_file()));
    found.sort();
    found.pop()
}
