//! Whether the program has started, can do its work, and is alive: three questions the kubelet asks for three reasons.
//!
//! - *Startup*: what has to be done once is done. Until then nothing else is asked.
//! - *Readiness*: it can do its work now. A Service sends it no traffic while it cannot; nobody restarts it.
//! - *Liveness*: its loops turn. If they do not, it is restarted, so nothing outside of the process belongs here.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What is known of the program's health. Clones are handles to the same.
#[derive(Debug, Clone)]
pub struct Health {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    since: Instant,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// By name: why it is not met, if it is not.
    startup: BTreeMap<&'static str, Option<String>>,
    readiness: BTreeMap<&'static str, Option<String>>,
    heartbeats: BTreeMap<&'static str, Beats>,
    stopping: bool,
}

#[derive(Debug)]
struct Beats {
    limit: Duration,
    /// Milliseconds from `Shared::since` to the latest beat.
    latest: Arc<AtomicU64>,
}

/// An answer: whether all is well, and a line for each thing looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Whether all of them are met.
    pub ok: bool,
    /// `[+] name` and `[-] name: why not`, one a line. Texts from outside are escaped.
    pub body: String,
}

impl Default for Health {
    fn default() -> Self {
        Self { shared: Arc::new(Shared { since: Instant::now(), state: Mutex::default() }) }
    }
}

impl Health {
    /// Nothing to wait for, and ready.
    pub fn new() -> Self {
        Self::default()
    }

    /// A condition of having started, not met yet. Met once, it stays met.
    pub fn startup(&self, name: &'static str) -> Condition {
        self.lock().startup.insert(name, Some("not yet".into()));
        Condition { health: self.clone(), name, which: Which::Startup }
    }

    /// A condition of being ready, not met yet.
    pub fn readiness(&self, name: &'static str) -> Condition {
        self.lock().readiness.insert(name, Some("not yet".into()));
        Condition { health: self.clone(), name, which: Which::Readiness }
    }

    /// A loop that has to beat at least once in `limit`, from now on, for the program to be alive.
    pub fn heartbeat(&self, name: &'static str, limit: Duration) -> Heartbeat {
        let heartbeat = Heartbeat { since: self.shared.since, latest: Arc::default() };
        heartbeat.beat();
        self.lock().heartbeats.insert(name, Beats { limit, latest: heartbeat.latest.clone() });
        heartbeat
    }

    /// Not ready from now on: the program was told to stop and finishes what it has.
    pub fn stopping(&self) {
        self.lock().stopping = true;
    }

    /// The answer of `/startupz`.
    pub fn has_started(&self) -> Answer {
        answer(self.lock().startup.iter().map(|(name, unmet)| (*name, unmet.clone())))
    }

    /// The answer of `/readyz`. What has not started is not ready.
    pub fn is_ready(&self) -> Answer {
        let state = self.lock();
        let stopping = state.stopping.then(|| ("stopping", Some("told to stop".into())));
        let startup = state.startup.iter().filter(|(_, unmet)| unmet.is_some());
        answer(startup.chain(&state.readiness).map(|(name, unmet)| (*name, unmet.clone())).chain(stopping))
    }

    /// The answer of `/livez`.
    pub fn is_alive(&self) -> Answer {
        let now = self.shared.since.elapsed();
        let late = |beats: &Beats| {
            let silent = now.saturating_sub(Duration::from_millis(beats.latest.load(Ordering::Relaxed)));
            (silent > beats.limit).then(|| format!("silent for {silent:.1?}, the limit is {:?}", beats.limit))
        };
        answer(self.lock().heartbeats.iter().map(|(name, beats)| (*name, late(beats))))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn answer(conditions: impl Iterator<Item = (&'static str, Option<String>)>) -> Answer {
    let mut answer = Answer { ok: true, body: String::new() };
    for (name, unmet) in conditions {
        answer.ok &= unmet.is_none();
        // Memory takes all.
        let _ = match unmet {
            None => writeln!(answer.body, "[+] {name}"),
            Some(reason) => writeln!(answer.body, "[-] {name}: {}", reason.escape_debug()),
        };
    }
    answer.body.push_str(if answer.ok { "ok\n" } else { "not ok\n" });
    answer
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    Startup,
    Readiness,
}

/// Something that has to hold. Clones are handles to the same.
#[derive(Debug, Clone)]
pub struct Condition {
    health: Health,
    name: &'static str,
    which: Which,
}

impl Condition {
    /// It holds. Says so in the log when it did not.
    pub fn met(&self) {
        self.set(None);
    }

    /// It does not hold, for this reason. Without effect on a condition of startup that was met. The log says so once.
    pub fn unmet(&self, reason: impl Into<String>) {
        self.set(Some(reason.into()));
    }

    fn set(&self, reason: Option<String>) {
        let mut state = self.health.lock();
        let conditions = match self.which {
            Which::Startup => &mut state.startup,
            Which::Readiness => &mut state.readiness,
        };
        let Some(known) = conditions.get_mut(self.name) else { return };
        let was_met = known.is_none();
        if was_met && (self.which == Which::Startup || reason.is_none()) {
            return;
        }
        match (&reason, was_met) {
            (None, _) => tracing::info!(condition = self.name, "met"),
            (Some(reason), true) => tracing::warn!(condition = self.name, reason, "no longer met"),
            (Some(_), false) => {}
        }
        *known = reason;
    }
}

/// Shows that a loop turns.
#[derive(Debug, Clone)]
pub struct Heartbeat {
    since: Instant,
    latest: Arc<AtomicU64>,
}

impl Heartbeat {
    /// The loop has come round. Costs a look at the clock.
    pub fn beat(&self) {
        let now = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.latest.store(now, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_started_once_each_condition_was_met() {
        let health = Health::new();
        let (programs, caches) = (health.startup("programs"), health.startup("caches"));
        programs.met();
        caches.unmet("pods of node \"n1\"\n are missing");
        let answer = health.has_started();
        assert!(!answer.ok);
        assert_eq!(answer.body, "[-] caches: pods of node \\\"n1\\\"\\n are missing\n[+] programs\nnot ok\n");
        assert!(!health.is_ready().ok, "what has not started is not ready");
        caches.met();
        caches.unmet("the watch broke");
        assert!(health.has_started().ok && health.is_ready().ok, "it has started for good");
    }

    #[test]
    fn readiness_comes_and_goes_and_ends_with_the_stop() {
        let health = Health::new();
        let store = health.readiness("store");
        assert!(!health.is_ready().ok);
        store.met();
        assert!(health.is_ready().ok);
        store.unmet("disk full");
        assert!(health.is_ready().body.contains("[-] store: disk full"));
        store.met();
        health.stopping();
        assert!(!health.is_ready().ok && health.has_started().ok && health.is_alive().ok);
    }

    #[test]
    fn a_silent_loop_is_not_alive() {
        let health = Health::new();
        let quick = health.heartbeat("quick", Duration::from_millis(20));
        health.heartbeat("slow", Duration::from_secs(3600));
        assert!(health.is_alive().ok);
        std::thread::sleep(Duration::from_millis(40));
        let answer = health.is_alive();
        assert!(!answer.ok && answer.body.contains("[-] quick") && answer.body.contains("[+] slow"), "{}", answer.body);
        quick.beat();
        assert!(health.is_alive().ok);
    }
}
