use std::time::Duration;

use assize::features::store::{Asked, BreakerState, Failure, FetchReport, Origins, Violation};
use assize::ops::metrics::{LaneMetrics, MODEL_SERIES_MAX, Metrics, Rebalance, Stage, TransactionResult};
use assize::records::UserFeatures;

use crate::{drift, exposition::Exposition};

/// Every family, with its type.
const FAMILIES: [(&str, &str); 46] = [
    ("assize_build", "info"),
    ("assize_dead_letters", "counter"),
    ("assize_dedup_restore_seconds", "histogram"),
    ("assize_dedup_window_keys", "gauge"),
    ("assize_dedup_window_limit_seconds", "gauge"),
    ("assize_dedup_window_seconds", "gauge"),
    ("assize_degraded", "counter"),
    ("assize_drift_alarm_raised", "gauge"),
    ("assize_drift_alerts", "counter"),
    ("assize_drift_ece_ratio", "gauge"),
    ("assize_drift_effect_ratio", "gauge"),
    ("assize_drift_label_lookups", "counter"),
    ("assize_drift_labels", "counter"),
    ("assize_drift_odd_records", "counter"),
    ("assize_drift_performance_ratio", "gauge"),
    ("assize_drift_predictions", "counter"),
    ("assize_drift_read_back_seconds", "histogram"),
    ("assize_drift_retrains", "counter"),
    ("assize_drift_snapshot_seconds", "histogram"),
    ("assize_drift_snapshots", "counter"),
    ("assize_drift_starts", "counter"),
    ("assize_drift_state_bytes", "gauge"),
    ("assize_drift_up", "gauge"),
    ("assize_drift_watermark_timestamp_seconds", "gauge"),
    ("assize_drift_window_end_timestamp_seconds", "gauge"),
    ("assize_end_to_end_seconds", "histogram"),
    ("assize_feature_cache_lookups", "counter"),
    ("assize_feature_contract_violations", "counter"),
    ("assize_feature_store_breaker_state", "gauge"),
    ("assize_feature_store_seconds", "histogram"),
    ("assize_kafka_consumer_lag", "gauge"),
    ("assize_off_key_records", "counter"),
    ("assize_partition_held", "gauge"),
    ("assize_prediction_confidence_ratio", "histogram"),
    ("assize_predictions", "counter"),
    ("assize_ready", "gauge"),
    ("assize_rebalances", "counter"),
    ("assize_records", "counter"),
    ("assize_schema_lookups", "counter"),
    ("assize_stage_seconds", "histogram"),
    ("assize_transaction_records", "histogram"),
    ("assize_transaction_seconds", "histogram"),
    ("assize_transactions", "counter"),
    ("process_cpu_seconds", "counter"),
    ("process_resident_memory_bytes", "gauge"),
    ("process_start_time_seconds", "gauge"),
];

pub(crate) fn read(metrics: &Metrics) -> Exposition {
    Exposition::read(&metrics.encode().unwrap())
}

fn classes() -> Vec<String> {
    vec!["spam".into(), "not_spam".into()]
}

fn judge(lane: &mut LaneMetrics) {
    lane.verdicts(3);
    lane.repeats(2);
    lane.dead_letter("EMPTY_TEXT");
    lane.dead_letter("EMPTY_TEXT");
    lane.dead_letter("USER_ID");
    lane.verdict_features(UserFeatures::Fresh);
    lane.verdict_features(UserFeatures::Stale);
    lane.verdict_features(UserFeatures::Default);
    lane.verdict_features(UserFeatures::Default);
    lane.stage(Stage::Decode, Duration::from_micros(20));
    lane.stage(Stage::Commit, Duration::from_millis(15));
    lane.end_to_end(1_000, 1_040);
    lane.end_to_end(1_000, 900);
}

#[test]
fn a_committed_transaction_is_counted_once() {
    let metrics = Metrics::new();
    let mut lane = metrics.lane();
    judge(&mut lane);
    lane.finish(TransactionResult::Committed, Duration::from_millis(60));
    let seen = read(&metrics);
    for (sample, value) in [
        ("assize_records_total{outcome=\"verdict\"}", 3.0),
        ("assize_records_total{outcome=\"dead_letter\"}", 3.0),
        ("assize_records_total{outcome=\"repeat\"}", 2.0),
        ("assize_dead_letters_total{code=\"EMPTY_TEXT\"}", 2.0),
        ("assize_dead_letters_total{code=\"USER_ID\"}", 1.0),
        ("assize_degraded_total{reason=\"user:stale\"}", 1.0),
        ("assize_degraded_total{reason=\"user:default\"}", 2.0),
        ("assize_stage_seconds_count{stage=\"decode\"}", 1.0),
        ("assize_stage_seconds_sum{stage=\"commit\"}", 0.015),
        ("assize_stage_seconds_count{stage=\"model\"}", 0.0),
        ("assize_end_to_end_seconds_count", 2.0),
        ("assize_end_to_end_seconds_sum", 0.04),
        ("assize_end_to_end_seconds_bucket{le=\"0.005\"}", 1.0),
        ("assize_transactions_total{result=\"committed\"}", 1.0),
        ("assize_transactions_total{result=\"aborted\"}", 0.0),
        ("assize_transaction_seconds_sum", 0.06),
        ("assize_transaction_records_sum", 8.0),
    ] {
        assert_eq!(seen.value(sample), value, "{sample}");
    }
    lane.finish(TransactionResult::Committed, Duration::ZERO);
    assert_eq!(read(&metrics).value("assize_records_total{outcome=\"verdict\"}"), 3.0);
}

#[test]
fn what_was_aborted_never_happened_except_the_work() {
    let metrics = Metrics::new();
    let mut lane = metrics.lane();
    for result in [TransactionResult::Aborted, TransactionResult::Rebuilt] {
        judge(&mut lane);
        lane.finish(result, Duration::from_millis(60));
    }
    judge(&mut lane);
    lane.finish(TransactionResult::Committed, Duration::from_millis(60));
    let seen = read(&metrics);
    assert_eq!(seen.value("assize_records_total{outcome=\"verdict\"}"), 3.0);
    assert_eq!(seen.value("assize_dead_letters_total{code=\"EMPTY_TEXT\"}"), 2.0);
    assert_eq!(seen.value("assize_degraded_total{reason=\"user:stale\"}"), 1.0);
    assert_eq!(seen.value("assize_end_to_end_seconds_count"), 2.0);
    assert_eq!(seen.value("assize_transaction_records_count"), 1.0);
    assert_eq!(seen.value("assize_transactions_total{result=\"rebuilt\"}"), 1.0);
    assert_eq!(seen.value("assize_stage_seconds_count{stage=\"decode\"}"), 3.0);
    assert_eq!(seen.value("assize_transaction_seconds_count"), 3.0);
}

#[test]
fn lanes_add_up() {
    let metrics = Metrics::new();
    let lanes = (0..4).map(|_| metrics.lane()).map(|mut lane| {
        std::thread::spawn(move || {
            for _ in 0..100 {
                judge(&mut lane);
                lane.finish(TransactionResult::Committed, Duration::ZERO);
            }
        })
    });
    lanes.collect::<Vec<_>>().into_iter().for_each(|lane| lane.join().unwrap());
    let seen = read(&metrics);
    assert_eq!(seen.value("assize_records_total{outcome=\"verdict\"}"), 1200.0);
    assert_eq!(seen.value("assize_end_to_end_seconds_count"), 800.0);
}

#[test]
fn predictions_wait_for_the_commit() {
    let metrics = Metrics::new();
    let mut model = metrics.model("spam", "sms", "1.0.0", &classes());
    model.predicted([0].into_iter());
    model.confidence(0.93);
    model.discard();
    model.predicted([1].into_iter());
    model.predicted([1].into_iter());
    model.predicted([].into_iter());
    model.confidence(0.6);
    model.publish();
    model.publish();
    let seen = read(&metrics);
    let model = "model=\"sms\",task=\"spam\",version=\"1.0.0\"";
    let predictions = |label| format!("assize_predictions_total{{label=\"{label}\",{model}}}");
    assert_eq!(seen.value(&predictions("spam")), 0.0);
    assert_eq!(seen.value(&predictions("not_spam")), 2.0);
    assert_eq!(seen.value(&predictions("(none)")), 1.0);
    assert_eq!(seen.value(&format!("assize_prediction_confidence_ratio_sum{{{model}}}")), 0.6);
}

#[test]
fn the_series_of_models_are_bounded() {
    let metrics = Metrics::new();
    for version in 0..MODEL_SERIES_MAX + 3 {
        metrics.model("spam", "sms", &version.to_string(), &classes()).publish();
        // A second lane with the same model is the same series.
        metrics.model("spam", "sms", &version.to_string(), &classes()).publish();
    }
    let text = metrics.encode().unwrap();
    assert_eq!(text.matches("assize_predictions_total{").count(), MODEL_SERIES_MAX * (classes().len() + 1));
    assert_eq!(text.matches("assize_prediction_confidence_ratio_count{").count(), MODEL_SERIES_MAX);
    assert!(!text.contains("version=\"2\"") && text.contains("version=\"3\""));
}

#[test]
fn the_feature_store_reports_itself() {
    let metrics = Metrics::new();
    let lane = metrics.lane();
    let report = FetchReport {
        hits: 5,
        misses: 8,
        origins: Origins { fresh: 1, cached: 5, stale: 3, default: 4, unknown: 0 },
        violations: vec![Violation { feature: Some(1), count: 2 }, Violation { feature: None, count: 3 }],
        asked: Some(Asked { elapsed: Duration::from_millis(20), failure: Some(Failure::Deadline) }),
        breaker: BreakerState::Open,
    };
    lane.features(&report, &["followers".into(), "verified".into()]);
    let seen = read(&metrics);
    for (sample, value) in [
        ("assize_feature_cache_lookups_total{origin=\"fresh\"}", 1.0),
        ("assize_feature_cache_lookups_total{origin=\"cached\"}", 5.0),
        ("assize_feature_cache_lookups_total{origin=\"stale\"}", 3.0),
        ("assize_feature_cache_lookups_total{origin=\"default\"}", 4.0),
        ("assize_feature_cache_lookups_total{origin=\"unknown\"}", 0.0),
        ("assize_feature_contract_violations_total{feature=\"verified\"}", 2.0),
        ("assize_feature_contract_violations_total{feature=\"*\"}", 3.0),
        ("assize_feature_store_seconds_count{result=\"failed\"}", 1.0),
        ("assize_feature_store_seconds_count{result=\"ok\"}", 0.0),
        ("assize_feature_store_breaker_state", 2.0),
    ] {
        assert_eq!(seen.value(sample), value, "{sample}");
    }
}

#[test]
fn a_partition_that_went_away_leaves_no_stale_gauge() {
    let metrics = Metrics::new();
    metrics.set_lag("messages", 3, 17);
    metrics.set_dedup_window(3, Duration::from_secs(90), 1000);
    let seen = read(&metrics);
    assert_eq!(seen.value("assize_kafka_consumer_lag{partition=\"3\",topic=\"messages\"}"), 17.0);
    assert_eq!(seen.value("assize_dedup_window_seconds{partition=\"3\"}"), 90.0);
    assert_eq!(seen.value("assize_dedup_window_keys{partition=\"3\"}"), 1000.0);
    metrics.forget_partition("messages", 3);
    assert!(!metrics.encode().unwrap().contains("partition="));
}

/// An exposition in which every family has a series.
pub(crate) fn every_family() -> Exposition {
    let metrics = Metrics::new();
    let mut lane = metrics.lane();
    judge(&mut lane);
    lane.finish(TransactionResult::Committed, Duration::ZERO);
    let violations = vec![Violation { feature: None, count: 1 }];
    lane.features(&FetchReport { violations, ..FetchReport::default() }, &[]);
    metrics.model("spam \"quoted\"", "back\\slash", "1\n2", &classes()).publish();
    metrics.set_lag("messages", 0, 0);
    metrics.set_held("messages", 0, None);
    metrics.set_dedup_window(0, Duration::ZERO, 0);
    metrics.set_dedup_window_limit(Duration::from_secs(60));
    metrics.restored(Duration::from_secs(3));
    metrics.rebalanced(Rebalance::Revoked);
    metrics.drift().set_up(true);
    metrics.drift().partition(0).late(1);
    metrics.drift().set_watermark("labels", 0, 1_000);
    metrics.drift().reported(&drift::report("spam", 1));
    read(&metrics)
}

#[test]
fn every_metric_is_there_with_help_and_type() {
    let seen = every_family();
    let families: Vec<(&str, &str)> =
        seen.families.iter().map(|(name, family)| (name.as_str(), family.kind.as_str())).collect();
    assert_eq!(families, FAMILIES);
    assert_eq!(seen.value("assize_rebalances_total{kind=\"revoked\"}"), 1.0);
    assert_eq!(seen.value("assize_dedup_restore_seconds_sum"), 3.0);
    assert_eq!(seen.value("assize_dedup_window_limit_seconds"), 60.0);
}

#[test]
fn what_the_process_costs_is_read_when_asked() {
    let seen = read(&Metrics::new());
    assert!(seen.value("process_cpu_seconds_total") >= 0.0);
    let mebibytes = seen.value("process_resident_memory_bytes") / f64::from(1 << 20);
    assert!((1.0..65_536.0).contains(&mebibytes), "{mebibytes}");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    let age = now - seen.value("process_start_time_seconds");
    assert!((0.0..60.0).contains(&age), "{age}");
}

#[test]
fn what_can_be_known_beforehand_starts_at_zero() {
    let seen = read(&Metrics::new());
    for sample in [
        "assize_records_total{outcome=\"repeat\"}",
        "assize_transactions_total{result=\"rebuilt\"}",
        "assize_degraded_total{reason=\"user:stale\"}",
        "assize_stage_seconds_count{stage=\"dedup\"}",
        "assize_rebalances_total{kind=\"lost\"}",
        "assize_feature_cache_lookups_total{origin=\"unknown\"}",
        "assize_schema_lookups_total{result=\"outage\"}",
        "assize_drift_labels_total{outcome=\"unmatched\"}",
        "assize_drift_alerts_total{result=\"given_up\"}",
        "assize_drift_retrains_total{result=\"timed_out\"}",
    ] {
        assert_eq!(seen.value(sample), 0.0, "{sample}");
    }
    let build = format!("assize_build_info{{profile=\"dev\",version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    assert_eq!(seen.value(&build), 1.0);
}
