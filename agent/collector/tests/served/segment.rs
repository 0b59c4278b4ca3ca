//! Segments as agents write them.

use netwright_record::{
    Activity, Coverage, Direction, Ended, Flow, Header, Local, Losses, Observation, Protocol, Time, Window, file,
};

/// The segment `sequence` of a run that began a minute ago, with so many flows.
pub(crate) fn segment(node: &str, run: &str, sequence: u64, flows: u64) -> Vec<u8> {
    let start = Time::now().as_second() - 60 + i64::try_from(sequence).unwrap();
    let at = |second: i64| Time::from_second(second).unwrap();
    let window = Window { from: at(start), until: at(start + 1) };
    let mut observation = Observation::new(Header::new("netwright-agent 0.1.0", window));
    observation.coverage.push(Coverage {
        node: node.into(),
        run: run.into(),
        from: window.from,
        to: window.until,
        ended: Ended::Continues,
        losses: Losses::default(),
        notes: Vec::new(),
    });
    for flow in 0..flows {
        observation.flows.push(Flow {
            node: node.into(),
            direction: Direction::Egress,
            protocol: Protocol::Tcp,
            local: Local::Host { ip: None },
            remote: std::net::Ipv4Addr::from_bits(0xc612_0000 + u32::try_from(flow).unwrap()).into(),
            port: 443,
            remote_port: None,
            names: Default::default(),
            activity: Activity::once(window.from),
        });
    }
    let mut bytes = Vec::new();
    file::write(&observation, &mut bytes).unwrap();
    bytes
}
