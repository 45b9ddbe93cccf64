//! TLS, users and access rules, on a broker of our own that has all three. `./dev test` runs these; they need Java, the
//! jars of Kafka and the `openssl` command.
#![allow(clippy::unwrap_used, unreachable_pub)]

mod broker;
mod certificates;
mod client;
#[path = "../common/mod.rs"]
mod common;
mod refused;
mod rules;
mod stream;
