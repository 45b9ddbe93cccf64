//! The first question to the broker: whether it is there and lets us in. librdkafka tries again for ever, whatever the
//! reason, and tells it only beside the call that fails.
//!
//! ```text
//! metadata of a topic ──► answer ──────────────────────────────► Metadata
//!        ▲          └──► late ─► what the client heard meanwhile ─► refused: at once, with what to check
//!        └─────────────────────────────────────────────────────── nothing: again, for 10 s in all
//! ```

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::KafkaError,
    metadata::Metadata,
    types::RDKafkaErrorCode as Code,
};

use super::client::{self, ASK_MS_MAX};
use crate::config::Kafka;

/// One attempt: an error that the client heard in it is looked at then.
const ATTEMPT_MS_MAX: Duration = Duration::from_millis(1_000);

/// How long it is asked for them.
const LISTEN_MS: Duration = Duration::from_millis(100);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// A setting was refused.
    #[error(
        "the Kafka client cannot be built; check the sections [kafka.security] and [kafka.librdkafka] of the config"
    )]
    Client(#[source] KafkaError),
    /// Wrong user, password or mechanism.
    #[error(
        "Kafka at {servers}: authentication failed, check kafka.security.username, password and mechanism ({reason})"
    )]
    Authentication {
        /// Where.
        servers: String,
        /// The broker's word.
        reason: String,
    },
    /// No TLS connection.
    #[error("Kafka at {servers}: no TLS connection, {advice} ({reason})")]
    Tls {
        /// Where.
        servers: String,
        /// What to check.
        advice: &'static str,
        /// The client's word.
        reason: String,
    },
    /// The topic may be there: we may not know.
    #[error("the broker does not let this user see topic {0}; docs/security.md lists the access rules that are needed")]
    Denied(String),
    /// No answer.
    #[error(
        "Kafka at {servers} does not answer, check kafka.bootstrap_servers, kafka.security.protocol and that it runs ({reason})"
    )]
    Unreachable {
        /// Where it was looked for.
        servers: String,
        /// The last thing that the client heard.
        reason: String,
    },
}

impl ConnectError {
    fn new(servers: &str, heard: Option<Heard>, error: &KafkaError) -> Self {
        let servers = servers.to_owned();
        match heard {
            Some(Heard { code: Code::Authentication | Code::SaslAuthenticationFailed, reason }) => {
                Self::Authentication { servers, reason }
            }
            Some(heard) if heard.is_tls() => {
                Self::Tls { servers, advice: tls_advice(&heard.reason), reason: heard.reason }
            }
            Some(Heard { reason, .. }) => Self::Unreachable { servers, reason },
            None => Self::Unreachable { servers, reason: error.to_string() },
        }
    }
}

fn tls_advice(reason: &str) -> &'static str {
    // The client does not say which of the two it is.
    if reason.contains("verif") {
        "the broker's certificate is not accepted: check kafka.security.ca_file (who signed it?) and that it is for the \
         name in kafka.bootstrap_servers"
    } else {
        "check kafka.security.protocol, certificate_file and key_file"
    }
}

/// What the client heard.
#[derive(Clone, Debug)]
struct Heard {
    code: Code,
    reason: String,
}

impl Heard {
    /// A broker that does not like our certificate says it after the handshake, as a transport failure.
    fn is_tls(&self) -> bool {
        self.code == Code::SSL || self.reason.contains("SSL routines")
    }

    /// The same again until somebody changes a setting.
    fn is_refusal(&self) -> bool {
        self.is_tls() || matches!(self.code, Code::Authentication | Code::SaslAuthenticationFailed)
    }
}

/// The context of a client that asks; it keeps the last error that says more than that nobody is there.
pub struct Asking {
    servers: String,
    heard: Mutex<Option<Heard>>,
}

impl Asking {
    fn heard(&self) -> Option<Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ClientContext for Asking {
    fn error(&self, error: KafkaError, reason: &str) {
        let Some(code) = error.rdkafka_error_code() else { return };
        if matches!(code, Code::AllBrokersDown | Code::PartitionEOF) {
            return;
        }
        tracing::debug!(%error, reason, "asking Kafka");
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if !heard.as_ref().is_some_and(Heard::is_refusal) {
            *heard = Some(Heard { code, reason: reason.to_owned() });
        }
    }
}

impl ConsumerContext for Asking {}

/// A reader (see [`client::reader`]) that may be asked with [`metadata`].
///
/// # Errors
/// [`ConnectError::Client`].
pub fn asking_reader(kafka: &Kafka, isolation: &str) -> Result<BaseConsumer<Asking>, ConnectError> {
    let context = Asking { servers: kafka.bootstrap_servers.clone(), heard: Mutex::default() };
    client::reader(kafka, isolation).create_with_context(context).map_err(ConnectError::Client)
}

/// What the broker says of `topic`, which also shows that it is there and lets us in. Blocks at most 10 s.
///
/// # Errors
/// [`ConnectError`], saying what to check.
pub fn metadata(consumer: &BaseConsumer<Asking>, topic: &str) -> Result<Metadata, ConnectError> {
    let deadline = Instant::now() + ASK_MS_MAX;
    loop {
        let error = match consumer.fetch_metadata(Some(topic), ATTEMPT_MS_MAX) {
            Ok(metadata) if is_denied(&metadata) => return Err(ConnectError::Denied(topic.to_owned())),
            Ok(metadata) => return Ok(metadata),
            Err(error) => error,
        };
        // The client hands over its errors only here, between its log lines.
        let listened = Instant::now();
        while listened.elapsed() < LISTEN_MS {
            consumer.poll(LISTEN_MS.saturating_sub(listened.elapsed()));
        }
        let heard = consumer.context().heard();
        if Instant::now() > deadline || heard.as_ref().is_some_and(Heard::is_refusal) {
            return Err(ConnectError::new(&consumer.context().servers, heard, &error));
        }
    }
}

fn is_denied(metadata: &Metadata) -> bool {
    let mut errors = metadata.topics().iter().filter_map(|topic| topic.error());
    errors.any(|error| Code::from(error) == Code::TopicAuthorizationFailed)
}
