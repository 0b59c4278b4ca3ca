//! Rows of the relation: for one end, which ports every class and every range may use.

use super::port_sets::{NONE, PortSetId, PortSets};
use super::runs::Run;

/// One set of ports for a run of classes or ranges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Segment {
    pub(crate) run: Run,
    pub(crate) ports: PortSetId,
}

/// What one end says about all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// For every class that no segment names: what holds for most of them.
    pub(crate) base: PortSetId,
    /// Classes for which something else holds; ascending, apart, none with `base`.
    pub(crate) classes: Box<[Segment]>,
    /// Ranges for which something is allowed; ascending, apart.
    pub(crate) ranges: Box<[Segment]>,
}

impl Row {
    /// The row of all that some rules admit: runs of classes and ranges that may overlap, each with its ports.
    pub(crate) fn new(classes: Vec<Segment>, ranges: Vec<Segment>, class_count: u32, sets: &mut PortSets) -> Self {
        let (base, classes) = with_base(flatten(classes, sets), class_count);
        Self { base, classes: classes.into(), ranges: flatten(ranges, sets).into() }
    }

    /// The ports for a class.
    pub(crate) fn at_class(&self, class: u32) -> PortSetId {
        find(&self.classes, class).unwrap_or(self.base)
    }

    /// Whether the row has a segment for a class.
    pub(crate) fn is_exception(&self, class: u32) -> bool {
        find(&self.classes, class).is_some()
    }

    /// The ports for a range.
    pub(crate) fn at_range(&self, range: u32) -> PortSetId {
        find(&self.ranges, range).unwrap_or(NONE)
    }
}

fn find(segments: &[Segment], number: u32) -> Option<PortSetId> {
    let after = segments.partition_point(|segment| segment.run.first <= number);
    let segment = segments.get(after.checked_sub(1)?)?;
    (number <= segment.run.last).then_some(segment.ports)
}

/// Segments without overlap: where several stand over each other, the union of their ports.
fn flatten(mut parts: Vec<Segment>, sets: &mut PortSets) -> Vec<Segment> {
    parts.retain(|part| part.ports != NONE);
    parts.sort_unstable();
    parts.dedup();
    let overlap = parts.windows(2).any(|pair| matches!(pair, [one, next] if next.run.first <= one.run.last));
    join(if overlap { sweep(&parts, sets) } else { parts })
}

/// Goes along sorted parts from one end of a part to the next.
fn sweep(parts: &[Segment], sets: &mut PortSets) -> Vec<Segment> {
    let starts = parts.iter().map(|part| u64::from(part.run.first));
    let mut cuts: Vec<u64> = starts.chain(parts.iter().map(|part| u64::from(part.run.last) + 1)).collect();
    cuts.sort_unstable();
    cuts.dedup();
    let (mut coming, mut open) = (parts.iter().peekable(), Vec::<Segment>::new());
    let mut found = Vec::new();
    for (cut, next) in cuts.iter().zip(cuts.iter().skip(1)) {
        open.retain(|part| u64::from(part.run.last) >= *cut);
        while let Some(part) = coming.next_if(|part| u64::from(part.run.first) <= *cut) {
            open.push(*part);
        }
        let ports = open.iter().fold(NONE, |ports, part| sets.union(ports, part.ports));
        if ports != NONE
            && let (Ok(first), Ok(last)) = (u32::try_from(*cut), u32::try_from(next - 1))
        {
            found.push(Segment { run: Run::new(first, last), ports });
        }
    }
    found
}

/// Neighbours with the same ports as one.
fn join(mut segments: Vec<Segment>) -> Vec<Segment> {
    segments.dedup_by(|next, kept| {
        let joined = next.ports == kept.ports && kept.run.last.checked_add(1) == Some(next.run.first);
        if joined {
            kept.run.last = next.run.last;
        }
        joined
    });
    segments
}

/// Takes the ports that hold for most of the classes as the base, and leaves what differs from it.
fn with_base(segments: Vec<Segment>, class_count: u32) -> (PortSetId, Vec<Segment>) {
    let all = filled(&segments, class_count);
    let mut covered: Vec<(PortSetId, u64)> = all.iter().map(|segment| (segment.ports, segment.run.len())).collect();
    covered.sort_unstable();
    covered.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 += next.1;
        }
        same
    });
    let base = covered.iter().max_by_key(|(_, length)| *length).map_or(NONE, |(ports, _)| *ports);
    if base == NONE {
        return (NONE, segments);
    }
    (base, all.into_iter().filter(|segment| segment.ports != base).collect())
}

/// The segments with the gaps between them as segments without ports.
fn filled(segments: &[Segment], class_count: u32) -> Vec<Segment> {
    let mut all = Vec::with_capacity(2 * segments.len() + 1);
    let mut next = 0;
    for segment in segments {
        let before = segment.run.first.checked_sub(1).filter(|before| next <= *before);
        all.extend(before.map(|before| Segment { run: Run::new(next, before), ports: NONE }));
        all.push(*segment);
        next = segment.run.last.saturating_add(1);
    }
    let last = class_count.checked_sub(1).filter(|last| next <= *last);
    all.extend(last.map(|last| Segment { run: Run::new(next, last), ports: NONE }));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PortSet, Protocol};

    fn segment(first: u32, last: u32, ports: PortSetId) -> Segment {
        Segment { run: Run::new(first, last), ports }
    }

    #[test]
    fn where_parts_stand_over_each_other_their_ports_add_up() {
        let mut sets = PortSets::new();
        let [a, b] = [80, 443].map(|port| sets.id(PortSet::of(Protocol::Tcp, port, port)));
        let both = sets.union(a, b);
        let parts = vec![segment(5, 9, a), segment(0, 6, b), segment(7, 7, b), segment(3, 3, NONE), segment(10, 10, a)];
        let row = Row::new(parts, Vec::new(), 100, &mut sets);
        assert_eq!(row.base, NONE);
        assert_eq!(*row.classes, [segment(0, 4, b), segment(5, 7, both), segment(8, 10, a)]);
        assert_eq!([0, 7, 10, 11].map(|class| row.at_class(class)), [b, both, a, NONE]);
    }

    #[test]
    fn what_holds_for_most_is_the_base() {
        let mut sets = PortSets::new();
        let [dns, web] = [53, 80].map(|port| sets.id(PortSet::of(Protocol::Tcp, port, port)));
        let both = sets.union(dns, web);
        let row = Row::new(vec![segment(0, 99, dns), segment(4, 5, web)], vec![segment(0, 0, web)], 100, &mut sets);
        assert_eq!((row.base, &*row.classes), (dns, [segment(4, 5, both)].as_slice()));
        assert_eq!((row.at_range(0), row.at_range(1)), (web, NONE));
        let row = Row::new(vec![segment(10, 99, dns)], Vec::new(), 100, &mut sets);
        assert_eq!((row.base, &*row.classes), (dns, [segment(0, 9, NONE)].as_slice()));
        assert_eq!((row.at_class(9), row.at_class(10)), (NONE, dns));
    }
}
