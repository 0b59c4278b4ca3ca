//! The order in which things come does not show in what comes of them.

use crate::sample::{compressed, edge, empty, flow, plain, random, read_bytes, sample};
use netwright_record::{Edge, Flow, Observation};
use proptest::prelude::*;
use proptest::sample::Index;

/// Reorders by indices that proptest chose.
fn shuffle<T>(items: &mut [T], choices: &[Index]) {
    for (at, choice) in choices.iter().enumerate().take(items.len()) {
        let other = choice.index(items.len());
        items.swap(at, other);
    }
}

fn shuffled(mut observation: Observation, choices: &[Index]) -> Observation {
    shuffle(&mut observation.coverage, choices);
    shuffle(&mut observation.flows, choices);
    shuffle(&mut observation.edges, choices);
    shuffle(&mut observation.unresolved, choices);
    shuffle(&mut observation.inventory.pods, choices);
    shuffle(&mut observation.inventory.namespaces, choices);
    shuffle(&mut observation.inventory.policies, choices);
    shuffle(&mut observation.inventory.api_extensions, choices);
    observation
}

fn choices() -> impl Strategy<Value = Vec<Index>> {
    prop::collection::vec(any::<Index>(), 40)
}

#[test]
fn records_of_one_key_are_told_apart_by_the_rest() {
    let mut observation = empty();
    observation.edges = vec![Edge { addresses_dropped: 2, ..edge() }, Edge { addresses_dropped: 1, ..edge() }];
    observation.flows =
        vec![Flow { names: ["b".into()].into(), ..flow() }, Flow { names: ["a".into()].into(), ..flow() }];
    let mut turned = observation.clone();
    turned.edges.reverse();
    turned.flows.reverse();
    assert_eq!(observation.digest(), turned.digest());
    observation.sort();
    turned.sort();
    assert_eq!(observation, turned);
}

#[test]
fn the_digest_changes_with_the_content() {
    let mut other = sample();
    other.edges[0].activity.connections += 1;
    assert_ne!(sample().digest(), other.digest());
    assert_eq!(sample().digest().len(), 64);
}

proptest! {
    #[test]
    fn sorting_forgets_the_order(observation in random::observation(), choices in choices()) {
        let mut turned = shuffled(observation.clone(), &choices);
        prop_assert_eq!(compressed(&observation), compressed(&turned));
        prop_assert_eq!(observation.digest(), turned.digest());
        let mut sorted = observation;
        sorted.sort();
        turned.sort();
        prop_assert_eq!(sorted, turned);
    }

    #[test]
    fn the_order_of_lines_means_nothing(observation in random::observation(), choices in choices()) {
        let text = plain(&observation);
        let mut lines: Vec<&str> = text.lines().collect();
        shuffle(&mut lines, &choices);
        let (back, warnings) = read_bytes(lines.join("\n")).unwrap();
        prop_assert_eq!(warnings, []);
        prop_assert_eq!(back.digest(), observation.digest());
        prop_assert_eq!(plain(&back), text);
    }
}
