//! The collector as a process of its own, and what it uses.

use crate::agents::NAME;
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A running collector. It is killed when this is dropped.
pub(crate) struct Collector {
    process: Child,
    pub(crate) agents: SocketAddr,
    pub(crate) people: SocketAddr,
    health: SocketAddr,
    folder: PathBuf,
}

impl Collector {
    /// Starts it with its data in `folder`, and waits until it can do its work.
    pub(crate) async fn start(program: &Path, folder: &Path, store: &str, api: SocketAddr) -> Result<Self> {
        let kubeconfig = folder.join("kubeconfig");
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: b\ncontexts: [{{name: b, context: {{cluster: b, user: b}}}}]\n\
             clusters: [{{name: b, cluster: {{server: 'http://{api}'}}}}]\nusers: [{{name: b, user: {{}}}}]\n"
        );
        fs::write(&kubeconfig, text)?;
        let (agents, people, health) = (free()?, free()?, free()?);
        let process = Command::new(program)
            .args(["serve", "--tls-name", NAME, "--log-format", "text", "--data"])
            .arg(folder)
            .args(["--listen", &agents.to_string(), "--export-listen", &people.to_string()])
            .args(["--health-listen", &health.to_string()])
            .env("NETWRIGHT_STORE", store)
            .env("KUBECONFIG", &kubeconfig)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("log"))?)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let mut collector = Self { process, agents, people, health, folder: folder.to_owned() };
        let pods = crate::world::WORKLOADS as f64;
        let ready = async |it: &Self| {
            let all = it.metric("netwright_collector_pods").await? >= pods;
            Ok(all && it.metric("netwright_collector_watch_broken").await? == 0.0 && it.ask("/readyz").await?.0 == 200)
        };
        collector.wait("to be ready", Duration::from_secs(300), ready).await?;
        Ok(collector)
    }

    /// What agents have to trust.
    pub(crate) fn authorities(&self) -> Result<String> {
        Ok(fs::read_to_string(self.folder.join("ca.crt"))?)
    }

    /// Waits until so many flows were merged.
    pub(crate) async fn merged(&mut self, flows: u64) -> Result<()> {
        let told = async |it: &Self| Ok(it.metric("netwright_collector_merged_flows_total").await? >= flows as f64);
        self.wait("to merge all", Duration::from_secs(1800), told).await
    }

    async fn metric(&self, name: &str) -> Result<f64> {
        let (_, text) = self.ask("/metrics").await?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(line.with_context(|| format!("no metric {name}"))?.trim().parse()?)
    }

    async fn ask(&self, path: &str) -> Result<(u16, String)> {
        ask(self.health, "GET", path).await
    }

    async fn wait(&mut self, what: &str, most: Duration, done: impl AsyncFn(&Self) -> Result<bool>) -> Result<()> {
        let begun = Instant::now();
        let mut last = Ok(false);
        while begun.elapsed() < most {
            if let Some(status) = self.process.try_wait()? {
                bail!("the collector ended ({status}): {}", self.log());
            }
            last = done(self).await;
            if matches!(last, Ok(true)) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("waited {most:?} for the collector {what}: {last:?}: {}", self.log())
    }

    fn log(&self) -> String {
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        log.lines().rev().take(20).collect::<Vec<_>>().join("\n")
    }

    /// What it has used by now: CPU time of user and kernel, in seconds.
    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
        let (own, _) = times(self.process.id())?;
        Ok(own)
    }

    /// The most that was resident, in bytes.
    pub(crate) fn peak_bytes(&self) -> Result<f64> {
        self.memory("VmHWM:")
    }

    /// What is resident now, in bytes.
    pub(crate) fn resident_bytes(&self) -> Result<f64> {
        self.memory("VmRSS:")
    }

    fn memory(&self, which: &str) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let found = status.lines().find_map(|line| line.strip_prefix(which)?.strip_suffix("kB"));
        Ok(found.with_context(|| format!("no {which}"))?.trim().parse::<f64>()? * 1024.0)
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// CPU time of the process, and of its children that have ended, in seconds.
fn times(pid: u32) -> Result<(f64, f64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit_once(')').context("no name in stat")?.1.split_whitespace().collect();
    let ticks = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK)?.context("no CLK_TCK")? as f64;
    let field =
        |number: usize| -> Result<f64> { Ok(fields.get(number - 3).context("a short stat")?.parse::<f64>()? / ticks) };
    Ok((field(14)? + field(15)?, field(16)? + field(17)?))
}

/// CPU time of a process and of all its children, those that have ended as well, in seconds.
pub(crate) fn of_tree(pid: u32) -> Result<f64> {
    let (own, ended) = times(pid)?;
    let mut all = own + ended;
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    for child in children.split_whitespace() {
        // It may end at any time.
        all += child.parse().ok().and_then(|child| of_tree(child).ok()).unwrap_or(0.0);
    }
    Ok(all)
}

/// Asks, and returns status and body.
pub(crate) async fn ask(address: SocketAddr, method: &str, path: &str) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect(address).await?;
    let request =
        format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").context("no head")?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no status")?;
    Ok((status, body.to_owned()))
}

fn free() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Beside this bench's own program, where cargo puts the binaries of the same profile.
pub(crate) fn program() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let beside = own.parent().and_then(Path::parent).map(|folder| folder.join("netwright-collector"));
    let beside = beside.context("this program is nowhere")?;
    ensure!(beside.is_file(), "{} is not there: `make bench` builds it", beside.display());
    Ok(beside)
}
