//! Who gets in, on the real cluster: agents with a token of their own node, and nobody else, by no port.

use crate::cluster::{Forward, PATIENCE, Release};
use crate::https::Server;
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use netwright_tests::cluster::{Kubectl, manifests};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;

/// The door for agents of the collector of an installation with this name; `what` is a pod of it, or its Deployment.
pub(crate) fn door(kubectl: &Kubectl, namespace: &str, name: &str, what: &str) -> (Forward, Server) {
    let map = kubectl.get(&["configmap", &format!("{name}-ca"), "--namespace", namespace]).unwrap();
    let authorities = map["data"]["ca.crt"].as_str().unwrap().to_owned();
    let forward = Forward::open(kubectl, namespace, &format!("{what}/{name}-collector"), 8443);
    let server = Server { port: forward.port, name: format!("{name}-collector.{namespace}.svc"), authorities };
    (forward, server)
}

/// A token by TokenRequest, bound to a pod as the kubelet's are.
fn token(release: &Release, account: &str, audience: &str, pod: Option<&Value>) -> String {
    let audience = format!("--audience={audience}");
    let mut arguments = vec!["create", "token", account, "--namespace", release.name, "--duration=10m"];
    if !audience.ends_with('=') {
        arguments.push(&audience);
    }
    let bound = pod.map(|pod| {
        let text = |field: &str| pod["metadata"][field].as_str().unwrap();
        [format!("--bound-object-name={}", text("name")), format!("--bound-object-uid={}", text("uid"))]
    });
    if let Some([name, uid]) = &bound {
        arguments.extend(["--bound-object-kind=Pod", name, uid]);
    }
    release.kubectl().run(&arguments).unwrap().trim().to_owned()
}

/// The same token with other times, signed anew by the key of the cluster: genuine but for these.
fn at_another_time(release: &Release, token: &str, shift: i64) -> String {
    let key = fs::read_to_string(release.cluster.directory().join("pki/service-account.key")).unwrap();
    let key: String = key.lines().filter(|line| !line.starts_with("-----")).collect();
    let (key, random) = (BASE64_STANDARD.decode(key).unwrap(), SystemRandom::new());
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &key, &random).unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    let mut claims: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
    for claim in ["iat", "nbf", "exp"] {
        claims[claim] = json!(claims[claim].as_i64().unwrap() + shift);
    }
    let signed = format!("{}.{}", parts[0], BASE64_URL_SAFE_NO_PAD.encode(claims.to_string()));
    let signature = key.sign(&random, signed.as_bytes()).unwrap();
    format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}

#[test]
fn only_the_token_of_an_agent_of_that_node_gets_in() {
    let Some(release) = Release::shared() else { return };
    let (_forward, server) = door(release.kubectl(), release.name, release.name, "deployment");
    let agents = release.pods("agent");
    let [one, other] = &agents[..] else { panic!("{agents:?}") };
    let (agent, collector) = (format!("{}-agent", release.name), format!("{}-collector", release.name));
    const AUDIENCE: &str = "netwright-collector";
    let of_one = token(release, &agent, AUDIENCE, Some(one));
    let ask = |token: Option<&str>| {
        let node = one["spec"]["nodeName"].as_str().unwrap();
        server.ask("PUT", &format!("/v1/segments/{node}/0-0/0"), token, "not a segment")
    };
    // Let in, and then told that this is no segment; also when it is signed anew without a change.
    for good in [&of_one, &at_another_time(release, &of_one, 0)] {
        let (status, said) = ask(Some(good));
        assert!(matches!(status, 400 | 415), "{status}: {said}");
    }
    let collector_pod = release.pods("collector").remove(0);
    let refused = [
        ("none", None, 401),
        ("empty", Some(String::new()), 401),
        ("no token", Some("x.y.z".into()), 401),
        ("of an agent on another node", Some(token(release, &agent, AUDIENCE, Some(other))), 403),
        ("of an agent, bound to no pod", Some(token(release, &agent, AUDIENCE, None)), 403),
        ("of the collector", Some(token(release, &collector, AUDIENCE, Some(&collector_pod))), 403),
        ("of another account", Some(token(release, "default", AUDIENCE, None)), 403),
        ("for the API server", Some(token(release, &agent, "", Some(one))), 401),
        ("for another audience", Some(token(release, &agent, "vault", Some(one))), 401),
        ("expired", Some(at_another_time(release, &of_one, -3600)), 401),
        ("of tomorrow", Some(at_another_time(release, &of_one, 86_400)), 401),
        ("changed", Some(format!("{of_one}A")), 401),
    ];
    for (which, token, expected) in refused {
        let (status, said) = ask(token.as_deref());
        assert_eq!(status, expected, "{which}: {said}");
        assert!(token.is_none_or(|token| token.is_empty() || !said.contains(&token)), "{which}: {said}");
    }
    // A token that is right opens nothing but the way for segments.
    for (method, path) in [("GET", "/v1/status"), ("POST", "/v1/exports"), ("GET", "/metrics"), ("GET", "/")] {
        let (status, said) = server.ask(method, path, Some(&of_one), "");
        assert!(matches!(status, 403 | 404), "{method} {path}: {status} {said}");
    }
    let logged = release.kubectl().logs(release.name, &format!("deployment/{collector}")).unwrap();
    assert!(logged.contains("refused") && !logged.contains(&of_one[..40]), "a log has a token");
}

/// All sockets that listen in a pod, as the kernel has them: `0.0.0.0:8443`.
fn listening(pod: &Value) -> BTreeSet<String> {
    let uid = pod["metadata"]["uid"].as_str().unwrap();
    let of_pod = |pid: &String| fs::read_to_string(format!("/proc/{pid}/cgroup")).is_ok_and(|text| text.contains(uid));
    let pids = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let pid = pids.filter(|name| name.parse::<u32>().is_ok()).find(of_pod).expect("a process of the pod");
    let mut sockets = BTreeSet::new();
    for (table, unconnected) in [("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07")] {
        for line in fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap().lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (address, port) = fields[1].split_once(':').unwrap();
            // The kernel prints words as this machine has them; only loopback and any are told apart.
            let address = match address {
                "0100007F" | "00000000000000000000000001000000" => "loopback",
                _ if address.bytes().all(|digit| digit == b'0') => "any",
                other => other,
            };
            if fields[3] == unconnected {
                let port = u16::from_str_radix(port, 16).unwrap();
                sockets.insert(format!("{} {address}:{port}", table.trim_end_matches('6')));
            }
        }
    }
    sockets
}

#[test]
fn nothing_else_listens() {
    let Some(release) = Release::shared() else { return };
    for pod in release.pods("agent") {
        assert_eq!(listening(&pod), BTreeSet::from(["tcp any:8080".to_owned()]));
    }
    let expected = ["tcp any:8080", "tcp any:8443", "tcp loopback:8444"].map(str::to_owned);
    assert_eq!(listening(&release.pods("collector")[0]), BTreeSet::from(expected));
}

/// What a pod of the cluster gets for a request, in words of busybox's wget; or "refused".
struct Stranger<'c> {
    kubectl: &'c Kubectl,
}

const STRANGERS: &str = "test-strangers";

impl<'c> Stranger<'c> {
    fn start(kubectl: &'c Kubectl) -> Self {
        let pod = manifests::pod(STRANGERS, "stranger", &manifests::shell("sleep 600"));
        kubectl.apply(&manifests::list([manifests::namespace(STRANGERS), pod])).unwrap();
        kubectl.wait(STRANGERS, &["pod/stranger"], "condition=Ready", PATIENCE).unwrap();
        Self { kubectl }
    }

    /// Asks on one connection, and returns the answers; one that says why, where there was no connection.
    fn ask(&self, to: SocketAddr, requests: &[(&str, &str)]) -> Vec<String> {
        let request = |(method, path): &(&str, &str)| {
            format!("{method} {path} HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 0\\r\\n\\r\\n")
        };
        let requests: String = requests.iter().map(request).collect();
        // What ends its sending early is not answered.
        let script = format!("(printf '{requests}'; sleep 2) | nc -w 5 {} {} 2>&1 || true", to.ip(), to.port());
        let said = self.kubectl.exec(STRANGERS, "stranger", &["sh", "-c", &script]).unwrap();
        let answers: Vec<String> = said.split("HTTP/1.1 ").skip(1).map(str::to_owned).collect();
        if answers.is_empty() { vec![said] } else { answers }
    }
}

/// There is no network plugin here that enforces policies, so that this is what is left when nobody does.
#[test]
fn a_pod_of_the_cluster_reads_nothing_and_writes_nothing() {
    let Some(release) = Release::shared() else { return };
    let kubectl = release.kubectl();
    let stranger = Stranger::start(kubectl);
    let collector = release.pods("collector").remove(0);
    let agents = release.pods("agent");
    let at = |pod: &Value, port: u16| SocketAddr::new(pod["status"]["podIP"].as_str().unwrap().parse().unwrap(), port);
    // What is handed out to people is not there for pods.
    let said = stranger.ask(at(&collector, 8444), &[("GET", "/v1/status")]);
    assert!(said[0].contains("refused"), "{said:?}");
    // No way around TLS, or around a token.
    let said = stranger.ask(at(&collector, 8443), &[("GET", "/v1/status")]);
    assert!(!said[0].starts_with('2'), "{said:?}");
    let (_forward, server) = door(kubectl, release.name, release.name, "deployment");
    for (method, path) in
        [("PUT", "/v1/segments/n/0-0/0"), ("GET", "/v1/segments/n/0-0/0"), ("DELETE", "/v1/segments/n/0-0/0")]
    {
        let (status, said) = server.ask(method, path, None, "x");
        assert!(matches!(status, 401 | 405), "{method} {path}: {status} {said}");
    }
    // Health and metrics can be read, and say nothing of who is there.
    let names = names(kubectl);
    let open = ["/startupz", "/readyz", "/livez", "/metrics"].map(|path| ("GET", path));
    let closed = ["/", "/v1/status", "/v1/exports", "/debug", "/config"].map(|path| ("GET", path));
    for pod in agents.iter().chain([&collector]) {
        let requests = [&open[..], &closed, &[("POST", "/metrics")]].concat();
        let answers = stranger.ask(at(pod, 8080), &requests);
        assert_eq!(answers.len(), requests.len(), "{answers:?}");
        for (position, (request, said)) in requests.iter().zip(&answers).enumerate() {
            let expected = if position < open.len() { "200" } else { "40" };
            assert!(said.starts_with(expected), "{request:?}: {said}");
            let told: Vec<&String> = names.iter().filter(|name| said.contains(name.as_str())).collect();
            assert!(told.is_empty(), "{request:?} tells of {told:?}: {said}");
        }
    }
    // Nor does the API server let it through.
    let account = format!("--as=system:serviceaccount:{STRANGERS}:default");
    for (verb, what) in [
        ("create", "pods/portforward"),
        ("get", "pods/portforward"),
        ("get", "pods/proxy"),
        ("get", "pods/exec"),
        ("get", "configmaps"),
    ] {
        let (what, sub) = what.split_once('/').unwrap_or((what, ""));
        let answer = kubectl.run(&[
            "auth",
            "can-i",
            verb,
            what,
            &format!("--subresource={sub}"),
            &account,
            "--namespace",
            release.name,
        ]);
        assert!(answer.is_err(), "{verb} {what}/{sub}: {answer:?}");
    }
}

/// Names, addresses and namespaces of what is in the cluster, as far as no word is one of them.
fn names(kubectl: &Kubectl) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for kind in ["pods", "nodes", "services", "namespaces"] {
        let list = kubectl.get(&[kind, "--all-namespaces"]).unwrap();
        for object in list["items"].as_array().unwrap() {
            let texts = ["/metadata/name", "/metadata/uid", "/status/podIP", "/spec/clusterIP", "/spec/podCIDR"];
            names.extend(texts.iter().filter_map(|path| Some(object.pointer(path)?.as_str()?.to_owned())));
        }
    }
    // "default" and "None" are words.
    names.retain(|name| name.contains(['-', '.', ':']));
    assert!(names.len() > 8, "{names:?}");
    names
}
