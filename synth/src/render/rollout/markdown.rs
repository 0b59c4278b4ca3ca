//! The order for people, in Markdown. Names are in code spans, so that none of them means anything to a reader of Markdown.

use super::facts::Several;
use super::{Rollout, Step, Wave};
use crate::infer::names::DEFAULT_DENY;
use crate::render::policy_file;
use crate::text::{markdown, markdown_code as code};
use netwright_record::Time;
use std::fmt::Write;

/// How many lines a list or a table has; the JSON has all.
const LINES: usize = 200;
/// How many files a command names; for more, the JSON is asked.
const FILES: usize = 40;
/// A window shorter than this cannot tell what happens every day from what happened once.
const TWO_DAYS_SECONDS: i64 = 2 * 24 * 3600;

/// The whole file.
pub(super) fn write(rollout: &Rollout) -> String {
    let mut out = String::from("# Order of roll-out\n\n");
    introduction(&mut out, rollout);
    out.push_str(HOW);
    let knows_days = lasts_two_days(rollout.observation.from, rollout.observation.until);
    for wave in &rollout.waves {
        self::wave(&mut out, wave, knows_days);
    }
    left_open(&mut out, rollout);
    out
}

fn introduction(out: &mut String, rollout: &Rollout) {
    let policies: usize = rollout.waves.iter().map(|wave| wave.policies.len()).sum();
    let denies: usize = rollout.waves.iter().map(|wave| wave.default_deny.len()).sum();
    let source = &rollout.observation;
    let _ = writeln!(
        out,
        "{policies} policies and {denies} default-denies in {} waves, from what was seen between {} and {} (observation \
         {}).\n{WHY}",
        rollout.waves.len(),
        source.from,
        source.until,
        code(source.sha256),
    );
    if !lasts_two_days(source.from, source.until) {
        out.push_str(
            "\nThe observation is shorter than two days, so nothing is known of what happens once a day or more rarely.\n",
        );
    }
}

fn lasts_two_days(from: Time, until: Time) -> bool {
    until.as_second().saturating_sub(from.as_second()) >= TWO_DAYS_SECONDS
}

const WHY: &str = "
A policy that is wrong harms its workload and all that depend on it, directly or by way of others. So those come first on
whom nobody depends, and each comes after all who call it: a mistake shows where the fewest feel it. Clients outside the
cluster and the API server count as callers. Workloads that call each other go together, and so do those whose policies
select each other's pods.";

const HOW: &str = r#"
## How to apply a wave

Run the commands in this folder, which hold for any wave.

1. Apply the files listed under the wave. By program: `jq -r '.waves[] | select(.number == 1) |
   .policies[].file, .defaultDeny[]' rollout.json | sed 's/^/-f /' | xargs kubectl apply`.
2. Restart the pods of its workloads. Connections that are open when a policy comes may survive it, so that without a restart
   a mistake stays hidden until something connects anew.
3. Watch the workloads and those named as callers: readiness, errors, timeouts. Record meanwhile: `netwright inspect` lists
   under "never established" what no longer gets through, and `netwright diff OLD NEW` which connections are gone.
4. To go back, `kubectl delete -f` the same files; what is no longer selected by any policy is open again. If the
   default-deny of the namespace is in force, delete that first: without a policy of its own, a workload would be shut
   off entirely.
5. Go on when whatever the workloads do rarely (a nightly job, a weekly report) has been seen to work.

`kubectl apply -k .` applies everything at once: leave it for when all waves have passed.
"#;

fn wave(out: &mut String, wave: &Wave, knows_days: bool) {
    let _ = writeln!(out, "\n## Wave {}\n", wave.number);
    if !wave.policies.is_empty() {
        out.push_str("| workload | others harmed by a mistake | why here | mind |\n|---|---|---|---|\n");
        let groups = wave.policies.chunk_by(|one, next| one.group.is_some() && one.group == next.group);
        for (step, group) in groups.flat_map(|group| group.iter().map(move |step| (step, group))).take(LINES) {
            let cells = [code(&step.workload.to_string()), harmed(step), why_here(step), mind(step, group, knows_days)];
            let _ = writeln!(out, "| {} |", cells.join(" | "));
        }
        more(out, wave.policies.len());
    }
    if !wave.policies.is_empty() && !wave.default_deny.is_empty() {
        out.push('\n');
    }
    for namespace in wave.default_deny.iter().take(LINES) {
        let file = code(&policy_file(namespace, DEFAULT_DENY));
        let _ = writeln!(out, "- {file}: all policies of the namespace stand in earlier waves");
    }
    more(out, wave.default_deny.len());
    commands(out, wave);
}

fn harmed(step: &Step) -> String {
    let workloads = match step.peers.dependents {
        0 if step.peers.exposed => return "clients outside".into(),
        0 => return "nobody".into(),
        1 => "1 workload".to_owned(),
        more => format!("{more} workloads"),
    };
    if step.peers.exposed { format!("{workloads}, clients outside") } else { workloads }
}

fn why_here(step: &Step) -> String {
    let peers = &step.peers;
    match peers.clients.count {
        0 if peers.exposed => "a Service exposes it through the nodes".into(),
        0 if peers.links == 0 => "nothing was seen of it: somebody decided what it may do".into(),
        0 => "nobody calls it".into(),
        _ => format!("called by {}", several(&peers.clients)),
    }
}

/// What to mind at one of the steps of `group`, which go together.
fn mind(step: &Step, group: &[Step], knows_days: bool) -> String {
    let peers = &step.peers;
    let mut notes = Vec::new();
    if group.len() > 1 {
        let others = group.iter().map(|other| other.workload).filter(|other| *other != step.workload);
        notes.push(format!("goes together with {}", several(&Several::of(others))));
    }
    if peers.exposed {
        notes.push("exposed to the outside".into());
    }
    if knows_days && peers.one_day_only > 0 {
        notes.push(format!("links seen on one day only: {} of {}", peers.one_day_only, peers.links));
    }
    if peers.never_established > 0 {
        notes.push(format!("links that never got through and stay shut: {}", peers.never_established));
    }
    if peers.peers_without_policy.count > 0 {
        notes.push(format!("talks with {}, without a policy", several(&peers.peers_without_policy)));
    }
    notes.join("; ")
}

fn several(several: &Several) -> String {
    let named: Vec<String> = several.first.iter().map(|name| code(name)).collect();
    match several.count.saturating_sub(named.len()) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// Names in files and of workloads with a policy are valid in Kubernetes, and so mean nothing to a shell.
fn commands(out: &mut String, wave: &Wave) {
    let count = wave.policies.len() + wave.default_deny.len();
    if count > FILES {
        let _ = writeln!(out, "\n{count} files: apply them by program, with number {}.", wave.number);
        return;
    }
    let files: Vec<String> = wave.files().collect();
    let _ = writeln!(out, "\n```sh\nkubectl apply -f {}", files.join(" -f "));
    for steps in wave.policies.chunk_by(|one, next| one.workload.namespace == next.workload.namespace) {
        let restarts: Vec<String> = steps.iter().filter_map(restart).collect();
        if let (Some(first), false) = (steps.first(), restarts.is_empty()) {
            let _ = writeln!(out, "kubectl rollout restart -n {} {}", first.workload.namespace, restarts.join(" "));
        }
    }
    let back: Vec<String> = wave.files().rev().collect();
    let _ = writeln!(out, "# to go back:\n# kubectl delete -f {}\n```", back.join(" -f "));
}

/// What `kubectl rollout restart` takes; pods of other kinds come and go by themselves, or have to be deleted.
fn restart(step: &Step) -> Option<String> {
    let kind = match step.workload.kind.as_str() {
        "Deployment" => "deployment",
        "StatefulSet" => "statefulset",
        "DaemonSet" => "daemonset",
        _ => return None,
    };
    Some(format!("{kind}/{}", step.workload.name))
}

fn left_open(out: &mut String, rollout: &Rollout) {
    if !rollout.without_default_deny.is_empty() {
        out.push_str("\n## Namespaces without a default-deny\n\nIt would cut off workloads that have no policy.\n\n");
        for (namespace, workloads) in rollout.without_default_deny.iter().take(LINES) {
            let _ = writeln!(out, "- {}: {}", code(namespace), several(&Several::of(workloads.iter())));
        }
        more(out, rollout.without_default_deny.len());
    }
    if !rollout.without_policy.is_empty() {
        out.push_str("\n## Workloads without a policy\n\n");
        for unprotected in rollout.without_policy.iter().take(LINES) {
            let _ = writeln!(out, "- {}: {}", code(&unprotected.workload.to_string()), markdown(&unprotected.why));
        }
        more(out, rollout.without_policy.len());
    }
}

fn more(out: &mut String, all: usize) {
    if let Some(more) = all.checked_sub(LINES).filter(|more| *more > 0) {
        let _ = writeln!(out, "\nand {more} more: see {}", super::JSON);
    }
}
