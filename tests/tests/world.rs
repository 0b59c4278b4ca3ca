//! The world by itself, without the agent: every declared conversation really takes place.

use netwright_tests::shop::{self, stage::Stage};
use netwright_tests::world::prerequisites;

#[test]
fn every_declared_conversation_takes_place() {
    let missing = prerequisites::missing();
    if !missing.is_empty() {
        netwright_tests::skipped(&missing.join("\n"));
        return;
    }
    let mut stage = Stage::open(shop::shop()).unwrap();
    stage.start_clients().unwrap();
    stage.run_jobs().unwrap();
    stage.run_jobs().unwrap();
    stage.wait_for_attempts(3).unwrap();
    stage.stop_clients().unwrap();
    let tallies = stage.tallies();
    let failed: Vec<_> = tallies.iter().filter(|(_, tally)| tally.errors > 0 || !tally.done).collect();
    assert!(failed.is_empty(), "clients whose calls went wrong: {failed:#?}");
}
