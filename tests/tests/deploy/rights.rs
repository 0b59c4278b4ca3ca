//! What agents and the collector may do: exactly what is written here, and a pod of the collector is within the restricted profile.

use crate::chart::VARIANTS;
use crate::objects::{Objects, object, objects, pod};
use crate::tools::template;
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn rendered() -> Option<Objects> {
    Some(objects(&template(&[])?))
}

#[test]
fn the_agent_has_three_capabilities_and_reads_its_node() {
    let Some(objects) = rendered() else { return };
    let spec = &pod(&objects, "DaemonSet", "netwright-agent")["spec"];
    let expected = json!({
        "allowPrivilegeEscalation": false,
        "readOnlyRootFilesystem": true,
        "capabilities": { "drop": ["ALL"], "add": ["BPF", "PERFMON", "NET_ADMIN"] },
    });
    assert_eq!(spec["containers"][0]["securityContext"], expected);
    assert_eq!(spec["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    for shared in ["hostNetwork", "hostPID", "hostIPC"] {
        assert!(spec[shared].is_null(), "{shared}");
    }
    let of_node = spec["volumes"].as_array().unwrap().iter().filter(|volume| !volume["hostPath"].is_null());
    let mounts = spec["containers"][0]["volumeMounts"].as_array().unwrap();
    for volume in of_node {
        let mount = mounts.iter().find(|mount| mount["name"] == volume["name"]).unwrap();
        // Its own folder is all it writes to.
        assert_eq!(mount["readOnly"] == true, volume["name"] != "spool", "{volume}");
    }
    assert_eq!(spec["tolerations"], json!([{ "operator": "Exists" }]));
}

/// <https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted>
#[test]
fn the_collector_is_within_the_restricted_profile() {
    for values in VARIANTS {
        let Some(rendered) = template(values) else { return };
        let objects = objects(&rendered);
        let (_, collector) = objects.iter().find(|((kind, _), _)| kind == "Deployment").unwrap();
        let spec = &collector["spec"]["template"]["spec"];
        assert_eq!(
            (&spec["securityContext"]["runAsNonRoot"], &spec["securityContext"]["seccompProfile"]["type"]),
            (&json!(true), &json!("RuntimeDefault"))
        );
        let allowed = ["configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret"];
        for volume in spec["volumes"].as_array().unwrap() {
            assert!(
                volume.as_object().unwrap().keys().all(|key| key == "name" || allowed.contains(&key.as_str())),
                "{volume}"
            );
        }
        for container in spec["containers"].as_array().unwrap() {
            let context = &container["securityContext"];
            assert_eq!(
                (&context["allowPrivilegeEscalation"], &context["capabilities"]),
                (&json!(false), &json!({ "drop": ["ALL"] }))
            );
            assert_eq!(context["readOnlyRootFilesystem"], true);
        }
    }
}

/// Every right, as `verb group/resource` with the name it is limited to.
fn rights(role: &Value) -> BTreeSet<String> {
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().map(|it| it.as_str().unwrap().to_owned()).collect()
    };
    let mut rights = BTreeSet::new();
    for rule in role["rules"].as_array().unwrap() {
        let names = texts(&rule["resourceNames"]).join(",");
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                rights.extend(
                    texts(&rule["verbs"])
                        .iter()
                        .map(|verb| format!("{verb} {group}/{resource} {names}").trim().to_owned()),
                );
            }
        }
    }
    rights
}

#[test]
fn nobody_reads_secrets_or_changes_anything_but_the_certificates() {
    for values in VARIANTS {
        let Some(rendered) = template(values) else { return };
        for ((kind, name), role) in objects(&rendered).iter().filter(|((kind, _), _)| kind.ends_with("Role")) {
            for right in rights(role) {
                let reads = right.starts_with("list ") || right.starts_with("watch ");
                let certificates = kind == "Role"
                    && right.starts_with("patch /configmaps ")
                    && right.ends_with(&format!(" {}-ca", name.trim_end_matches("-collector")));
                let asks = right == "create authentication.k8s.io/tokenreviews";
                assert!(
                    (reads || certificates || asks) && !right.contains("secret") && !right.contains('*'),
                    "{kind} {name}: {right}"
                );
            }
        }
    }
}

#[test]
fn the_agent_may_watch_pods_and_nothing_else() {
    let Some(objects) = rendered() else { return };
    let role = object(&objects, "ClusterRole", "netwright-agent");
    assert_eq!(rights(role), BTreeSet::from(["list /pods".to_owned(), "watch /pods".to_owned()]));
}
