//! The edges are those that were declared: none missing, none extra, none with a wrong fact.

use crate::recorded;
use netwright_record::{Coverage, Ended, Endpoint};
use netwright_tests::shop::{compare::compare, expected::expected, shop};

#[test]
fn the_edges_are_exactly_those_that_the_shop_opened() {
    let Some(it) = recorded() else { return };
    let rows = compare(&expected(&shop()), &it.observation.edges, &it.tallies);
    let wrong: Vec<String> = rows.iter().filter(|row| !row.faults.is_empty()).map(ToString::to_string).collect();
    assert!(wrong.is_empty(), "{} of {} edges are wrong:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
    assert!(it.observation.unresolved.is_empty(), "{:#?}", it.observation.unresolved);
}

#[test]
fn the_connection_that_is_older_than_the_agent_is_there() {
    let Some(it) = recorded() else { return };
    let invoicer = |end: &Endpoint| end.workload().is_some_and(|workload| workload.name == "invoicer");
    let edges: Vec<_> = it.observation.edges.iter().filter(|edge| invoicer(&edge.client)).collect();
    let [edge] = edges.as_slice() else { panic!("one edge expected: {edges:#?}") };
    assert!(edge.activity.established(), "{edge:#?}");
    assert_eq!(edge.activity.connections, 1, "one connection, opened once");
}

#[test]
fn nothing_was_lost_and_the_watch_ended_in_order() {
    let Some(it) = recorded() else { return };
    let lossy: Vec<&Coverage> = it.observation.coverage.iter().filter(|part| !part.losses.is_empty()).collect();
    // The first questions of a pod that asks an outside resolver come before anyone knows that it does.
    let other =
        lossy.iter().filter(|part| part.losses.named().iter().any(|(name, n)| *n > 0 && *name != "dns_unwatched"));
    assert_eq!(other.count(), 0, "{lossy:#?}");
    let last = it.observation.coverage.iter().max_by_key(|part| part.to).expect("some coverage");
    assert_eq!(last.ended, Ended::Clean, "{last:#?}");
}
