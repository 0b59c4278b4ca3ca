//! One program of a cluster, such as the API server or a kubelet: in its place, with a log, and made to fail at will.

use super::command::{Step, wait};
use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How much of a log an error shows, in lines.
const TAIL: usize = 25;

/// Where a program runs.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// A cgroup of the v2 tree, by which everything in the place is ended at once.
    pub(super) cgroup: PathBuf,
    /// Arguments of `nsenter`: the namespaces to enter.
    pub(super) namespaces: Vec<String>,
}

impl Place {
    /// A command that runs `program` in this place. The shell enters the cgroup first and is then replaced, as `nsenter`
    /// is: the pid is that of the program itself.
    pub(super) fn command(&self, program: &[String]) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", r#"echo 0 >"$0" && exec nsenter "$@""#]).arg(self.cgroup.join("cgroup.procs"));
        // Ctrl-C is for the one who watches; the cluster is then removed in order.
        shell.args(&self.namespaces).arg("--").args(program).current_dir("/").process_group(0);
        shell
    }
}

/// A program of a cluster: running, ended or paused.
#[derive(Debug)]
pub struct Component {
    name: String,
    place: Place,
    program: Vec<String>,
    log: PathBuf,
    child: Mutex<Option<Child>>,
}

impl Component {
    /// A program that is not running yet; what it says goes to the end of `log`.
    pub(super) fn new(name: &str, place: &Place, program: Vec<String>, log: PathBuf) -> Self {
        Self { name: name.to_owned(), place: place.clone(), program, log, child: Mutex::new(None) }
    }

    /// The name it goes by: that of its program, with its node where there are several.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Starts it, as before with the same arguments.
    ///
    /// # Errors
    /// It runs already, or cannot be started.
    pub fn start(&self) -> Result<()> {
        self.start_from(Stdio::null())
    }

    /// Starts it with a file of its own as standard input.
    pub(super) fn start_from(&self, stdin: Stdio) -> Result<()> {
        let mut child = self.child();
        if child.is_some() {
            bail!("{} runs already", self.name);
        }
        let log = OpenOptions::new().create(true).append(true).open(&self.log);
        let log = log.with_context(|| format!("opening {}", self.log.display()))?;
        let mut command = self.place.command(&self.program);
        command.stdin(stdin).stdout(log.try_clone()?).stderr(log);
        *child = Some(command.spawn().with_context(|| format!("starting {}", self.name))?);
        Ok(())
    }

    /// Its pid.
    ///
    /// # Errors
    /// It was never started, was killed, or ended by itself; the message has the end of its log.
    pub fn pid(&self) -> Result<u32> {
        let mut guard = self.child();
        let Some(child) = guard.as_mut() else { bail!("{} is not running", self.name) };
        match child.try_wait()? {
            None => Ok(child.id()),
            Some(status) => bail!("{} ended ({status}); the end of its log:\n{}", self.name, self.log_tail()),
        }
    }

    /// Ends it at once, as `kill -9` does.
    ///
    /// # Errors
    /// It is not running.
    pub fn kill(&self) -> Result<()> {
        self.pid()?;
        self.reap(Signal::KILL)
    }

    /// Asks it to end (SIGTERM) and waits for it; after ten seconds it is killed.
    ///
    /// # Errors
    /// It is not running.
    pub fn stop(&self) -> Result<()> {
        self.signal(Signal::TERM)?;
        let ended = wait(&format!("the end of {}", self.name), Duration::from_secs(10), || {
            Ok(match self.child().as_mut().map(Child::try_wait).transpose()?.flatten() {
                Some(_) => Step::Done(()),
                None => Step::NotYet("it runs".into()),
            })
        });
        self.reap(Signal::KILL).and(ended)
    }

    /// Kills it and starts it again.
    ///
    /// # Errors
    /// It was not running, or cannot be started.
    pub fn restart(&self) -> Result<()> {
        self.kill()?;
        self.start()
    }

    /// Stops it where it is (SIGSTOP): connections stay open and nobody answers.
    ///
    /// # Errors
    /// It is not running.
    pub fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on after [`Component::pause`].
    ///
    /// # Errors
    /// It is not running.
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// The end of what it said.
    pub fn log_tail(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(TAIL)..).unwrap_or_default().join("\n")
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.pid()?).ok().and_then(Pid::from_raw).context("a pid that is none")?;
        kill_process(pid, signal).with_context(|| format!("sending {signal:?} to {}", self.name))
    }

    /// Signals a child that may have ended, and takes note of its end: until then its pid is nobody else's.
    fn reap(&self, signal: Signal) -> Result<()> {
        let Some(mut child) = self.child().take() else { return Ok(()) };
        if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, signal);
        }
        child.wait().with_context(|| format!("waiting for the end of {}", self.name))?;
        Ok(())
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Component {
    fn drop(&mut self) {
        // A program of a cluster that was removed has ended, and is a zombie until somebody asks. Others go on.
        let _ = self.child().as_mut().map(Child::try_wait);
    }
}
