//! Assize: every message is accounted for exactly once: a verdict, a dead letter, or a counted repeat.
//!
//! ```text
//!  messages ──► stream ─► decode ─► intake ─► dedup ─► features ─► model ─► decision ─► stream ──► verdicts
//!  (Avro, keyed          │ validate,  (one     (user:     (ONNX by    (threshold, │  └──► predictions
//!   by user)             │ sanitize)  verdict  Redis,     tract)      action)     │  └──► dead-letters
//!                        │            per key) text: pure)                        │
//!                        └──────── rejects ───────────────────────────────────────► one Kafka transaction,
//!                                                                                  input offsets inside it
//! ```
//!
//! A **lane** is one OS thread that owns one consumer and one transactional producer. It gathers **chunks** (at most 512
//! records: one feature look-up, one inference) into a **transaction** (at most 100 ms or 20,000 records, unless
//! configured). Lanes share the models, the feature store and the metrics, nothing else. Partitions are the unit of
//! scale, the transaction coordinator is the commit protocol, topics are the only durable state. Tokio serves what
//! waits: Redis, the registry, HTTP. Nothing on the hot path is awaited per message.
//!
//! # Invariants
//!
//! Each has a test that fails without it.
//!
//! 1. An input offset is committed only inside the transaction that holds that record's verdict (or dead letter).
//! 2. Every input record ends as exactly one of: verdict + prediction, dead letter, or counted repeat.
//! 3. Bad data is a value ([`intake::Reject`]), never an `Err`; `Err` means this transaction cannot proceed.
//! 4. Decode, validate, text features, score and decide are pure functions. IO lives in the stream, the feature store,
//!    the registry, the restore of the dedup window, and the commands.
//! 5. One value ([`pipeline::Batch`]) owns the offsets and identities of an open transaction: an abort destroys them
//!    with it. A revoke or an unknown outcome aborts; outcomes are read from the broker, never inferred.
//! 6. Nothing is unbounded: every buffer, batch, cache, wait and retry has a limit with its unit in its name.
//! 7. No message text leaves in a verdict, prediction, log line or metric, only an HMAC of it ([`hash`]). Dead letters
//!    carry the original bytes; their error text comes from a fixed catalogue.
//! 8. The same code computes a feature for training (`assize features export`), for live traffic and for replay.
//! 9. A model that does not reproduce its own golden vectors never receives traffic.
//! 10. Losing Redis degrades verdicts (flagged), it does not stop the stream; losing the registry pauses, it does not
//!     dead-letter.
//!
//! # Modules, in flow order
//!
//! - [`cli`]: one thin file per command
//! - [`config`]: text -> validated types
//! - [`service`]: one process of N lanes
//! - [`lane`]: the thread: poll, judge, commit, recover
//! - [`stream`]: the one edge with transactions: Kafka, memory, files
//! - [`pipeline`]: the paragraph: from a chunk of records to its answers
//! - [`codec`]: wire format, registry, Avro
//! - [`records`]: what travels on each topic
//! - [`intake`]: validate and sanitize
//! - [`pystr`]: Python's str semantics
//! - [`dedup`]: the idempotency window
//! - [`features`]: user features, text features, rows for the models
//! - [`model`]: bundles and scoring
//! - [`decision`]: threshold and action, and how to choose them
//! - [`clock`] for what is written down
//! - [`hash`]: keyed hashes in place of texts and users
//! - [`http`]: what answers and errors of HTTP say
//! - [`ops`]: metrics, health, logs, shutdown
//! - [`fault`]: error -> what to do, in one match
//! - [`failure`]: why a command ended, with its exit code
//! - [`failpoint`]: crashes and bugs that tests ask for
//! - [`rows`]: files of messages
//! - [`send`]: an upstream producer
//! - [`audit`]: the outputs held against the input: lost, duplicated, unexpected, torn, out of order
//! - [`tail`]: topics as people and the audit read them
//! - [`dlq`]: dead letters, listed, counted and reported upstream
//! - [`watch`]: records decoded, as they come
//! - [`demo`]: labelled messages without services
//! - [`classify`]: messages from a file, judged without services
//! - [`tuning`]: thresholds for a bundle from labelled messages, and the page that shows them
//! - [`compare`]: two bundles held against each other on the same messages
//! - [`page`]: reports as HTML files with their pictures inside
//! - [`drift`]: does the traffic look as it did: sketches, statistics, alarms, reliability
//! - [`doctor`]: is everything there that the configuration names

pub mod audit;
pub mod bench;
pub mod classify;
pub mod cli;
pub mod clock;
pub mod codec;
pub mod compare;
pub mod config;
pub mod decision;
pub mod dedup;
pub mod demo;
pub mod dlq;
pub mod doctor;
pub mod drift;
pub mod failpoint;
pub mod failure;
pub mod fault;
pub mod features;
pub mod hash;
pub mod http;
pub mod intake;
pub mod lane;
pub mod model;
pub mod ops;
pub mod page;
pub mod pipeline;
pub mod pystr;
pub mod records;
pub mod rows;
pub mod send;
pub mod service;
pub mod stream;
pub mod tail;
pub mod tuning;
pub mod watch;
