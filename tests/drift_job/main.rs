//! The drift job on a real Kafka: killed, moved, told late and far-future things, it writes the reports of an uninterrupted
//! run, byte for byte. `./dev test` runs these; they need Kafka.
#![allow(clippy::unwrap_used, unreachable_pub)]
#![allow(clippy::print_stdout, reason = "what a test saw is told when it fails")]

#[path = "../common/bench.rs"]
mod bench;
mod beside;
mod commands;
#[path = "../common/mod.rs"]
mod common;
mod ground;
mod interrupted;
#[path = "../common/readers.rs"]
mod readers;
mod real;
mod silent;
#[path = "../common/traffic.rs"]
mod traffic;
