//! The corpus can fail: broken claims are noticed, each kind by itself.

use crate::answer;
use crate::expect::{Expect, Outcome, contains};
use crate::pending::Pending;
use crate::question::{Question, ask_nothing, wrong};
use crate::snapshot::{compared, differences};
use anyhow::{Result, ensure};
use libtest_mimic::Trial;
use netwright_record::inventory::Inventory;
use serde_json::json;
use std::collections::BTreeMap;

const POLICY: &str = "# Written by netwright. abc\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: a\n  namespace: b\n  annotations:\n    netwright.io/observation: sha256:0\nspec:\n  podSelector: {}\n  policyTypes: [Ingress]\n";

const EVIDENCE: &str = r#"{"edges": [{"port": "80/TCP"}, {"port": "81/TCP"}], "policies": [{"ingress": [{"edges": [1]}]}], "review": {"exposed": [0], "ambiguous": 0}}"#;

type Check = fn() -> Result<()>;

pub(crate) fn trials() -> Vec<Trial> {
    let checks: [(&str, Check); 5] = [
        ("claims", claims),
        ("containment", containment),
        ("questions", questions),
        ("snapshots", snapshots),
        ("pending", pending),
    ];
    checks.into_iter().map(|(name, check)| Trial::test(format!("self/{name}"), move || answer(check()))).collect()
}

fn outcome() -> Outcome {
    let files =
        BTreeMap::from([("b/a.yaml".to_owned(), POLICY.to_owned()), ("evidence.json".to_owned(), EVIDENCE.to_owned())]);
    Outcome { code: Some(0), printed: "wrote 1 file".into(), then: vec![(Some(3), "denied".into())], files }
}

fn claims() -> Result<()> {
    let broken = |text: &str| -> Result<usize> { Ok(serde_yaml::from_str::<Expect>(text)?.broken(&outcome()).len()) };
    let right = "{prints: [wrote], present: [b, b/a.yaml], absent: [b/c.yaml], contents: [{file: b/a.yaml, at: /metadata, has: {name: a}, lacks: {name: b}, text: '# Written'}, {file: evidence.json, at: /review, is: {exposed: [{port: 80/TCP}], ambiguous: 0}}], then: [{run: [check], code: 3, prints: [denied], silent: [allowed]}]}";
    ensure!(broken(right)? == 0);
    for wrong in [
        "{code: 1}",
        "{prints: [denied]}",
        "{present: [b/c.yaml]}",
        "{absent: [b]}",
        "{contents: [{file: b/c.yaml, has: {}}]}",
        "{contents: [{file: b/a.yaml}]}",
        "{contents: [{file: b/a.yaml, at: /metadata/nothing, lacks: {}}]}",
        "{contents: [{file: b/a.yaml, has: {kind: Pod}}]}",
        "{contents: [{file: b/a.yaml, lacks: {kind: NetworkPolicy}}]}",
        "{contents: [{file: b/a.yaml, at: /spec/policyTypes, is: []}]}",
        "{contents: [{file: b/a.yaml, text: Egress}]}",
        "{contents: [{file: evidence.json, at: /policies/0/ingress/0, has: {edges: [{port: 80/TCP}]}}]}",
        "{contents: [{file: evidence.json, at: /review/exposed, has: [0]}]}",
        "{then: [{run: [check], prints: [denied]}]}",
        "{then: [{run: [check], code: 3, prints: [allowed]}]}",
        "{then: [{run: [check], code: 3, silent: [denied]}]}",
    ] {
        ensure!(broken(wrong)? == 1, "{wrong} is not noticed");
    }
    Ok(())
}

fn containment() -> Result<()> {
    let whole = json!({"a": [{"b": 1, "c": "some text"}, {"b": 2}]});
    for part in [json!({"a": [{"b": 2}, {"b": 1}]}), json!({"a": {"c": "~text"}}), json!({"a": [{"c": "some text"}]})] {
        ensure!(contains(&whole, &part), "{part}");
    }
    for part in [
        json!({"a": [{"b": 3}]}),
        json!({"a": {"b": 2, "c": "~text"}}),
        json!({"d": null}),
        json!({"a": {"c": "text"}}),
    ] {
        ensure!(!contains(&whole, &part), "{part}");
    }
    Ok(())
}

fn questions() -> Result<()> {
    let text = "[{namespace: b, name: x, uid: u, workload: {namespace: b, workload_kind: Pod, name: x}}]";
    let inventory = Inventory { pods: serde_yaml::from_str(text)?, ..Inventory::default() };
    let read = |text: &str| Question::read(text, &inventory);
    let (right, not) = (read("198.18.0.1 -> b/x:80 denied")?, read("198.18.0.1 -> b/x:80/UDP allowed")?);
    let manifests = outcome().files;
    ensure!(wrong(&[right], &manifests, &inventory)?.is_empty());
    ensure!(wrong(&[not], &manifests, &inventory)?.len() == 1);
    ensure!(ask_nothing(&[read("b/x -> [fd00::1]:53/UDP allowed")?], &inventory));
    ensure!(!ask_nothing(&[read("node n -> b/x:53/UDP denied")?], &inventory));
    for unreadable in ["b/x -> b/y:80 allowed", "b/x -> b/x allowed", "b/x -> b/x:80", "b/x -> b/x:80/ICMP denied"] {
        ensure!(read(unreadable).is_err(), "{unreadable:?} was read");
    }
    Ok(())
}

fn snapshots() -> Result<()> {
    let (approved, mut files) = (compared(&outcome().files), outcome().files);
    let other = |files: &mut BTreeMap<String, String>, from: &str, to: &str| {
        let text = files.get("b/a.yaml").map(|text| text.replace(from, to)).unwrap_or_default();
        files.insert("b/a.yaml".into(), text);
    };
    other(&mut files, "sha256:0", "sha256:1");
    other(&mut files, "netwright. abc", "netwright. def");
    ensure!(differences(&approved, &compared(&files)).is_empty(), "provenance counts");
    other(&mut files, "podSelector: {}", "podSelector: { matchLabels: { a: b } }");
    ensure!(differences(&approved, &compared(&files)).len() == 1);
    ensure!(differences(&approved, &BTreeMap::new()).len() == 1);
    Ok(())
}

fn pending() -> Result<()> {
    let list = Pending::parse("# comment\n\na-case: what is missing: all\n")?;
    ensure!(list.missing("a-case") == Some("what is missing: all") && list.missing("other").is_none());
    ensure!(list.check(&[]).is_err());
    let failed = || Err(anyhow::anyhow!("broken"));
    ensure!(list.judge("a-case", failed()).is_ok() && list.judge("a-case", Ok(())).is_err());
    ensure!(list.judge("other", failed()).is_err() && list.judge("other", Ok(())).is_ok());
    ensure!(Pending::parse("a: b\na: c").is_err() && Pending::parse("a").is_err());
    Ok(())
}
