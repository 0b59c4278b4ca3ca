//! The API server decides as a real one: tests of roles would otherwise show nothing.

use super::shared;
use netwright_tests::cluster::Kubectl;
use netwright_tests::cluster::manifests::{list, namespace, pod, shell};
use serde_json::json;

#[test]
fn who_has_no_role_may_do_nothing_and_a_role_gives_what_it_says() {
    let Some(cluster) = shared("roles") else { return };
    let user = cluster.kubectl_as("reader", None).unwrap();
    let refused = user.run(&["get", "pods", "--namespace=roles"]).unwrap_err().to_string();
    assert!(refused.contains("Forbidden") && refused.contains("reader"), "{refused}");
    let admin = cluster.kubectl();
    admin.run(&["create", "role", "read", "--namespace=roles", "--verb=get,list", "--resource=pods"]).unwrap();
    admin.run(&["create", "rolebinding", "read", "--namespace=roles", "--role=read", "--user=reader"]).unwrap();
    user.run(&["get", "pods", "--namespace=roles"]).unwrap();
    assert!(user.run(&["get", "secrets", "--namespace=roles"]).is_err());
}

#[test]
fn a_node_may_not_write_for_another() {
    let Some(cluster) = shared("nodes") else { return };
    let own = &cluster.node(1).unwrap().name;
    let other = &cluster.node(2).unwrap().name;
    let node = cluster.kubectl_as(&format!("system:node:{own}"), Some("system:nodes")).unwrap();
    let label =
        |node_client: &Kubectl, name: &str| node_client.run(&["label", "node", name, "test=one", "--overwrite"]);
    label(&node, own).unwrap();
    let refused = label(&node, other).unwrap_err().to_string();
    assert!(refused.contains("Forbidden"), "{refused}");
}

#[test]
fn pod_security_is_enforced() {
    let Some(cluster) = shared("secure") else { return };
    let kubectl = cluster.kubectl();
    let mut guarded = namespace("guarded");
    *guarded.pointer_mut("/metadata").unwrap() =
        json!({"name": "guarded", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}});
    kubectl.apply(&list([guarded])).unwrap();
    let refused = kubectl.apply(&list([pod("guarded", "root", &shell("sleep 1"))])).unwrap_err().to_string();
    assert!(refused.contains("PodSecurity \"restricted"), "{refused}");
}

#[test]
fn a_token_of_a_pod_is_bound_to_its_node() {
    let Some(cluster) = shared("tokens") else { return };
    let kubectl = cluster.kubectl();
    kubectl.apply(&list([pod("tokens", "holder", &shell("sleep 600"))])).unwrap();
    kubectl.wait("tokens", &["pod/holder"], "condition=Ready", super::PATIENCE).unwrap();
    let token =
        kubectl.exec("tokens", "holder", &["cat", "/var/run/secrets/kubernetes.io/serviceaccount/token"]).unwrap();
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}});
    let answer = kubectl.create(&review.to_string()).unwrap();
    let place = kubectl.get(&["pod", "holder", "--namespace=tokens"]).unwrap();
    let nodes = answer.pointer("/status/user/extra/authentication.kubernetes.io~1node-name").unwrap();
    assert_eq!(nodes, &json!([place.pointer("/spec/nodeName").unwrap()]));
}
