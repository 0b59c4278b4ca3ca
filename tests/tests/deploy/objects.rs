//! Manifests as objects that can be looked up and compared.

use serde::Deserialize as _;
use serde_json::Value;
use std::collections::BTreeMap;

/// Labels that only Helm sets: they say which tool made an object, and not what it is.
const OF_HELM: [&str; 2] = ["helm.sh/chart", "app.kubernetes.io/managed-by"];

/// Objects by kind and name.
pub(crate) type Objects = BTreeMap<(String, String), Value>;

/// All objects of a stream of documents, but for Helm's tests. Two of one name are an error.
pub(crate) fn objects(text: &str) -> Objects {
    let mut objects = Objects::new();
    for document in serde_yaml::Deserializer::from_str(text) {
        let object = Value::deserialize(document).unwrap();
        if object.is_null() || !object["metadata"]["annotations"]["helm.sh/hook"].is_null() {
            continue;
        }
        let key =
            (object["kind"].as_str().unwrap().to_owned(), object["metadata"]["name"].as_str().unwrap().to_owned());
        assert!(objects.insert(key.clone(), object).is_none(), "{key:?} is there twice");
    }
    objects
}

/// The same without what Helm alone says.
pub(crate) fn without_labels_of_helm(mut objects: Objects) -> Objects {
    for labels in objects.values_mut().filter_map(|object| object["metadata"]["labels"].as_object_mut()) {
        OF_HELM.iter().for_each(|label| drop(labels.remove(*label).expect("Helm sets it")));
    }
    objects
}

/// One of them.
pub(crate) fn object<'o>(objects: &'o Objects, kind: &str, name: &str) -> &'o Value {
    let key = (kind.to_owned(), name.to_owned());
    objects.get(&key).unwrap_or_else(|| panic!("no {kind} {name} in {:?}", objects.keys()))
}

/// The pod template of a workload.
pub(crate) fn pod<'o>(objects: &'o Objects, kind: &str, name: &str) -> &'o Value {
    &object(objects, kind, name)["spec"]["template"]
}
