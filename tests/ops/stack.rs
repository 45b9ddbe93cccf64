//! The stack's alerts and dashboard name only what is exposed: a rule on a metric that was renamed never fires, and
//! Prometheus does not say so.
//!
//! What the rules do is tested by `promtool test rules`, in `./dev check`.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{exposition::Exposition, metrics::every_family};

const RULES: &str = include_str!("../../deploy/prometheus/rules.yml");
const RULES_TEST: &str = include_str!("../../deploy/prometheus/rules_test.yml");
const DASHBOARD: &str = include_str!("../../deploy/grafana/dashboards/assize.json");
const ALERTS: &str = include_str!("../../docs/alerts.md");

/// A name of one of our metrics with what stands behind it: `{...}` or nothing.
fn selectors(text: &str) -> Vec<(&str, &str)> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(is_name) {
        let token = &rest[start..];
        let (name, behind) = token.split_at(token.find(|c| !is_name(c)).unwrap_or(token.len()));
        if ["assize_", "process_"].iter().any(|prefix| name.starts_with(prefix)) {
            let matchers = behind.strip_prefix('{').and_then(|behind| behind.split_once('}'));
            found.push((name, matchers.map_or("", |(matchers, _)| matchers)));
        }
        rest = behind;
    }
    found
}

/// Labels and values of the matchers `label="value"`; those with a regular expression have only a label.
fn matchers(text: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    text.split(", ").filter(|matcher| !matcher.is_empty()).map(|matcher| {
        let (label, value) = matcher.split_once('=').unwrap_or_else(|| panic!("no matcher: {matcher}"));
        match value.strip_prefix('~') {
            Some(_) => (label, None),
            None => (label, Some(value.trim_matches('"'))),
        }
    })
}

/// Panics unless a sample has this name and these labels. Labels that Prometheus adds are its own affair.
fn assert_exposed(exposition: &Exposition, name: &str, wanted: &str, place: &str) {
    let samples: Vec<&String> =
        exposition.samples.keys().filter(|sample| sample.split('{').next() == Some(name)).collect();
    assert!(!samples.is_empty(), "{place} names {name}, which is not exposed");
    for (label, value) in matchers(wanted).filter(|(label, _)| !["job", "instance"].contains(label)) {
        let text = value.map_or_else(|| format!("{label}=\""), |value| format!("{label}=\"{value}\""));
        assert!(samples.iter().any(|sample| sample.contains(&text)), "{place}: no sample of {name} has {text}");
    }
}

fn alerts() -> BTreeSet<&'static str> {
    RULES.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect()
}

#[test]
fn rules_name_only_what_is_exposed() {
    let exposition = every_family();
    let selectors = selectors(RULES);
    assert!(selectors.len() >= alerts().len(), "{selectors:?}");
    for (name, matchers) in selectors {
        assert_exposed(&exposition, name, matchers, "rules.yml");
    }
}

#[test]
fn the_dashboard_asks_only_for_what_is_exposed() {
    let exposition = every_family();
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut shown = BTreeSet::new();
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        let title = panel["title"].as_str().unwrap();
        assert!(panel["description"].as_str().is_some_and(|text| !text.is_empty()), "{title} has no description");
        assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{title} has no unit");
        for target in panel["targets"].as_array().unwrap() {
            let expression = target["expr"].as_str().unwrap();
            for (name, matchers) in selectors(expression) {
                assert_exposed(&exposition, name, matchers, title);
                shown.insert(name.to_owned());
            }
        }
    }
    // A metric that is worth exposing is worth a place on the dashboard.
    for family in exposition.families.keys() {
        assert!(shown.iter().any(|name| name.starts_with(family.as_str())), "{family} is on no panel");
    }
}

#[test]
fn every_alert_is_documented_and_tested() {
    let alerts = alerts();
    assert!(alerts.len() >= 12, "{alerts:?}");
    let documented: BTreeSet<&str> = ALERTS.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert_eq!(alerts, documented, "rules.yml against the headings of docs/alerts.md");
    for alert in alerts {
        let anchor = format!("runbook: docs/alerts.md#{}\n", alert.to_lowercase());
        assert!(RULES.contains(&anchor), "{alert} has no line {anchor}");
        assert!(RULES_TEST.contains(&format!("alertname=\"{alert}\"")), "{alert} is not in rules_test.yml");
    }
}
