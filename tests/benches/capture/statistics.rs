//! The median and how sure it is, without assuming a distribution.

use std::fmt;

/// A median with a 95 % interval.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Interval {
    /// The median.
    pub median: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Interval {
    /// The median of the values, with the order statistics that enclose the true one in at least 95 % of all
    /// runs (binomial, normal approximation: n/2 ± 0.98 √n).
    pub(crate) fn of_median(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let n = values.len();
        let at = |position: f64| {
            values.get((position.max(0.0) as usize).min(n.saturating_sub(1))).copied().unwrap_or(f64::NAN)
        };
        let half = 0.98 * (n as f64).sqrt();
        let middle = n as f64 / 2.0;
        let median = if n.is_multiple_of(2) { (at(middle - 1.0) + at(middle)) / 2.0 } else { at(middle.floor()) };
        Self { median, low: at((middle - half).floor()), high: at((middle + half).ceil()) }
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:.3} [{:.3}, {:.3}]", self.median, self.low, self.high))
    }
}
