//! Two observations, by what was established.

use super::Args;
use crate::cli::exit::unless_nobody_reads;
use crate::cli::{observation, table, tell};
use crate::comparison::{Comparison, Link, Party};
use crate::text::plain;
use netwright_record::inventory::WorkloadRef;
use netwright_record::{Name, Observation};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

/// Compares them, and says whether they are the same.
pub(super) fn compare(args: &Args, out: &mut dyn Write) -> anyhow::Result<bool> {
    let first = observation::read_with_edges(&args.a)?;
    let second = observation::read_with_edges(&args.b)?;
    let namespaces: BTreeMap<String, String> = args.map_namespace.iter().cloned().collect();
    warn_of_unknown(&first, &namespaces);
    let comparison = Comparison::of(&first, &second, &namespaces);
    unless_nobody_reads(args.output.write(out, || report(&comparison), |out| Ok(table(args, &comparison, out)?)))?;
    Ok(comparison.is_equal())
}

/// A namespace that is misspelt would make everything in it differ.
fn warn_of_unknown(observation: &Observation, namespaces: &BTreeMap<String, String>) {
    let ends = observation.edges.iter().flat_map(|edge| [&edge.client, &edge.server]);
    let seen = ends.filter_map(|end| match end {
        netwright_record::Endpoint::Workload(workload) => Some(&workload.namespace),
        netwright_record::Endpoint::Node { workload, .. } => workload.as_ref().map(|workload| &workload.namespace),
        _ => None,
    });
    let seen: BTreeSet<&str> =
        seen.chain(observation.inventory.namespaces.iter().map(|known| &known.name)).map(Name::as_str).collect();
    for unknown in namespaces.keys().filter(|name| !seen.contains(name.as_str())) {
        tell(&format!("warning: --map-namespace {}: the first observation has no such namespace", plain(unknown)));
    }
}

fn table(args: &Args, comparison: &Comparison, out: &mut dyn Write) -> std::io::Result<()> {
    let Comparison { only_in_first, only_in_second, in_both } = comparison;
    if !comparison.is_equal() {
        let mut rows = table::new(&["only in", "client", "server", "port"]);
        for (side, links) in [("A", only_in_first), ("B", only_in_second)] {
            for Link { client, server, protocol, port } in links {
                let port = format!("{port}/{}", protocol.as_str());
                table::row(&mut rows, [side, &client.to_string(), &server.to_string(), &port]);
            }
        }
        write!(out, "{}", table::render(&rows))?;
    }
    writeln!(
        out,
        "{} established connections in both, {} only in A ({}), {} only in B ({})",
        in_both,
        only_in_first.len(),
        plain(&args.a.to_string_lossy()),
        only_in_second.len(),
        plain(&args.b.to_string_lossy())
    )
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    equal: bool,
    in_both: usize,
    only_in_first: Vec<LinkReport<'a>>,
    only_in_second: Vec<LinkReport<'a>>,
}

#[derive(Serialize)]
struct LinkReport<'a> {
    client: PartyReport<'a>,
    server: PartyReport<'a>,
    protocol: &'static str,
    port: u16,
}

#[derive(Serialize)]
#[serde(untagged)]
enum PartyReport<'a> {
    #[serde(rename_all = "camelCase")]
    Workload {
        namespace: &'a str,
        kind: &'a str,
        name: &'a str,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        host_network: bool,
    },
    Other {
        endpoint: String,
    },
}

fn report(comparison: &Comparison) -> Report<'_> {
    Report {
        equal: comparison.is_equal(),
        in_both: comparison.in_both,
        only_in_first: comparison.only_in_first.iter().map(link).collect(),
        only_in_second: comparison.only_in_second.iter().map(link).collect(),
    }
}

fn link(link: &Link) -> LinkReport<'_> {
    let (client, server) = (party(&link.client), party(&link.server));
    LinkReport { client, server, protocol: link.protocol.as_str(), port: link.port }
}

fn party(party: &Party) -> PartyReport<'_> {
    match party {
        Party::Workload(workload) => workload_report(workload, false),
        Party::HostNetwork(workload) => workload_report(workload, true),
        Party::Nodes | Party::Other(_) => PartyReport::Other { endpoint: party.to_string() },
    }
}

fn workload_report(workload: &WorkloadRef, host_network: bool) -> PartyReport<'_> {
    let WorkloadRef { namespace, kind, name } = workload;
    PartyReport::Workload { namespace, kind, name, host_network }
}
