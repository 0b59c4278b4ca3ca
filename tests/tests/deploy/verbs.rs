//! No right is superfluous: for each verb on each resource of each role that is shipped, an installation that has all others, all of them
//! side by side in the real cluster. Each fails as it should, in just that; one that has all rights does not.

use crate::access::door;
use crate::cluster::{PATIENCE, cluster_with_images, namespace};
use crate::objects::objects;
use crate::tools::template;
use netwright_tests::cluster::{Cluster, Step, manifests, wait};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const NAMESPACE: &str = "test-verbs";
/// Each has a name of this length, which takes its place.
const PLACE: &str = "test-v00";

/// A verb and a resource.
type Right = (String, String);

/// A collector, or an agent, with all rights that are shipped but perhaps one.
struct Variant {
    name: String,
    component: &'static str,
    without: Option<Right>,
}

impl Variant {
    fn pod(&self) -> String {
        format!("{}-{}", self.name, self.component)
    }

    /// What the chart makes, with a role less, and the pod by itself.
    fn objects(&self, rendered: &[Value]) -> Vec<Value> {
        let ours = |object: &&Value| {
            object["metadata"]["labels"]["app.kubernetes.io/component"] == self.component
                || object["kind"] == "ConfigMap"
        };
        let kept = ["ServiceAccount", "ConfigMap", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"];
        let mut objects = Vec::new();
        for object in rendered.iter().filter(ours) {
            let kind = object["kind"].as_str().unwrap();
            let text = object.to_string().replace(PLACE, &self.name);
            let mut object: Value = serde_json::from_str(&text).unwrap();
            match kind {
                "ClusterRole" | "Role" => object["rules"] = json!(self.rules(&object)),
                "Deployment" | "DaemonSet" => object = self.by_itself(&object),
                _ if !kept.contains(&kind) => continue,
                _ => {}
            }
            objects.push(object);
        }
        objects
    }

    /// The rules of a role, one a resource, without the verb on the resource.
    fn rules(&self, role: &Value) -> Vec<Value> {
        let mut rules = Vec::new();
        for (rule, resource) in resources(role) {
            let lacks = |verb: &&str| self.without.as_ref().is_some_and(|(v, r)| v == verb && *r == resource);
            let verbs: Vec<&str> = verbs(&rule).into_iter().filter(|verb| !lacks(verb)).collect();
            let mut rule = rule.clone();
            (rule["resources"], rule["verbs"]) = (json!([resource]), json!(verbs));
            if !verbs.is_empty() {
                rules.push(rule);
            }
        }
        rules
    }

    /// The pod of a workload, with a store of its own that goes with it. Half of them on each node.
    fn by_itself(&self, workload: &Value) -> Value {
        let mut pod = workload["spec"]["template"].clone();
        (pod["apiVersion"], pod["kind"]) = (json!("v1"), json!("Pod"));
        (pod["metadata"]["name"], pod["metadata"]["namespace"]) = (json!(self.pod()), json!(NAMESPACE));
        pod["spec"]["containers"][0]["resources"] = json!({});
        for volume in pod["spec"]["volumes"].as_array_mut().unwrap() {
            if volume["name"] == "data" || volume["name"] == "spool" {
                *volume = json!({"name": volume["name"], "emptyDir": {}});
            }
        }
        pod
    }
}

fn resources(role: &Value) -> Vec<(Value, String)> {
    let rules = role["rules"].as_array().unwrap().iter();
    rules
        .flat_map(|rule| {
            let resources = rule["resources"].as_array().unwrap();
            resources.iter().map(move |resource| (rule.clone(), resource.as_str().unwrap().to_owned()))
        })
        .collect()
}

fn verbs(rule: &Value) -> Vec<&str> {
    rule["verbs"].as_array().unwrap().iter().map(|verb| verb.as_str().unwrap()).collect()
}

/// All variants of the roles that are shipped.
fn variants(rendered: &[Value]) -> Vec<Variant> {
    let mut variants = Vec::new();
    for component in ["collector", "agent"] {
        let of_component = |object: &&Value| {
            object["kind"].as_str().unwrap().ends_with("Role")
                && object["metadata"]["labels"]["app.kubernetes.io/component"] == component
        };
        let mut lacking = vec![None];
        for (rule, resource) in rendered.iter().filter(of_component).flat_map(resources) {
            lacking.extend(verbs(&rule).into_iter().map(|verb| Some((verb.to_owned(), resource.clone()))));
        }
        for without in lacking {
            variants.push(Variant { name: format!("test-v{:02}", variants.len() + 1), component, without });
        }
    }
    variants
}

/// What the API server has refused to a pod, as its log tells: `… cannot list resource "pods" in API group …`.
fn refused(log: &str) -> BTreeSet<Right> {
    let refusals = log.split(" cannot ").skip(1).filter_map(|rest| {
        let (verb, rest) = rest.split_once(" resource ")?;
        // One that was cut short does not go on like this.
        let (resource, _) = rest.split_once(" in API group")?;
        // In JSON, a quotation mark may have a backslash before it, and that one of its own.
        let resource = resource.trim_matches(['\\', '"']);
        (!verb.contains(' ') && !resource.contains(' ')).then(|| (verb.to_owned(), resource.to_owned()))
    });
    refusals.collect()
}

#[test]
fn without_any_one_right_something_fails_and_with_all_nothing() {
    let Some(cluster) = cluster_with_images() else { return };
    let rendered = rendered(cluster);
    let variants = variants(&rendered);
    assert!(variants.len() > 35, "{}", variants.len());
    namespace(cluster, NAMESPACE);
    // A pod is admitted once its account is there.
    let objects = variants.iter().flat_map(|variant| variant.objects(&rendered));
    let (pods, accounts): (Vec<Value>, Vec<Value>) = objects.partition(|object| object["kind"] == "Pod");
    for objects in [accounts, pods] {
        cluster.kubectl().apply(&manifests::list(objects)).unwrap();
    }
    let failures: Vec<String> = variants.iter().filter_map(|variant| judge(cluster, variant).err()).collect();
    cluster.kubectl().run(&["delete", "namespace", NAMESPACE, "--wait=false"]).unwrap();
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), variants.len(), failures.join("\n"));
}

fn rendered(cluster: &Cluster) -> Vec<Value> {
    let name = format!("fullnameOverride={PLACE}");
    let values = cluster.agent_values().unwrap();
    let values = values.iter().filter(|value| *value != "--set").map(String::as_str);
    let values: Vec<&str> =
        [&name, "priorityClass.create=false", "networkPolicy.enabled=false"].into_iter().chain(values).collect();
    let text = template(&values).unwrap().replace("namespace: netwright\n", &format!("namespace: {NAMESPACE}\n"));
    let text = text.replace("namespace: netwright }", &format!("namespace: {NAMESPACE} }}"));
    objects(&text).into_values().collect()
}

/// The end of a log, which may be long.
fn end(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(5)..].iter().map(|line| format!("{line:.600}\n")).collect()
}

/// Waits until a variant has told what it lacks; it may tell of nothing else, and be ready only with what it starts with.
fn judge(cluster: &Cluster, variant: &Variant) -> Result<(), String> {
    let (kubectl, pod) = (cluster.kubectl(), variant.pod());
    let expected: BTreeSet<Right> = variant.without.iter().cloned().collect();
    let is_ready = || {
        let ready = "jsonpath={.status.conditions[?(@.type=='Ready')].status}";
        kubectl.run(&["get", "pod", &pod, "--namespace", NAMESPACE, "--output", ready]).is_ok_and(|said| said == "True")
    };
    let log = || {
        let log = kubectl.run(&["logs", "--namespace", NAMESPACE, "--tail=-1", &pod]).unwrap_or_default();
        let before = kubectl.run(&["logs", "--namespace", NAMESPACE, "--tail=-1", "--previous", &pod]);
        log + &before.unwrap_or_default()
    };
    let asks = variant.without.as_ref().is_some_and(|(_, resource)| resource == "tokenreviews");
    // A collector asks about tokens only when there are some.
    let knock = || {
        let (_forward, server) = door(kubectl, NAMESPACE, &variant.name, "pod");
        server.ask("PUT", "/v1/segments/n/0-0/0", Some("x.y.z"), "").0
    };
    let told = wait(&pod, PATIENCE, || {
        if asks && is_ready() && knock() != 503 {
            return Ok(Step::NotYet("it answered as if it had asked about the token".into()));
        }
        let log = log();
        let done = refused(&log) == expected && (!expected.is_empty() || is_ready());
        Ok(if done { Step::Done(()) } else { Step::NotYet(format!("{:?}: {}", refused(&log), end(&log))) })
    });
    told.map_err(|error| format!("{pod} without {:?}: {error:#}", variant.without))?;
    let (verb, resource) = variant.without.clone().unwrap_or_default();
    // Without a list, or a place for its certificates, it does not even begin.
    let begins = verb.is_empty() || verb == "watch" || resource == "tokenreviews";
    if begins {
        wait(&pod, PATIENCE, || Ok(if is_ready() { Step::Done(()) } else { Step::NotYet("not ready".into()) }))
            .map_err(|error| format!("{pod} without {:?}: {error:#}\n{}", variant.without, end(&log())))
    } else if is_ready() {
        Err(format!("{pod} without {:?} is ready", variant.without))
    } else {
        Ok(())
    }
}
