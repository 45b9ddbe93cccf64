//! Exactly once, on a real Kafka: processes are killed, crash at each step and lose results, and afterwards the audit
//! finds nothing; with the bug put back, it does. `./dev test` runs these; they need Kafka.
#![allow(clippy::unwrap_used, unreachable_pub)]

mod added;
mod bench;
#[path = "../common/mod.rs"]
mod common;
mod crash;
mod degrade;
mod kill;
mod readers;
mod registry;
mod restore;
mod traffic;
