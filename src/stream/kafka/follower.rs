//! Reads a topic on and on, what is committed only, without a group.

use std::time::Duration;

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    message::BorrowedMessage,
};

use super::client;
use crate::{
    config::Kafka,
    fault::{Action, Fault, classify},
};

/// A client that stays at the ends of a topic's partitions.
pub struct Follower {
    consumer: BaseConsumer,
    topic: String,
}

impl Follower {
    /// A client that connects when it is started.
    ///
    /// # Errors
    /// When a setting of the client is refused.
    pub fn new(kafka: &Kafka, topic: &str) -> Result<Self, Fault> {
        let mut client = client::reader(kafka, "read_committed");
        client.set("enable.partition.eof", "false");
        Ok(Self { consumer: client.create().map_err(client::refused)?, topic: topic.to_owned() })
    }

    /// Reads from these offsets on; nothing when there are none.
    ///
    /// # Errors
    /// [`Fault`], when the client does not take them.
    pub fn start(&self, starts: impl Iterator<Item = (i32, i64)>) -> Result<(), Fault> {
        let failed = |error| Fault::kafka("following a topic", error);
        let mut list = TopicPartitionList::new();
        for (partition, offset) in starts {
            list.add_partition_offset(&self.topic, partition, Offset::Offset(offset)).map_err(failed)?;
        }
        if list.count() == 0 {
            return self.consumer.unassign().map_err(failed);
        }
        self.consumer.assign(&list).map_err(failed)
    }

    /// Takes what the client has to tell while it follows nothing.
    pub fn serve(&self) {
        client::serve(&self.consumer);
    }

    /// The next record, if one is there within `wait`.
    ///
    /// # Errors
    /// [`Fault`], when reading cannot go on.
    pub fn next(&self, wait: Duration) -> Result<Option<BorrowedMessage<'_>>, Fault> {
        match self.consumer.poll(wait) {
            None => Ok(None),
            Some(Ok(message)) => Ok(Some(message)),
            Some(Err(error)) if classify(&error) == Action::Retry => {
                tracing::warn!(%error, topic = self.topic, "following goes on");
                Ok(None)
            }
            Some(Err(error)) => Err(Fault::kafka("following a topic", error)),
        }
    }
}
