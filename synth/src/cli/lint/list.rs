//! All checks, and what is known of an enforcer. For `netwright check --list`.

use super::Cni;
use crate::cli::table::Output;
use netwright_policy::lint::{CHECKS, Check, Difference, Evidence, Profile};
use serde::Serialize;
use std::io::Write;

/// Prints every check, or under a profile those that are run, with what the profile knows.
///
/// # Errors
///
/// If it cannot be written.
pub fn list(cni: Cni, output: Output, out: &mut dyn Write) -> anyhow::Result<()> {
    let profile = cni.profile();
    let checks: Vec<&Check> =
        CHECKS.iter().filter(|check| profile == Profile::Generic || check.applies_to(profile)).collect();
    output.write(out, || report(&checks, profile), |out| Ok(table(out, &checks, profile)?))
}

fn table(out: &mut dyn Write, checks: &[&Check], profile: Profile) -> std::io::Result<()> {
    for check in checks {
        let only = check.profile.map(|profile| format!(" (--cni {profile})")).unwrap_or_default();
        writeln!(out, "{}: {}{only}\n  {}\n  {}\n", check.code, check.level, check.why, check.advice)?;
    }
    if profile.differences().next().is_some() {
        writeln!(out, "What is known of {profile}:")?;
    }
    for difference in profile.differences() {
        let check = difference.check.unwrap_or("no check: policies do not show it");
        writeln!(out, "- {}\n  [{check}; {}]", difference.text, difference.evidence)?;
    }
    Ok(())
}

#[derive(Serialize)]
struct Report {
    checks: Vec<CheckReport>,
    differences: Vec<DifferenceReport>,
}

#[derive(Serialize)]
struct CheckReport {
    code: &'static str,
    level: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cni: Option<&'static str>,
    why: &'static str,
    advice: &'static str,
}

#[derive(Serialize)]
struct DifferenceReport {
    text: &'static str,
    evidence: &'static str,
    source: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    check: Option<&'static str>,
}

fn report(checks: &[&Check], profile: Profile) -> Report {
    let check = |check: &&Check| CheckReport {
        code: check.code,
        level: check.level.as_str(),
        cni: check.profile.map(Profile::as_str),
        why: check.why,
        advice: check.advice,
    };
    let difference = |difference: &Difference| {
        let (evidence, source) = match difference.evidence {
            Evidence::Documented(address) => ("documented", address),
            Evidence::Measured(version) => ("measured", version),
        };
        DifferenceReport { text: difference.text, evidence, source, check: difference.check }
    };
    Report { checks: checks.iter().map(check).collect(), differences: profile.differences().map(difference).collect() }
}
