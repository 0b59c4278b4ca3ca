//! The pods of a made-up cluster: rolled out once or twice, run by a schedule, one a node, or numbered.

use super::members::{Kind, Member};
use super::population::{ORDINARY, owned, ports};
use super::{DAYS, Random, SECONDS_PER_DAY, Shape, at};
use netwright_record::Name;
use netwright_record::inventory::{HeldAddress, Labels, Pod};
use std::net::IpAddr;

/// How many nodes are noted of a workload that runs on very many.
const NODES_NOTED: usize = 4;

/// Pods of `members`, as many as `shape` says, each with the labels of its template; notes in `members` where they ran.
pub(super) fn pods(shape: Shape, members: &mut [Member], templates: &[Labels], random: &mut Random) -> Vec<Pod> {
    let counts = counts(shape, members, random);
    let mut making = Making { random, addresses: vec![0; shape.nodes], pods: Vec::with_capacity(shape.pods) };
    for ((member, labels), count) in members.iter_mut().zip(templates).zip(counts) {
        for replica in 0..count {
            // The cluster's own DaemonSets run on each node.
            let on_each = member.kind == Kind::DaemonSet && count == shape.nodes;
            let node = if on_each { replica } else { making.random.below(shape.nodes) };
            making.pod(member, labels, replica, count, node);
        }
    }
    making.pods
}

/// How many pods each member had: one, and the rest where chance puts them, a few here and many there.
fn counts(shape: Shape, members: &[Member], random: &mut Random) -> Vec<usize> {
    let own_daemon = |number: usize| number < ORDINARY && members[number].kind == Kind::DaemonSet;
    let mut counts: Vec<usize> =
        (0..members.len()).map(|number| if own_daemon(number) { shape.nodes } else { 1 }).collect();
    let mut left = shape.pods.saturating_sub(counts.iter().sum());
    while left > 0 && members.len() > ORDINARY {
        let more = random.heavy_tailed(left);
        counts[ORDINARY + random.below(members.len() - ORDINARY)] += more;
        left -= more;
    }
    counts
}

struct Making<'a> {
    random: &'a mut Random,
    /// How many pods each node has had.
    addresses: Vec<usize>,
    pods: Vec<Pod>,
}

impl Making<'_> {
    fn pod(&mut self, member: &mut Member, template: &Labels, replica: usize, count: usize, node: usize) {
        let name = Name::from(format!("node-{node:04}"));
        if member.nodes.len() < NODES_NOTED {
            member.nodes.insert(name.clone());
        }
        let (suffix, of_run) = self.of_run(member, replica, count);
        let mut labels = template.clone();
        labels.extend(of_run);
        let (from, until) = self.life(member, replica, count);
        let ip = self.address(member, node);
        self.pods.push(Pod {
            namespace: member.workload.namespace.clone(),
            name: format!("{}-{suffix}", member.workload.name).into(),
            uid: uid(self.random).into(),
            node: Some(name),
            workload: member.workload.clone(),
            labels,
            addresses: vec![HeldAddress { ip, from: from.map(at), until: until.map(at) }],
            host_network: member.host_network,
            ports: ports(member),
            service_account: Some(member.workload.name.clone()),
        });
    }

    /// The end of a pod's name, and the labels that its controller gives it.
    fn of_run(&mut self, member: &Member, replica: usize, count: usize) -> (String, Labels) {
        let rollout = usize::from(replica >= count / 3);
        let hash =
            format!("{:x}{rollout}", (member.workload.name.len() * 7919 + member.namespace * 104_729) & 0xff_ffff);
        let chance = format!("{:05x}", self.random.below(1 << 20));
        match member.kind {
            Kind::Deployment => (format!("{hash}-{chance}{replica}"), owned([("pod-template-hash", hash)])),
            Kind::StatefulSet => (
                replica.to_string(),
                owned([
                    ("controller-revision-hash", format!("{}-{hash}", member.workload.name)),
                    ("statefulset.kubernetes.io/pod-name", format!("{}-{replica}", member.workload.name)),
                    ("apps.kubernetes.io/pod-index", replica.to_string()),
                ]),
            ),
            Kind::DaemonSet => (format!("{chance}{replica}"), owned([("controller-revision-hash", hash)])),
            Kind::CronJob | Kind::Job => {
                let job = format!("{}-{}", member.workload.name, 29_700_000 + replica * 1440);
                let labels = owned([
                    ("batch.kubernetes.io/controller-uid", uid(self.random)),
                    ("batch.kubernetes.io/job-name", job),
                ]);
                (format!("{}-{chance}", 29_700_000 + replica * 1440), labels)
            }
        }
    }

    /// From when until when, in seconds of the watching: the first third of a Deployment went with a rollout, runs of jobs
    /// end within the hour.
    fn life(&mut self, member: &Member, replica: usize, count: usize) -> (Option<i64>, Option<i64>) {
        let rollout = (1 + member.namespace as i64 % (DAYS - 2)) * SECONDS_PER_DAY + 36_000;
        match member.kind {
            Kind::Deployment if count < 3 => (None, None),
            Kind::Deployment if replica < count / 3 => (None, Some(rollout + replica as i64)),
            Kind::Deployment => (Some(rollout + replica as i64), None),
            Kind::CronJob | Kind::Job => {
                let begin = replica as i64 % DAYS * SECONDS_PER_DAY + 7200;
                (Some(begin), Some(begin + 60 + self.random.below(3000) as i64))
            }
            Kind::StatefulSet | Kind::DaemonSet => (None, None),
        }
    }

    /// The next address of the node's range, which begins anew when all were given out; that of the node on its network.
    fn address(&mut self, member: &Member, node: usize) -> IpAddr {
        let [high, low] = [(node >> 8) as u8, node as u8];
        if member.host_network {
            return IpAddr::from([172, 16 + high, low, 10]);
        }
        let place = self.addresses[node];
        self.addresses[node] += 1;
        IpAddr::from([10, 64 + high, low, (2 + place % 250) as u8])
    }
}

fn uid(random: &mut Random) -> String {
    let (high, low) = (random.any(), random.any());
    let [a, b, c] = [high >> 32, high >> 16 & 0xffff, high & 0xfff];
    format!("{a:08x}-{b:04x}-4{c:03x}-8{:03x}-{:012x}", low >> 52, low & 0xffff_ffff_ffff)
}
