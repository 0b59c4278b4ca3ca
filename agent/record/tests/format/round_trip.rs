//! What is written is what is read.

use crate::sample::{compressed, empty, plain, random, read_bytes, sample};
use netwright_record::{Observation, file};
use proptest::prelude::*;
use std::io::{self, Read};
use std::path::Path;

/// A pipe from a slow writer: a byte at a time.
struct Trickle<'a>(&'a [u8]);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(1);
        self.0.read(&mut buffer[..length])
    }
}

fn comes_back(observation: &Observation) {
    for bytes in [plain(observation).into_bytes(), compressed(observation)] {
        let (back, warnings) = read_bytes(&bytes).unwrap();
        assert_eq!(&back, observation);
        assert_eq!(warnings, []);
    }
}

#[test]
fn every_kind_of_record_comes_back() {
    comes_back(&sample());
    comes_back(&empty());
}

#[test]
fn the_sample_holds_every_kind_and_every_counter() {
    let text = plain(&sample());
    let kinds = [
        "header",
        "coverage",
        "namespace",
        "workload",
        "pod",
        "service",
        "node",
        "cron-job",
        "policy",
        "flow",
        "edge",
        "unresolved",
        "end",
    ];
    for kind in kinds {
        assert!(text.contains(&format!(r#"{{"record":"{kind}""#)), "{kind}");
    }
    assert!(
        sample().coverage[0].losses.named().iter().all(|(name, n)| *n > 0 && text.contains(&format!("\"{name}\":")))
    );
}

#[test]
fn what_arrives_a_byte_at_a_time_is_recognised_too() {
    for bytes in [plain(&sample()).into_bytes(), compressed(&sample())] {
        assert_eq!(file::read(Trickle(&bytes), Path::new("-")).unwrap().0, sample());
    }
}

#[test]
fn files_of_other_hands_are_read() {
    let text = plain(&sample());
    for same in [text.replace('\n', "\r\n"), text.replace('\n', "\n\n"), text.trim_end().to_owned()] {
        let (back, warnings) = read_bytes(same).unwrap();
        assert_eq!((back, warnings), (sample(), Vec::new()));
    }
    // Lines compressed one by one, as a log shipper does.
    let frames: Vec<u8> =
        text.split_inclusive('\n').flat_map(|line| zstd::encode_all(line.as_bytes(), 1).unwrap()).collect();
    assert_eq!(read_bytes(frames).unwrap(), (sample(), Vec::new()));
}

#[test]
fn the_format_stays_what_it_is() {
    let text = plain(&sample());
    let line = |kind: &str| text.lines().find(|line| line.contains(&format!("\"record\":\"{kind}\""))).unwrap();
    assert_eq!(
        line("header"),
        r#"{"record":"header","format":"netwright.observation/v1","written_by":"test 1.0","cluster":"test","window":{"from":"1970-01-01T00:00:00Z","until":"1970-01-01T02:00:00Z"}}"#
    );
    assert_eq!(
        line("edge"),
        r#"{"record":"edge","client":{"kind":"workload","namespace":"shop","workload_kind":"Deployment","name":"front"},"server":{"kind":"workload","namespace":"shop","workload_kind":"Deployment","name":"api"},"protocol":"TCP","port":443,"services":[{"namespace":"shop","name":"api","port":80}],"client_addresses":["10.0.0.1"],"server_addresses":["198.18.0.1","::1"],"addresses_dropped":7,"activity":{"first":"1970-01-01T00:01:00Z","last":"1970-01-01T01:56:40.123456789Z","connections":12,"failed":3,"bytes":18446744073709551615,"hours":[[0,2],[5,1]]},"nodes":["n1","n2"]}"#
    );
    assert_eq!(line("end"), format!(r#"{{"record":"end","records":{}}}"#, text.lines().count() - 1));
}

proptest! {
    #[test]
    fn any_observation_comes_back(mut observation in random::observation()) {
        observation.sort();
        comes_back(&observation);
    }
}

#[test]
fn the_head_is_everything_before_what_was_seen() {
    let mut whole = sample();
    whole.sort();
    for bytes in [compressed(&whole), plain(&whole).into_bytes()] {
        let head = file::read_head(bytes.as_slice(), Path::new("x")).unwrap();
        assert_eq!((&head.header, &head.coverage, &head.inventory), (&whole.header, &whole.coverage, &whole.inventory));
        assert!(head.flows.is_empty() && head.edges.is_empty() && head.unresolved.is_empty());
    }
    let error = file::read_head("{}\n".as_bytes(), Path::new("x")).unwrap_err();
    assert!(error.to_string().contains('x'), "{error}");
}

#[test]
fn an_outline_counts_what_it_does_not_read() {
    let whole = sample();
    let others = (whole.flows.len() + whole.edges.len() + whole.unresolved.len()) as u64;
    for bytes in [compressed(&whole), plain(&whole).into_bytes()] {
        let outline = file::outline(bytes.as_slice(), Path::new("x"), 1 << 20).unwrap();
        assert_eq!((outline.others, &outline.head.header), (others, &whole.header));
        assert!(file::outline(&bytes[..bytes.len() - 10], Path::new("x"), 1 << 20).is_err(), "cut short");
        assert!(file::outline(bytes.as_slice(), Path::new("x"), 100).is_err(), "larger than is taken");
    }
    let empty = file::outline(compressed(&empty()).as_slice(), Path::new("x"), 1 << 20).unwrap();
    assert_eq!(empty.others, 0);
}
