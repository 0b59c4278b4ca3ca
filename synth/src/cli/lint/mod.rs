//! What the linter says, and how much of it. For `netwright check`.

mod input;
mod list;
mod report;

pub use list::list;
pub use report::{LintReport, print};

use crate::state::State;
use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use input::Facts;
use netwright_policy::PolicySet;
use netwright_policy::lint::{CHECKS, Finding, Input, Level, Profile, lint};

/// What is reported, and what fails.
#[derive(Debug, Args)]
pub struct LintArgs {
    /// Who enforces the policies: adds the checks for what it does in its own way.
    #[arg(long, value_enum, default_value_t = Cni::Generic)]
    pub cni: Cni,
    /// Leave out findings below this level.
    #[arg(long, value_enum, default_value_t = Threshold::Note, value_name = "LEVEL")]
    level: Threshold,
    /// Leave out the findings of a check; may be repeated, or be a list with commas. See --list.
    #[arg(long, value_name = "CODE", value_delimiter = ',', value_parser = codes(), hide_possible_values = true)]
    allow: Vec<String>,
    /// Exit with 3 on findings of this level and above [default: warning; error where an observation is replayed].
    #[arg(long, value_enum, value_name = "LEVEL")]
    deny: Option<Threshold>,
}

/// A [`Profile`] on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Cni {
    /// As the documents of Kubernetes say.
    Generic,
    /// Cilium.
    Cilium,
    /// Calico.
    Calico,
    /// The Amazon VPC CNI.
    Vpc,
    /// OVN-Kubernetes.
    Ovn,
    /// kube-router, and k3s.
    KubeRouter,
}

/// A [`Level`] on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Threshold {
    Note,
    Warning,
    Error,
}

impl Cni {
    /// The profile.
    pub fn profile(self) -> Profile {
        match self {
            Cni::Generic => Profile::Generic,
            Cni::Cilium => Profile::Cilium,
            Cni::Calico => Profile::Calico,
            Cni::Vpc => Profile::Vpc,
            Cni::Ovn => Profile::Ovn,
            Cni::KubeRouter => Profile::KubeRouter,
        }
    }
}

impl Threshold {
    fn level(self) -> Level {
        match self {
            Threshold::Note => Level::Note,
            Threshold::Warning => Level::Warning,
            Threshold::Error => Level::Error,
        }
    }
}

fn codes() -> PossibleValuesParser {
    CHECKS.iter().map(|check| check.code).collect::<Vec<_>>().into()
}

/// What was found.
pub struct Linted {
    /// The findings that are to be reported.
    pub findings: Vec<Finding>,
    /// How many were left out as the arguments ask for.
    pub silenced: usize,
    /// Whether one of those reported fails the run.
    pub fails: bool,
    /// How many pods there are.
    pub pods: usize,
    /// What is not known of the cluster, and so was not judged by: each a sentence.
    pub unknown: Vec<&'static str>,
}

/// Lints `policies` for a cluster; `replayed` is whether what was seen there is held against them too.
pub fn run(args: &LintArgs, policies: &PolicySet, state: &State, replayed: bool) -> Linted {
    let facts = Facts::new(state);
    let subjects = facts.subjects();
    let mut findings = lint(&Input {
        policies,
        cluster: &state.cluster,
        pods: &subjects,
        services: &facts.services,
        nodes: &facts.nodes,
        profile: args.cni.profile(),
    });
    let all = findings.len();
    findings
        .retain(|finding| finding.level >= args.level.level() && !args.allow.iter().any(|code| code == finding.code));
    let deny = args.deny.unwrap_or(if replayed { Threshold::Error } else { Threshold::Warning });
    Linted {
        silenced: all - findings.len(),
        fails: findings.iter().any(|finding| finding.level >= deny.level()),
        findings,
        pods: subjects.len(),
        unknown: unknown(state),
    }
}

fn unknown(state: &State) -> Vec<&'static str> {
    let gaps = [
        (state.pods.is_empty(), "no pods and workloads: what selectors select was not checked"),
        (state.cluster.namespaces.is_empty(), "no namespaces: namespaceSelectors were not checked"),
        (state.services.is_empty(), "no Services: their ports and ClusterIPs, and where DNS is, were not checked"),
        (state.nodes.is_empty(), "no nodes: their addresses were not checked"),
    ];
    gaps.into_iter().filter(|(is_missing, _)| *is_missing).map(|(_, gap)| gap).collect()
}
