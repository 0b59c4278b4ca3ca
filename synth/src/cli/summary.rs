//! What `netwright synth` says at its end: what was written and proven, and what a person should look at.

use super::review;
use crate::infer::rules::{Findings, ManyPorts, Plan, Unprotected};
use crate::render::evidence::account::counted;
use crate::render::evidence::words;
use crate::render::evidence::{ambiguous, unresolved};
use crate::render::kustomize;
use crate::render::unsayable::Unsayable;
use crate::synthesis::Synthesis;
use crate::text::{plain, some_of};
use netwright_record::{Edge, Observation};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::Path;

/// How many of a kind are named; evidence.json has all.
const NAMED: usize = 8;
/// How many workloads or namespaces of a kind have a line of their own; evidence.json has all.
const LINES: usize = 40;

/// Writes the summary.
pub fn write(out: &mut dyn Write, observation: &Observation, synthesis: &Synthesis, folder: &Path) -> io::Result<()> {
    let (plan, replay) = (&synthesis.plan, &synthesis.replay);
    writeln!(
        out,
        "wrote {} files to {}: {} policies, {} default-denies",
        synthesis.files,
        plain(&folder.display().to_string()),
        plan.policies.len(),
        plan.default_deny.len()
    )?;
    files(out, synthesis)?;
    writeln!(
        out,
        "proof: {} established edges replayed: {} allowed, 0 denied, {} left out on purpose",
        replay.established,
        replay.allowed,
        replay.established - replay.allowed
    )?;
    if !plan.policies.is_empty() {
        writeln!(out, "apply them in the order of rollout.md; evidence.json says why each rule is there")?;
    }
    decided(out, observation, synthesis)?;
    widened(out, plan)?;
    dialect(out, synthesis)?;
    findings(out, observation, &plan.findings)?;
    unnamed(out, observation)
}

/// What came of the decisions of people.
fn decided(out: &mut dyn Write, observation: &Observation, synthesis: &Synthesis) -> io::Result<()> {
    let (plan, replay) = (&synthesis.plan, &synthesis.replay);
    if plan.decided.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "review: {}; of the established edges {} denied by decision, {} ignored",
        counted(plan.decided.decisions().len(), "decision"),
        replay.denied_by_decision.len(),
        replay.ignored
    )?;
    edges(
        out,
        observation,
        "denied by decision, all of it or an address, and let through nevertheless, since other rules or no policy admit it",
        &replay.not_denied,
    )?;
    review::write(out, observation, &plan.decided)
}

/// By how much the rules are wider than what was seen, where an option asked for that.
fn widened(out: &mut dyn Write, plan: &Plan) -> io::Result<()> {
    let widened = plan.widened();
    if !widened.is_none() {
        let at_each_end = if widened.pairs > 0 { " (counted at each end by itself: a pair needs both)" } else { "" };
        writeln!(
            out,
            "wider than what was seen, as asked: all rules together allow up to {}{}",
            words::widened(&widened),
            at_each_end
        )?;
    }
    match plan.findings.over_cidr_budget {
        0 => Ok(()),
        groups => writeln!(
            out,
            "--cidr-budget is exceeded {groups} times: fewer blocks would hold special addresses or the cluster's own"
        ),
    }
}

/// What became of files that stood there already.
fn files(out: &mut dyn Write, synthesis: &Synthesis) -> io::Result<()> {
    let (published, proven) = (&synthesis.published, synthesis.form.is_proven_as_written());
    for file in &published.removed {
        writeln!(out, "removed {}, which nothing stands for any more", plain(file))?;
    }
    for (file, why) in &published.kept {
        let name = file.rsplit('/').next().unwrap_or(file);
        let proof = match name {
            kustomize::FILE => {
                "it was not proven: what `kubectl apply -k` makes of it may leave out or change policies"
            }
            _ if !file.ends_with(".yaml") => "it may no longer say what the policies come from",
            _ if proven => "what stands there was proven in place of ours",
            _ => "no proof speaks of it",
        };
        writeln!(out, "kept {}: {why}; {proof}", plain(file))?;
    }
    for file in &published.left {
        writeln!(
            out,
            "left {}, which nothing stands for any more: it was edited; remove it if it is not needed",
            plain(file)
        )?;
    }
    Ok(())
}

/// What the form of the policies changes: what was proven, what they do not say, how to use them.
fn dialect(out: &mut dyn Write, synthesis: &Synthesis) -> io::Result<()> {
    let (form, unsayable) = (&synthesis.form, &synthesis.unsayable);
    if !form.is_proven_as_written() {
        let name = form.dialect.as_str();
        match unsayable.len() {
            0 => writeln!(out, "proven as the NetworkPolicies that say the same; {name} says all of it")?,
            _ => writeln!(out, "proven as the NetworkPolicies that say the same, but for what {name} says otherwise:")?,
        }
    }
    let mut reasons: BTreeMap<&str, Vec<&Unsayable>> = BTreeMap::new();
    unsayable.iter().for_each(|one| reasons.entry(one.why).or_default().push(one));
    for (why, all) in reasons {
        writeln!(out, "{}: {why}: {}", form.dialect.as_str(), all.len())?;
        all.iter().take(NAMED).try_for_each(|one| writeln!(out, "  {}", one.place()))?;
        if all.len() > NAMED {
            writeln!(out, "  and {} more: see evidence.json", all.len() - NAMED)?;
        }
    }
    form.advice().iter().try_for_each(|advice| writeln!(out, "note: {advice}"))
}

fn findings(out: &mut dyn Write, observation: &Observation, findings: &Findings) -> io::Result<()> {
    let mut left_out: Vec<usize> = findings.left_out.iter().map(|left_out| left_out.edge).collect();
    left_out.dedup();
    edges(out, observation, "open to every address outside the cluster", &findings.exposed)?;
    edges(out, observation, "left out, for a person to decide (metadata, link-local)", &left_out)?;
    edges(out, observation, "never established, so not allowed", &findings.never_established)?;
    edges(
        out,
        observation,
        "more addresses were seen than were kept; the others are not allowed",
        &findings.partly_known,
    )?;
    edges(out, observation, "named by the addresses of pods, since no label selects them", &findings.by_address)?;
    edges(
        out,
        observation,
        "the API server called what no webhook and no APIService names (its proxy; seldom, so easily missed)",
        &findings.service_proxy,
    )?;
    services(out, observation, findings)?;
    workloads(out, findings)
}

/// What Services, webhooks and APIServices do that edges alone do not tell.
fn services(out: &mut dyn Write, observation: &Observation, findings: &Findings) -> io::Result<()> {
    lines(out, findings.exposed_through_nodes.iter(), |(workload, found)| {
        let names = found.services.iter().map(|service| plain(&format!("{}/{}", service.namespace, service.name)));
        let names: BTreeSet<String> = names.collect();
        format!(
            "exposed: Service {} brings clients to {workload} with the addresses of nodes, so every node is let in, and \
             with them whoever uses the node port inside the cluster",
            some_of(names, NAMED)
        )
    })?;
    let extensions = findings.uncalled.iter().filter_map(|number| observation.inventory.api_extensions.get(*number));
    lines(out, extensions.collect::<Vec<_>>().into_iter(), |extension| {
        let (kind, name, service) = (plain(&extension.kind), plain(&extension.name), &extension.service);
        let service = plain(&format!("{}/{}:{}", service.namespace, service.name, service.port));
        format!(
            "{kind} {name} makes the API server call {service}: allow it by hand, since it is not known where that leads or comes from"
        )
    })?;
    lines(out, findings.many_ports.iter(), |many| {
        let ManyPorts { client, server, protocol, ports, between: (first, last) } = many;
        format!(
            "many ports: {client} -> {server} on {ports} {protocol} ports between {first} and {last}; --ports range allows all of these"
        )
    })
}

fn workloads(out: &mut dyn Write, findings: &Findings) -> io::Result<()> {
    let widened = findings.widened.iter();
    lines(out, widened, |(workload, others)| {
        format!("widened: the labels of {workload} also select {}", some_of(others, NAMED))
    })?;
    lines(out, findings.unprotected.iter(), |(workload, why)| format!("no policy for {workload}: {why}"))?;
    lines(out, findings.open_namespaces.iter(), |(namespace, workloads)| {
        let silent = workloads.iter().filter(|workload| is_silent(findings, workload));
        let other = workloads.iter().filter(|workload| !is_silent(findings, workload));
        let workloads = some_of(silent.chain(other), NAMED);
        format!("no default-deny in {}, which would cut off {workloads}", plain(namespace))
    })
}

/// A line for each item, as far as a person reads them.
fn lines<I: ExactSizeIterator>(out: &mut dyn Write, mut items: I, line: impl Fn(I::Item) -> String) -> io::Result<()> {
    for item in items.by_ref().take(LINES) {
        writeln!(out, "{}", line(item))?;
    }
    match items.len() {
        0 => Ok(()),
        more => writeln!(out, "and {more} more like it: see evidence.json"),
    }
}

fn is_silent(findings: &Findings, workload: &netwright_record::inventory::WorkloadRef) -> bool {
    matches!(findings.unprotected.get(workload), Some(Unprotected::Silent))
}

fn edges(out: &mut dyn Write, observation: &Observation, what: &str, numbers: &[usize]) -> io::Result<()> {
    if numbers.is_empty() {
        return Ok(());
    }
    writeln!(out, "{what}: {}", numbers.len())?;
    for edge in numbers.iter().take(NAMED).filter_map(|number| observation.edges.get(*number)) {
        writeln!(out, "  {}", describe(edge))?;
    }
    match numbers.len().saturating_sub(NAMED) {
        0 => Ok(()),
        more => writeln!(out, "  and {more} more: see evidence.json"),
    }
}

/// The edge in one line: client, server, port and protocol.
pub fn describe(edge: &Edge) -> String {
    format!("{} -> {} {}/{}", edge.client, edge.server, edge.port, edge.protocol)
}

fn unnamed(out: &mut dyn Write, observation: &Observation) -> io::Result<()> {
    for (reason, count) in unresolved(observation) {
        writeln!(out, "unresolved, so not allowed: {count} flows: {}", plain(reason))?;
    }
    match ambiguous(observation) {
        0 => Ok(()),
        count => writeln!(out, "  among them {count} of which either end may be the server"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::Options;
    use crate::render::form::Form;
    use crate::review::Decided;
    use crate::synthesis::synthesise;
    use crate::testing::World;

    #[test]
    fn a_large_cluster_does_not_flood_the_terminal() {
        let mut world = World::new();
        for number in 0..1000 {
            world.running("n", &format!("idle{number}"));
        }
        let (observation, folder) = (world.build(), tempfile::tempdir().unwrap());
        let synthesis = synthesise(
            &observation,
            &Options::default(),
            &Decided::default(),
            &Form::default(),
            &folder.path().join("out"),
            || Ok(()),
        )
        .unwrap();
        let mut out = Vec::new();
        write(&mut out, &observation, &synthesis, folder.path()).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.lines().count() < 100 && text.contains("and 960 more like it"), "{text}");
    }
}
