//! Makes one observation of segments and an inventory.

use super::segments::WRITTEN_BY;
use crate::flows::drop_address_selection;
use netwright_record::inventory::Inventory;
use netwright_record::{Coverage, Ended, Flow, Header, Name, Observation, Window};
use netwright_resolve::resolve;
use std::collections::BTreeMap;

/// What assembly yields besides the observation.
#[derive(Debug)]
pub struct Assembled {
    /// The observation: coverage and flows, and edges if an inventory was given.
    pub observation: Observation,
    /// UDP sockets that were connected only to learn a source address.
    pub address_selections: usize,
}

/// Combines segments. Flows of one key are added up; the edges are resolved from the segments' own flows, each at its own
/// time, since an address may have changed hands in between. `None` if there is no segment.
pub fn assemble(
    segments: Vec<Observation>,
    inventory: Option<Inventory>,
    cluster: Option<String>,
) -> Option<Assembled> {
    let window = window(&segments)?;
    let mut header = Header::new(WRITTEN_BY, window);
    header.cluster = cluster;
    let mut observation = Observation::new(header);
    let mut flows = Vec::new();
    for segment in segments {
        observation.coverage.extend(segment.coverage);
        flows.extend(segment.flows);
    }
    observation.coverage = join_coverage(observation.coverage);
    let address_selections = drop_address_selection(&mut flows);
    if let Some(inventory) = inventory {
        resolve::apply(&mut observation, &flows, inventory);
    }
    observation.flows = add_up(flows);
    observation.sort();
    Some(Assembled { observation, address_selections })
}

fn window(segments: &[Observation]) -> Option<Window> {
    Some(Window {
        from: segments.iter().map(|segment| segment.header.window.from).min()?,
        until: segments.iter().map(|segment| segment.header.window.until).max()?,
    })
}

/// One stretch a run: from its first segment to its last. A run whose last segment says that more was to come was cut off.
fn join_coverage(parts: Vec<Coverage>) -> Vec<Coverage> {
    let mut runs: BTreeMap<(Name, String), Coverage> = BTreeMap::new();
    let mut parts = parts;
    parts.sort_by_key(|part| part.from);
    for part in parts {
        match runs.get_mut(&(part.node.clone(), part.run.clone())) {
            None => {
                runs.insert((part.node.clone(), part.run.clone()), part);
            }
            Some(run) => {
                run.to = part.to;
                run.ended = part.ended;
                run.losses.add(&part.losses);
                let new: Vec<_> = part.notes.into_iter().filter(|note| !run.notes.contains(note)).collect();
                run.notes.extend(new);
            }
        }
    }
    let mut runs: Vec<Coverage> = runs.into_values().collect();
    for run in runs.iter_mut().filter(|run| run.ended == Ended::Continues) {
        run.ended = Ended::CutOff;
    }
    runs
}

/// One flow a key, with all its activity and all its names.
fn add_up(flows: Vec<Flow>) -> Vec<Flow> {
    let mut merged: BTreeMap<_, Flow> = BTreeMap::new();
    for flow in flows {
        let key = (
            flow.node.clone(),
            flow.local.clone(),
            flow.direction,
            flow.protocol,
            flow.remote,
            flow.port,
            flow.remote_port,
        );
        match merged.get_mut(&key) {
            None => {
                merged.insert(key, flow);
            }
            Some(existing) => {
                existing.activity.merge(&flow.activity);
                existing.names.extend(flow.names);
            }
        }
    }
    merged.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use netwright_record::{Activity, Direction, Local, Losses, Protocol, Time};

    fn at(second: i64) -> Time {
        Time::from_second(second).unwrap()
    }

    fn segment(run: &str, from: i64, to: i64, ended: Ended) -> Observation {
        let mut segment = Observation::new(Header::new("test", Window { from: at(from), until: at(to) }));
        segment.coverage.push(Coverage {
            node: "n".into(),
            run: run.into(),
            from: at(from),
            to: at(to),
            ended,
            losses: Losses { connections: 1, ..Losses::default() },
            notes: vec!["a note".into()],
        });
        segment.flows.push(Flow {
            node: "n".into(),
            direction: Direction::Egress,
            protocol: Protocol::Tcp,
            local: Local::Pod { uid: "a".into(), ip: None },
            remote: "198.18.0.1".parse().unwrap(),
            port: 443,
            remote_port: None,
            names: [format!("{from}.example").into()].into(),
            activity: Activity::once(at(from)),
        });
        segment
    }

    #[test]
    fn a_run_without_an_end_was_cut_off() {
        let segments = vec![segment("1", 10, 20, Ended::Continues), segment("1", 20, 30, Ended::Continues)];
        let observation = assemble(segments, None, None).unwrap().observation;
        let coverage = observation.coverage.first().unwrap();
        assert_eq!((coverage.from, coverage.to, coverage.ended), (at(10), at(30), Ended::CutOff));
        assert_eq!(coverage.losses.connections, 2);
        assert_eq!(coverage.notes.len(), 1);
    }

    #[test]
    fn runs_stay_apart_so_that_the_gap_shows() {
        let segments = vec![segment("2", 40, 50, Ended::Clean), segment("1", 10, 20, Ended::Continues)];
        let observation = assemble(segments, None, None).unwrap().observation;
        let ended: Vec<_> = observation.coverage.iter().map(|coverage| coverage.ended).collect();
        assert_eq!(ended, [Ended::CutOff, Ended::Clean]);
        assert_eq!(observation.header.window, Window { from: at(10), until: at(50) });
    }

    #[test]
    fn flows_of_one_key_are_added_up() {
        let segments = vec![segment("1", 10, 20, Ended::Continues), segment("1", 20, 30, Ended::Clean)];
        let observation = assemble(segments, None, None).unwrap().observation;
        assert_eq!(observation.flows.len(), 1);
        let flow = observation.flows.first().unwrap();
        assert_eq!((flow.activity.connections, flow.names.len()), (2, 2));
    }

    #[test]
    fn nothing_comes_of_nothing() {
        assert!(assemble(Vec::new(), None, None).is_none());
    }
}
