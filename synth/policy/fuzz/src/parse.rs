//! Any bytes as manifests. For the target `parse`.

use netwright_policy::{Origin, ParseFailure, Parsed, ReadOptions, Source};

/// Reads the bytes as a file of manifests, leniently and strictly.
///
/// # Panics
///
/// If reading does, if a message could drive a terminal or names a line that is not there, if there is a failure without
/// an error, or if strictness accepts more or reads anything else.
pub fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let lines = text.lines().count().max(1);
    let source = [Source { name: "fuzz".to_owned(), text: text.to_owned() }];
    let [lenient, strict] = [false, true].map(|strict| ReadOptions { strict, keep_text: true }.parse(&source));
    for read in [&lenient, &strict] {
        check(read, lines);
    }
    if let Ok(strict) = &strict {
        let same = lenient.as_ref().map(|lenient| lenient.policies.policies() == strict.policies.policies());
        assert_eq!(same, Ok(true), "strictly read and leniently read are not the same");
    }
}

fn check(read: &Result<Parsed, ParseFailure>, lines: usize) {
    let (errors, warnings) = match read {
        Ok(parsed) => (&[][..], &parsed.warnings),
        Err(failure) => {
            assert!(!failure.errors.is_empty(), "refused without a reason");
            (failure.errors.as_slice(), &failure.warnings)
        }
    };
    errors.iter().for_each(|error| check_message(&error.origin, &error.to_string(), lines));
    warnings.iter().for_each(|warning| check_message(&warning.origin, &warning.to_string(), lines));
}

fn check_message(origin: &Origin, message: &str, lines: usize) {
    assert!(!message.contains(char::is_control), "control characters: {message:?}");
    // A reader may give up behind the last line.
    assert!((1..=lines + 1).contains(&origin.line), "no line {} among {lines}: {message}", origin.line);
}
