//! What operators see of the topics: `assize dlq` and `assize watch` over what a real `assize run` wrote.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]
#![allow(unreachable_pub, reason = "other tests include the bench too")]

#[path = "../common/bench.rs"]
mod bench;
#[path = "../common/mod.rs"]
mod common;
mod dlq;
mod history;
mod pipes;
mod watch;
