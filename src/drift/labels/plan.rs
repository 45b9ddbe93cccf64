//! What to read back, before anything is read: pure.

use std::{cmp::Ordering, collections::BTreeMap, ops::Range};

use crate::tail::Span;

/// A range that is read once for all that is wanted of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// From, to (not inclusive): times or offsets.
    pub(super) range: Range<i64>,
    /// Who wants it, by their numbers.
    pub(super) members: Vec<usize>,
}

/// Merges ranges that overlap, up to a length.
pub(super) fn merge(mut wanted: Vec<(Range<i64>, usize)>, length_max: i64) -> Vec<Run> {
    wanted.sort_unstable_by_key(|(range, member)| (range.start, range.end, *member));
    let mut runs: Vec<Run> = Vec::new();
    for (range, member) in wanted {
        match runs.last_mut() {
            Some(Run { range: run, members })
                if range.start <= run.end && range.end.saturating_sub(run.start) <= length_max =>
            {
                run.end = run.end.max(range.end);
                members.push(member);
            }
            _ => runs.push(Run { range, members: vec![member] }),
        }
    }
    runs
}

/// Where a source offset lies among the predictions of a partition. These are in the order of their source offsets, but
/// where a topic was replayed or made anew: there it may be looked for in the wrong place, and is not found.
pub(super) struct Search<'a> {
    /// All predictions.
    span: Span,
    seen: &'a mut Seen,
}

/// What was seen of a partition: by source offset, where it was looked for, and where it was found. It stays true.
pub(super) type Seen = BTreeMap<i64, (i64, i64)>;

impl<'a> Search<'a> {
    pub(super) fn new(span: Span, seen: &'a mut Seen) -> Self {
        Self { span, seen }
    }

    /// At most `offsets_max` offsets that hold the prediction of `source`, if any do. `probe(at)` is the first prediction
    /// from `at` on: its offset and its source offset. What was seen for one source serves the others.
    pub(super) fn bracket<E>(
        &mut self,
        source: i64,
        offsets_max: u64,
        mut probe: impl FnMut(i64) -> Result<Option<(i64, i64)>, E>,
    ) -> Result<Span, E> {
        let mut span = self.known(source);
        while span.offsets() > offsets_max {
            let middle = span.low + (span.end - span.low) / 2;
            match probe(middle)? {
                Some((found, seen)) if found < span.end => {
                    self.seen.insert(seen, (middle, found));
                    match seen.cmp(&source) {
                        Ordering::Less => span.low = found + 1,
                        Ordering::Equal => return Ok(Span { low: found, end: found + 1 }),
                        Ordering::Greater => span.end = middle,
                    }
                }
                // Nothing from the middle on.
                _ => span.end = middle,
            }
        }
        Ok(span)
    }

    /// Between what was seen of the sources before and after.
    fn known(&self, source: i64) -> Span {
        let Span { low, end } = self.span;
        let (before, after) = match self.seen.get(&source) {
            Some(&(_, found)) => (Some(found), Some(found + 1)),
            None => (
                self.seen.range(..source).next_back().map(|(_, &(_, found))| found + 1),
                self.seen.range(source..).next().map(|(_, &(at, _))| at),
            ),
        };
        // What was seen may be deleted by now.
        Span { low: before.map_or(low, |before| before.max(low)), end: after.unwrap_or(end) }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    const LENGTH_MAX: i64 = 100;

    proptest! {
        #[test]
        fn every_range_is_in_its_run_and_runs_are_bounded(
            ranges in proptest::collection::vec((-500_i64..500, 0_i64..80), 0..60),
        ) {
            let wanted: Vec<_> = ranges.iter().enumerate().map(|(member, &(from, length))| (from..from + length, member)).collect();
            let runs = merge(wanted.clone(), LENGTH_MAX);
            let mut members: Vec<_> = runs.iter().flat_map(|run| run.members.clone()).collect();
            members.sort_unstable();
            prop_assert_eq!(members, (0..wanted.len()).collect::<Vec<_>>());
            for run in &runs {
                prop_assert!(run.range.end - run.range.start <= LENGTH_MAX);
                for &member in &run.members {
                    let (range, _) = &wanted[member];
                    prop_assert!(run.range.start <= range.start && range.end <= run.range.end);
                }
            }
            // Two that lie in one another's reach are one, unless that were too long.
            for pair in runs.windows(2) {
                let next = wanted[pair[1].members[0]].0.clone();
                prop_assert!(next.start > pair[0].range.end || next.end - pair[0].range.start > LENGTH_MAX);
            }
        }

        #[test]
        fn a_source_is_where_the_search_says(
            steps in proptest::collection::vec((1_i64..4, 1_i64..6), 1..300),
            sources in proptest::collection::vec(-2_i64..700, 1..20),
            offsets_max in 1_u64..20,
        ) {
            let (mut source, mut offset) = (-1, 9);
            let records: Vec<(i64, i64)> = steps.iter().map(|(by, apart)| {
                (source, offset) = (source + by, offset + apart);
                (offset, source)
            }).collect();
            let span = Span { low: 7, end: offset + 3 };
            let mut seen = Seen::new();
            let mut search = Search::new(span, &mut seen);
            for wanted in sources {
                let probe = |at| Ok::<_, Infallible>(records.iter().find(|(offset, _)| *offset >= at).copied());
                let found = search.bracket(wanted, offsets_max, probe).unwrap();
                prop_assert!(found.offsets() <= offsets_max);
                if let Some((offset, _)) = records.iter().find(|(_, source)| *source == wanted) {
                    prop_assert!((found.low..found.end).contains(offset), "{} in {:?}", offset, found);
                }
            }
        }

        #[test]
        fn a_search_ends_whatever_the_order(sources in proptest::collection::vec(0_i64..50, 1..200), wanted in 0_i64..50) {
            let mut seen = Seen::new();
            let mut search = Search::new(Span { low: 0, end: 200 }, &mut seen);
            for wanted in [wanted, wanted + 1, wanted - 1] {
                let probe = |at: i64| Ok::<_, Infallible>(sources.get(at as usize).map(|&source| (at, source)));
                prop_assert!(search.bracket(wanted, 3, probe).unwrap().offsets() <= 3);
            }
        }
    }

    #[test]
    fn a_search_goes_on_from_what_was_seen_before() {
        let (mut seen, mut probes) = (Seen::new(), 0);
        let mut bracket = |low| {
            let probe = |at| {
                probes += 1;
                Ok::<_, Infallible>(Some((at, at)))
            };
            (Search::new(Span { low, end: 1_000 }, &mut seen).bracket(321, 5, probe).unwrap(), probes)
        };
        let (found, probes) = bracket(0);
        assert!(found.offsets() <= 5 && (found.low..found.end).contains(&321) && probes > 3);
        assert_eq!(bracket(0), (found, probes));
        let (deleted, _) = bracket(400);
        assert_eq!(deleted.offsets(), 0);
    }

    #[test]
    fn near_ones_share_a_run() {
        let runs = merge(vec![(50..60, 2), (0..10, 0), (5..20, 1), (21..30, 3)], LENGTH_MAX);
        let run = |range, members: &[usize]| Run { range, members: members.to_vec() };
        assert_eq!(runs, [run(0..20, &[0, 1]), run(21..30, &[3]), run(50..60, &[2])]);
    }
}
