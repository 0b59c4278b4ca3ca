//! What Kubernetes takes as a name, and how policies are called: unique in their namespace, stable from run to run.

use netwright_record::inventory::WorkloadRef;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// The name of a namespace's default-deny policy.
pub const DEFAULT_DENY: &str = "default-deny";
/// Names that files of another meaning have in a namespace's folder.
const TAKEN: [&str; 2] = [DEFAULT_DENY, "kustomization"];
/// Longer names are cut: with a suffix and `.yaml` the file name must stay below 255 bytes.
const LONGEST: usize = 200;

/// Whether `name` is an RFC 1123 label, as a namespace's name must be. Such a name is also safe as a folder.
pub fn valid_namespace(name: &str) -> bool {
    name.len() <= 63 && is_dns_label(name)
}

/// Whether `name` is an RFC 1123 subdomain, as a policy's name must be. Such a name is also safe as a file.
pub fn valid_name(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_dns_label)
}

fn is_dns_label(label: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !label.is_empty() && !label.starts_with('-') && !label.ends_with('-') && label.bytes().all(inner)
}

/// Whether Kubernetes takes this label: an optional DNS prefix, and names of at most 63 characters.
pub fn valid_label(key: &str, value: &str) -> bool {
    let name = match key.split_once('/') {
        Some((prefix, name)) if valid_name(prefix) => name,
        Some(_) => return false,
        None => key,
    };
    is_qualified_name(name) && (value.is_empty() || is_qualified_name(value))
}

fn is_qualified_name(name: &str) -> bool {
    let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    name.len() <= 63 && edge(name.bytes().next()) && edge(name.bytes().last()) && name.bytes().all(inner)
}

/// Names the policies of `workloads`: the workload's name; with its kind where two kinds share a name; with a digest
/// where even that is taken.
pub fn policy_names<'a>(workloads: impl Iterator<Item = &'a WorkloadRef> + Clone) -> BTreeMap<WorkloadRef, String> {
    let plain = |workload: &WorkloadRef| shorten(&workload.name, workload);
    let with_kind =
        |workload: &WorkloadRef| shorten(&format!("{}-{}", workload.name, kind_part(&workload.kind)), workload);
    let shared = shared(workloads.clone().map(|workload| (workload.namespace.as_str(), plain(workload))));
    let first = |workload: &WorkloadRef| {
        let name = plain(workload);
        let taken = TAKEN.contains(&name.as_str()) || shared.contains(&(workload.namespace.as_str(), name.clone()));
        if taken { with_kind(workload) } else { name }
    };
    let still_shared = self::shared(workloads.clone().map(|workload| (workload.namespace.as_str(), first(workload))));
    let mut used = BTreeSet::new();
    workloads
        .map(|workload| {
            let mut name = first(workload);
            let namespace = workload.namespace.as_str();
            if still_shared.contains(&(namespace, name.clone())) {
                name = format!("{name}-{}", digest(workload));
            }
            // Only a name that someone made up to look like a digest is still taken.
            while !used.insert((namespace, name.clone())) {
                name = format!("{name}-{}", digest(workload));
            }
            (workload.clone(), name)
        })
        .collect()
}

fn shared<'a>(names: impl Iterator<Item = (&'a str, String)>) -> BTreeSet<(&'a str, String)> {
    let (mut once, mut more) = (BTreeSet::new(), BTreeSet::new());
    for name in names {
        if !once.insert(name.clone()) {
            more.insert(name);
        }
    }
    more
}

/// Kinds come from any custom resource: only what may stand in a name is kept.
fn kind_part(kind: &str) -> String {
    let kind: String = kind.chars().filter(char::is_ascii_alphanumeric).collect();
    if kind.is_empty() { "workload".into() } else { kind.to_ascii_lowercase() }
}

fn shorten(name: &str, workload: &WorkloadRef) -> String {
    match name.get(..LONGEST) {
        Some(start) if name.len() > LONGEST => {
            format!("{}-{}", start.trim_end_matches(['-', '.']), digest(workload))
        }
        _ => name.to_owned(),
    }
}

fn digest(workload: &WorkloadRef) -> String {
    let digest = Sha256::digest(format!("{}/{}", workload.kind, workload.name));
    digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(workloads: &[(&str, &str)]) -> Vec<String> {
        let refs: Vec<WorkloadRef> = workloads
            .iter()
            .map(|(kind, name)| WorkloadRef { namespace: "n".into(), kind: (*kind).into(), name: (*name).into() })
            .collect();
        let named = policy_names(refs.iter());
        refs.iter().map(|workload| named.get(workload).unwrap().clone()).collect()
    }

    #[test]
    fn the_kind_is_added_only_where_a_name_is_shared() {
        assert_eq!(
            names(&[("Deployment", "web"), ("StatefulSet", "web"), ("Deployment", "db")]),
            ["web-deployment", "web-statefulset", "db"]
        );
    }

    #[test]
    fn names_of_other_files_are_not_taken() {
        assert_eq!(
            names(&[("Deployment", "default-deny"), ("Pod", "kustomization")]),
            ["default-deny-deployment", "kustomization-pod"]
        );
    }

    #[test]
    fn names_stay_unique_when_one_looks_like_another_with_its_kind() {
        let names = names(&[("Deployment", "web"), ("StatefulSet", "web"), ("Job", "web-deployment")]);
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), 3, "{names:?}");
    }

    #[test]
    fn names_stay_unique_when_one_is_made_to_look_like_another_with_its_digest() {
        let three = [("Deployment", "web"), ("StatefulSet", "web"), ("Job", "web-deployment")];
        let web = names(&three).swap_remove(0);
        let names = names(&[("Deployment", "web"), ("StatefulSet", "web"), ("Job", "web-deployment"), ("Pod", &web)]);
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), 4, "{names:?}");
    }

    #[test]
    fn long_names_are_cut_to_valid_ones() {
        let [name] = names(&[("Pod", &"a".repeat(253))]).try_into().unwrap();
        assert!(name.len() < 220 && valid_name(&name));
    }

    #[test]
    fn paths_and_control_characters_are_no_names() {
        for name in ["", "..", "../x", "a/b", "a\nb", "-a", "A", "a..b", "a\0"] {
            assert!(!valid_name(name), "{name:?}");
        }
        assert!(valid_name("a.b-c.0") && !valid_namespace("a.b"));
    }

    #[test]
    fn labels_follow_the_api_servers_rules() {
        for (key, value) in [("app", "on"), ("app.kubernetes.io/name", "1_000"), ("x", ""), ("y", "0x1f")] {
            assert!(valid_label(key, value), "{key}={value}");
        }
        for (key, value) in [("a b", "x"), ("", "x"), ("a", "12:30"), ("<<", "x"), ("a", "="), ("a/b/c", "x")] {
            assert!(!valid_label(key, value), "{key}={value}");
        }
    }
}
