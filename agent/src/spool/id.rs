//! The id of a segment: which run of the agent wrote it, and its number in that run. It is the name of its file and of its upload.

use netwright_record::Time;
use std::fmt;

/// The end of a segment's file name.
const EXTENSION: &str = ".zst";
/// The longest run that is taken for one.
const LONGEST_RUN: usize = 64;

/// Names a segment of one node. Ids sort as they were written: runs by their start, then by number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId {
    /// The run: unique a start, sorted by time. Lower-case letters, digits and `-`.
    pub run: String,
    /// Counts from 0 in each run, without gaps.
    pub sequence: u64,
}

impl SegmentId {
    /// The name of its file in a spool.
    pub fn file_name(&self) -> String {
        format!("{}-{:08}{EXTENSION}", self.run, self.sequence)
    }

    /// The id in the name of a file; `None` if no spool has written it.
    pub fn of_file_name(name: &str) -> Option<Self> {
        let (run, digits) = name.strip_suffix(EXTENSION)?.rsplit_once('-')?;
        let is_number = digits.len() >= 8 && digits.bytes().all(|byte| byte.is_ascii_digit());
        let is_run = (1..=LONGEST_RUN).contains(&run.len())
            && run.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        let sequence = digits.parse().ok().filter(|_| is_number && is_run)?;
        Some(Self { run: run.to_owned(), sequence })
    }
}

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.run, self.sequence)
    }
}

/// A run that starts now: sorted after `latest`, one that is known, even if the clock was set back since.
pub fn new_run(now: Time, latest: Option<&str>) -> String {
    let known = latest.and_then(|run| run.split('-').next()?.parse::<i64>().ok());
    let start = now.as_millisecond().max(known.map_or(0, |known| known.saturating_add(1)));
    // A container's process has the same number each time; the random part tells apart what starts at one millisecond.
    format!("{start:013}-{:08x}", fastrand::u32(..))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_its_file_name() {
        let id = SegmentId { run: new_run(Time::UNIX_EPOCH, None), sequence: 12 };
        assert!(id.file_name().starts_with("0000000000000-") && id.file_name().ends_with("-00000012.zst"));
        assert_eq!(SegmentId::of_file_name(&id.file_name()), Some(id));
    }

    #[test]
    fn what_no_spool_has_written_has_no_id() {
        let long = format!("{}-00000000.zst", "a".repeat(LONGEST_RUN + 1));
        for name in [
            "",
            ".zst",
            "lock",
            "a-1.zst",
            "-00000001.zst",
            "A-00000001.zst",
            "a/b-00000001.zst",
            "a-0000000x.zst",
            &long,
        ] {
            assert_eq!(SegmentId::of_file_name(name), None, "{name}");
        }
        assert_eq!(SegmentId::of_file_name("a-99999999999999999999999.zst"), None);
    }

    #[test]
    fn runs_sort_by_time_and_never_before_one_that_is_known() {
        let at = |second| Time::from_second(second).unwrap();
        let first = new_run(at(1_800_000_000), None);
        assert!(new_run(at(1_800_000_001), Some(&first)) > first);
        assert!(new_run(at(5), Some(&first)) > first, "the clock was set back");
        assert_ne!(new_run(at(5), None), new_run(at(5), None));
        assert!(new_run(at(5), Some("no-number")).starts_with("0000000005000-"));
    }
}
