//! Rows of the relation: for one end, which ports every class and every range may use.

use super::number;
use super::port_sets::{NONE, PortSetId, PortSets};
use crate::runs::Run;

/// One set of ports for a run of classes or ranges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Segment {
    pub(crate) run: Run,
    pub(crate) ports: PortSetId,
}

/// What one end says about all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row<'r> {
    /// For every class that no segment names: what holds for most of them.
    pub(crate) base: PortSetId,
    /// Classes for which something else holds; ascending, apart, none with `base`.
    pub(crate) classes: &'r [Segment],
    /// Ranges for which something is allowed; ascending, apart.
    pub(crate) ranges: &'r [Segment],
}

impl Row<'_> {
    /// The ports for a class.
    pub(crate) fn at_class(&self, class: u32) -> PortSetId {
        find(self.classes, class).unwrap_or(self.base)
    }

    /// Whether the row has a segment for a class.
    pub(crate) fn is_exception(&self, class: u32) -> bool {
        find(self.classes, class).is_some()
    }

    /// The ports for a range.
    pub(crate) fn at_range(&self, range: u32) -> PortSetId {
        find(self.ranges, range).unwrap_or(NONE)
    }
}

/// All rows. Their segments lie one after the other: a large cluster has tens of thousands of rows of a few segments.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    rows: Vec<Place>,
    segments: Vec<Segment>,
}

/// Where the segments of a row lie.
#[derive(Debug, Clone, Copy)]
struct Place {
    base: PortSetId,
    start: usize,
    /// Where those of classes end and those of ranges begin.
    middle: usize,
    end: usize,
}

impl Rows {
    pub(crate) fn get(&self, row: u32) -> Option<Row<'_>> {
        let place = self.rows.get(row as usize)?;
        let part = |start, end| self.segments.get(start..end).unwrap_or_default();
        Some(Row { base: place.base, classes: part(place.start, place.middle), ranges: part(place.middle, place.end) })
    }

    /// Adds the row of all that some rules admit, runs of classes and ranges that may overlap, each with its ports; and
    /// returns its number. The two lists are left empty.
    pub(crate) fn add(
        &mut self,
        classes: &mut Vec<Segment>,
        ranges: &mut Vec<Segment>,
        class_count: u32,
        sets: &mut PortSets,
    ) -> u32 {
        flatten(classes, sets);
        flatten(ranges, sets);
        let base = take_base(classes, class_count);
        let start = self.segments.len();
        self.segments.append(classes);
        let middle = self.segments.len();
        self.segments.append(ranges);
        self.rows.push(Place { base, start, middle, end: self.segments.len() });
        number(self.rows.len() - 1)
    }
}

fn find(segments: &[Segment], number: u32) -> Option<PortSetId> {
    let after = segments.partition_point(|segment| segment.run.first <= number);
    let segment = segments.get(after.checked_sub(1)?)?;
    (number <= segment.run.last).then_some(segment.ports)
}

/// Leaves segments without overlap: where several stand over each other, the union of their ports.
fn flatten(parts: &mut Vec<Segment>, sets: &mut PortSets) {
    parts.retain(|part| part.ports != NONE);
    parts.sort_unstable();
    parts.dedup();
    let overlap = parts.windows(2).any(|pair| matches!(pair, [one, next] if next.run.first <= one.run.last));
    if overlap {
        *parts = sweep(parts, sets);
    }
    join(parts);
}

/// Goes along sorted parts from one end of a part to the next.
fn sweep(parts: &[Segment], sets: &mut PortSets) -> Vec<Segment> {
    let starts = parts.iter().map(|part| u64::from(part.run.first));
    let mut cuts: Vec<u64> = starts.chain(parts.iter().map(|part| u64::from(part.run.last) + 1)).collect();
    cuts.sort_unstable();
    cuts.dedup();
    let (mut coming, mut open, mut ids) = (parts.iter().peekable(), Vec::<Segment>::new(), Vec::new());
    let mut found = Vec::new();
    for (cut, next) in cuts.iter().zip(cuts.iter().skip(1)) {
        open.retain(|part| u64::from(part.run.last) >= *cut);
        while let Some(part) = coming.next_if(|part| u64::from(part.run.first) <= *cut) {
            open.push(*part);
        }
        ids.clear();
        ids.extend(open.iter().map(|part| part.ports));
        let ports = sets.union_of(&mut ids);
        if ports != NONE
            && let (Ok(first), Ok(last)) = (u32::try_from(*cut), u32::try_from(next - 1))
        {
            found.push(Segment { run: Run::new(first, last), ports });
        }
    }
    found
}

/// Neighbours with the same ports as one.
fn join(segments: &mut Vec<Segment>) {
    segments.dedup_by(|next, kept| {
        let joined = next.ports == kept.ports && kept.run.last.checked_add(1) == Some(next.run.first);
        if joined {
            kept.run.last = next.run.last;
        }
        joined
    });
}

/// Takes the ports that hold for most of the classes as the base, and leaves what differs from it.
fn take_base(segments: &mut Vec<Segment>, class_count: u32) -> PortSetId {
    let covered: u64 = segments.iter().map(|segment| segment.run.len()).sum();
    if covered * 2 < u64::from(class_count) {
        return NONE;
    }
    let all = filled(segments, class_count);
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
    if base != NONE {
        *segments = all;
        segments.retain(|segment| segment.ports != base);
    }
    base
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

    /// One row of a hundred classes.
    fn row(mut classes: Vec<Segment>, mut ranges: Vec<Segment>, sets: &mut PortSets) -> Rows {
        let mut rows = Rows::default();
        rows.add(&mut classes, &mut ranges, 100, sets);
        rows
    }

    #[test]
    fn where_parts_stand_over_each_other_their_ports_add_up() {
        let mut sets = PortSets::new();
        let [a, b] = [80, 443].map(|port| sets.id(PortSet::of(Protocol::Tcp, port, port)));
        let both = sets.union(a, b);
        let parts = vec![segment(5, 9, a), segment(0, 6, b), segment(7, 7, b), segment(3, 3, NONE), segment(10, 10, a)];
        let rows = row(parts, Vec::new(), &mut sets);
        let row = rows.get(0).unwrap();
        assert_eq!(row.base, NONE);
        assert_eq!(*row.classes, [segment(0, 4, b), segment(5, 7, both), segment(8, 10, a)]);
        assert_eq!([0, 7, 10, 11].map(|class| row.at_class(class)), [b, both, a, NONE]);
    }

    #[test]
    fn what_holds_for_most_is_the_base() {
        let mut sets = PortSets::new();
        let [dns, web] = [53, 80].map(|port| sets.id(PortSet::of(Protocol::Tcp, port, port)));
        let both = sets.union(dns, web);
        let rows = row(vec![segment(0, 99, dns), segment(4, 5, web)], vec![segment(0, 0, web)], &mut sets);
        let found = rows.get(0).unwrap();
        assert_eq!((found.base, found.classes), (dns, [segment(4, 5, both)].as_slice()));
        assert_eq!((found.at_range(0), found.at_range(1)), (web, NONE));
        let rows = row(vec![segment(10, 99, dns)], Vec::new(), &mut sets);
        let found = rows.get(0).unwrap();
        assert_eq!((found.base, found.classes), (dns, [segment(0, 9, NONE)].as_slice()));
        assert_eq!((found.at_class(9), found.at_class(10)), (NONE, dns));
    }
}
