//! Reading what a cluster would consist of from plain manifests.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use netwright_record::Protocol;
use netwright_record::inventory::{ContainerPort, Labels, Pod};
use netwright_resolve::inventory::{InventoryWarning, Manifest, Manifests, TargetPort, read_manifests};

fn read(texts: &[(&str, &str)]) -> Manifests {
    let texts: Vec<Manifest> = texts.iter().map(|(name, text)| Manifest { name, text }).collect();
    read_manifests(&texts, "repository").unwrap()
}

fn refused(text: &str) -> String {
    read_manifests(&[Manifest { name: "shop/web.yaml", text }], "repository").unwrap_err().to_string()
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn template<'a>(manifests: &'a Manifests, workload: &str) -> &'a Pod {
    let found = manifests.templates.iter().find(|pod| pod.workload.to_string() == workload);
    found.unwrap_or_else(|| panic!("no template of {workload} in {:?}", manifests.templates))
}

const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web, version: v3, pod-template-hash: abc}}
    spec:
      serviceAccountName: web
      containers: [{name: c, image: i, ports: [{name: http, containerPort: 8080}]}]
";

#[test]
fn a_workload_without_pods_is_its_template_with_every_label() {
    let manifests = read(&[("web.yaml", WEB)]);
    let web = template(&manifests, "shop/Deployment/web");
    assert_eq!(web.labels, labels(&[("app", "web"), ("version", "v3"), ("pod-template-hash", "abc")]));
    assert_eq!(web.ports, [ContainerPort { name: Some("http".into()), protocol: Protocol::Tcp, port: 8080 }]);
    assert_eq!((web.name.as_str(), web.node.as_ref(), web.addresses.len()), ("Deployment/web", None, 0));
    assert_eq!(web.service_account.as_deref(), Some("web"));
    assert!(manifests.inventory.pods.is_empty());
}

#[test]
fn each_kind_that_runs_pods_has_a_template() {
    let template = "template: {metadata: {labels: {a: b}}, spec: {hostNetwork: true, containers: []}}";
    let of = |version: &str, kind: &str| {
        format!("---\napiVersion: {version}\nkind: {kind}\nmetadata: {{name: x}}\nspec: {{{template}}}\n")
    };
    let mut text: String =
        ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"].map(|kind| of("apps/v1", kind)).concat();
    text += &of("batch/v1", "Job");
    text += &format!(
        "---\napiVersion: batch/v1\nkind: CronJob\nmetadata: {{name: x}}\nspec: {{schedule: '@daily', jobTemplate: {{spec: {{{template}}}}}}}\n"
    );
    let manifests = read(&[("all.yaml", &text)]);
    let found: Vec<String> = manifests.templates.iter().map(|pod| pod.workload.to_string()).collect();
    let expected = ["CronJob", "DaemonSet", "Deployment", "Job", "ReplicaSet", "StatefulSet"];
    assert_eq!(found, expected.map(|kind| format!("default/{kind}/x")));
    assert!(manifests.templates.iter().all(|pod| pod.host_network && pod.labels == labels(&[("a", "b")])));
}

#[test]
fn a_workload_with_pods_speaks_by_them() {
    let pod = "
apiVersion: v1
kind: Pod
metadata:
  name: web-1
  namespace: shop
  labels: {app: web}
  ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web-abc, uid: u, controller: true}]
spec: {nodeName: n1, containers: []}
status: {phase: Running, podIPs: [{ip: 10.244.0.1}, {ip: 'fd00:244::1'}]}
";
    let set = "
apiVersion: apps/v1
kind: ReplicaSet
metadata:
  name: web-abc
  namespace: shop
  ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: web, uid: u, controller: true}]
spec: {selector: {}}
";
    let manifests = read(&[("web.yaml", WEB), ("pod.yaml", pod), ("set.yaml", set)]);
    assert_eq!(manifests.templates, []);
    let [pod] = manifests.inventory.pods.as_slice() else { panic!("{:?}", manifests.inventory.pods) };
    assert_eq!((pod.workload.to_string().as_str(), pod.uid.as_str()), ("shop/Deployment/web", "shop/web-1"));
    let addresses: Vec<String> = pod.addresses.iter().map(|held| held.ip.to_string()).collect();
    assert_eq!(addresses, ["10.244.0.1", "fd00:244::1"]);
}

#[test]
fn pods_that_are_done_are_left_out_and_a_job_with_them() {
    let pod = |name: &str, kind: &str, phase: &str| {
        format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: shop, ownerReferences: \
             [{{apiVersion: v1, kind: {kind}, name: x, uid: u, controller: true}}]}}\nspec: {{containers: []}}\n\
             status: {{phase: {phase}, podIP: 10.244.0.9}}\n"
        )
    };
    let workload = |version: &str, kind: &str| {
        format!(
            "---\napiVersion: {version}\nkind: {kind}\nmetadata: {{name: x, namespace: shop}}\nspec: {{template: {{spec: {{containers: []}}}}}}\n"
        )
    };
    let text = [
        pod("a", "Job", "Succeeded"),
        pod("b", "StatefulSet", "Failed"),
        workload("batch/v1", "Job"),
        workload("apps/v1", "StatefulSet"),
    ];
    let manifests = read(&[("all.yaml", &text.concat())]);
    assert_eq!((manifests.finished, manifests.inventory.pods.len()), (2, 0));
    let templates: Vec<String> = manifests.templates.iter().map(|pod| pod.workload.to_string()).collect();
    assert_eq!(templates, ["shop/StatefulSet/x"]);
}

#[test]
fn target_ports_are_numbers_names_or_the_port_itself() {
    let text = "
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  ports: [{name: a, port: 80, targetPort: http}, {name: b, port: 81, targetPort: 8081}, {name: c, port: 82}]
";
    let manifests = read(&[("svc.yaml", text)]);
    let targets = &manifests.targets[&("shop".to_owned(), "web".to_owned())];
    assert_eq!(targets, &[TargetPort::Name("http".into()), TargetPort::Number(8081), TargetPort::Number(82)]);
}

#[test]
fn what_is_no_object_or_of_no_use_is_passed_over_and_counted() {
    let values = "8080: web\nreplicas: 3\nlist: [1]\n---\n[1, 2]\n";
    let others = "
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [web.yaml]
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: web}
---
{apiVersion: v1, kind: Secret, metadata: {name: s}}
";
    let manifests = read(&[("values.yaml", values), ("others.yaml", others), ("web.yaml", WEB)]);
    assert_eq!(manifests.no_objects, 2);
    let kinds: Vec<&str> = manifests.passed_over.keys().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["Certificate", "Kustomization", "Secret"]);
    assert_eq!((manifests.warnings, manifests.templates.len()), (vec![], 1));
}

#[test]
fn merge_keys_that_people_write_are_applied() {
    let text = "
apiVersion: v1
kind: Pod
metadata:
  name: a
  labels: &common {app: a}
  annotations: {<<: *common}
spec: {containers: []}
---
apiVersion: v1
kind: Pod
metadata: {name: b, labels: {<<: {app: b, tier: x}, tier: y}}
spec: {containers: []}
";
    let manifests = read(&[("pods.yaml", text)]);
    assert_eq!(manifests.inventory.pods[1].labels, labels(&[("app", "b"), ("tier", "y")]));
}

#[test]
fn an_object_that_stands_there_twice_is_told() {
    let manifests = read(&[("base/web.yaml", WEB), ("overlay/web.yaml", &WEB.replace("v3", "v4"))]);
    assert_eq!(template(&manifests, "shop/Deployment/web").labels.get("version").unwrap(), "v4");
    let [warning @ InventoryWarning::Repeated { .. }] = manifests.warnings.as_slice() else {
        panic!("{:?}", manifests.warnings)
    };
    assert_eq!(
        warning.to_string(),
        "overlay/web.yaml, document 1 (Deployment shop/web) stands here again after base/web.yaml, document 1 \
         (Deployment shop/web): the later one counts; leave out patches, or render them first"
    );
}

#[test]
fn braces_may_begin_json_or_yaml() {
    let pods = |text: &str| read(&[("pod", text)]).inventory.pods.len();
    assert_eq!(pods("{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: []}}"), 1);
    let json = r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": []}}"#;
    assert_eq!(pods(&json.replace(' ', "\n\t")), 1);
    assert_eq!(pods(&format!("{json}\n{}", json.replace(r#""a""#, r#""b""#))), 2);
}

#[test]
fn an_error_names_file_document_and_field_and_says_what_to_do() {
    let error = refused("{{ range .Values }}\nkind: Pod\n");
    assert!(error.starts_with("inventory shop/web.yaml, document 2: this is neither YAML nor JSON: "), "{error}");
    assert!(error.ends_with("or what `kubectl get -A -o yaml` prints"), "{error}");
    assert!(error.contains("`helm template`"), "{error}");
    let error = refused(&WEB.replace("8080", "80800"));
    assert_eq!(
        error,
        "inventory repository, shop/web.yaml, document 1 (Deployment shop/web): \
         spec.template.spec.containers[c].ports[0].containerPort: 80800 is no port: expected 1 to 65535; \
         without it names and answers would be wrong: correct or fetch it again"
    );
}
