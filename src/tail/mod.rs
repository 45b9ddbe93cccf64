//! Topics as people and the audit read them: joins no group, commits nothing, sees what is committed.
//!
//! ```text
//!  beginning | end | offset | time ──► Log ──► a Span of each partition ──► TopicReader ──► Reading ──► records
//!                                       │ ends as they are now                                 └► until the ends,
//!                                       └ those of a running transaction lie behind them          or on and on
//! ```

mod decode;
mod log;
mod reader;
mod record;
mod start;

pub use decode::{Decoded, Decoder};
pub(crate) use log::Log;
pub use log::Span;
pub(crate) use reader::{POLL_MS, Polled, Reading, TopicReader};
pub use record::{Header, Record, minute, printable, rfc3339};
pub use start::{Start, parse_time};

use rdkafka::error::KafkaError;

use crate::stream::kafka::ConnectError;

/// Why a topic cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TailError {
    /// A setting was refused.
    #[error("the Kafka client cannot be built; check the section [kafka.librdkafka] of the config")]
    Client(#[source] KafkaError),
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The broker.
    #[error("{doing} failed; check kafka.bootstrap_servers and that Kafka runs")]
    Kafka {
        /// What was asked for.
        doing: &'static str,
        /// Why.
        #[source]
        source: KafkaError,
    },
    /// No such topic.
    #[error("topic {0} does not exist; see `assize topics check`")]
    NoTopic(String),
    /// No such partition.
    #[error("topic {topic} has no partition {partition}; it has {partitions}, from 0")]
    NoPartition {
        /// The topic.
        topic: String,
        /// What was asked for.
        partition: i32,
        /// How many there are.
        partitions: i32,
    },
    /// A partition that cannot be read.
    #[error("partition {partition} of {topic} gave nothing for 30 s; check that its leader is up")]
    Silent {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
    },
}
