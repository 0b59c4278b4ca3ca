//! Files of other versions: a later minor one is read as far as it is known, another major one is refused.

use crate::sample::{plain, read_bytes, sample};
use netwright_record::file::{ReadError, Warning};
use netwright_record::{Header, Window};

/// The sample with other lines after the header.
fn with_lines(lines: &[&str]) -> String {
    let text = plain(&sample());
    let (header, rest) = text.split_once('\n').unwrap();
    format!("{header}\n{}\n{rest}", lines.join("\n"))
}

#[test]
fn unknown_fields_are_passed_over() {
    let grown: String = plain(&sample())
        .lines()
        .map(|line| format!("{},\"colour\":{{\"deep\":[1,null,\"x\"]}}}}\n", line.strip_suffix('}').unwrap()))
        .collect();
    let (observation, warnings) = read_bytes(grown).unwrap();
    assert_eq!((observation, warnings), (sample(), Vec::new()));
}

#[test]
fn unknown_records_are_passed_over_and_told_once() {
    let text = with_lines(&[
        r#"{"record":"weather","port":70000,"activity":[]}"#,
        r#"{"format":5,"record":"tide\u001b[2J"}"#,
        r#"{"record":"weather"}"#,
    ]);
    let (observation, warnings) = read_bytes(&text).unwrap();
    assert_eq!(observation, sample());
    let kinds = vec!["weather".to_owned(), r"tide\u{1b}[2J".to_owned()];
    let counted = sample_records();
    assert_eq!(
        warnings,
        [
            Warning::Miscounted { path: "file".into(), expected: counted, found: counted + 3 },
            Warning::UnknownRecords { path: "file".into(), line: 2, records: 3, kinds },
        ]
    );
    let message = warnings[1].to_string();
    assert!(message.contains(r"3 records") && message.contains(r"weather, tide\u{1b}[2J"), "{message}");
}

#[test]
fn unknown_records_count_as_records() {
    let end = |records| format!("{{\"record\":\"end\",\"records\":{records}}}");
    let text = with_lines(&[r#"{"record":"weather"}"#]).replace(&end(sample_records()), &end(sample_records() + 1));
    let (_, warnings) = read_bytes(text).unwrap();
    assert!(matches!(&warnings[..], [Warning::UnknownRecords { records: 1, .. }]), "{warnings:?}");
}

#[test]
fn a_flood_of_unknown_kinds_is_one_short_warning() {
    let long = "x".repeat(10_000);
    let lines: Vec<String> = (0..1000).map(|n| format!(r#"{{"record":"{n}{long}"}}"#)).collect();
    let (_, warnings) = read_bytes(with_lines(&lines.iter().map(String::as_str).collect::<Vec<_>>())).unwrap();
    let Warning::UnknownRecords { records, kinds, .. } = &warnings[1] else { panic!("{warnings:?}") };
    assert_eq!((*records, kinds.len()), (1000, 8));
    assert!(warnings[1].to_string().len() < 3000);
}

#[test]
fn another_major_version_is_refused_whatever_its_header_looks_like() {
    let header = r#"{"record":"header","format":"netwright.observation/v2""#;
    let window =
        serde_json::to_string(&Header::new("x", Window { from: crate::sample::at(0), until: crate::sample::at(1) }));
    let window = window.unwrap().replace("/v1", "/v2").replacen('{', r#"{"record":"header","#, 1);
    for line in [
        window,
        format!("{header}}}"),
        format!(r#"{header},"window":"two weeks","written_by":7}}"#),
        r#"{"record":"prologue","format":"netwright.observation/v2"}"#.to_owned(),
        r#"{"format":"netwright.observation/v2"}"#.to_owned(),
        format!("{header}}}").replace("/v2", "/v10"),
        r#"{"record":"header","format":"somebody.elses/v1","window":{}}"#.to_owned(),
    ] {
        // With or without an end of line, alone or with more behind it.
        for text in [line.clone(), format!("{line}\n"), format!("{line}\n{{\"record\":\"edge\",\"from\":1}}\n")] {
            let error = read_bytes(&text).unwrap_err();
            assert!(matches!(error, ReadError::Unsupported { line: 1, .. }), "{text}: {error}");
            let message = error.to_string();
            assert!(message.starts_with("file:1: format \"") && message.contains("use the version"), "{message}");
        }
    }
}

#[test]
fn a_broken_header_of_this_version_is_no_other_version() {
    let error = read_bytes("{\"record\":\"header\",\"format\":\"netwright.observation/v1\"}\n").unwrap_err();
    assert!(error.to_string().contains("missing field `written_by`"), "{error}");
}

fn sample_records() -> u64 {
    plain(&sample()).lines().count() as u64 - 1
}
