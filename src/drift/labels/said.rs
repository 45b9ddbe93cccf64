use serde::{Deserialize, Serialize};

use crate::{
    model::{Bundle, Digest},
    records::{PredictionView, TaskView},
};

/// A configured model, as far as labels need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// Name of the task that it serves.
    pub task: String,
    /// Of its bundle.
    pub digest: Digest,
    /// Its labels, in the order of the probabilities.
    pub labels: Vec<String>,
    /// Whether exactly one of them is right.
    pub is_exclusive: bool,
}

impl Model {
    /// The model of `bundle`, where it serves `task`.
    pub fn of(task: &str, bundle: &Bundle) -> Self {
        let policy = bundle.policy();
        Self {
            task: task.to_owned(),
            digest: bundle.digest(),
            labels: policy.labels().to_vec(),
            is_exclusive: policy.is_exclusive(),
        }
    }

    /// Whether these labels, each once, can be the truth of a message.
    pub(super) fn takes(&self, labels: &[String]) -> bool {
        (!self.is_exclusive || labels.len() == 1) && labels.iter().all(|label| self.labels.contains(label))
    }

    /// Of each label of the model, whether it is among `labels`.
    pub(super) fn truth(&self, labels: &[String]) -> Vec<bool> {
        self.labels.iter().map(|label| labels.contains(label)).collect()
    }

    /// Places of its labels that were chosen.
    pub(super) fn chosen(&self, said: &TaskView<'_>) -> impl Iterator<Item = usize> {
        said.labels().filter_map(|chosen| self.labels.iter().position(|label| label == chosen))
    }
}

/// The configured models: one or several of each task.
#[derive(Clone, Debug, Default)]
pub struct Models(Vec<Model>);

impl Models {
    /// These models.
    pub fn new(models: Vec<Model>) -> Self {
        Self(models)
    }

    /// Those of a task.
    pub(super) fn of_task<'a>(&'a self, task: &'a str) -> impl Iterator<Item = &'a Model> {
        self.0.iter().filter(move |model| model.task == task)
    }

    /// The one of a task with this digest.
    pub(super) fn get(&self, task: &str, digest: Digest) -> Option<&Model> {
        self.0.iter().find(|model| model.task == task && model.digest == digest)
    }

    pub(super) fn at(&self, place: usize) -> Option<&Model> {
        self.0.get(place)
    }

    /// Entries whose truth can be read: of a configured model, with as many probabilities. With the place of the model.
    pub(super) fn readable<'p>(
        &self,
        prediction: &PredictionView<'p>,
    ) -> impl Iterator<Item = (usize, &Model, TaskView<'p>)> + use<'_, 'p> {
        prediction.tasks().filter_map(|said| {
            let is_of = |model: &Model| model.task == said.task && model.digest.0 == *said.digest;
            let place = self.0.iter().position(is_of)?;
            let model = &self.0[place];
            (said.calibrated().count() == model.labels.len()).then_some((place, model, said))
        })
    }

    /// What a prediction said of `task`: an entry per arm that can be read.
    pub(super) fn said(&self, task: &str, prediction: &PredictionView<'_>) -> Vec<Said> {
        let said = |(_, model, said): (usize, &Model, TaskView<'_>)| {
            let mut flags = vec![false; model.labels.len()];
            model.chosen(&said).for_each(|label| flags[label] = true);
            let (arm, probabilities) = (said.arm.to_owned(), said.calibrated().collect());
            Said { arm, digest: model.digest, probabilities, said: flags }
        };
        self.readable(prediction).filter(|(_, model, _)| model.task == task).map(said).collect()
    }
}

/// What one arm said of a message, as far as its truth needs it; an entry per label of the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// `live`, or another arm.
    pub arm: String,
    /// Of the bundle that said so.
    pub digest: Digest,
    /// Calibrated, exactly as in the record: 0..=1, unless somebody else wrote it.
    #[serde(with = "exact")]
    pub probabilities: Vec<f64>,
    /// Whether the label was chosen.
    pub said: Vec<bool>,
}

/// Where a message was, and when it was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Partition of the message, and of its prediction.
    pub partition: i32,
    /// Offset of the message.
    pub offset: i64,
    /// Milliseconds since the epoch.
    pub decided_at: i64,
}

impl From<&PredictionView<'_>> for Judged {
    fn from(prediction: &PredictionView<'_>) -> Self {
        let &PredictionView { source_partition: partition, source_offset: offset, decided_at, .. } = prediction;
        Self { partition, offset, decided_at }
    }
}

/// A prediction that answers a label.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Which it is.
    pub judged: Judged,
    /// What it said of the label's task, at least one entry.
    pub said: Vec<Said>,
}

/// Numbers as the shortest text that reads back as the same bits: our JSON reader may be off by the last bit of a number,
/// and what is taken out of a pane must be what was put in.
mod exact {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(numbers: &[f64], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(numbers.iter().map(|number| format!("{number:e}")))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        texts.iter().map(|text| text.parse().map_err(D::Error::custom)).collect()
    }
}
