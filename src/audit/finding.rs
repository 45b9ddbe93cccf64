use std::fmt;

use serde::Serialize;

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A judged input record without verdict, dead letter or a verdict that it repeats.
    Lost,
    /// More than one answer to a record, or to an identity inside the idempotency window.
    Duplicated,
    /// An output that answers no input record, another one than it says, or in another partition.
    Unexpected,
    /// A verdict without its prediction, or the other way round.
    Torn,
    /// Verdicts on one user's messages in another order than the messages.
    OutOfOrder,
    /// A transaction that holds back the readers of an output.
    OpenTransaction,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Lost, Self::Duplicated, Self::Unexpected, Self::Torn, Self::OutOfOrder, Self::OpenTransaction];

    /// Its name, as the report writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Duplicated => "duplicated",
            Self::Unexpected => "unexpected",
            Self::Torn => "torn",
            Self::OutOfOrder => "out of order",
            Self::OpenTransaction => "open transaction",
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is.
    pub kind: Kind,
    /// Partition of the input; of the output, where no input record can be named.
    pub partition: i32,
    /// Offset of the input record; of the output record, where no input record can be named.
    pub offset: i64,
    /// What was found.
    pub detail: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, partition, offset, detail } = self;
        write!(f, "{}: partition {partition}, offset {offset}: {detail}", kind.name())
    }
}

/// How many findings there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// [`Kind::Lost`].
    pub lost: u64,
    /// [`Kind::Duplicated`].
    pub duplicated: u64,
    /// [`Kind::Unexpected`].
    pub unexpected: u64,
    /// [`Kind::Torn`].
    pub torn: u64,
    /// [`Kind::OutOfOrder`].
    pub out_of_order: u64,
    /// [`Kind::OpenTransaction`].
    pub open_transactions: u64,
}

impl Counts {
    /// The number of findings of `kind`.
    pub fn of(&self, kind: Kind) -> u64 {
        match kind {
            Kind::Lost => self.lost,
            Kind::Duplicated => self.duplicated,
            Kind::Unexpected => self.unexpected,
            Kind::Torn => self.torn,
            Kind::OutOfOrder => self.out_of_order,
            Kind::OpenTransaction => self.open_transactions,
        }
    }

    /// The number of all findings.
    pub fn total(&self) -> u64 {
        Kind::ALL.into_iter().map(|kind| self.of(kind)).sum()
    }

    fn of_mut(&mut self, kind: Kind) -> &mut u64 {
        match kind {
            Kind::Lost => &mut self.lost,
            Kind::Duplicated => &mut self.duplicated,
            Kind::Unexpected => &mut self.unexpected,
            Kind::Torn => &mut self.torn,
            Kind::OutOfOrder => &mut self.out_of_order,
            Kind::OpenTransaction => &mut self.open_transactions,
        }
    }
}

/// Counts every finding and keeps the first few of each kind.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// How many there are.
    pub counts: Counts,
    /// The first of each kind.
    pub samples: Vec<Finding>,
    samples_max: u64,
}

impl Findings {
    /// Keeps at most `samples_max` of each kind.
    pub fn new(samples_max: u64) -> Self {
        Self { samples_max, ..Self::default() }
    }

    /// Counts a finding; `detail` is asked for only if it is kept.
    pub fn add(&mut self, kind: Kind, partition: i32, offset: i64, detail: impl FnOnce() -> String) {
        let count = self.counts.of_mut(kind);
        *count += 1;
        if *count <= self.samples_max {
            self.samples.push(Finding { kind, partition, offset, detail: detail() });
        }
    }

    /// Takes the findings of a partition over.
    pub(super) fn merge(&mut self, other: Self) {
        for sample in other.samples {
            let kept = self.samples.iter().filter(|kept| kept.kind == sample.kind).count() as u64;
            if kept < self.samples_max {
                self.samples.push(sample);
            }
        }
        for kind in Kind::ALL {
            *self.counts.of_mut(kind) += other.counts.of(kind);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_counted_and_the_first_few_of_each_kind_kept() {
        let mut all = Findings::new(2);
        for partition in 0..3 {
            let mut findings = Findings::new(2);
            for offset in 0..5 {
                findings.add(Kind::Lost, partition, offset, || "nothing".into());
            }
            findings.add(Kind::Torn, partition, 9, || "half".into());
            all.merge(findings);
        }
        assert_eq!((all.counts.lost, all.counts.torn, all.counts.total()), (15, 3, 18));
        let kept: Vec<_> = all.samples.iter().map(|found| (found.kind, found.partition, found.offset)).collect();
        assert_eq!(kept, [(Kind::Lost, 0, 0), (Kind::Lost, 0, 1), (Kind::Torn, 0, 9), (Kind::Torn, 1, 9)]);
        assert_eq!(all.samples[0].to_string(), "lost: partition 0, offset 0: nothing");
    }
}
