//! What the drift job exposes of itself and of its reports.

use std::time::Duration;

use assize::{
    ops::metrics::{
        AlertResult, DRIFT_FEATURES_MAX, DRIFT_LABELS_MAX, DRIFT_SERIES_MAX, LabelLookup, Metrics, RetrainResult,
        TransactionResult,
    },
    records::{AlarmKind, DriftReport, LabelCounts},
};
use serde_json::json;

use crate::metrics::read;

/// A report with so many features and labels, the last of which have the largest effects.
pub(crate) fn report(task: &str, size: usize) -> DriftReport {
    let figure = |value: f64| json!({"value": value, "low": value, "high": value});
    let test = |effect: f64| {
        json!({
            "statistic": "KS", "effect": effect, "floor": 0.1, "p_value": 0.0, "q_value": 0.0, "moved": false,
        })
    };
    let finding = |index: usize| {
        json!({
            "name": format!("f{index}"), "kind": "NUMBER", "moved": true, "too_few": false, "values_before": 1, "values": 1,
            "missing_before": 0.0, "missing": 0.0, "tests": [test(-0.1 * (index + 1) as f64), test(0.05)],
        })
    };
    let performance = |index: usize| {
        json!({
            "label": format!("l{index}"), "messages": 9, "true_positives": 1, "false_positives": 1, "false_negatives": 1,
            "true_negatives": 6, "precision": figure(0.5), "ece": figure(0.07),
        })
    };
    let estimate = |index: usize| json!({"label": format!("l{index}"), "messages": 9, "recall": figure(0.75)});
    let all = |entry: &dyn Fn(usize) -> serde_json::Value| (0..size).map(entry).collect::<Vec<_>>();
    let report = json!({
        "window": "1h", "window_start": 0, "window_end": 3_600_500, "task": task, "arm": "live",
        "model": {"name": "m", "version": "1", "digest": vec![0; 32], "arm": "live"},
        "status": "DRIFTED", "predictions": {"counted": 500}, "findings": all(&finding),
        "performance": all(&performance), "estimates": all(&estimate), "labels": {},
        "alarms": [
            {"about": "DRIFT", "state": "RAISED", "since": 0, "change": "NONE"},
            {"about": "CALIBRATION", "state": "RISING", "since": 0, "change": "NONE"},
        ],
    });
    serde_json::from_value(report).unwrap()
}

#[test]
fn a_report_is_exposed_until_the_next() {
    let metrics = Metrics::new();
    metrics.drift().reported(&report("spam", 2));
    let seen = read(&metrics);
    let of = "task=\"spam\",window=\"1h\"";
    for (sample, value) in [
        (format!("assize_drift_predictions_total{{arm=\"live\",{of}}}"), 500.0),
        (format!("assize_drift_window_end_timestamp_seconds{{arm=\"live\",{of}}}"), 3600.5),
        (format!("assize_drift_alarm_raised{{about=\"drift\",arm=\"live\",{of}}}"), 1.0),
        (format!("assize_drift_alarm_raised{{about=\"calibration\",arm=\"live\",{of}}}"), 0.0),
        (format!("assize_drift_effect_ratio{{arm=\"live\",feature=\"f1\",{of}}}"), 2.0),
        (format!("assize_drift_ece_ratio{{arm=\"live\",label=\"l0\",{of}}}"), 0.07),
    ] {
        assert_eq!(seen.value(&sample), value, "{sample}");
    }
    let performance = |figure, source| {
        format!(
            "assize_drift_performance_ratio{{arm=\"live\",figure=\"{figure}\",label=\"l1\",source=\"{source}\",{of}}}"
        )
    };
    assert_eq!(seen.value(&performance("precision", "measured")), 0.5);
    assert_eq!(seen.value(&performance("recall", "estimated")), 0.75);
    assert!(!seen.samples.contains_key(&performance("recall", "measured")), "a figure of nothing");

    metrics.drift().reported(&report("spam", 1));
    let text = metrics.encode().unwrap();
    assert!(!text.contains("\"f1\"") && !text.contains("\"l1\"") && text.contains("\"f0\""), "{text}");
    assert!(text.contains("assize_drift_predictions_total{task=\"spam\",arm=\"live\",window=\"1h\"} 1000"), "{text}");

    metrics.drift().forget_reports();
    assert!(!metrics.encode().unwrap().contains("window=\"1h\""));

    // By a process that has read the state and not reported yet.
    metrics.drift().alarms_known("spam", "live", "1h", [(AlarmKind::Drift, true), (AlarmKind::Calibration, false)]);
    let seen = read(&metrics);
    assert_eq!(seen.value(&format!("assize_drift_alarm_raised{{about=\"drift\",arm=\"live\",{of}}}")), 1.0);
    assert_eq!(seen.value(&format!("assize_drift_alarm_raised{{about=\"calibration\",arm=\"live\",{of}}}")), 0.0);
}

#[test]
fn the_series_of_reports_are_bounded() {
    let metrics = Metrics::new();
    metrics.drift().reported(&report("wide", 100));
    let text = metrics.encode().unwrap();
    assert_eq!(text.matches("assize_drift_effect_ratio{").count(), DRIFT_FEATURES_MAX);
    assert!(text.contains("\"f99\"") && !text.contains("\"f49\""));
    assert_eq!(text.matches("assize_drift_ece_ratio{").count(), DRIFT_LABELS_MAX);
    assert_eq!(text.matches("assize_drift_performance_ratio{").count(), 2 * DRIFT_LABELS_MAX);
    for task in 0..DRIFT_SERIES_MAX {
        metrics.drift().reported(&report(&task.to_string(), 1));
    }
    let text = metrics.encode().unwrap();
    assert!(!text.contains("task=\"wide\"") && text.contains("task=\"0\""));
    assert_eq!(text.matches("assize_drift_predictions_total{").count(), DRIFT_SERIES_MAX);
}

#[test]
fn a_partition_counts_by_handles_that_are_looked_up_once() {
    let metrics = Metrics::new();
    let partition = metrics.drift().partition(3);
    metrics.drift().set_watermark("predictions", 3, 1_795_903_200_250);
    partition.late(1);
    partition.clamped(2);
    partition.unlike(3);
    partition.unreadable(4);
    // Whoever owns it next counts on.
    metrics.drift().partition(3).late(1);
    let seen = read(&metrics);
    assert_eq!(
        seen.value("assize_drift_watermark_timestamp_seconds{input=\"predictions\",partition=\"3\"}"),
        1_795_903_200.25
    );
    for (reason, count) in [("late", 2.0), ("clamped", 2.0), ("unlike", 3.0), ("unreadable", 4.0)] {
        let sample = format!("assize_drift_odd_records_total{{partition=\"3\",reason=\"{reason}\"}}");
        assert_eq!(seen.value(&sample), count, "{sample}");
    }
    metrics.drift().forget_watermark("predictions", 3);
    assert!(!metrics.encode().unwrap().contains("assize_drift_watermark"));
}

#[test]
fn labels_snapshots_alerts_and_commands_are_counted() {
    let metrics = Metrics::new();
    let drift = metrics.drift();
    drift.count_labels(&LabelCounts { joined: 5, unmatched: 2, late: 1, ..LabelCounts::default() });
    drift.label_lookups(LabelLookup::Index, 4);
    drift.label_lookups(LabelLookup::ReadBack, 3);
    drift.read_back(Duration::from_secs(2));
    drift.snapshot(TransactionResult::Committed, Duration::from_millis(500), 1_000);
    drift.snapshot(TransactionResult::Aborted, Duration::from_millis(700), 2_000);
    drift.alert(AlertResult::GivenUp);
    drift.retrain(RetrainResult::TimedOut);
    let seen = read(&metrics);
    for (sample, value) in [
        ("assize_drift_labels_total{outcome=\"joined\"}", 5.0),
        ("assize_drift_labels_total{outcome=\"unmatched\"}", 2.0),
        ("assize_drift_labels_total{outcome=\"late\"}", 1.0),
        ("assize_drift_labels_total{outcome=\"repeated\"}", 0.0),
        ("assize_drift_label_lookups_total{found=\"index\"}", 4.0),
        ("assize_drift_label_lookups_total{found=\"read_back\"}", 3.0),
        ("assize_drift_label_lookups_total{found=\"nowhere\"}", 0.0),
        ("assize_drift_read_back_seconds_sum", 2.0),
        ("assize_drift_snapshots_total{result=\"committed\"}", 1.0),
        ("assize_drift_snapshots_total{result=\"aborted\"}", 1.0),
        ("assize_drift_snapshot_seconds_sum", 0.5),
        ("assize_drift_state_bytes", 1_000.0),
        ("assize_drift_alerts_total{result=\"given_up\"}", 1.0),
        ("assize_drift_retrains_total{result=\"timed_out\"}", 1.0),
    ] {
        assert_eq!(seen.value(sample), value, "{sample}");
    }
}
