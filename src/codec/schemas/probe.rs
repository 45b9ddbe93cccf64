//! The registry as a process would reach it, for whoever only looks: nothing is registered, and nothing is kept.

use std::time::SystemTime;

use super::{
    client::{Client, Problem},
    disk::Disk,
    subject,
};
use crate::{
    codec::CodecError,
    config::{self, Topics},
    records::schema::{PREDICTION, VERDICT},
};

/// A look at the registry.
pub(crate) struct Probe {
    client: Client,
    /// Whether the ids of both our writers are kept on disk.
    kept: bool,
}

/// Why the registry gave no good answer.
pub(crate) struct Silence {
    /// With what to check.
    pub(crate) why: String,
    /// Whether a process would start all the same, from the ids that are kept on disk.
    pub(crate) starts: bool,
}

impl Probe {
    /// # Errors
    /// [`CodecError::Settings`] when a secret or certificate cannot be read.
    pub(crate) fn try_new(config: &config::Schemas, topics: &Topics) -> Result<Self, CodecError> {
        let client = Client::try_new(config)?;
        let writers = [(&topics.verdicts, VERDICT), (&topics.predictions, PREDICTION)];
        let kept = Disk::look(config, client.url())
            .is_some_and(|disk| writers.iter().all(|(topic, schema)| disk.writer(&subject(topic), schema).is_some()));
        Ok(Self { client, kept })
    }

    /// The time that it is there, if the registry says one.
    pub(crate) async fn time(&self) -> Result<Option<SystemTime>, Silence> {
        self.client.time().await.map_err(|problem| self.silence(&problem))
    }

    /// Id and schema of the latest version of a topic's values, if there is any.
    pub(crate) async fn latest(&self, topic: &str) -> Result<Option<(u32, String)>, Silence> {
        self.client.latest(&subject(topic)).await.map_err(|problem| self.silence(&problem))
    }

    fn silence(&self, problem: &Problem) -> Silence {
        Silence { why: problem.to_string(), starts: self.kept && !problem.is_refusal() }
    }
}
