//! What operators see of the topics: `assize dlq` and `assize watch` over what a real `assize run` wrote.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]
#![allow(unreachable_pub, reason = "other tests include the bench too")]

#[path = "../exactly_once/bench.rs"]
#[allow(dead_code, reason = "other tests use other parts of it")]
mod bench;
#[path = "../common/mod.rs"]
mod common;
mod dlq;
mod history;
mod pipes;
mod watch;
