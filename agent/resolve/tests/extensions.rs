//! Webhooks and APIServices: which Services they make the API server call.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use netwright_record::inventory::ApiExtension;
use netwright_record::{ServiceRef, Time};
use netwright_resolve::inventory::read_kubectl;
use netwright_resolve::live::{Kind, Live, Object};
use std::collections::HashSet;

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: n, uid: u}\nspec: {nodeName: n1}";

fn read(objects: &str) -> Vec<ApiExtension> {
    let text = format!("{POD}\n---\n{objects}");
    read_kubectl(&text, "inventory.yaml", Time::UNIX_EPOCH).unwrap().0.api_extensions
}

fn extension(kind: &str, name: &str, service: &str, port: u16) -> ApiExtension {
    let service = ServiceRef { namespace: "n".into(), name: service.into(), port };
    ApiExtension { kind: kind.into(), name: name.into(), service }
}

#[test]
fn each_webhook_counts_and_the_port_is_443_unless_named() {
    let webhooks = "
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: guard}
webhooks:
- {name: a.example, clientConfig: {service: {namespace: n, name: guard, path: /a}}}
- {name: b.example, clientConfig: {service: {namespace: n, name: guard, path: /b}}}
- {name: c.example, clientConfig: {service: {namespace: n, name: other, port: 9443}}}
- {name: d.example, clientConfig: {url: 'https://outside.example/'}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: guard}
webhooks: [{name: a.example, clientConfig: {service: {namespace: n, name: guard}}}]
";
    let validating = "ValidatingWebhookConfiguration";
    let expected = [
        extension("MutatingWebhookConfiguration", "guard", "guard", 443),
        extension(validating, "guard", "guard", 443),
        extension(validating, "guard", "other", 9443),
    ];
    assert_eq!(read(webhooks), expected);
}

#[test]
fn aggregated_apis_and_conversions_are_calls_and_local_apis_are_not() {
    let objects = "
{apiVersion: apiregistration.k8s.io/v1, kind: APIService, metadata: {name: v1.apps}, spec: {group: apps}}
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1beta1.metrics.k8s.io}
spec: {service: {namespace: n, name: metrics}}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: shops.example.com}
spec: {conversion: {strategy: Webhook, webhook: {clientConfig: {service: {namespace: n, name: shops, port: 8443}}}}}
";
    let expected = [
        extension("APIService", "v1beta1.metrics.k8s.io", "metrics", 443),
        extension("CustomResourceDefinition", "shops.example.com", "shops", 8443),
    ];
    assert_eq!(read(objects), expected);
}

#[test]
fn a_service_that_is_none_calls_nothing() {
    let objects = "
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1.x.example}
spec: {service: {namespace: n, name: x, port: 70000}}
";
    assert_eq!(read(objects), []);
}

#[test]
fn what_is_watched_one_by_one_counts_the_same() {
    let clients = serde_json::json!({"webhook": {"clientConfig": {"service": {"namespace": "n", "name": "shops"}}}});
    let objects = [
        ("CustomResourceDefinition", serde_json::json!({"spec": {"conversion": clients}})),
        ("APIService", serde_json::json!({"spec": {"service": {"namespace": "n", "name": "metrics"}}})),
    ];
    let (mut live, metadata) = (Live::default(), ObjectMeta { name: Some("x".into()), ..ObjectMeta::default() });
    for (kind, object) in &objects {
        live.apply(&Object::Extension(kind, &metadata, object), Time::UNIX_EPOCH).unwrap();
    }
    let expected =
        [extension("APIService", "x", "metrics", 443), extension("CustomResourceDefinition", "x", "shops", 443)];
    assert_eq!(live.export().api_extensions, expected, "of one name, and yet two");
    live.delete(&Object::Extension("APIService", &metadata, &serde_json::Value::Null), Time::UNIX_EPOCH);
    assert_eq!(live.export().api_extensions, expected[1..]);
    live.relist(Kind::Extension, "CustomResourceDefinition", &HashSet::new(), Time::UNIX_EPOCH);
    assert_eq!(live.export().api_extensions, []);
}
