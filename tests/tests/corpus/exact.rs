//! Nothing unseen: where both ends of two pods have a policy, and no option asked for more, exactly the ports on which their
//! workloads were seen to talk are allowed. By `netwright-policy`, over all cases.

use crate::case::{Case, Run};
use crate::question::{End, verdicts};
use anyhow::{Result, ensure};
use netwright_record::inventory::{Pod, WorkloadRef};
use netwright_record::{Edge, Name, Protocol};
use std::collections::BTreeSet;

/// Cases in which more than was seen has to be allowed, and why.
const MORE: [(&str, &str); 3] = [
    ("selector-overlap-reported", "no label tells the workloads apart"),
    ("ambient-mesh", "the mesh has a port of its own"),
    ("ambient-mesh-probes", "the mesh has a port of its own"),
];
/// What is asked about besides the ports that were seen: ports that no case uses, and the mesh's.
const BESIDES: [(Protocol, u16); 4] =
    [(Protocol::Tcp, 2), (Protocol::Udp, 2), (Protocol::Sctp, 2), (Protocol::Tcp, 15_008)];
const DNS: u16 = 53;

/// All cases that run without flags and without files of somebody else.
pub(crate) fn nothing_unseen(cases: &[Case]) -> Result<()> {
    let mut asked = 0;
    let mut wrong = Vec::new();
    for case in cases.iter().filter(|case| MORE.iter().all(|(name, _)| *name != case.name)) {
        let Ok(run) = case.run() else { continue };
        if run.expect.flags.is_empty() && run.outcome.code == Some(0) && !case.has_given_files() {
            let (number, found) = compare(run)?;
            asked += number;
            wrong.extend(found.into_iter().map(|text| format!("{}: {text}", case.name)));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    ensure!(asked > 10 * cases.len(), "only {asked} questions");
    Ok(())
}

/// Where more has to be allowed, it shows: else the cases above are left out for nothing.
pub(crate) fn can_fail(cases: &[Case]) -> Result<()> {
    for (name, why) in MORE {
        let case = cases.iter().find(|case| case.name == name);
        let run = case.and_then(|case| case.run().ok());
        let wrong = run.map(compare).transpose()?.map(|(_, wrong)| wrong).unwrap_or_default();
        ensure!(!wrong.is_empty(), "{name} allows exactly what was seen: no exception for it ({why})");
    }
    Ok(())
}

/// How many questions, and those that are answered otherwise than by what was seen.
fn compare(run: &Run) -> Result<(usize, Vec<String>)> {
    let allows = verdicts(&run.outcome.files, &run.observation.inventory)?;
    let pods = &run.observation.inventory.pods;
    let protected: Vec<&Pod> = pods.iter().filter(|pod| has_policy(run, pod)).collect();
    let edges = &run.observation.edges;
    let ports: BTreeSet<(Protocol, u16)> = edges.iter().map(|edge| (edge.protocol, edge.port)).chain(BESIDES).collect();
    let (mut asked, mut wrong) = (0, Vec::new());
    for (client, server) in protected.iter().flat_map(|a| protected.iter().map(move |b| (*a, *b))) {
        if client.uid == server.uid {
            continue;
        }
        let ends = (End::of_pod(client, &run.observation.inventory), End::of_pod(server, &run.observation.inventory));
        for (protocol, port) in &ports {
            if is_anothers(pods, server, *protocol, *port) {
                continue;
            }
            let Some(seen) = is_seen(edges, (&client.workload, &server.workload), *protocol, *port) else { continue };
            asked += 1;
            if allows(&ends.0, &ends.1, *protocol, *port) != seen {
                let (client, server) = (&client.name, &server.name);
                wrong.push(format!("{client} -> {server}:{port}/{protocol}: seen {seen}, allowed {}", !seen));
            }
        }
    }
    Ok((asked, wrong))
}

/// Whether the port is one to which another pod of the server's workload gives a name that `server` gives to another port: an
/// edge does not say which of the pods was meant.
fn is_anothers(pods: &[Pod], server: &Pod, protocol: Protocol, port: u16) -> bool {
    let others = pods.iter().filter(|pod| pod.workload == server.workload).flat_map(|pod| &pod.ports);
    let names: BTreeSet<&Name> = others
        .filter(|other| (other.protocol, other.port) == (protocol, port))
        .filter_map(|other| other.name.as_ref())
        .collect();
    let own = server.ports.iter().filter(|own| own.protocol == protocol && own.port != port);
    own.filter_map(|own| own.name.as_ref()).any(|name| names.contains(name))
}

/// Whether the workload of `pod` has a policy of its own.
fn has_policy(run: &Run, pod: &Pod) -> bool {
    let WorkloadRef { namespace, kind, name } = &pod.workload;
    let prefix = format!("{namespace}/{name}");
    let owner = format!("{kind}/{name}");
    !pod.host_network && run.outcome.files.iter().any(|(file, text)| file.starts_with(&prefix) && text.contains(&owner))
}

/// Whether the two workloads were seen to talk so; nothing where TCP may be allowed because DNS was seen over UDP.
fn is_seen(edges: &[Edge], ends: (&WorkloadRef, &WorkloadRef), protocol: Protocol, port: u16) -> Option<bool> {
    let between = |edge: &&Edge| (edge.client.workload(), edge.server.workload()) == (Some(ends.0), Some(ends.1));
    let mut established = edges.iter().filter(between).filter(|edge| edge.activity.established());
    let is_dns = |edge: &Edge| {
        let through_service = edge.services.iter().any(|service| service.port == DNS);
        edge.protocol == Protocol::Udp && (edge.port == DNS || through_service)
    };
    if protocol == Protocol::Tcp && established.clone().any(is_dns) {
        return None;
    }
    Some(established.any(|edge| (edge.protocol, edge.port) == (protocol, port)))
}
