//! What to do about an error: one match, with the reason on each arm. Bad data never comes here, it is a
//! [`crate::intake::Reject`].
//!
//! ```text
//!   Retry    the same call again, within a deadline shorter than the transaction timeout
//!   Abort    abort the transaction, go back to the committed offsets, go on
//!   Wait     the same, after a pause: something outside is away
//!   Rebuild  new producer, init_transactions, re-read the committed offsets
//!   Exit     this process must end, with its own exit code
//! ```

use std::{fmt, process::ExitCode, time::Duration};

use rdkafka::{
    error::{KafkaError, RDKafkaError},
    types::RDKafkaErrorCode as Code,
};

/// What a fault asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The same call again.
    Retry,
    /// Abort, go back, go on.
    Abort,
    /// Abort, go back, pause, go on.
    Wait(Duration),
    /// A new producer.
    Rebuild,
    /// The end of the process.
    Exit(Exit),
}

/// Exit codes, as documented in the README.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done, or drained after SIGTERM.
    Done = 0,
    /// A command found what it looks for (`audit`), or a runtime failure.
    Failed = 1,
    /// Wrong use of the command line.
    Usage = 2,
    /// The configuration was refused.
    Config = 64,
    /// A bundle was refused.
    Bundle = 65,
    /// Kafka, its topics, the registry or the port is not as needed at start.
    Unavailable = 69,
    /// The broker refused for good: authorization, an unsupported feature.
    Refused = 70,
    /// The drain took longer than its limit; the next start goes on from the last commit.
    Drain = 75,
    /// Another live process has this identity.
    Fenced = 76,
    /// Too many new producers within a minute.
    Rebuilds = 77,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why this transaction cannot proceed.
#[derive(Debug)]
pub struct Fault {
    /// What to do.
    pub action: Action,
    /// What was being done.
    pub doing: &'static str,
    /// True when only the broker knows whether the transaction was committed.
    pub outcome_unknown: bool,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Fault {
    /// A fault without a cause from elsewhere.
    pub fn new(action: Action, doing: &'static str) -> Self {
        Self { action, doing, outcome_unknown: false, source: None }
    }

    /// A fault with its cause.
    pub fn caused(
        action: Action,
        doing: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { action, doing, outcome_unknown: false, source: Some(source.into()) }
    }

    /// A fault of the Kafka client, classified.
    pub fn kafka(doing: &'static str, error: KafkaError) -> Self {
        Self::caused(classify(&error), doing, error)
    }

    /// The same fault, where something else is to be done about it.
    #[must_use]
    pub fn with_action(mut self, action: Action) -> Self {
        self.action = action;
        self
    }

    /// The same fault, of a commit whose outcome only the broker knows.
    #[must_use]
    pub fn with_outcome_unknown(mut self) -> Self {
        self.outcome_unknown = true;
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.doing)?;
        let Some(source) = &self.source else { return Ok(()) };
        write!(f, ": {source}")?;
        match source.downcast_ref::<KafkaError>().and_then(KafkaError::rdkafka_error_code) {
            Some(code) if is_denied(code) => f.write_str("; docs/security.md lists the access rules that are needed"),
            Some(Code::FencedInstanceId) => f.write_str("; give each process its own kafka.instance"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for Fault {}

/// The one match. Its order is that of librdkafka's transactions example: abort, then retry, then a new producer.
pub fn classify(error: &KafkaError) -> Action {
    match error {
        KafkaError::Transaction(error) => classify_transaction(error),
        // rust-rdkafka flushes inside commit and reports a timeout on its own: the commit was not sent yet.
        KafkaError::Flush(Code::OperationTimedOut) => Action::Retry,
        // The local queue is full: the broker threads need a moment.
        KafkaError::MessageProduction(Code::QueueFull) => Action::Retry,
        // The operator's message.max.bytes is smaller than an answer: no retry mends it.
        KafkaError::MessageProduction(Code::MessageSizeTooLarge) => Action::Exit(Exit::Config),
        // A fenced or otherwise fatal producer shows only this on send; the cause is asked for in the rebuild.
        KafkaError::MessageProduction(_) => Action::Rebuild,
        // Another member with our group.instance.id joined: the recovery finds out whether it is another process.
        KafkaError::MessageConsumptionFatal(Code::FencedInstanceId) => Action::Wait(Duration::ZERO),
        KafkaError::MessageConsumptionFatal(_) => Action::Exit(Exit::Refused),
        KafkaError::MessageConsumption(code) | KafkaError::Global(code) => classify_code(*code),
        // Everything else (seek, offset fetch, rebalance, metadata) is repeated from the committed offsets.
        _ => Action::Wait(Duration::from_millis(500)),
    }
}

fn classify_transaction(error: &RDKafkaError) -> Action {
    if is_denied(error.code()) {
        // Also where librdkafka would let us abort and go on: it would be denied again, until an operator mends it.
        Action::Exit(Exit::Refused)
    } else if error.txn_requires_abort() {
        // ILLEGAL_GENERATION, UNKNOWN_MEMBER_ID, failed deliveries: the group or the log moved on under us.
        Action::Abort
    } else if error.is_retriable() {
        // Timeouts and coordinator moves: librdkafka resumes the same call.
        Action::Retry
    } else {
        match error.code() {
            // No new producer can mend it.
            Code::UnsupportedVersion => Action::Exit(Exit::Refused),
            // Fenced, timed out on the broker, or failed locally after the broker committed: the state of this
            // producer is lost, that of the log is not.
            _ => Action::Rebuild,
        }
    }
}

/// An access rule is missing; docs/security.md lists those that are needed.
fn is_denied(code: Code) -> bool {
    matches!(
        code,
        Code::TransactionalIdAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::SaslAuthenticationFailed
    )
}

fn classify_code(code: Code) -> Action {
    match code {
        Code::FencedInstanceId => Action::Wait(Duration::ZERO),
        _ if is_denied(code) => Action::Exit(Exit::Refused),
        // We were silent too long and the group gave our partitions away; the next poll joins again.
        Code::PollExceeded => Action::Abort,
        // Bytes that fail their checksum: librdkafka reports them and goes on behind them. They are read again instead.
        Code::BadMessage => Action::Wait(Duration::from_millis(1_000)),
        // Brokers come and go; librdkafka reconnects by itself.
        _ => Action::Retry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_behind_a_corrupt_batch_are_not_read_on() {
        let corrupt = KafkaError::MessageConsumption(Code::BadMessage);
        assert!(matches!(classify(&corrupt), Action::Wait(_)));
        assert_eq!(classify(&KafkaError::MessageConsumption(Code::BrokerTransportFailure)), Action::Retry);
    }
}
