//! The topics: made with the settings that the engine needs, and checked for them before it starts.
//!
//! ```text
//! broker ──► describe ──► Settings of each topic ──► rules ──► Finding: what is wrong, and what to do
//!    ▲                                                 └─────► Checked: their number of partitions
//!    └─────── create (only topics that do not exist)
//! ```

mod advice;
mod answer;
mod rules;

use std::time::{Duration, Instant};

use rdkafka::{
    admin::{AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    types::RDKafkaErrorCode as Code,
};
use tokio::runtime::{Builder, Runtime};

use super::{
    client::{self, ASK_MS_MAX, PRODUCER_BYTES_MAX},
    connect::{self, Asking, ConnectError},
};
use crate::config::Config;

pub use advice::advice;
pub use rules::{Finding, Role, Settings, findings};

/// Pause between two looks for a topic that was just made.
const LOOK_AGAIN_MS: Duration = Duration::from_millis(50);
/// Partitions of new topics where there is no input topic to follow.
const PARTITIONS_DEFAULT: i32 = 8;
/// Copies of each partition, where there are that many brokers.
const REPLICAS_DEFAULT: i32 = 3;

/// Topics that are as the engine needs them.
#[derive(Clone, Debug)]
pub struct Checked {
    /// Partitions of the first.
    pub partitions: i32,
    /// What the broker says of them, in the order of their roles.
    pub topics: Vec<Settings>,
}

impl Checked {
    /// Partitions of the topic of a role; none when it was not asked for.
    pub fn partitions_of(&self, role: Role) -> Option<i32> {
        self.topics.iter().find(|topic| topic.role == role).map(|topic| topic.partitions)
    }

    /// Largest dead letter that its topic takes whatever it compresses to: key, value and headers, bytes.
    pub fn dead_letter_bytes_max(&self) -> usize {
        let topic = self.topics.iter().find(|topic| topic.role == Role::DeadLetters);
        let topic = topic.map_or(0, |topic| topic.message_bytes_max).min(PRODUCER_BYTES_MAX);
        // LZ4 adds at most one byte in 255; a batch has a head of its own.
        usize::try_from(topic - topic / 255 - BATCH_BYTES).unwrap_or(0)
    }
}

/// What a batch of one record takes besides key, value and headers, at most, bytes.
const BATCH_BYTES: i64 = 512;

/// Length of a segment of the drift state: the last one is not compacted.
const STATE_SEGMENT_BYTES: i64 = 32 << 20;
/// How far ahead of the broker's clock a producer may stamp.
const AHEAD_MS: &str = "message.timestamp.after.max.ms";
/// How long new topics keep drift reports: 90 days.
const REPORTS_RETENTION_MS: i64 = 90 * 86_400_000;

/// What new topics shall be like.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// Partitions; none means those of the input topic, or 8 where there is none.
    pub partitions: Option<i32>,
    /// Copies of each partition; none means 3, or the number of brokers where that is less.
    pub replicas: Option<i32>,
}

/// Why the broker could not be asked, or would not make a topic.
#[derive(Debug, thiserror::Error)]
pub enum TopicsError {
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// Its settings decide what may be lost.
    #[error(
        "the broker does not let this user read the settings of topic {0}, which needs DescribeConfigs; \
         docs/security.md lists the access rules that are needed"
    )]
    DeniedSettings(String),
    /// No answer.
    #[error("Kafka at {servers} cannot be asked about topics; check kafka.bootstrap_servers and that it runs")]
    Unreachable {
        /// Where it was looked for.
        servers: String,
        /// Why.
        #[source]
        source: KafkaError,
    },
    /// The broker said no.
    #[error(
        "the broker refused to make topic {topic} with {partitions} partitions and {replicas} replicas: {code}; see \
         --partitions and --replication-factor"
    )]
    Refused {
        /// The topic.
        topic: String,
        /// Its partitions.
        partitions: i32,
        /// Its copies.
        replicas: i32,
        /// The broker's word.
        code: Code,
    },
    /// A topic was made and is not there.
    #[error("topic {0} was made, but the broker does not show it yet; try again in a moment")]
    NotShown(String),
    /// The runtime for the admin client.
    #[error("the admin client cannot start")]
    Runtime(#[source] std::io::Error),
}

/// Checks that the topics of `roles` exist and are as the engine needs them: equal partition counts, outputs that are not
/// compacted, verdicts kept for the idempotency window, dead letters large enough. Blocks at most some 20 s; not to be
/// called from a runtime's thread.
///
/// # Errors
/// Everything that is wrong, each with what to do.
pub fn check(config: &Config, roles: &[Role]) -> Result<Checked, Vec<Finding>> {
    let topics = describe(config, roles).map_err(|error| {
        let remedy = std::error::Error::source(&error).map_or_else(String::new, ToString::to_string);
        vec![Finding { problem: error.to_string(), remedy }]
    })?;
    let findings = findings(config, roles, &topics);
    match topics.first() {
        Some(first) if findings.is_empty() => Ok(Checked { partitions: first.partitions, topics }),
        _ => Err(findings),
    }
}

/// What the broker says of those topics of `roles` that exist, in that order.
///
/// # Errors
/// [`TopicsError::Unreachable`].
pub fn describe(config: &Config, roles: &[Role]) -> Result<Vec<Settings>, TopicsError> {
    Broker::connect(config)?.describe(roles)
}

/// Makes the topics that do not exist, and leaves the others as they are. Returns the names of those it made.
///
/// # Errors
/// [`TopicsError`]; topics made before the error stay.
pub fn create(config: &Config, roles: &[Role], wanted: Wanted) -> Result<Vec<String>, TopicsError> {
    let broker = Broker::connect(config)?;
    let mut made = Vec::new();
    for &role in roles {
        // Asked for each: the input's settings, just made, decide those of the others.
        let found = broker.describe(roles)?;
        if !found.iter().any(|topic| topic.role == role) {
            broker.create(role, &found, wanted)?;
            made.push(role.name(&config.topics).to_owned());
        }
    }
    Ok(made)
}

/// Deletes every topic whose name starts with `prefix`; the records in them are lost.
///
/// # Errors
/// [`TopicsError::Unreachable`].
pub(crate) fn delete(config: &Config, prefix: &str) -> Result<(), TopicsError> {
    let broker = Broker::connect(config)?;
    let unreachable = |source| unreachable(config, source);
    let metadata = broker.reader.fetch_metadata(None, ASK_MS_MAX).map_err(unreachable)?;
    let names: Vec<&str> =
        metadata.topics().iter().map(|topic| topic.name()).filter(|name| name.starts_with(prefix)).collect();
    if names.is_empty() {
        return Ok(());
    }
    let options = AdminOptions::new().request_timeout(Some(ASK_MS_MAX)).operation_timeout(Some(ASK_MS_MAX));
    let answers = broker.runtime.block_on(broker.admin.delete_topics(&names, &options)).map_err(unreachable)?;
    let refused = answers.into_iter().find_map(Result::err);
    refused.map_or(Ok(()), |(_, code)| Err(unreachable(KafkaError::AdminOp(code))))
}

/// The clients that ask and make.
struct Broker<'a> {
    config: &'a Config,
    admin: AdminClient<DefaultClientContext>,
    /// Asks for metadata: a producer's or an admin client's question could make the topic it asks about.
    reader: BaseConsumer<Asking>,
    runtime: Runtime,
}

impl<'a> Broker<'a> {
    fn connect(config: &'a Config) -> Result<Self, TopicsError> {
        let unreachable = |source| unreachable(config, source);
        Ok(Self {
            config,
            admin: client::base(&config.kafka).create().map_err(unreachable)?,
            reader: connect::asking_reader(&config.kafka, "read_uncommitted")?,
            runtime: Builder::new_current_thread().build().map_err(TopicsError::Runtime)?,
        })
    }

    fn describe(&self, roles: &[Role]) -> Result<Vec<Settings>, TopicsError> {
        let found: Vec<_> =
            roles.iter().map(|&role| self.shape(role)).collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<_> =
            found.iter().map(|(role, ..)| ResourceSpecifier::Topic(role.name(&self.config.topics))).collect();
        let answers = self
            .runtime
            .block_on(self.admin.describe_configs(&names, &AdminOptions::new().request_timeout(Some(ASK_MS_MAX))))
            .map_err(|error| unreachable(self.config, error))?;
        let answers: Vec<ConfigResource> = answers
            .into_iter()
            .collect::<Result<_, _>>()
            .map_err(|code| unreachable(self.config, KafkaError::AdminOp(code)))?;
        found
            .into_iter()
            .map(|(role, partitions, replicas)| {
                let name = role.name(&self.config.topics);
                let denied = || TopicsError::DeniedSettings(name.to_owned());
                answer::settings(role, name, (partitions, replicas), &answers).ok_or_else(denied)
            })
            .collect()
    }

    /// Partitions and replicas of a topic; none when it does not exist.
    fn shape(&self, role: Role) -> Result<Option<(Role, i32, i32)>, TopicsError> {
        let name = role.name(&self.config.topics);
        let metadata = connect::metadata(&self.reader, name)?;
        let topic = metadata.topics().iter().find(|topic| topic.name() == name && topic.error().is_none());
        Ok(topic.filter(|topic| !topic.partitions().is_empty()).map(|topic| {
            let replicas = topic.partitions().iter().map(|partition| partition.replicas().len()).min();
            (role, topic.partitions().len() as i32, replicas.unwrap_or_default() as i32)
        }))
    }

    fn create(&self, role: Role, found: &[Settings], wanted: Wanted) -> Result<(), TopicsError> {
        let messages = found.iter().find(|topic| topic.role == Role::Messages);
        let partitions = wanted.partitions.or(messages.map(|topic| topic.partitions)).unwrap_or(PARTITIONS_DEFAULT);
        // Few, and read in their order.
        let partitions = if role == Role::DriftReports { 1 } else { partitions };
        let replicas = wanted.replicas.map_or_else(|| self.replicas(), Ok)?;
        let settings = self.settings(role, messages, replicas);
        let name = role.name(&self.config.topics);
        let topic = settings
            .iter()
            .fold(NewTopic::new(name, partitions, TopicReplication::Fixed(replicas)), |topic, (key, value)| {
                topic.set(key, value)
            });
        let options = AdminOptions::new().request_timeout(Some(ASK_MS_MAX)).operation_timeout(Some(ASK_MS_MAX));
        let answers = self
            .runtime
            .block_on(self.admin.create_topics([&topic], &options))
            .map_err(|error| unreachable(self.config, error))?;
        for answer in answers {
            match answer {
                // Somebody else was quicker: what they made is checked like any other topic.
                Ok(_) | Err((_, Code::TopicAlreadyExists)) => {}
                Err((topic, code)) => return Err(TopicsError::Refused { topic, partitions, replicas, code }),
            }
        }
        self.wait_until_shown(role)
    }

    fn settings(&self, role: Role, messages: Option<&Settings>, replicas: i32) -> Vec<(&'static str, String)> {
        let mut settings = Vec::new();
        match role {
            Role::Messages => {}
            // They come from elsewhere, and nobody else looks at their clock.
            Role::Labels => settings.push((AHEAD_MS, rules::AHEAD_MS_MAX.to_string())),
            Role::DriftState => settings.extend([
                ("cleanup.policy", "compact".to_owned()),
                ("max.message.bytes", rules::STATE_BYTES_MAX.to_string()),
                // Whoever takes a partition over reads all of it: it is kept short.
                ("segment.bytes", STATE_SEGMENT_BYTES.to_string()),
                ("min.cleanable.dirty.ratio", "0.1".to_owned()),
                // The broker refuses no stamps that it makes itself.
                ("message.timestamp.type", "CreateTime".to_owned()),
                (AHEAD_MS, rules::AHEAD_MS_MAX.to_string()),
            ]),
            _ => settings.push(("cleanup.policy", "delete".to_owned())),
        }
        if role == Role::DriftReports {
            settings.push(("retention.ms", REPORTS_RETENTION_MS.to_string()));
        }
        if role == Role::Verdicts {
            settings.push(("retention.ms", rules::verdicts_retention_ms(self.config).to_string()));
        }
        if let (Role::DeadLetters, Some(messages)) = (role, messages) {
            let bytes = messages.message_bytes_max + rules::HEADERS_BYTES_MAX;
            settings.push(("max.message.bytes", bytes.to_string()));
        }
        if replicas >= REPLICAS_DEFAULT {
            // One broker may be away, and what was acknowledged is on two.
            settings.push(("min.insync.replicas", "2".to_owned()));
        }
        settings
    }

    fn replicas(&self) -> Result<i32, TopicsError> {
        let metadata = self.reader.fetch_metadata(None, ASK_MS_MAX).map_err(|error| unreachable(self.config, error))?;
        Ok((metadata.brokers().len() as i32).clamp(1, REPLICAS_DEFAULT))
    }

    /// The controller answers before every broker knows.
    fn wait_until_shown(&self, role: Role) -> Result<(), TopicsError> {
        let deadline = Instant::now() + ASK_MS_MAX;
        while self.shape(role)?.is_none() {
            if Instant::now() > deadline {
                return Err(TopicsError::NotShown(role.name(&self.config.topics).to_owned()));
            }
            std::thread::sleep(LOOK_AGAIN_MS);
        }
        Ok(())
    }
}

fn unreachable(config: &Config, source: KafkaError) -> TopicsError {
    TopicsError::Unreachable { servers: config.kafka.bootstrap_servers.clone(), source }
}
