//! The seal that each file of ours begins with: who wrote it, and a digest of what follows. By it a later run knows
//! which files are its own, and which of those somebody has edited since.
//!
//! In YAML and Markdown the seal is a comment in the first line. JSON has no comments: there it is the first field.

use sha2::{Digest as _, Sha256};
use std::io::{self, Read};

/// How many digits of the digest are written: enough to notice an edit, and the line stays short. Who wants to
/// pass off a file of their own as ours can do so anyway.
const DIGITS: usize = 16;
/// How much is read at once.
const CHUNK: usize = 32 * 1024;
/// No seal is longer, in bytes.
const LONGEST: usize = 256;

/// The digest of a body, in hexadecimal.
pub(super) type Digest = [u8; DIGITS];

/// What stands where one of our files would.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// A file of ours as we wrote it.
    Ours(Digest),
    /// A file that was ours, and that somebody edited.
    Edited,
    /// A file that does not claim to be ours.
    Foreign,
}

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Yaml,
    Json,
    Markdown,
}

impl Form {
    /// By the ending of the name; `None` for an ending that none of our files has.
    pub(super) fn of(name: &str) -> Option<Self> {
        match name.rsplit_once('.')?.1 {
            "yaml" => Some(Form::Yaml),
            "json" => Some(Form::Json),
            "md" => Some(Form::Markdown),
            _ => None,
        }
    }

    /// What stands before and after the digest.
    fn frame(self) -> (&'static str, &'static str) {
        match self {
            Form::Yaml => {
                ("# Written by netwright (digest ", "). A later run replaces this file, unless it was edited.\n")
            }
            Form::Json => (
                "{\n  \"writtenBy\": \"netwright (digest ",
                "). A later run replaces this file, unless it was edited.\",",
            ),
            Form::Markdown => {
                ("<!-- Written by netwright (digest ", "). A later run replaces this file, unless it was edited. -->\n")
            }
        }
    }

    /// With what a file begins that was ours, whatever became of the rest of its seal.
    fn claim(self) -> &'static str {
        match self {
            Form::Yaml => "# Written by netwright",
            Form::Json => "{\n  \"writtenBy\": \"netwright ",
            Form::Markdown => "<!-- Written by netwright",
        }
    }

    /// What of a text follows the seal: the opening brace of JSON stands in it already. `None` for a text that cannot be sealed.
    pub(super) fn body(self, text: &[u8]) -> Option<&[u8]> {
        match self {
            Form::Yaml | Form::Markdown => Some(text),
            Form::Json => text.strip_prefix(b"{"),
        }
    }

    /// The seal.
    pub(super) fn seal(self, digest: &Digest) -> Vec<u8> {
        let (before, after) = self.frame();
        [before.as_bytes(), digest, after.as_bytes()].concat()
    }
}

/// Takes a digest of what is given to it piece by piece.
#[derive(Clone, Default)]
pub(super) struct Digester(Sha256);

impl Digester {
    pub(super) fn take(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(super) fn digest(self) -> Digest {
        let mut digits = [0; DIGITS];
        let nibbles = self.0.finalize().into_iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
        for (digit, nibble) in digits.iter_mut().zip(nibbles) {
            *digit = if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
        }
        digits
    }
}

/// The digest of a body.
pub(super) fn digest(body: &[u8]) -> Digest {
    let mut digester = Digester::default();
    digester.take(body);
    digester.digest()
}

/// Reads a file and says whose it is. Ends of lines that a version control system turned into CR LF count as ours.
pub(super) fn judge(form: Form, mut file: impl Read) -> io::Result<Standing> {
    let mut head = vec![0; CHUNK];
    let length = fill(&mut file, &mut head)?;
    head.truncate(length);
    let start = head.get(..LONGEST).unwrap_or(&head);
    let carriage_returns = start.split(|byte| *byte == b'\n').next().is_some_and(|line| line.ends_with(b"\r"));
    let plain = if carriage_returns { without_returns(start) } else { start.to_vec() };
    let Some((stated, sealed)) = sealed(form, &plain) else {
        let claims = plain.starts_with(form.claim().as_bytes());
        return Ok(if claims { Standing::Edited } else { Standing::Foreign });
    };
    let mut digester = Digester::default();
    let mut rest = Rest { digester: &mut digester, carriage_returns, skip: sealed, pending: false };
    while !head.is_empty() {
        rest.take(&head);
        head.resize(CHUNK, 0);
        let length = if length < CHUNK { 0 } else { fill(&mut file, &mut head)? };
        head.truncate(length);
    }
    rest.end();
    Ok(if digester.digest() == stated { Standing::Ours(stated) } else { Standing::Edited })
}

/// Reads until `buffer` is full or the file at its end.
fn fill(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while let Some(free) = buffer.get_mut(length..).filter(|free| !free.is_empty()) {
        match file.read(free) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

/// The digest that a seal states, and the seal's length.
fn sealed(form: Form, start: &[u8]) -> Option<(Digest, usize)> {
    let (before, after) = form.frame();
    let rest = start.strip_prefix(before.as_bytes())?;
    let (digest, rest) = rest.split_first_chunk::<DIGITS>()?;
    rest.starts_with(after.as_bytes()).then_some((*digest, before.len() + DIGITS + after.len()))
}

/// What follows a seal, with CR LF read as LF where the file has such ends of lines.
struct Rest<'a> {
    digester: &'a mut Digester,
    carriage_returns: bool,
    /// So many bytes of the seal are still to come.
    skip: usize,
    /// The last byte was a CR.
    pending: bool,
}

impl Rest<'_> {
    fn take(&mut self, chunk: &[u8]) {
        if !self.carriage_returns {
            let body = chunk.get(self.skip..).unwrap_or_default();
            self.skip = self.skip.saturating_sub(chunk.len());
            return self.digester.take(body);
        }
        let mut plain = Vec::with_capacity(chunk.len() + 1);
        for byte in chunk {
            if self.pending && *byte != b'\n' {
                plain.push(b'\r');
            }
            self.pending = *byte == b'\r';
            if !self.pending {
                plain.push(*byte);
            }
        }
        let body = plain.get(self.skip..).unwrap_or_default();
        self.digester.take(body);
        self.skip = self.skip.saturating_sub(plain.len());
    }

    fn end(self) {
        if self.pending {
            self.digester.take(b"\r");
        }
    }
}

fn without_returns(text: &[u8]) -> Vec<u8> {
    let next = text.iter().skip(1).map(Some).chain([None]);
    text.iter()
        .zip(next)
        .filter(|(byte, next)| **byte != b'\r' || *next != Some(&b'\n'))
        .map(|(byte, _)| *byte)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sealed_text(form: Form, text: &[u8]) -> Vec<u8> {
        let body = form.body(text).unwrap();
        [form.seal(&digest(body)).as_slice(), body].concat()
    }

    fn judged(form: Form, text: &[u8]) -> Standing {
        judge(form, text).unwrap()
    }

    const TEXTS: [(Form, &str); 3] = [
        (Form::Yaml, "apiVersion: v1\nkind: K\n"),
        (Form::Json, "{\n  \"apiVersion\": \"netwright.io/v1\"\n}\n"),
        (Form::Markdown, "# Roll-out\n\n1. data\n"),
    ];

    #[test]
    fn what_is_sealed_is_ours_and_still_of_its_form() {
        for (form, text) in TEXTS {
            assert!(matches!(judged(form, &sealed_text(form, text.as_bytes())), Standing::Ours(_)), "{form:?}");
            assert_eq!(judged(form, text.as_bytes()), Standing::Foreign);
        }
        let json = sealed_text(Form::Json, TEXTS[1].1.as_bytes());
        let value: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(value["apiVersion"], "netwright.io/v1");
        assert!(value["writtenBy"].as_str().unwrap().starts_with("netwright (digest "));
    }

    #[test]
    fn a_digest_is_the_beginning_of_the_sha_256() {
        // FIPS 180-4, the example "abc".
        assert_eq!(&digest(b"abc"), b"ba7816bf8f01cfea");
    }

    #[test]
    fn a_file_that_lost_its_digest_was_edited_and_one_without_a_seal_is_foreign() {
        assert_eq!(judged(Form::Yaml, b"# Written by netwright.\nkind: K\n"), Standing::Edited);
        assert_eq!(judged(Form::Yaml, b""), Standing::Foreign);
        assert_eq!(judged(Form::Json, b"{}"), Standing::Foreign);
        assert_eq!(judged(Form::Yaml, b"kind: K\n# Written by netwright\n"), Standing::Foreign);
    }

    #[test]
    fn what_is_longer_than_a_chunk_is_read_to_its_end() {
        for length in [CHUNK - 200, CHUNK - 113, CHUNK, CHUNK + 1, 3 * CHUNK] {
            let long = "a: b\n".repeat(length / 5 + 1);
            let mut text = sealed_text(Form::Yaml, long.as_bytes());
            assert!(matches!(judged(Form::Yaml, &text), Standing::Ours(_)), "{length}");
            *text.last_mut().unwrap() = b'x';
            assert_eq!(judged(Form::Yaml, &text), Standing::Edited);
        }
    }

    proptest! {
        #[test]
        fn any_change_behind_the_seal_is_noticed(
            which in 0..3usize, lines in prop::collection::vec("[ -~]{0,12}", 0..6), place in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let (form, text) = TEXTS[which];
            let text = format!("{text}{}\n", lines.join("\n"));
            let mut sealed = sealed_text(form, text.as_bytes());
            prop_assert!(matches!(judged(form, &sealed), Standing::Ours(_)));
            let place = place.index(sealed.len());
            prop_assume!(sealed[place] != byte);
            sealed[place] = byte;
            prop_assert!(!matches!(judged(form, &sealed), Standing::Ours(_)));
        }

        #[test]
        fn ends_of_lines_that_were_turned_into_cr_lf_are_no_edit(
            which in 0..3usize, lines in prop::collection::vec("[ -~\r]{0,12}", 0..6),
        ) {
            let (form, text) = TEXTS[which];
            let text = format!("{text}{}\n", lines.join("\n")).replace("\r\n", "\n");
            let sealed = String::from_utf8(sealed_text(form, text.as_bytes())).unwrap().replace('\n', "\r\n");
            prop_assert!(matches!(judged(form, sealed.as_bytes()), Standing::Ours(_)));
            prop_assert_eq!(judged(form, format!("{sealed}x").as_bytes()), Standing::Edited);
        }
    }
}
