//! Port numbers as ranges (`port` and `endPort`). Serves the rendering of rules, and `--ports range`.
//!
//! [`exact_ranges`] only writes the same ports shorter. [`spanning`] widens: it is for servers that choose their ports
//! (passive FTP, RMI, Spark executors, Erlang nodes), where the next connection comes to a port not seen so far.

use std::collections::BTreeSet;

/// Fewer consecutive ports than this are listed: `8080, 8081` is easier to read than a range, and to change.
const SHORTEST_RUN: u32 = 3;
/// The first port that a server without privileges may choose: those below are assigned to services (RFC 6335,
/// section 6, system ports), so whoever answers there was told to.
pub const FIRST_HIGH: u16 = 1024;
/// From how many high ports on a server is taken to choose them. A server that is told its ports has a handful: what it
/// serves, metrics, health, administration. Ten is past any of those, and still seen on the first day of one that
/// chooses.
pub const MANY: usize = 10;

/// Ports written as ranges, and what that adds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spanned {
    /// First and last port of each range, both included; ascending and disjoint. Of a single port both are the same.
    pub ranges: Vec<(u16, u16)>,
    /// Ports that are in a range and were not asked for.
    pub added: u32,
}

/// Exactly `ports`: runs of three and more consecutive numbers as one range, all others on their own.
pub fn exact_ranges(ports: &BTreeSet<u16>) -> Vec<(u16, u16)> {
    runs(ports)
        .into_iter()
        .flat_map(|(first, last)| {
            if width(first, last) >= SHORTEST_RUN {
                vec![(first, last)]
            } else {
                (first..=last).map(|port| (port, port)).collect()
            }
        })
        .collect()
}

/// `ports` of one protocol and one peer, widened: where ten or more of them are high (from 1024 on) and not `fixed`,
/// these become one range from the lowest to the highest. All others are written exactly.
///
/// `fixed` are ports that somebody configured, as a container that declares them or a Service that targets them shows:
/// they say nothing about which ports the server chooses, and 8080 must not stretch a range that begins at 40000.
/// A fixed port that falls into the range is not listed again.
pub fn spanning(ports: &BTreeSet<u16>, fixed: &BTreeSet<u16>) -> Spanned {
    let chosen: BTreeSet<u16> = ports.range(FIRST_HIGH..).filter(|port| !fixed.contains(port)).copied().collect();
    let (Some(&first), Some(&last)) = (chosen.first(), chosen.last()) else {
        return Spanned { ranges: exact_ranges(ports), added: 0 };
    };
    if chosen.len() < MANY {
        return Spanned { ranges: exact_ranges(ports), added: 0 };
    }
    let (inside, outside): (BTreeSet<u16>, BTreeSet<u16>) =
        ports.iter().partition(|port| (first..=last).contains(*port));
    let mut ranges = exact_ranges(&outside);
    ranges.push((first, last));
    ranges.sort_unstable();
    // There are at most 65,536 of them.
    let seen = u32::try_from(inside.len()).unwrap_or(u32::MAX);
    Spanned { ranges, added: width(first, last).saturating_sub(seen) }
}

/// The longest runs of consecutive numbers, ascending.
fn runs(ports: &BTreeSet<u16>) -> Vec<(u16, u16)> {
    let mut runs: Vec<(u16, u16)> = Vec::new();
    for &port in ports {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(port) => *last = port,
            _ => runs.push((port, port)),
        }
    }
    runs
}

/// How many ports are between two, both counted.
fn width(first: u16, last: u16) -> u32 {
    u32::from(last).saturating_sub(u32::from(first)).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn allowed(ranges: &[(u16, u16)]) -> BTreeSet<u16> {
        ranges.iter().flat_map(|(first, last)| *first..=*last).collect()
    }

    fn ports(numbers: impl IntoIterator<Item = u16>) -> BTreeSet<u16> {
        numbers.into_iter().collect()
    }

    #[test]
    fn two_stay_two_and_three_become_a_range() {
        assert_eq!(exact_ranges(&ports([80, 81, 90, 91, 92])), [(80, 80), (81, 81), (90, 92)]);
        assert_eq!(exact_ranges(&ports([65533, 65534, 65535])), [(65533, 65535)]);
        assert_eq!(exact_ranges(&ports([0])), [(0, 0)]);
        assert_eq!(exact_ranges(&ports([])), []);
    }

    #[test]
    fn nine_high_ports_are_not_many_and_ten_are() {
        let nine = ports((0..9).map(|number| 40_000 + 10 * number));
        assert_eq!(spanning(&nine, &ports([])).added, 0);
        let ten = ports((0..10).map(|number| 40_000 + 10 * number));
        assert_eq!(spanning(&ten, &ports([])), Spanned { ranges: vec![(40_000, 40_090)], added: 81 });
    }

    #[test]
    fn low_and_fixed_ports_do_not_stretch_the_range() {
        let mut seen = ports((0..11).map(|number| 40_000 + 2 * number));
        seen.extend([21, 8080]);
        let spanned = spanning(&seen, &ports([8080, 40_004]));
        assert_eq!(spanned, Spanned { ranges: vec![(21, 21), (8080, 8080), (40_000, 40_020)], added: 10 });
    }

    #[test]
    fn every_port_of_the_machine_is_one_range() {
        let all = ports(1024..=65535);
        assert_eq!(spanning(&all, &ports([])), Spanned { ranges: vec![(1024, 65535)], added: 0 });
    }

    proptest! {
        #[test]
        fn exact_ranges_allow_exactly_the_ports(seen in prop::collection::btree_set(any::<u16>(), 0..40)) {
            prop_assert_eq!(allowed(&exact_ranges(&seen)), seen);
        }

        #[test]
        fn dense_ports_too(seen in prop::collection::btree_set(65_500u16.., 0..36)) {
            let ranges = exact_ranges(&seen);
            prop_assert_eq!(allowed(&ranges), seen);
            prop_assert!(ranges.is_sorted());
        }

        #[test]
        fn what_is_added_is_counted(
            seen in prop::collection::btree_set(1000u16..1100, 0..40),
            fixed in prop::collection::btree_set(1000u16..1100, 0..10),
        ) {
            let Spanned { ranges, added } = spanning(&seen, &fixed);
            let all = allowed(&ranges);
            prop_assert!(all.is_superset(&seen));
            prop_assert_eq!(all.len() - seen.len(), added as usize);
            let listed: usize = ranges.iter().map(|(first, last)| usize::from(last - first) + 1).sum();
            prop_assert_eq!(listed, all.len());
            prop_assert!(all.difference(&seen).all(|port| *port >= 1024));
        }
    }
}
