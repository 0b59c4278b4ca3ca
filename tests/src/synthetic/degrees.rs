//! How many workloads call a workload that is called at all: heavy-tailed, as in large call graphs.
//!
//! The median is 1, the 90th percentile 19, the 99th 200. Between these the logarithm of the degree grows evenly.

/// Shares of the servers, and the degree up to each: the last goes to the widest of a cluster.
const KNOTS: [(f64, f64); 4] = [(0.5, 1.0), (0.9, 19.0), (0.99, 200.0), (1.0, f64::NAN)];

/// The in-degree of each server, ascending: so many servers that the degrees add up to `total`, none above `widest`.
pub(super) fn in_degrees(total: usize, widest: usize) -> Vec<usize> {
    let sum = |servers: usize| curve(servers, widest).sum::<usize>();
    // The sum grows with the number of servers: the last that does not exceed.
    let (mut enough, mut too_many) = (0, total + 1);
    while too_many - enough > 1 {
        let middle = enough.midpoint(too_many);
        if sum(middle) <= total { enough = middle } else { too_many = middle }
    }
    let mut degrees: Vec<usize> = curve(enough, widest).collect();
    spread(total - degrees.iter().sum::<usize>(), &mut degrees, widest);
    degrees.sort_unstable();
    degrees
}

/// Adds `missing` to the degrees of the upper half, one each and over again: less than one more server has, so it does not show.
fn spread(mut missing: usize, degrees: &mut [usize], widest: usize) {
    let half = degrees.len() / 2;
    let mut before = missing + 1;
    while (1..before).contains(&missing) {
        before = missing;
        for degree in degrees.iter_mut().skip(half).rev().filter(|degree| **degree < widest).take(missing) {
            *degree += 1;
            missing -= 1;
        }
    }
}

/// The degrees of so many servers, at evenly spaced shares of the distribution.
fn curve(servers: usize, widest: usize) -> impl Iterator<Item = usize> {
    (0..servers).map(move |place| degree((place as f64 + 0.5) / servers as f64, widest as f64))
}

/// The degree below which `share` of the servers lie.
fn degree(share: f64, widest: f64) -> usize {
    let mut from = (0.0, 1.0);
    for (upto, degree) in KNOTS {
        let to = (upto, if degree.is_nan() { widest } else { degree.min(widest) });
        if share <= to.0 {
            let along = (share - from.0) / (to.0 - from.0);
            let exact: f64 = from.1 * (to.1 / from.1).powf(along);
            return exact.round() as usize;
        }
        from = to;
    }
    widest as usize
}
