//! Exactly once, on a real Kafka: processes are killed, crash at each step and lose results, and afterwards the audit
//! finds nothing; with the bug put back, it does. `./dev test` runs these; they need Kafka.
#![allow(clippy::unwrap_used, unreachable_pub)]
#![allow(clippy::print_stdout, reason = "what a test saw is told when it fails")]

mod added;
#[path = "../common/bench.rs"]
mod bench;
mod clients;
#[path = "../common/mod.rs"]
mod common;
mod crash;
mod degrade;
mod hang;
mod holds;
mod hostile;
mod kill;
mod proxy;
#[path = "../common/readers.rs"]
mod readers;
mod registry;
mod restore;
#[path = "../common/traffic.rs"]
mod traffic;
