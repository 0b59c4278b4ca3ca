//! What is broken when: everything on a schedule of its own, all of them drawn from one seed.

use crate::account::{Account, Harm};
use crate::agents::{Agent, prepare};
use crate::collector::Collector;
use crate::network::Network;
use crate::{choices, say, with_cluster};
use netwright_tests::cluster::Cluster;
use netwright_tests::database::Database;
use netwright_tests::skipped;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Where the collector keeps what it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A file on a disk that fills up.
    Sqlite,
    /// A server that is restarted.
    Postgres,
}

const AGENTS: usize = 3;
const TICK: Duration = Duration::from_millis(5);
/// How long the collector may take to recover, and all to be shipped and merged.
const PATIENCE: Duration = Duration::from_secs(240);

/// Numbers that follow from a seed (xorshift64).
struct Random(u64);

impl Random {
    fn below(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }

    fn between(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from))
    }
}

/// Something that is broken for a while, again and again.
struct Trouble {
    next: Instant,
    is_on: bool,
    count: u64,
}

impl Trouble {
    fn new(first: Duration) -> Self {
        Self { next: Instant::now() + first, is_on: false, count: 0 }
    }

    /// Whether it begins (`Some(true)`) or ends now. It lasts for the first of two times, and rests for the second.
    fn turns(&mut self, lasts: Duration, rests: Duration) -> Option<bool> {
        if Instant::now() < self.next {
            return None;
        }
        self.is_on = !self.is_on;
        self.count += u64::from(self.is_on);
        self.next = Instant::now() + if self.is_on { lasts } else { rests };
        Some(self.is_on)
    }
}

/// All that runs, and all that can go wrong.
struct Storm {
    random: Random,
    agents: Vec<Agent>,
    collector: Collector,
    database: Option<Database>,
    network: Network,
    harm: Harm,
    next_agent: Instant,
    next_collector: Instant,
    cut: Trouble,
    spool_full: Trouble,
    full: usize,
    store: Trouble,
}

/// Runs a storm, and checks what is left of it.
pub(crate) fn run(kind: Kind) {
    with_cluster(|cluster| {
        let folder = tempfile::Builder::new().prefix("netwright-chaos-").tempdir().unwrap();
        // The database has a user of its own.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
        let database = match kind {
            Kind::Sqlite => None,
            Kind::Postgres => match Database::start(folder.path()).unwrap() {
                None => {
                    return skipped(
                        "PostgreSQL is not installed, so its half of this test: apt-get install postgresql",
                    );
                }
                database => database,
            },
        };
        let (kills, seed) = choices();
        say(&format!("{kind:?}: {kills} kills, NETWRIGHT_SEED={seed}"));
        let begun = Instant::now();
        let mut storm = Storm::start(cluster, folder.path(), database, seed);
        while !storm.is_enough(kills) {
            storm.tick();
            sleep(TICK);
        }
        storm.calm();
        storm.check();
        say(&format!("{kind:?}: {}; {} s", storm.harm, begun.elapsed().as_secs()));
    });
}

impl Storm {
    fn start(cluster: &Cluster, folder: &Path, database: Option<Database>, seed: u64) -> Self {
        let first = cluster.node(1).unwrap().name.clone();
        let others: Vec<String> = (1..AGENTS).map(|number| format!("{first}-beside-{number}")).collect();
        prepare(cluster, &others).unwrap();
        let store = database.as_ref().map(Database::url);
        let mut collector = Collector::new(folder.join("store"), cluster.kubectl().kubeconfig(), store);
        collector.start();
        let network = Network::start(collector.address);
        let url = format!("https://localhost:{}", network.port);
        let nodes = std::iter::once(first).chain(others).enumerate();
        let agents =
            nodes.map(|(number, node)| Agent::start(cluster, &node, folder.join(format!("agent-{number}")), &url));
        let agents = agents.collect();
        let after = |seconds: u64| Duration::from_millis(seconds * 1000);
        Self {
            // An even mix of bits, and never zero.
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            agents,
            collector,
            database,
            network,
            harm: Harm::default(),
            next_agent: Instant::now(),
            next_collector: Instant::now() + after(4),
            cut: Trouble::new(after(2)),
            spool_full: Trouble::new(after(3)),
            full: 0,
            store: Trouble::new(after(5)),
        }
    }

    fn is_enough(&self, kills: u64) -> bool {
        let each = [self.cut.count, self.spool_full.count, self.store.count, self.harm.collector_kills];
        self.harm.agent_kills + self.harm.collector_kills >= kills && each.iter().all(|count| *count > 0)
    }

    fn tick(&mut self) {
        self.tick_agents();
        self.tick_collector();
        let random = &mut self.random;
        match self.cut.turns(random.between(50, 2500), random.between(500, 6000)) {
            Some(true) => self.network.cut(),
            Some(false) => self.network.mend(),
            None => {}
        }
        match self.spool_full.turns(random.between(100, 1000), random.between(500, 5000)) {
            Some(true) => {
                self.full = random.below(AGENTS as u64) as usize;
                self.agents[self.full].disk.fill();
            }
            Some(false) => self.agents[self.full].disk.free(),
            None => {}
        }
        let (lasts, rests, alone) = (random.between(50, 1500), random.between(2000, 9000), random.below(2) == 0);
        match (self.store.turns(lasts, rests), &mut self.database) {
            (Some(true), Some(database)) => database.kill(alone).unwrap(),
            (Some(false), Some(database)) => database.run().unwrap(),
            (Some(true), None) => self.collector.disk.fill(),
            (Some(false), None) => self.collector.disk.free(),
            (None, _) => {}
        }
    }

    fn tick_agents(&mut self) {
        if Instant::now() < self.next_agent {
            return;
        }
        let which = self.random.below(AGENTS as u64) as usize;
        self.agents[which].kill();
        self.harm.agent_kills += 1;
        self.next_agent = Instant::now() + self.random.between(20, 900);
    }

    /// The collector lives for an instant, or until it has merged for a while; one that ends by itself is started again, as
    /// the kubelet does.
    fn tick_collector(&mut self) {
        if Instant::now() < self.next_collector {
            return;
        }
        if self.collector.kill() {
            self.harm.collector_kills += 1;
        } else {
            self.harm.collector_ends += 1;
        }
        self.collector.start();
        let longest = [400, 2000, 8000][self.random.below(3) as usize];
        self.next_collector = Instant::now() + self.random.between(10, longest);
    }

    /// Mends everything, and waits until all is shipped and merged.
    fn calm(&mut self) {
        self.network.mend();
        if self.spool_full.is_on {
            self.agents[self.full].disk.free();
        }
        match (&mut self.database, self.store.is_on) {
            (Some(database), true) => database.run().unwrap(),
            (None, true) => self.collector.disk.free(),
            _ => {}
        }
        (self.harm.cuts, self.harm.spool_full) = (self.cut.count, self.spool_full.count);
        let of_store = if self.database.is_some() { &mut self.harm.restarts } else { &mut self.harm.store_full };
        *of_store = self.store.count;
        self.wait("agents to ship all they have", |storm| {
            let finished: Vec<bool> = storm.agents.iter_mut().map(Agent::has_finished).collect();
            finished.iter().all(|finished| *finished)
        });
        self.wait("the collector to merge all", |storm| {
            let status = storm.collector.status();
            status.is_some_and(|status| status.inbox_segments == 0 && status.pending_flows == 0)
        });
    }

    fn wait(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let begun = Instant::now();
        while !done(self) {
            if !self.collector.runs() {
                self.collector.start();
            }
            let agents: Vec<String> = self.agents.iter().map(Agent::log).collect();
            assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}: {}\n{agents:?}", self.collector.log());
            sleep(Duration::from_millis(100));
        }
    }

    fn check(&mut self) {
        let (status, export) = (self.collector.status().unwrap(), self.collector.export());
        let mut account = Account::default();
        self.agents.iter().for_each(|agent| account.add(&agent.node, &agent.folder, &agent.left));
        account.check(&status, &export, &mut self.harm);
    }
}
