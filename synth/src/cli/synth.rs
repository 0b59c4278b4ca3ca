//! `netwright synth`: write the policies that admit what was seen, proven.

use super::exit::{ExitStatus, misuse};
use super::lint::Cni;
use super::{interrupt, observation, progress, review, summary};
use crate::index::Index;
use crate::infer::Options;
use crate::infer::rules::Plan;
use crate::infer::widen::{OverPermission, PeerWidth};
use crate::output::{Edited, Output};
use crate::phases::timed;
use crate::render::evidence::words;
use crate::render::form::{Dialect, Form, Stage, TrustDomain};
use crate::render::kubernetes::Division;
use crate::synthesis::synthesise;
use clap::ValueEnum;
use jiff::civil::Date;
use netwright_policy::lint::Profile;
use netwright_record::Observation;
use netwright_record::inventory::WorkloadRef;
use std::io::Write;
use std::path::PathBuf;

/// Write the least policies that admit what was seen, and prove them.
///
/// For each workload one NetworkPolicy with both directions (NAMESPACE/NAME.yaml), a default-deny for each namespace
/// in which every workload was seen at work, a kustomization.yaml for `kubectl apply -k`, and evidence.json, which says
/// for each rule where it comes from and lists what a person should review.
///
/// The files are written aside, read back, and every connection that was seen is replayed against them. Only when
/// none is denied are they moved into place. Files of an earlier run are replaced, or removed if nothing stands for
/// them any more. A file that was edited, or that is not ours, is kept and reported, and is proven in place of ours; each
/// file of ours begins with a digest by which an edit is noticed. review.yaml is yours.
///
/// Attempts that never got through (a port scan, a dead destination) become no rules, nor does the cloud metadata
/// service; both are listed. Ctrl-C leaves nothing behind. The same observation gives the same bytes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The observation file.
    observation: PathBuf,
    /// The folder to write to; made if it is not there.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace files of ours that were edited, which otherwise stay. A file that never was ours, or whose first line was
    /// removed, stays nevertheless.
    #[arg(long)]
    overwrite: bool,
    /// Who enforces the policies: kube-router gets one policy a direction, which is exact there. The others take what all take.
    #[arg(long, value_enum, default_value_t = Cni::Generic)]
    cni: Cni,
    /// The kind of object to write.
    ///
    /// What a dialect cannot say as exactly as the rules do is written wider, never narrower, and listed in the summary
    /// and in evidence.json. What is proven is the NetworkPolicies that say the same.
    #[arg(long, value_enum, default_value_t, value_name = "DIALECT")]
    dialect: Dialect,
    /// Whether the policies deny, or only log what they would deny, where the dialect has such a form.
    #[arg(long, value_enum, default_value_t, value_name = "STAGE")]
    stage: Stage,
    /// The trust domain of the mesh, for --dialect istio.
    #[arg(long, default_value = "cluster.local", value_name = "DOMAIN")]
    trust_domain: TrustDomain,
    #[command(flatten)]
    width: Width,
    /// What people decided about what was seen [default: review.yaml in the folder written to, if it is there].
    #[arg(long, value_name = "FILE")]
    review: Option<PathBuf>,
    /// The day on which decisions must not have expired [default: today].
    #[arg(long, value_name = "DATE")]
    as_of: Option<Date>,
    /// Print for each rule why it is there, for all workloads or for one.
    #[arg(long, value_name = "NAMESPACE/NAME", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    explain: Option<String>,
}

/// What makes rules fewer and wider. How much that allows beyond what was seen is printed.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Fewer and wider rules")]
struct Width {
    /// How peers in the cluster are written.
    #[arg(long, value_enum, default_value_t = Peers::Workload)]
    peers: Peers,
    /// How ports are written.
    #[arg(long, value_enum, default_value_t = Ports::Exact)]
    ports: Ports,
    /// The most blocks for the addresses of one outside name, or of all that have none. Those that add the fewest
    /// addresses are taken, never across private, link-local, metadata or other special ranges, nor the cluster's own.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    cidr_budget: Option<u32>,
    /// The most pairs that --peers may add, in percent of those that were seen [default: 0 with labels, no limit with namespace].
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u32).range(0..=10_000))]
    over_permission: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Peers {
    /// Each workload by its own selector.
    Workload,
    /// Workloads with the same ports together, by labels that they share and that let in nobody else known today. Whoever
    /// gets these labels later is let in too.
    Labels,
    /// Every pod of a peer's namespace.
    Namespace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Ports {
    /// As they were seen.
    Exact,
    /// Ten or more high ports of one peer as one range, from the lowest to the highest.
    Range,
}

impl Width {
    fn options(&self) -> anyhow::Result<Options> {
        if self.over_permission.is_some() && self.peers == Peers::Workload {
            return misuse("--over-permission says how far --peers labels or --peers namespace may go: name one");
        }
        Ok(Options {
            peers: match self.peers {
                Peers::Workload => PeerWidth::Workload,
                Peers::Labels => PeerWidth::Labels,
                Peers::Namespace => PeerWidth::Namespace,
            },
            over_permission: self.over_permission.map(OverPermission),
            spanning_ports: self.ports == Ports::Range,
            cidr_budget: self.cidr_budget.and_then(|budget| usize::try_from(budget).ok()),
        })
    }
}

impl Args {
    /// A flag that the dialect has no use for is a mistake, not a wish to be passed over.
    fn refuse_what_would_be_ignored(&self, form: &Form) -> anyhow::Result<()> {
        let writes_network_policies = matches!(form.dialect, Dialect::Kubernetes | Dialect::Cluster);
        if form.division == Division::ByDirection && !writes_network_policies {
            return misuse("--cni kube-router divides NetworkPolicies, which this --dialect does not write");
        }
        if self.trust_domain != TrustDomain::default() && form.dialect != Dialect::Istio {
            return misuse("--trust-domain is for --dialect istio");
        }
        Ok(())
    }

    fn output(&self) -> Output<'_> {
        let edited = if self.overwrite { Edited::Replace } else { Edited::Keep };
        Output { folder: &self.out, edited }
    }

    fn form(&self) -> Form {
        let profile = self.cni.profile();
        let division = match profile {
            Profile::KubeRouter => Division::ByDirection,
            _ => Division::Together,
        };
        let (dialect, stage, trust_domain) = (self.dialect, self.stage, self.trust_domain.clone());
        Form { dialect, stage, division, by_calico: profile == Profile::Calico, trust_domain }
    }
}

/// Runs the verb.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<ExitStatus> {
    let options = args.width.options()?;
    let form = args.form();
    args.refuse_what_would_be_ignored(&form)?;
    if let Err(error) = form.check() {
        return misuse(error.to_string());
    }
    let review = review::read(args.review.as_deref(), &args.out)?;
    let observation = timed("read", || observation::read_with_edges(&args.observation))?;
    if let Some(whose) = &args.explain {
        known(&observation, whose)?;
    }
    let decided = review.apply(&observation, args.as_of.unwrap_or_else(review::today));
    let bar = progress::bar(observation.edges.len(), "proving");
    interrupt::watch();
    let synthesis = synthesise(&observation, &options, &decided, &form, args.output(), || {
        bar.inc(1);
        interrupt::asked()
    });
    bar.finish_and_clear();
    let synthesis = synthesis?;
    summary::write(out, &observation, &synthesis, &args.out)?;
    if let Some(whose) = &args.explain {
        explain(out, &observation, &synthesis.plan, whose)?;
    }
    // The process ends: to give back millions of small pieces one by one would take a second.
    std::mem::forget((observation, synthesis));
    Ok(ExitStatus::Success)
}

/// Whether the observation knows the workload `whose`, `NAMESPACE/NAME`; all are meant where that is empty.
fn known(observation: &Observation, whose: &str) -> anyhow::Result<()> {
    if whose.is_empty() || Index::new(observation).workloads().any(|(workload, _)| name(workload) == whose) {
        return Ok(());
    }
    misuse(format!("--explain: the observation knows no workload {whose:?}: write NAMESPACE/NAME"))
}

fn name(workload: &WorkloadRef) -> String {
    format!("{}/{}", workload.namespace, workload.name)
}

/// Prints the evidence of the policies of `whose`, `NAMESPACE/NAME`, or of all where that is empty; of one without a policy,
/// why it has none.
fn explain(out: &mut dyn Write, observation: &Observation, plan: &Plan, whose: &str) -> anyhow::Result<()> {
    let is_meant = |workload: &WorkloadRef| whose.is_empty() || name(workload) == whose;
    for policy in plan.policies.iter().filter(|policy| is_meant(&policy.workload)) {
        writeln!(out)?;
        words::write(out, observation, &plan.decided, policy)?;
    }
    for (workload, why) in plan.findings.unprotected.iter().filter(|(workload, _)| is_meant(workload)) {
        writeln!(out, "\n{workload}\n  has no policy: {why}")?;
    }
    Ok(())
}
