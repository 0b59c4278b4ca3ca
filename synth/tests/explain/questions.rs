//! Questions that are no puzzles: every kind of end, and what a reader has to be told beside the verdict.

use std::fs;
use std::process::Output;

const CLUSTER: &str = r#"
apiVersion: v1
kind: Node
metadata: {name: n1}
status: {addresses: [{type: InternalIP, address: 192.0.2.11}]}
---
apiVersion: v1
kind: Node
metadata: {name: n2}
status: {addresses: [{type: InternalIP, address: 192.0.2.12}]}
---
apiVersion: v1
kind: Pod
metadata: {name: front, namespace: shop, labels: {app: front}}
spec: {nodeName: n1, containers: [{name: a}]}
status: {podIPs: [{ip: 10.244.1.5}]}
---
apiVersion: v1
kind: Pod
metadata: {name: api-old, namespace: shop, labels: {app: api, version: old}}
spec: {nodeName: n1, containers: [{name: a, ports: [{name: http, containerPort: 8080}]}]}
status: {podIPs: [{ip: 10.244.1.6}]}
---
apiVersion: v1
kind: Pod
metadata: {name: api-new, namespace: shop, labels: {app: api, version: new}}
spec: {nodeName: n2, containers: [{name: a, ports: [{name: http, containerPort: 9090}]}]}
status: {podIPs: [{ip: 10.244.2.6}]}
---
apiVersion: v1
kind: Pod
metadata: {name: "bad\u001b[31m", namespace: shop, labels: {app: "front\u202e\n- evil"}}
spec: {nodeName: n2, containers: [{name: a}]}
status: {podIPs: [{ip: 10.244.2.7}]}
---
apiVersion: v1
kind: Pod
metadata: {name: bare, namespace: shop, labels: {pod-template-hash: 7d4b9}}
spec: {nodeName: n2, containers: [{name: a}]}
status: {podIPs: [{ip: 10.244.2.8}]}
---
apiVersion: v1
kind: Pod
metadata: {name: dns, namespace: kube-system, labels: {k8s-app: kube-dns}}
spec: {nodeName: n2, containers: [{name: a}]}
status: {podIPs: [{ip: 10.244.2.53}]}
---
apiVersion: v1
kind: Service
metadata: {name: api, namespace: shop}
spec: {clusterIP: 10.96.0.7, selector: {app: api}, ports: [{port: 80, targetPort: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: nobody, namespace: shop}
spec: {clusterIP: 10.96.0.8, selector: {app: nobody}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: elsewhere, namespace: shop}
spec: {type: ExternalName, externalName: db.example, ports: [{port: 5432}]}
"#;

fn policy(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{{spec}}}\n"
    )
}

fn ask(spec: &str, question: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("cluster.yaml"), CLUSTER).unwrap();
    fs::write(folder.path().join("policies.yaml"), policy("p", spec)).unwrap();
    let options = ["--inventory", "cluster.yaml", "--policies", "policies.yaml"];
    let mut command = assert_cmd::cargo::cargo_bin_cmd!("netwright");
    command.arg("explain").args(question).args(options).current_dir(folder.path()).output().unwrap()
}

/// The exit code, and what is told.
fn told(spec: &str, question: &[&str]) -> (i32, String) {
    let output = ask(spec, question);
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    (output.status.code().unwrap(), text)
}

#[track_caller]
fn check((code, text): (i32, String), expected: i32, parts: &[&str]) {
    assert_eq!(code, expected, "{text}");
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing in:\n{text}");
    }
}

const FRONT_OUT: &str = "podSelector: {matchLabels: {app: front}}, policyTypes: [Egress], egress: ";
const API_IN: &str = "podSelector: {matchLabels: {app: api}}, policyTypes: [Ingress], ingress: ";

#[test]
fn other_protocols_are_undefined_only_where_somebody_is_isolated() {
    let spec = format!("{API_IN}[{{}}]");
    let question = ["shop/front", "shop/api-old", "--protocol", "icmp"];
    check(told(&spec, &question), 3, &["UNDEFINED: whether shop/front reaches shop/api-old by ICMP", "isolated by"]);
    let question = ["shop/api-old", "shop/front", "--protocol", "ICMP"];
    check(told(&spec, &question), 0, &["ALLOWED: shop/api-old can connect to shop/front on ICMP."]);
}

#[test]
fn a_port_is_for_protocols_with_ports() {
    let spec = format!("{API_IN}[{{}}]");
    check(told(&spec, &["shop/front", "shop/api-old"]), 2, &["--port is missing"]);
    let with = ["shop/front", "shop/api-old", "--protocol", "ICMP", "--port", "8"];
    check(told(&spec, &with), 2, &["--port has no meaning"]);
    check(told(&spec, &["shop/front", "shop/api-old", "--port", "0"]), 2, &[]);
    check(told(&spec, &["shop/front", "shop/apo-old", "--port", "1"]), 1, &["did you mean shop/api-old"]);
}

#[test]
fn own_nodes_are_let_in_and_the_way_back_is_disputed() {
    let spec = format!("{API_IN}[]");
    let own = "api-old: open, a pod and its own node";
    check(told(&spec, &["node/n1", "shop/api-old", "--port", "8080"]), 0, &["ALLOWED", own]);
    check(told(&spec, &["node/n2", "shop/api-old", "--port", "8080"]), 3, &["DENIED", "cidr: 192.0.2.12/32"]);
    check(told(&spec, &["192.0.2.11", "shop/api-old", "--port", "8080"]), 0, &["node n1 (192.0.2.11)"]);
    let out = format!("{FRONT_OUT}[]");
    check(told(&out, &["shop/front", "node/n1", "--port", "10250"]), 3, &["DENIED", "own node differs", "Calico"]);
    let (_, other) = told(&out, &["shop/front", "node/n2", "--port", "10250"]);
    assert!(!other.contains("Calico"), "{other}");
}

#[test]
fn a_pod_that_no_rule_can_name_needs_a_label_first() {
    let label = "Fix: give shop/bare a label that stays";
    check(told(&format!("{API_IN}[]"), &["shop/bare", "shop/api-old", "--port", "8080"]), 3, &["DENIED", label]);
    let every_pod = "podSelector: {}, policyTypes: [Egress], egress: []";
    check(told(every_pod, &["shop/bare", "192.0.2.99", "--port", "443"]), 3, &["DENIED", label]);
    let (_, other) = told(every_pod, &["shop/front", "192.0.2.99", "--port", "443"]);
    assert!(!other.contains("a label that stays"), "{other}");
}

#[test]
fn a_block_that_admits_a_pod_or_a_node_is_told() {
    let pods = format!("{FRONT_OUT}[{{to: [{{ipBlock: {{cidr: 10.244.0.0/16}}}}]}}]");
    check(told(&pods, &["shop/front", "shop/api-old", "--port", "8080"]), 0, &["Cilium never matches an ipBlock"]);
    let nodes = format!("{FRONT_OUT}[{{to: [{{ipBlock: {{cidr: 192.0.2.0/24}}}}]}}]");
    check(told(&nodes, &["shop/front", "node/n2", "--port", "443"]), 0, &["policy-cidr-match-mode"]);
}

#[test]
fn names_that_need_tcp_are_told_apart_from_no_names_at_all() {
    let to_dns = "{to: [{namespaceSelector: {}, podSelector: {matchLabels: {k8s-app: kube-dns}}}], ports: [{protocol: UDP, port: 53}]}";
    let to_api = "{to: [{podSelector: {matchLabels: {app: api}}}]}";
    let question = ["shop/front", "shop/svc/api", "--port", "80"];
    let udp = format!("{FRONT_OUT}[{to_api}, {to_dns}]");
    let long = "cannot reach kube-system/dns on TCP 53 (but it can on UDP 53), which long answers need";
    check(told(&udp, &question), 0, &["ALLOWED: ", long, "set protocol: TCP"]);
    let none = format!("{FRONT_OUT}[{to_api}]");
    check(told(&none, &question), 0, &["ALLOWED, BUT WITHOUT DNS: ", "so names do not resolve"]);
    let (_, dns_itself) = told(&none, &["shop/front", "kube-system/dns", "--port", "53"]);
    assert!(!dns_itself.contains("DNS:"), "{dns_itself}");
}

#[test]
fn a_service_port_is_taken_to_each_pods_own_port() {
    let spec =
        format!("{API_IN}[{{from: [{{podSelector: {{matchLabels: {{app: front}}}}}}], ports: [{{port: 8080}}]}}]");
    let partly = [
        "PARTLY DENIED: shop/front can connect to shop/svc/api on TCP port 80 only in part: 1 of 2 pairs",
        "Service shop/api translates port 80 to port 8080 or 9090 of its pods",
        "to shop/api-new (pods api-new), port 9090: not allowed",
        "to shop/api-old (pods api-old), port 8080: allowed",
        "the rule is for port 8080, the connection goes to port 9090",
    ];
    check(told(&spec, &["shop/front", "shop/svc/api", "--port", "80"]), 3, &partly);
    check(told(&spec, &["shop/front", "10.96.0.7", "--port", "80"]), 3, &["PARTLY DENIED"]);
    let beside = "Port 80 is that of Service shop/api, which leads to port 8080 of these pods.";
    check(told(&spec, &["shop/front", "shop/api-old", "--port", "80"]), 3, &["DENIED", beside]);
    let (_, real) = told(&spec, &["shop/front", "shop/api-old", "--port", "8080"]);
    assert!(!real.contains("is that of"), "{real}");
}

#[test]
fn what_nobody_serves_is_no_matter_of_policies() {
    let spec = format!("{API_IN}[]");
    let told = |service: &str, port: &str| told(&spec, &["shop/front", service, "--port", port]);
    check(told("shop/svc/nobody", "80"), 3, &["NOT SERVED", "has no pod behind it"]);
    check(told("shop/svc/api", "81"), 3, &["NOT SERVED", "Service shop/api has no port TCP 81; it has TCP 80."]);
    check(told("shop/svc/api", "9090"), 3, &["NOT SERVED", "that is the target port of its port 80"]);
    check(told("shop/svc/elsewhere", "5432"), 3, &["NOT SERVED", "is an ExternalName"]);
}

#[test]
fn an_address_is_who_holds_it_and_else_outside() {
    let spec = format!("{API_IN}[{{from: [{{podSelector: {{matchLabels: {{app: front}}}}}}]}}]");
    check(
        told(&spec, &["10.244.1.5", "10.244.1.6", "--port", "80"]),
        0,
        &["ALLOWED: 10.244.1.5", "of shop/front: open"],
    );
    let outside = [
        "DENIED: 198.18.0.1 cannot connect",
        "selectors match pods only, and 198.18.0.1 is no pod",
        "cidr: 198.18.0.1/32",
    ];
    check(told(&spec, &["198.18.0.1", "shop/api-old", "--port", "80"]), 3, &outside);
    check(
        told(&spec, &["internet", "shop/api-old", "--port", "80"]),
        3,
        &["the internet", "cidr: 0.0.0.0/0", "Mind: "],
    );
}

/// Names and labels are whatever somebody wrote into a manifest.
#[test]
fn nothing_from_a_manifest_acts_on_a_terminal() {
    let spec = format!("{API_IN}[{{from: [{{podSelector: {{matchLabels: {{app: front}}}}}}]}}]");
    for form in ["table", "json", "yaml"] {
        for from in ["10.244.2.7", "shop/bad\u{1b}[31m"] {
            let (code, text) = told(&spec, &[from, "shop/api-old", "--port", "80", "-o", form]);
            assert_eq!(code, 3, "{text}");
            assert!(!text.contains(|char: char| char != '\n' && char.is_control()), "{text:?}");
            assert!(!text.contains('\u{202e}'), "{text:?}");
            assert!(text.contains("evil"), "{text}");
        }
    }
}
