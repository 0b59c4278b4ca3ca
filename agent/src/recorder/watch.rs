//! Where hooks on packets are needed: on the cgroups of UDP servers and DNS servers, and of pods that ask a resolver
//! which no agent watches. Everyone else's packets meet no program.

use super::Recorder;
use crate::address;
use crate::identity::Owner;
use crate::probe::{ProbeError, inode, monotonic_now};
use netwright_abi::{Announcement, FlowKey, announcement, direction, protocol};
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::path::Path;

const DNS_PORT: u16 = 53;
/// How long a question may wait until somebody who is watched has answered, before the asker's own cgroup is watched: nanoseconds.
const PATIENCE: u64 = 1_000_000_000;

/// What is watched, and who has asked a question that nobody watched was seen to answer.
#[derive(Debug, Default)]
pub(super) struct Watches {
    // By cgroup id: a service that is started again has another cgroup at the same path.
    udp_servers: BTreeSet<u64>,
    dns_servers: BTreeSet<u64>,
    dns_clients: BTreeSet<u64>,
    questions: Vec<Question>,
    answers: HashMap<IpAddr, u64>,
    unwatched: u64,
}

#[derive(Debug, Clone, Copy)]
struct Question {
    key: FlowKey,
    cgroup: u64,
    asked: u64,
}

impl Watches {
    /// A client got an answer that was seen.
    pub(super) fn answered(&mut self, client: IpAddr, time: u64) {
        self.answers.insert(client, time);
    }

    /// Forgets when this client was answered.
    pub(super) fn forget(&mut self, client: IpAddr) {
        self.answers.remove(&client);
    }

    /// Forgets what is watched of cgroups that are not `known` any more.
    pub(super) fn retain(&mut self, known: impl Fn(u64) -> bool) {
        for watched in [&mut self.udp_servers, &mut self.dns_servers, &mut self.dns_clients] {
            watched.retain(|cgroup| known(*cgroup));
        }
    }

    /// Questions whose answers nobody watched, since the last call.
    pub(super) fn take_unwatched(&mut self) -> u64 {
        std::mem::take(&mut self.unwatched)
    }
}

impl Recorder {
    /// A socket listens or was bound.
    pub(super) fn watch_server(&mut self, listen: &Announcement) {
        let Some(cgroup) = self.cgroups.get(listen.cgroup).map(|cgroup| cgroup.path.clone()) else { return };
        let key = &listen.key;
        // A port that could not be watched stays ambiguous.
        if key.protocol == protocol::UDP && self.watch_udp_server(&cgroup) {
            let watched = self.probe.port_is_watched(key.netns_cookie, key.port);
            warn_if_failed(watched, &cgroup);
        }
        if key.port == DNS_PORT {
            self.watch_dns_server(&cgroup);
        }
    }

    /// Whether it is watched now.
    pub(super) fn watch_udp_server(&mut self, cgroup: &Path) -> bool {
        let Some(id) = inode(cgroup) else { return false };
        if !self.watches.udp_servers.contains(&id) && warn_if_failed(self.probe.watch_udp_server(cgroup), cgroup) {
            self.watches.udp_servers.insert(id);
        }
        self.watches.udp_servers.contains(&id)
    }

    pub(super) fn watch_dns_server(&mut self, cgroup: &Path) {
        let Some(id) = inode(cgroup) else { return };
        if !self.watches.dns_servers.contains(&id) && warn_if_failed(self.probe.watch_dns_server(cgroup), cgroup) {
            tracing::info!(cgroup = %cgroup.display(), "watching the answers of a DNS server");
            self.watches.dns_servers.insert(id);
        }
    }

    /// Somebody speaks to port 53. (A DNS server that asks another one wants no names for itself.)
    pub(super) fn notice_question(&mut self, flow: &Announcement) {
        let key = flow.key;
        let is_question = flow.kind == announcement::FLOW && key.direction == direction::EGRESS && key.port == DNS_PORT;
        if is_question && !self.watches.dns_servers.contains(&flow.cgroup) {
            self.watches.questions.push(Question { key, cgroup: flow.cgroup, asked: flow.time });
        }
    }

    /// Attaches to those whose questions have waited too long.
    pub(super) fn watch_clients(&mut self) {
        if self.watches.questions.is_empty() {
            return;
        }
        let now = monotonic_now();
        let (due, waiting) = std::mem::take(&mut self.watches.questions)
            .into_iter()
            .partition(|question: &Question| now.saturating_sub(question.asked) > PATIENCE);
        self.watches.questions = waiting;
        for question in due {
            if !self.was_answered(&question) {
                self.watch_client(&question);
            }
        }
    }

    fn was_answered(&mut self, question: &Question) -> bool {
        let clients = match self.owner(question.cgroup) {
            Some(Owner::Pod { uid }) => self.pod_addresses(&uid),
            _ => vec![address::ip(&question.key.local)],
        };
        clients
            .iter()
            .any(|client| self.watches.answers.get(client).is_some_and(|time| *time + PATIENCE >= question.asked))
    }

    fn watch_client(&mut self, question: &Question) {
        self.watches.unwatched += 1;
        let Some(cgroup) = self.cgroups.get(question.cgroup).map(|cgroup| cgroup.path.clone()) else { return };
        if !self.watches.dns_clients.contains(&question.cgroup)
            && warn_if_failed(self.probe.watch_dns_client(&cgroup), &cgroup)
        {
            let resolver = address::ip(&question.key.remote);
            tracing::info!(cgroup = %cgroup.display(), %resolver, "watching the answers of a resolver elsewhere");
            self.watches.dns_clients.insert(question.cgroup);
        }
    }
}

/// A cgroup that is gone already needs no watching; anything else is worth a line. Whether it was done.
fn warn_if_failed(result: Result<(), ProbeError>, cgroup: &Path) -> bool {
    let done = result.is_ok();
    if let Err(error) = result
        && cgroup.exists()
    {
        tracing::warn!(cgroup = %cgroup.display(), %error, "cannot watch");
    }
    done
}
