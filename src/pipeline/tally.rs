//! How many records of each partition a transaction holds, and how many of them are dead letters.

/// Of one partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Input records.
    pub records: u64,
    /// Those that became dead letters.
    pub dead_letters: u64,
}

impl Tally {
    /// Adds another one.
    pub fn add(&mut self, other: Self) {
        self.records += other.records;
        self.dead_letters += other.dead_letters;
    }

    /// Takes back one that was added.
    pub fn subtract(&mut self, other: Self) {
        self.records -= other.records;
        self.dead_letters -= other.dead_letters;
    }
}

/// By partition; a lane has few, so a list is quicker than a map.
#[derive(Clone, Debug, Default)]
pub struct Tallies(Vec<(i32, Tally)>);

impl Tallies {
    /// Counts one record.
    pub fn record(&mut self, partition: i32) {
        self.of(partition).records += 1;
    }

    /// One that was counted is a dead letter.
    pub fn dead_letter(&mut self, partition: i32) {
        self.of(partition).dead_letters += 1;
    }

    /// Every partition with a record.
    pub fn iter(&self) -> impl Iterator<Item = (i32, Tally)> {
        self.0.iter().copied()
    }

    fn of(&mut self, partition: i32) -> &mut Tally {
        let place = self.0.iter().position(|(found, _)| *found == partition).unwrap_or_else(|| {
            self.0.push((partition, Tally::default()));
            self.0.len() - 1
        });
        &mut self.0[place].1
    }
}
