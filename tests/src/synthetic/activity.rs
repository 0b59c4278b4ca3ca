//! When and how often a made-up edge was active: always, in office hours, each night, or once.

use super::{DAYS, Random, SECONDS_PER_DAY, START, at};
use netwright_record::{Activity, Hours};

const HOURS: i64 = DAYS * 24;

/// The runs of hours, counted from the start of the watching: first hour and length.
fn runs(random: &mut Random, nightly: bool) -> Vec<(i64, u32)> {
    let night = |hour: i64| (0..DAYS).map(move |day| (day * 24 + hour, 1)).collect();
    if nightly {
        return night(random.below(6) as i64);
    }
    match random.below(20) {
        // Always on, three in five.
        0..12 => vec![(0, HOURS as u32)],
        // From eight to six on working days; the first day is a Sunday.
        12..17 => (0..DAYS).filter(|day| (1..6).contains(&(day % 7))).map(|day| (day * 24 + 8, 10)).collect(),
        17..19 => night(random.below(24) as i64),
        _ => vec![(random.below(HOURS as usize) as i64, 1)],
    }
}

/// The activity of an edge that got through.
pub(super) fn established(random: &mut Random, nightly: bool) -> Activity {
    let runs = runs(random, nightly);
    let first = runs.first().map_or(0, |run| run.0);
    let last = runs.last().map_or(0, |run| run.0 + i64::from(run.1) - 1);
    let active: u64 = runs.iter().map(|run| u64::from(run.1)).sum();
    let connections = active * (1 + random.below(600) as u64);
    let start = START / 3600;
    Activity {
        first: at(first * 3600 + random.below(1800) as i64),
        last: at((last * 3600 + 1800 + random.below(1800) as i64).min(DAYS * SECONDS_PER_DAY - 1)),
        connections,
        failed: if random.once_in(8) { random.below(10).min(connections as usize - 1) as u64 } else { 0 },
        bytes: None,
        hours: Hours::from(runs.into_iter().map(|(hour, length)| (start + hour, length)).collect::<Vec<_>>()),
    }
}

/// The activity of an edge of which no attempt was answered.
pub(super) fn refused(random: &mut Random) -> Activity {
    let activity = established(random, false);
    Activity { failed: activity.connections, ..activity }
}
