//! The chart by itself: Helm's lint, values that are wrong, and that Kustomize makes the same objects.

use crate::objects::{objects, pod, without_labels_of_helm};
use crate::tools::{chart, helm, kustomize, path, template, text};
use serde_json::json;
use std::fs;

/// Values as people set them.
pub(crate) const VARIANTS: [&[&str]; 6] = [
    &[],
    &["cluster=prod", "image.registry=registry.example/team", "image.tag=v1", "image.pullSecrets={registry}"],
    &["collector.replicas=3", "collector.postgresql.existingSecret=database", "podMonitor.enabled=true"],
    &["collector.tls.existingSecret=tls", "ca.certificates=-----BEGIN CERTIFICATE-----", "networkPolicy.enabled=false"],
    &[
        "agent.privileged=true",
        "agent.spoolType=emptyDir",
        "priorityClass.create=false",
        "agent.seLinuxOptions.type=spc_t",
    ],
    &[
        "fullnameOverride=watch",
        "collector.persistence.keep=true",
        "collector.persistence.storageClass=",
        "commonLabels.team=net",
    ],
];

#[test]
fn lint_has_nothing_to_say() {
    let Some(output) = helm(&["lint", "--strict", &chart()]) else { return };
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

#[test]
fn kustomize_makes_the_objects_that_helm_makes_by_default() {
    let (Some(helm), Some(kustomize)) = (template(&[]), kustomize("deploy/kustomize/base")) else { return };
    let (helm, kustomize) = (without_labels_of_helm(objects(&helm)), objects(&kustomize));
    let keys = |objects: &crate::objects::Objects| objects.keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&helm), keys(&kustomize));
    for (key, object) in &helm {
        assert_eq!(object, &kustomize[key], "{key:?}");
    }
}

#[test]
fn values_that_are_wrong_are_refused() {
    let wrong = [
        ("colector.window=1d", "colector"),
        ("collector.window=14days", "window"),
        ("collector.replicas=0", "replicas"),
        ("collector.replicas=2", "collector.postgresql.existingSecret"),
        ("collector.tls.existingSecret=tls", "ca.certificates"),
        ("agent.capabilities={CAP_BPF}", "capabilities"),
        ("agent.spool.maxBytes=1000", "maxBytes"),
        ("agent.hostPaths.proc=proc", "proc"),
        ("agent.cgroup=/a", "cgroup"),
        ("image.pullPolicy=Sometimes", "pullPolicy"),
        ("networkPolicy.apiServerPorts={70000}", "apiServerPorts"),
        ("ca.certificates=x", "certificates"),
    ];
    for (value, named) in wrong {
        let Some(output) = helm(&["template", "netwright", &chart(), "--set", value]) else { return };
        let said = text(&output.stderr);
        assert!(!output.status.success() && said.contains(named), "{value}: {said}");
    }
}

#[test]
fn values_change_what_they_say() {
    let Some(replicated) = template(VARIANTS[2]) else { return };
    let replicated = objects(&replicated);
    let collector = pod(&replicated, "Deployment", "netwright-collector");
    assert_eq!(collector["spec"]["volumes"][0], json!({ "name": "data", "emptyDir": {} }));
    assert_eq!(collector["spec"]["containers"][0]["env"][1]["valueFrom"]["secretKeyRef"]["name"], "database");
    let kinds = |kind: &str| replicated.keys().filter(|(found, _)| found == kind).count();
    assert_eq!((kinds("PodDisruptionBudget"), kinds("PodMonitor"), kinds("PersistentVolumeClaim")), (1, 2, 0));
    let Some(named) = template(VARIANTS[5]) else { return };
    let named = objects(&named);
    assert!(named.keys().all(|(_, name)| name.starts_with("watch")), "{:?}", named.keys());
    let claim = &named[&("PersistentVolumeClaim".to_owned(), "watch-collector".to_owned())];
    assert_eq!(
        (&claim["spec"]["storageClassName"], &claim["metadata"]["annotations"]["helm.sh/resource-policy"]),
        (&json!(""), &json!("keep"))
    );
    assert_eq!(pod(&named, "DaemonSet", "watch-agent")["metadata"]["labels"]["team"], "net");
    let Some(registry) = template(VARIANTS[1]) else { return };
    let registry = objects(&registry);
    let image = &pod(&registry, "DaemonSet", "netwright-agent")["spec"]["containers"][0]["image"];
    assert_eq!(image, "registry.example/team/netwright-agent:v1");
}

#[test]
fn every_value_is_explained() {
    let readme = fs::read_to_string(path("deploy/chart/netwright/README.md")).unwrap();
    let values: serde_yaml::Value =
        serde_yaml::from_str(&fs::read_to_string(path("deploy/chart/netwright/values.yaml")).unwrap()).unwrap();
    let mut names = Vec::new();
    collect(&values, "", &mut names);
    let missing: Vec<&String> = names.iter().filter(|name| !readme.contains(&format!("`{name}`"))).collect();
    assert!(names.len() > 50 && missing.is_empty(), "of {} values the README lacks {missing:?}", names.len());
}

/// The names of values that are set as one: scalars, lists, and mappings that are Kubernetes' own or empty.
fn collect(value: &serde_yaml::Value, name: &str, names: &mut Vec<String>) {
    const WHOLE: [&str; 4] = ["agent.resources", "collector.resources", "agent.nodeSelector", "collector.nodeSelector"];
    match value {
        serde_yaml::Value::Mapping(fields)
            if !fields.is_empty() && !WHOLE.contains(&name) && name != "agent.updateStrategy" =>
        {
            for (key, value) in fields {
                let key = key.as_str().unwrap();
                collect(value, &if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") }, names);
            }
        }
        _ => names.push(name.to_owned()),
    }
}

#[test]
fn the_version_is_that_of_the_workspace() {
    let chart = fs::read_to_string(path("deploy/chart/netwright/Chart.yaml")).unwrap();
    let kustomization = fs::read_to_string(path("deploy/kustomize/base/kustomization.yaml")).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    for line in [format!("\nversion: {version}\n"), format!("\nappVersion: {version}\n")] {
        assert!(chart.contains(&line), "{line:?}");
    }
    assert!(kustomization.contains(&format!("app.kubernetes.io/version: {version}\n")));
}
