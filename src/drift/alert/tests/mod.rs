//! Alerts against a server on this machine, and commands that are run for real. Every wait is bounded.

mod command;
mod record;
mod webhook;

use std::{
    io::Write,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::runtime::Runtime;

use super::{Alert, Alerts, webhook::Pauses};
use crate::{
    config,
    ops::metrics::Metrics,
    records::{
        AlarmChange, AlarmKind, AlarmState, DriftAlarm, DriftFinding, DriftReport, DriftStatistic, DriftStatus,
        DriftTest, FeatureKind, LabelCounts, ModelRef, PredictionCounts,
    },
};

/// 2026-11-28T22:00:00Z.
const START_MS: i64 = 1_795_903_200_000;
const WAIT_SECONDS_MAX: u64 = 60;
const QUICK: Pauses = Pauses { first: Duration::from_millis(10), longest: Duration::from_secs(20) };

fn finding(name: &str, of: &str, [before, after]: [f64; 2], statistic: DriftStatistic, effect: f64) -> DriftFinding {
    let moved = effect >= 0.1;
    let is_mean = of == "mean";
    DriftFinding {
        name: name.into(),
        kind: if is_mean { FeatureKind::Number } else { FeatureKind::Category },
        moved,
        too_few: false,
        values_before: 10_000,
        values: 5_000,
        missing_before: 0.0,
        missing: 0.0,
        outside: 0.0,
        of: Some(of.into()),
        before: Some(before),
        after: Some(after),
        tests: vec![DriftTest { statistic, effect, floor: 0.1, p_value: 0.0, q_value: 0.0, moved }],
        distribution: Vec::new(),
    }
}

fn report(task: &str, change: AlarmChange) -> DriftReport {
    let state = if change == AlarmChange::Raised { AlarmState::Raised } else { AlarmState::Quiet };
    DriftReport {
        window: "1h".into(),
        window_start: START_MS,
        window_end: START_MS + 3_600_000,
        task: task.into(),
        arm: "live".into(),
        model: ModelRef { name: "spam-sms".into(), version: "1.0.0".into(), digest: [0xab; 32], arm: "live".into() },
        status: DriftStatus::Drifted,
        predictions: PredictionCounts { counted: 5_000, ..PredictionCounts::default() },
        findings: vec![
            finding("hour", "mean", [12.0, 12.1], DriftStatistic::Ks, 0.02),
            finding("char_count", "mean", [78.0, 612.4], DriftStatistic::Ks, 0.61),
            finding("language", "en", [0.95, 0.61], DriftStatistic::CramersV, 0.7),
        ],
        performance: Vec::new(),
        estimates: Vec::new(),
        labels: LabelCounts::default(),
        alarms: vec![
            DriftAlarm { about: AlarmKind::Drift, state, since: Some(START_MS), change },
            DriftAlarm {
                about: AlarmKind::Calibration,
                state: AlarmState::Quiet,
                since: None,
                change: AlarmChange::None,
            },
        ],
        retrain: change == AlarmChange::Raised,
    }
}

fn raised(task: &str) -> Alert {
    Alert::of(&report(task, AlarmChange::Raised)).remove(0)
}

/// Alerts as configured, on a runtime of their own.
struct Bench {
    alerts: Option<Alerts>,
    metrics: Arc<Metrics>,
    runtime: Runtime,
}

impl Bench {
    fn with(config: &config::Alert, pauses: Pauses) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let metrics = Metrics::new();
        let alerts = Alerts::with_pauses(config, runtime.handle(), &metrics, pauses).unwrap();
        Self { alerts: Some(alerts), metrics, runtime }
    }

    fn alerts(&self) -> &Alerts {
        self.alerts.as_ref().unwrap()
    }

    /// Waits until so many are done.
    fn done(&self, count: usize) -> Vec<String> {
        let mut done = Vec::new();
        until("alerts are done", || {
            done.extend(self.alerts().done());
            done.len() >= count
        });
        done
    }

    fn stop(&mut self) {
        self.alerts.take().unwrap().stop();
    }

    fn count(&self, sample: &str) -> u64 {
        count(&self.metrics, sample)
    }
}

fn count(metrics: &Metrics, sample: &str) -> u64 {
    let text = metrics.encode().unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(sample)).unwrap_or_else(|| panic!("no {sample}"));
    value.trim().parse().unwrap()
}

#[track_caller]
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(WAIT_SECONDS_MAX);
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What `run` and the tasks of its runtime log, at every level: all of it on this thread.
fn logged(run: impl FnOnce(&Runtime)) -> String {
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);
    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        run(&tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap());
    });
    let bytes = lines.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}
