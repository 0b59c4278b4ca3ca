//! The arguments by which a person asks for a part of the dependency graph.

use crate::cli::exit::misuse;
use crate::graph::filter::{Direction, Filter, PortFilter, WorkloadFilter};
use crate::graph::{DependencyGraph, vertex::workload_of};
use crate::state::reference::Reference;
use crate::text::plain;
use anyhow::{Context, bail};
use jiff::{Span, SpanRelativeTo};
use netwright_record::inventory::WorkloadRef;
use netwright_record::{Observation, Protocol, Time};

/// Which part of the graph. Filters narrow each other; one that is given several times takes each of its values.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Filters")]
pub struct FilterArgs {
    /// Only links with an end in this namespace; may be repeated.
    #[arg(long, value_name = "NS")]
    namespace: Vec<String>,
    /// Only links of this workload, NAMESPACE/NAME or NAMESPACE/KIND/NAME; may be repeated.
    #[arg(long, value_name = "NS/NAME", value_parser = workload)]
    workload: Vec<WorkloadFilter>,
    /// Of those: whether it is called (in), calls (out), or either.
    #[arg(long, value_enum, value_name = "WAY")]
    direction: Option<Direction>,
    /// How many links to follow from the workload: 2 has also those who call its clients and whom its servers call.
    #[arg(long, value_name = "N", requires = "workload", value_parser = clap::value_parser!(u16).range(1..))]
    depth: Option<u16>,
    /// Only links on this port, 443 or 443/TCP; may be repeated.
    #[arg(long, value_name = "PORT", value_parser = port)]
    port: Vec<PortFilter>,
    /// Only links seen at this time or later: 2026-11-01T12:00:00Z, or so long before the end of the window: 3d, 12h.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only links that leave or enter the cluster.
    #[arg(long)]
    only_outside: bool,
    /// Only links of which something got through.
    #[arg(long)]
    established_only: bool,
}

impl FilterArgs {
    /// The part of the observation's graph that was asked for.
    ///
    /// # Errors
    ///
    /// If nothing matches, or the time cannot be understood.
    pub fn graph(&self, observation: &Observation) -> anyhow::Result<DependencyGraph> {
        if self.direction.is_some() && self.workload.is_empty() && self.namespace.is_empty() {
            return misuse("--direction needs --workload or --namespace: the direction from whom?");
        }
        let since = self.since.as_deref().map(|written| since(written, observation.header.window.until)).transpose()?;
        let filter = Filter {
            established_only: self.established_only,
            only_outside: self.only_outside,
            ports: self.port.clone(),
            since,
            namespaces: self.namespace.clone(),
            workloads: self.workload.clone(),
            direction: self.direction.unwrap_or_default(),
            depth: self.depth.map_or(1, usize::from),
        };
        let graph = DependencyGraph::new(observation);
        filter.apply(&graph).map_err(|error| silent(observation, &graph, &filter).unwrap_or(error.into()))
    }
}

/// What to say of a workload that the inventory knows and that talked to nobody.
fn silent(observation: &Observation, graph: &DependencyGraph, filter: &Filter) -> Option<anyhow::Error> {
    let inventory = observation.inventory.workloads.iter().map(|declared| &declared.workload);
    let declared: Vec<&WorkloadRef> = inventory.collect();
    let talks = |wanted: &WorkloadFilter| {
        graph.vertices().filter_map(|(_, end)| workload_of(end)).any(|workload| wanted.matches(workload))
    };
    let is_silent =
        |wanted: &&WorkloadFilter| !talks(wanted) && declared.iter().any(|workload| wanted.matches(workload));
    let wanted = filter.workloads.iter().find(is_silent)?;
    Some(anyhow::anyhow!("workload {}: it is in the inventory, and was not seen to talk", plain(&wanted.written())))
}

/// `NAMESPACE/NAME` or `NAMESPACE/KIND/NAME`, with the kind as kubectl takes it.
pub fn workload(written: &str) -> anyhow::Result<WorkloadFilter> {
    match written.parse() {
        Ok(Reference::Pods { namespace, kind, name }) => Ok(WorkloadFilter { namespace, kind, name }),
        _ => bail!("write NAMESPACE/NAME or NAMESPACE/KIND/NAME"),
    }
}

fn port(written: &str) -> anyhow::Result<PortFilter> {
    let (number, protocol) = match written.split_once('/') {
        None => (written, None),
        Some((number, protocol)) => (number, Some(protocol.to_ascii_uppercase().parse::<Protocol>()?)),
    };
    match number.parse() {
        Ok(port) if port > 0 => Ok(PortFilter { port, protocol }),
        _ => bail!("a port is a number from 1 to 65535, as in 443 or 443/TCP"),
    }
}

/// A time, or a span before `until`. A day is 24 hours.
fn since(written: &str, until: Time) -> anyhow::Result<Time> {
    if let Ok(time) = written.parse::<Time>() {
        return Ok(time);
    }
    let Ok(span) = written.parse::<Span>() else {
        return misuse(format!(
            "--since {}: write a time such as 2026-11-01T12:00:00Z, or a span before the end of the window such as 3d or 12h",
            plain(written)
        ));
    };
    let too_long = || format!("--since {}: such a span reaches beyond what times can express", plain(written));
    let span = span.abs().to_duration(SpanRelativeTo::days_are_24_hours()).with_context(too_long)?;
    until.checked_sub(span).with_context(too_long)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_have_a_number_and_may_have_a_protocol() {
        assert_eq!(port("443").unwrap(), PortFilter { port: 443, protocol: None });
        assert_eq!(port("53/udp").unwrap(), PortFilter { port: 53, protocol: Some(Protocol::Udp) });
        for wrong in ["", "0", "65536", "http", "80/", "80/ICMP", "/TCP"] {
            assert!(port(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn workloads_may_have_a_kind_as_kubectl_takes_it() {
        assert_eq!(workload("shop/sts/db").unwrap().kind.as_deref(), Some("StatefulSet"));
        assert_eq!(workload("shop/db").unwrap().written(), "shop/db");
        for wrong in ["db", "shop/", "shop/svc/db", "a/b/c/d", "10.0.0.1", "node/n1"] {
            assert!(workload(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_are_given_as_such_or_before_the_end_of_the_window() {
        let until: Time = "2026-11-15T00:00:00Z".parse().unwrap();
        for (written, expected) in [
            ("2026-11-01T12:00:00Z", "2026-11-01T12:00:00Z"),
            ("2026-11-01T12:00:00+02:00", "2026-11-01T10:00:00Z"),
            ("3d", "2026-11-12T00:00:00Z"),
            ("2w", "2026-11-01T00:00:00Z"),
            ("1d12h", "2026-11-13T12:00:00Z"),
            ("90 minutes", "2026-11-14T22:30:00Z"),
        ] {
            assert_eq!(since(written, until).unwrap(), expected.parse::<Time>().unwrap(), "{written}");
        }
        for wrong in ["", "yesterday", "3", "3mo", "99999999d"] {
            assert!(since(wrong, until).is_err(), "{wrong}");
        }
    }
}
