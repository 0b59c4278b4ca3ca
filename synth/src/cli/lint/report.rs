//! Findings as text for people and as data for programs.

use super::Linted;
use crate::text;
use netwright_policy::lint::{CHECKS, Finding, Level};
use serde::Serialize;
use std::collections::BTreeSet;
use std::io::{self, Write};

/// Prints the findings, those of one policy together, then what each check is about, then a line that sums up.
///
/// # Errors
///
/// If it cannot be written.
pub fn print(out: &mut dyn Write, linted: &Linted, policies: usize) -> io::Result<()> {
    let width = linted.findings.iter().map(|finding| finding.code.len()).max().unwrap_or_default();
    let mut last = None;
    for finding in &linted.findings {
        let place = place(finding);
        if last.as_ref() != Some(&place) {
            writeln!(out, "{}{}", if last.is_some() { "\n" } else { "" }, text::visible(&place))?;
            last = Some(place);
        }
        let line = format!("  {:7}  {:width$}  {}", finding.level, finding.code, what(finding));
        writeln!(out, "{}", text::visible(&line))?;
    }
    explain(out, linted)?;
    for unknown in &linted.unknown {
        writeln!(out, "not known: {unknown}")?;
    }
    writeln!(out, "{}", summary(linted, policies))
}

/// `shop/cart  policies/cart.yaml:12`, and `namespace shop` of what is in no policy.
fn place(finding: &Finding) -> String {
    match (&finding.policy, &finding.origin) {
        (Some(policy), Some(origin)) => {
            let item = if origin.item.is_empty() { String::new() } else { format!(" {}", origin.item) };
            format!("{}/{policy}  {}:{}{item}", finding.namespace, origin.file, origin.line)
        }
        _ => format!("namespace {}", finding.namespace),
    }
}

fn what(finding: &Finding) -> String {
    let line = finding.line.map(|line| format!(" (line {line})")).unwrap_or_default();
    let field = finding.field.map(|field| format!("{field}{line}: ")).unwrap_or_default();
    let objects = if finding.objects.is_empty() { String::new() } else { format!(": {}", finding.objects.join(", ")) };
    let more = if finding.more == 0 { String::new() } else { format!(" and {} more", finding.more) };
    format!("{field}{}{objects}{more}", finding.message)
}

/// Why each check that found something matters, and what to do.
fn explain(out: &mut dyn Write, linted: &Linted) -> io::Result<()> {
    let codes: BTreeSet<&str> = linted.findings.iter().map(|finding| finding.code).collect();
    if !codes.is_empty() {
        writeln!(out)?;
    }
    for check in CHECKS.iter().filter(|check| codes.contains(check.code)) {
        writeln!(out, "{}: {} {}", check.code, check.why, check.advice)?;
    }
    if !codes.is_empty() {
        writeln!(out)?;
    }
    Ok(())
}

fn summary(linted: &Linted, policies: usize) -> String {
    let count = |level| linted.findings.iter().filter(|finding| finding.level == level).count();
    let (errors, warnings, notes) = (count(Level::Error), count(Level::Warning), count(Level::Note));
    let silenced =
        if linted.silenced == 0 { String::new() } else { format!("; {} left out as asked", linted.silenced) };
    format!(
        "{policies} policies linted for {} pods: {errors} errors, {warnings} warnings, {notes} notes{silenced}",
        linted.pods
    )
}

/// The findings for programs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LintReport {
    pods: usize,
    findings: Vec<FindingReport>,
    silenced: usize,
    not_known: Vec<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FindingReport {
    level: &'static str,
    code: &'static str,
    namespace: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    #[serde(flatten)]
    origin: Option<OriginReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    message: String,
    objects: Vec<String>,
    more: usize,
    why: &'static str,
    advice: &'static str,
}

#[derive(Serialize)]
struct OriginReport {
    file: String,
    /// Of the field.
    line: usize,
    document: usize,
    #[serde(skip_serializing_if = "String::is_empty")]
    item: String,
}

impl LintReport {
    /// The report of what was found.
    pub fn new(linted: &Linted) -> Self {
        Self {
            pods: linted.pods,
            findings: linted.findings.iter().map(finding).collect(),
            silenced: linted.silenced,
            not_known: linted.unknown.clone(),
        }
    }
}

fn finding(finding: &Finding) -> FindingReport {
    let check = CHECKS.iter().find(|check| check.code == finding.code);
    FindingReport {
        level: finding.level.as_str(),
        code: finding.code,
        namespace: finding.namespace.clone(),
        policy: finding.policy.clone(),
        origin: finding.origin.as_ref().map(|origin| OriginReport {
            file: origin.file.clone(),
            line: finding.line.unwrap_or(origin.line),
            document: origin.document,
            item: origin.item.clone(),
        }),
        field: finding.field.map(|field| field.to_string()),
        message: finding.message.clone(),
        objects: finding.objects.clone(),
        more: finding.more,
        why: check.map(|check| check.why).unwrap_or_default(),
        advice: check.map(|check| check.advice).unwrap_or_default(),
    }
}
