//! A rule for known peers on every port.

use crate::lint::check::{Check, Level};
use crate::lint::facts::{At, Facts, Named};
use crate::lint::field::{Field, Part};
use crate::lint::finding::Findings;
use crate::{PortRange, Ports};

pub(super) const CHECK: Check = Check {
    code: "every-port",
    level: Level::Note,
    profile: None,
    why: "Without ports, or with a protocol alone, a rule is for every port, debug and administration ports included.",
    advice: "Write down the ports the peers use.",
    run,
};

fn run(facts: &Facts<'_>, found: &mut Findings<'_>) {
    for at in facts.rules() {
        match &at.rule.ports {
            // Without peers too it is another check's.
            None if at.rule.peers.is_some() => {
                found.policy(at.index, at.part(Part::Ports), "is empty: every port of every protocol", Named::none());
            }
            None => {}
            Some(ports) => ports
                .iter()
                .enumerate()
                .filter_map(|(place, range)| whole(&at, place, range))
                .for_each(|(field, message)| found.policy(at.index, field, message, Named::none())),
        }
    }
}

fn whole(at: &At<'_>, place: usize, range: &PortRange) -> Option<(Field, String)> {
    let is_whole = matches!(range.ports, Ports::All | Ports::Numbers { first: 1, last: u16::MAX });
    is_whole.then(|| (at.part(Part::Port(place)), format!("is every port of {}", range.protocol)))
}
