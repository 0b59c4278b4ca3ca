//! Segments that can be told apart.

use netwright_record::{
    Activity, Coverage, Direction, Ended, FlatSet, Flow, Header, Local, Losses, Observation, Protocol, Time, Window,
};

/// A segment with one flow, whose connections are `mark`.
pub(crate) fn segment(mark: u64) -> Observation {
    let window = Window { from: Time::UNIX_EPOCH, until: Time::UNIX_EPOCH };
    let mut segment = Observation::new(Header::new("test", window));
    segment.coverage.push(Coverage {
        node: "node".into(),
        run: "run".into(),
        from: window.from,
        to: window.until,
        ended: Ended::Continues,
        losses: Losses::default(),
        notes: Vec::new(),
    });
    segment.flows.push(Flow {
        node: "node".into(),
        direction: Direction::Egress,
        protocol: Protocol::Tcp,
        local: Local::Host { ip: None },
        remote: "198.18.0.1".parse().unwrap(),
        port: 443,
        remote_port: None,
        names: FlatSet::new(),
        activity: Activity { connections: mark, ..Activity::once(Time::UNIX_EPOCH) },
    });
    segment
}

/// What `segment` was made with.
pub(crate) fn mark(segment: &[u8]) -> u64 {
    let (segment, warnings) = netwright_record::file::read(segment, std::path::Path::new("segment")).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    segment.flows.iter().map(|flow| flow.activity.connections).sum()
}
