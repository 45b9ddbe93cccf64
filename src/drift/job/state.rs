//! What the job knows, as records of the compacted topic `drift-state`: keys and values are JSON.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    fault::{Action, Exit, Fault},
    stream::{Outputs, Topic},
};

/// What the job reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// What the models said.
    Predictions,
    /// What was true.
    Labels,
}

impl Input {
    /// Stable name, as metrics carry it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Predictions => "predictions",
            Self::Labels => "labels",
        }
    }
}

/// A partition of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Source {
    /// Which.
    pub input: Input,
    /// Its partition.
    pub partition: i32,
}

/// What a record of the state is about. Times are milliseconds since the epoch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Key {
    /// How far a partition has come.
    Progress(Source),
    /// Counts of a pane, by its start.
    Pane(Source, i64),
    /// Something small that a partition remembers, by its name.
    Entry(Source, String),
    /// All panes of a time together, by their start.
    Merged(i64),
    /// Up to where windows are reported.
    Reported,
    /// State of the alarms of a window, task and arm.
    Alarms(String, String, String),
    /// Somebody has to be told, by its id.
    Alert(String),
    /// A retraining has to be started, by its id.
    Retrain(String),
}

impl Key {
    /// Its bytes.
    pub(super) fn bytes(&self) -> Vec<u8> {
        json(self)
    }

    /// None for a key of somebody else.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// The partition of an input that it belongs to, if it does to one.
    pub(super) fn source(&self) -> Option<Source> {
        match self {
            Self::Progress(source) | Self::Pane(source, _) | Self::Entry(source, _) => Some(*source),
            Self::Merged(_) | Self::Reported | Self::Alarms(..) | Self::Alert(_) | Self::Retrain(_) => None,
        }
    }

    /// The partition of the state that it lies in, of so many. What belongs to a partition of an input lies in that of its
    /// number, what belongs to all in the first.
    pub(super) fn partition(&self, partitions: i32) -> i32 {
        self.source().map_or(0, |source| source.partition.rem_euclid(partitions.max(1)))
    }
}

/// A pane of a partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept<P> {
    /// It takes no more records: this is its last word.
    pub closed: bool,
    /// The counts.
    pub pane: P,
}

/// Whether this is a pane that takes no more records.
///
/// # Errors
/// [`Fault`], when it cannot be read.
pub(super) fn is_closed(key: &Key, value: Option<&[u8]>) -> Result<bool, Fault> {
    #[derive(Deserialize)]
    struct Head {
        closed: bool,
    }
    match (key, value) {
        (Key::Pane(..), Some(value)) => Ok(parse::<Head>(key, value)?.closed),
        _ => Ok(false),
    }
}

/// JSON of what always has one: structs of numbers, texts, lists and maps by text.
pub(super) fn json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// What was written by another version, or by somebody else.
///
/// # Errors
/// [`Fault`] that ends the process: going on would count from nothing.
pub(super) fn parse<T: DeserializeOwned>(key: &Key, value: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(value).map_err(|error| {
        let problem = format!("{key:?}: {error}");
        let doing = "reading the drift state back: it is of another version; name another topics.drift_state and \
                     another drift.group_id";
        Fault::caused(Action::Exit(Exit::Unavailable), doing, problem)
    })
}

/// Appends a record of the state; without a value it is deleted.
pub(super) fn write(outputs: &mut Outputs, partitions: i32, key: &Key, value: Option<&[u8]>) {
    outputs.copy(Topic::DriftState, key.partition(partitions), Some(&key.bytes()), value, []);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_apart_and_come_back() {
        let source = Source { input: Input::Labels, partition: 9 };
        let keys = [
            Key::Progress(source),
            Key::Pane(source, -3_600_000),
            Key::Entry(source, "[\"m\",\"spam\"]".into()),
            Key::Merged(0),
            Key::Reported,
            Key::Alarms("1h".into(), "a/b".into(), "c".into()),
            Key::Alarms("1h".into(), "a".into(), "b/c".into()),
            Key::Alert("1h/x".into()),
            Key::Retrain("1h/x".into()),
        ];
        for (index, key) in keys.iter().enumerate() {
            assert_eq!(Key::parse(&key.bytes()).as_ref(), Some(key));
            assert!(keys[..index].iter().all(|other| other.bytes() != key.bytes()));
        }
        assert_eq!((keys[1].partition(4), keys[3].partition(4)), (1, 0));
        assert_eq!(Key::parse(b"x"), None);
    }
}
