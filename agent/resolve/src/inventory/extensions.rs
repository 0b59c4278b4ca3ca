//! What makes the API server call Services of the cluster: admission and conversion webhooks, and aggregated APIs.
//!
//! Such calls are rare, so two weeks may not show them, and cutting them off breaks whoever creates the object.

use super::objects::{Kept, Objects};
use netwright_record::ServiceRef;
use netwright_record::inventory::ApiExtension;
use serde_json::Value;
use std::collections::BTreeSet;

/// The port that the API server takes where an object names none (`ServiceReference.port`).
const HTTPS: u16 = 443;

/// All of them, each Service and port once an object. Those that are called by URL lead outside, and are left out.
pub(super) fn read(objects: &Objects) -> Vec<ApiExtension> {
    let webhooks = |kept: &Kept<Value>| all(kept, |object| webhook_clients(object).collect());
    let mut extensions = webhooks(&objects.validating_webhooks);
    extensions.extend(webhooks(&objects.mutating_webhooks));
    extensions.extend(all(&objects.api_services, |object| object.pointer("/spec/service").into_iter().collect()));
    extensions.extend(all(&objects.custom_resources, |object| conversion(object).into_iter().collect()));
    extensions.into_iter().collect()
}

fn webhook_clients(object: &Value) -> impl Iterator<Item = &Value> {
    let webhooks = object.get("webhooks").and_then(Value::as_array).into_iter().flatten();
    webhooks.filter_map(|webhook| webhook.pointer("/clientConfig/service"))
}

fn conversion(object: &Value) -> Option<&Value> {
    object.pointer("/spec/conversion/webhook/clientConfig/service")
}

fn all(kept: &Kept<Value>, services: impl Fn(&Value) -> Vec<&Value>) -> BTreeSet<ApiExtension> {
    let extensions = kept.values().flat_map(|entry| {
        let (kind, name) = (&entry.place.kind, &entry.place.name);
        extension(kind, name, services(&entry.object))
    });
    extensions.collect()
}

/// The Services that one object makes the API server call.
pub(crate) fn of_object(kind: &str, name: &str, object: &Value) -> BTreeSet<ApiExtension> {
    let services = match kind {
        "APIService" => object.pointer("/spec/service").into_iter().collect(),
        "CustomResourceDefinition" => conversion(object).into_iter().collect(),
        _ => webhook_clients(object).collect(),
    };
    extension(kind, name, services).into_iter().collect()
}

fn extension(kind: &str, name: &str, services: Vec<&Value>) -> Vec<ApiExtension> {
    let services = services.into_iter().filter_map(service);
    services.map(|service| ApiExtension { kind: kind.into(), name: name.into(), service }).collect()
}

/// A `ServiceReference`; none where the object is not what its API says, since it then calls nothing either.
fn service(reference: &Value) -> Option<ServiceRef> {
    let text = |field: &str| Some(reference.get(field)?.as_str()?.to_owned());
    let port = match reference.get("port") {
        None | Some(Value::Null) => HTTPS,
        Some(port) => u16::try_from(port.as_u64()?).ok()?,
    };
    Some(ServiceRef { namespace: text("namespace")?.into(), name: text("name")?.into(), port })
}
