//! One shop in every dialect, as a person would write it.

use super::Case;
use crate::render::form::{Dialect, Form, Stage};
use crate::testing::{World, address, at, shop};
use netwright_record::{Endpoint, Observation, Protocol};

/// The shop, its workloads with ServiceAccounts, the front in a mesh with all but the job.
fn observation() -> Observation {
    let mut world: World = shop();
    let workloads = &mut world.observation.inventory.workloads;
    workloads.iter_mut().for_each(|workload| workload.service_account = Some(workload.workload.name.clone()));
    for pod in &mut world.observation.inventory.pods {
        if pod.workload.name != "job" {
            pod.labels.insert("security.istio.io/tlsMode", "istio");
        }
    }
    let job = Endpoint::Workload(netwright_record::inventory::WorkloadRef {
        namespace: "shop".into(),
        kind: "Deployment".into(),
        name: "job".into(),
    });
    let api = world.observation.edges.iter().find_map(|edge| edge.client.workload().filter(|w| w.name == "api"));
    let api = Endpoint::Workload(api.unwrap().clone());
    world.edge(job, api.clone(), Protocol::Tcp, 8080);
    let objects = Endpoint::External { address: address("198.18.7.7") };
    world.edge(api, objects, Protocol::Tcp, 9000).activity.last = at(7200);
    world.build()
}

/// The files of the shop called `names`, and what is not said.
fn shown(dialect: Dialect, stage: Stage, names: &[&str]) -> String {
    let (observation, form) = (observation(), Form { dialect, stage, ..Form::default() });
    let digest = observation.digest();
    let case = Case::new(observation, &form);
    let file = |name: &&str| format!("{name}:\n{}", String::from_utf8_lossy(&case.rendering.files[*name]));
    let files: Vec<String> = names.iter().map(file).collect();
    let unsayable: Vec<String> = case.rendering.unsayable.iter().map(ToString::to_string).collect();
    let text = format!("{}\nunsayable:\n{}\n", files.join("\n"), unsayable.join("\n"));
    text.replace(&digest, "DIGEST").replace(env!("CARGO_PKG_VERSION"), "VERSION")
}

const SHOP: [&str; 3] = ["shop/api.yaml", "shop/front.yaml", "shop/default-deny.yaml"];

#[test]
fn calico() {
    insta::assert_snapshot!(shown(Dialect::Calico, Stage::Enforce, &SHOP));
    insta::assert_snapshot!(shown(Dialect::Calico, Stage::Audit, &["shop/front.yaml", "shop/default-deny.yaml"]));
}

#[test]
fn cilium() {
    insta::assert_snapshot!(shown(Dialect::Cilium, Stage::Enforce, &SHOP));
    insta::assert_snapshot!(shown(Dialect::Cilium, Stage::Audit, &["shop/api.yaml"]));
}

#[test]
fn istio() {
    insta::assert_snapshot!(shown(Dialect::Istio, Stage::Enforce, &SHOP));
    insta::assert_snapshot!(shown(Dialect::Istio, Stage::Audit, &["shop/front.yaml"]));
}

#[test]
fn guard_rails() {
    let names = ["kustomization.yaml", "cluster-dns.yaml", "cluster-metadata.yaml", "cluster-default-deny.yaml"];
    insta::assert_snapshot!(shown(Dialect::Cluster, Stage::Enforce, &names));
}

/// Calico logs what Kubernetes' policies would deny from the very same specification.
#[test]
fn a_staged_network_policy_is_the_network_policy_under_another_name() {
    let observation = observation();
    let enforced = Case::new(observation.clone(), &Form::default()).rendering.files;
    let form = Form { stage: Stage::Audit, by_calico: true, ..Form::default() };
    let staged = Case::new(observation, &form).rendering.files;
    for name in SHOP {
        let [enforced, staged] = [&enforced, &staged].map(|files| String::from_utf8(files[name].clone()).unwrap());
        let back = staged
            .replace("projectcalico.org/v3", "networking.k8s.io/v1")
            .replace("StagedKubernetesNetworkPolicy", "NetworkPolicy")
            .replace("  stagedAction: Set\n", "");
        assert_ne!(staged, enforced);
        assert_eq!(back, enforced);
    }
}
