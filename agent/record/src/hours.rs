//! A set of hours, as the runs of consecutive hours that it consists of.
//!
//! A recording holds one such set a flow and an edge. Most of them are on all the time or every day at the same hour, so
//! runs are small where single hours are not: a year without a break is 8,760 hours and one run.

use crate::Time;
use serde::{Deserialize, Serialize};

const SECONDS_PER_HOUR: i64 = 3600;
const HOURS_PER_DAY: i64 = 24;

/// The number of whole hours between the Unix epoch and `at` (UTC; negative before 1970).
pub fn hour_of(at: Time) -> i64 {
    at.as_second().div_euclid(SECONDS_PER_HOUR)
}

/// A set of hours since the Unix epoch, run-length coded.
///
/// Written as `[[first_hour, length], …]`, ascending and with gaps between the runs: an edge that is
/// always on costs one pair however long the window is. Runs that are read may overlap and stand in any order. Hours that no
/// [`Time`] lies in (before the year −9999, after 9999) are left out, so that the length of a run always fits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<(i64, u32)>")]
pub struct Hours(Vec<Kept>);

/// The first hour and how many follow it without a break, itself included; whatever a file says.
type Run = (i64, u32);
/// A run of at least one hour in which there are instants. The first hour of each is within ±2^27.
type Kept = (i32, u32);

impl Hours {
    /// Adds one hour (hours since the Unix epoch).
    pub fn insert(&mut self, hour: i64) {
        self.extend(possible((hour, 1)).into_iter());
    }

    /// Adds all hours of `other`. O(runs of `other`) if they continue this one's, as those of consecutive records do; else O(runs of both).
    pub fn merge(&mut self, other: &Hours) {
        self.extend(other.0.iter().copied());
    }

    /// How many distinct hours were active.
    pub fn count(&self) -> usize {
        self.0.iter().map(|(_, length)| *length as usize).sum()
    }

    /// How many distinct days (UTC) were active. O(runs).
    pub fn days(&self) -> usize {
        let mut days = 0;
        let mut next_uncounted = i64::MIN;
        for run in &self.0 {
            let first = i64::from(run.0).div_euclid(HOURS_PER_DAY).max(next_uncounted);
            next_uncounted = (end(*run) - 1).div_euclid(HOURS_PER_DAY) + 1;
            days += usize::try_from(next_uncounted - first).unwrap_or(0);
        }
        days
    }

    /// The hours, ascending.
    pub fn iter(&self) -> impl Iterator<Item = i64> + '_ {
        self.0.iter().flat_map(|run| i64::from(run.0)..end(*run))
    }

    /// Adds runs in any order.
    fn extend(&mut self, mut runs: impl Iterator<Item = Kept>) {
        while let Some(run) = runs.next() {
            if self.0.last().is_some_and(|last| run.0 < last.0) {
                // Not in time's order: all at once. The sort finds what is in order already, and so does no more than merge.
                self.0.push(run);
                self.0.extend(runs.by_ref());
                self.0.sort();
                self.0.dedup_by(|next, last| join(last, *next));
            } else if !self.0.last_mut().is_some_and(|last| join(last, run)) {
                self.0.push(run);
            }
        }
    }
}

/// The hour after the last of a run.
fn end((first, length): Kept) -> i64 {
    i64::from(first) + i64::from(length)
}

/// The part of a run in which there are instants, if any.
fn possible((first, length): Run) -> Option<Kept> {
    let end = first.saturating_add(i64::from(length)).min(hour_of(Time::MAX) + 1);
    let first = first.max(hour_of(Time::MIN));
    let length = u32::try_from(end.checked_sub(first)?).ok()?;
    (length > 0).then_some((i32::try_from(first).ok()?, length))
}

/// Makes `last` cover `next` too, which begins no earlier. False if there is a gap between them.
fn join(last: &mut Kept, next: Kept) -> bool {
    let (last_end, next_end) = (end(*last), end(next));
    if i64::from(next.0) > last_end {
        return false;
    }
    if next_end > last_end {
        // Within the range of `Time`, which is less than 2^28 hours wide.
        last.1 = u32::try_from(next_end - i64::from(last.0)).unwrap_or(u32::MAX);
    }
    true
}

impl FromIterator<i64> for Hours {
    fn from_iter<I: IntoIterator<Item = i64>>(hours: I) -> Self {
        hours.into_iter().map(|hour| (hour, 1)).collect::<Vec<_>>().into()
    }
}

/// Takes runs in any order, overlapping, empty or out of range.
impl From<Vec<(i64, u32)>> for Hours {
    fn from(runs: Vec<(i64, u32)>) -> Self {
        let mut hours = Self(Vec::with_capacity(runs.len()));
        hours.extend(runs.into_iter().filter_map(possible));
        hours.0.shrink_to_fit();
        hours
    }
}

impl From<Hours> for Vec<(i64, u32)> {
    fn from(hours: Hours) -> Self {
        hours.0.into_iter().map(|(first, length)| (first.into(), length)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn hours(runs: &[Run]) -> Hours {
        runs.to_vec().into()
    }

    /// Runs of which several overlap, touch, repeat, or are empty.
    fn crowded_runs() -> impl Strategy<Value = Vec<Run>> {
        prop::collection::vec((-60..60i64, 0..9u32), 0..12)
    }

    /// Runs anywhere, most of them where no instant is.
    fn wild_runs() -> impl Strategy<Value = Vec<Run>> {
        let hour = prop_oneof![any::<i64>(), Just(i64::MAX), Just(i64::MIN), -90_000_000..90_000_000i64];
        prop::collection::vec((hour, prop_oneof![any::<u32>(), Just(u32::MAX)]), 0..12)
    }

    fn one_by_one(runs: &[Run]) -> BTreeSet<i64> {
        runs.iter().flat_map(|(first, length)| *first..*first + i64::from(*length)).collect()
    }

    fn is_canonical(hours: &Hours) -> bool {
        hours.0.iter().all(|run| run.1 > 0 && possible((run.0.into(), run.1)) == Some(*run))
            && hours.0.windows(2).all(|pair| end(pair[0]) < pair[1].0.into())
    }

    #[test]
    fn a_year_without_a_break_is_one_run() {
        let mut year = Hours::default();
        for hour in 480_000..480_000 + 8760 {
            year.insert(hour);
        }
        assert_eq!(year.0, [(480_000, 8760)]);
        assert!(year.0.capacity() <= 4);
    }

    #[test]
    fn touching_runs_become_one_and_gaps_stay() {
        assert_eq!(hours(&[(20, 5), (10, 5), (15, 5), (26, 1)]).0, [(10, 15), (26, 1)]);
    }

    #[test]
    fn hours_where_no_instant_is_are_left_out() {
        let (first, last) = (hour_of(Time::MIN), hour_of(Time::MAX));
        let widest = hours(&[(first - 10, u32::MAX), (i64::MAX, u32::MAX), (i64::MIN, u32::MAX), (7, 0)]);
        assert_eq!(Vec::from(widest), [(first, u32::try_from(last - first + 1).unwrap())]);
        let mut none = Hours::default();
        none.insert(i64::MAX);
        none.insert(last + 1);
        none.insert(first - 1);
        assert_eq!(none, Hours::default());
    }

    #[test]
    fn days_before_1970_end_at_midnight_too() {
        assert_eq!(hours(&[(-1, 2)]).days(), 2);
        assert_eq!(hours(&[(-24, 24)]).days(), 1);
        assert_eq!(hours(&[(1, 1), (5, 1), (23, 2)]).days(), 2);
    }

    #[test]
    fn a_length_that_no_run_can_have_is_refused() {
        assert!(serde_json::from_str::<Hours>("[[0,4294967296]]").is_err());
        assert!(serde_json::from_str::<Hours>("[[0,-1]]").is_err());
    }

    proptest! {
        #[test]
        fn it_is_the_set_of_its_hours(runs in crowded_runs()) {
            let (hours, set) = (hours(&runs), one_by_one(&runs));
            prop_assert!(is_canonical(&hours));
            prop_assert_eq!(hours.iter().collect::<Vec<_>>(), set.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(hours.count(), set.len());
            prop_assert_eq!(hours.days(), set.iter().map(|hour| hour.div_euclid(24)).collect::<BTreeSet<_>>().len());
            prop_assert_eq!(set.into_iter().collect::<Hours>(), hours);
        }

        #[test]
        fn merging_is_union(one in crowded_runs(), other in crowded_runs()) {
            let mut merged = hours(&one);
            merged.merge(&hours(&other));
            prop_assert!(is_canonical(&merged));
            let union: BTreeSet<i64> = one_by_one(&one).union(&one_by_one(&other)).copied().collect();
            prop_assert_eq!(merged, union.into_iter().collect());
        }

        #[test]
        fn insertion_in_any_order_is_the_same(mut list in prop::collection::vec(-40..40i64, 0..40)) {
            let mut one_by_one = Hours::default();
            list.iter().for_each(|hour| one_by_one.insert(*hour));
            list.sort();
            prop_assert_eq!(one_by_one, list.into_iter().collect());
        }

        #[test]
        fn damaged_runs_are_put_in_order(one in wild_runs(), other in wild_runs()) {
            let mut merged = hours(&one);
            merged.merge(&hours(&other));
            prop_assert!(is_canonical(&merged));
            prop_assert!(merged.days() <= merged.count());
            prop_assert_eq!(&merged, &hours(&[other, one].concat()));
            let text = serde_json::to_string(&merged).unwrap();
            prop_assert_eq!(serde_json::from_str::<Hours>(&text).unwrap(), merged);
        }
    }
}
