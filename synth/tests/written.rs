//! What is written as YAML means, read back, what it meant: any policies, through the one writer and the one reader.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../policy/tests/random/mod.rs"]
mod random;

use netwright::render::yaml;
use netwright_policy::{Party, PolicySet, Protocol, Source};
use proptest::prelude::*;
use random::{PORTS, cluster, pods};

fn parse(texts: impl Iterator<Item = String>) -> PolicySet {
    let sources: Vec<Source> =
        texts.enumerate().map(|(index, text)| Source { name: format!("p{index}.yaml"), text }).collect();
    PolicySet::parse(&sources).unwrap().policies
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rendered_and_read_back_it_gives_the_same_verdicts(policies in random::policies(5), pods in pods()) {
        let (cluster, none) = (cluster(), yaml::Comments::new());
        let meant = parse(policies.iter().map(ToString::to_string));
        let written = parse(policies.iter().map(|policy| yaml::document(policy, &none).unwrap()));
        let outside = Party::Address("198.18.0.1".parse().unwrap());
        let parties: Vec<Party> = pods.iter().map(Party::Pod).chain([outside]).collect();
        for (from, to) in parties.iter().flat_map(|from| parties.iter().map(move |to| (from, to))) {
            for (protocol, port) in Protocol::ALL.into_iter().flat_map(|protocol| PORTS.map(|port| (protocol, port))) {
                let [meant, written] = [&meant, &written].map(|set| set.verdict(&cluster, from, to, protocol, port));
                prop_assert_eq!(meant, written);
            }
        }
    }
}
