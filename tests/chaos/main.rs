//! Everything that can break does, in random order, while messages come at a steady rate; afterwards each of them is
//! accounted for exactly once. `./dev chaos` runs it at length, `./dev test` for a minute; [docs/chaos.md](../../docs/chaos.md).
//!
//! ```text
//!  plan (seed) ─► storm ─┬─► slots: processes     ─┐
//!                        └─► servers: Kafka, Redis, ├─► witnesses, audit ─► report
//!                            registry              ─┘
//! ```
#![allow(clippy::unwrap_used, unreachable_pub)]
#![allow(clippy::print_stdout, reason = "the report is what a run is for")]

#[path = "../common/bench.rs"]
mod bench;
mod brokers;
#[path = "../common/cluster.rs"]
mod cluster;
#[path = "../common/mod.rs"]
mod common;
mod plan;
#[path = "../common/readers.rs"]
mod readers;
#[path = "../common/servers.rs"]
mod redis_server;
mod registry;
mod report;
mod rivals;
mod servers;
mod slot;
mod storm;
#[path = "../common/traffic.rs"]
mod traffic;
mod witness;

use std::time::{SystemTime, UNIX_EPOCH};

use storm::Settings;

/// `ASSIZE_CHAOS_SECONDS`, `_SEED`, `_BROKERS`, `_RATE`, and `_FAILPOINT` to put a bug back; `_RECOVERY_SECONDS_MAX` asks
/// for a median time to recover, which no machine that others use can promise.
#[test]
#[ignore = "needs Java, Kafka's jars and redis-server; run ./dev chaos or ./dev test"]
fn chaos_loses_nothing_and_judges_nothing_twice() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let settings = Settings {
        seed: number("SEED").unwrap_or(now.as_millis() as u64 % 1_000_000),
        seconds: number("SECONDS").unwrap_or(60),
        brokers: number("BROKERS").unwrap_or(1) as usize,
        rate: number("RATE").unwrap_or(1_000),
        failpoint: std::env::var("ASSIZE_CHAOS_FAILPOINT").ok(),
    };
    println!("seed {}; again: {}", settings.seed, report::command(&settings));
    let report = storm::run(&settings);
    let path = report.save();
    println!("{}\n{}", report.table(), path.display());
    assert!(report.findings.is_empty(), "{:#?}", report.findings);
    assert!(report.aborted_copies_seen > 0, "no open transaction was hit, so this run showed nothing");
    if let Some(seconds_max) = number("RECOVERY_SECONDS_MAX") {
        let median = report.recovery_seconds.expect("a process was killed").median;
        assert!(median <= seconds_max as f64, "a process is back after {median} s, in the median");
    }
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(format!("ASSIZE_CHAOS_{name}")).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("ASSIZE_CHAOS_{name} is a number, not {text:?}")))
}
