use serde_json::{Value, json};

use super::{Filter, Kept, NoPage, Page, State, html, read_file};
use crate::records::{
    AlarmChange, AlarmState, DistributionBin, DriftFinding, DriftReport, DriftStatus, FeatureKind, Performance,
};

const EXAMPLE: &str = include_str!("../../../schemas/examples/drift-report.json");
const HOUR_MS: i64 = 3_600_000;
const HOSTILE: &str = "\"><script>alert(1)</script><img src=x onerror='x'>&\u{0}";
const SAFE: &str = "&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=&#39;x&#39;&gt;&amp;\u{fffd}";

fn example() -> DriftReport {
    serde_json::from_str(EXAMPLE).unwrap()
}

/// The example, `hours` later.
fn later(hours: i64) -> DriftReport {
    let mut report = example();
    report.window_start += hours * HOUR_MS;
    report.window_end += hours * HOUR_MS;
    report
}

fn kept(reports: impl IntoIterator<Item = DriftReport>) -> Kept {
    let mut kept = Kept::new(10_000);
    reports.into_iter().for_each(|report| kept.add(report).unwrap());
    kept
}

fn page(reports: impl IntoIterator<Item = DriftReport>) -> Page {
    Page::of(&kept(reports), None, "a file".into(), 0).unwrap()
}

/// The page, and that its numbers are numbers and its elements closed.
fn drawn(page: &Page) -> String {
    let text = html(page);
    for wrong in ["NaN", "\"inf", "=\"-inf", "Infinity", "<script"] {
        assert!(!text.contains(wrong), "{wrong}");
    }
    for element in ["section", "details", "table", "svg", "figure", "div", "span"] {
        let (opened, closed) = (format!("<{element}"), format!("</{element}>"));
        let is_element =
            |(at, _): &(usize, &str)| !text[at + opened.len()..].starts_with(|next: char| next.is_alphabetic());
        assert_eq!(text.match_indices(&opened).filter(is_element).count(), text.matches(&closed).count(), "{element}");
    }
    text
}

#[test]
fn names_of_strangers_stay_text() {
    let mut report = example();
    (report.task, report.arm, report.window) = (HOSTILE.into(), HOSTILE.into(), HOSTILE.into());
    (report.model.name, report.model.version) = (HOSTILE.into(), HOSTILE.into());
    for finding in &mut report.findings {
        (finding.name, finding.of) = (HOSTILE.into(), Some(HOSTILE.into()));
        finding.distribution.iter_mut().for_each(|bin| bin.name = bin.name.as_ref().map(|_| HOSTILE.into()));
    }
    report.findings.push(DriftFinding { name: "label".into(), ..report.findings[0].clone() });
    report.findings.push(DriftFinding { name: format!("score {HOSTILE}"), ..report.findings[1].clone() });
    report.performance[0].label = HOSTILE.into();
    report.estimates[0].label = HOSTILE.into();
    let page = Page::of(&kept([report]), None, HOSTILE.into(), 0).unwrap();
    let text = drawn(&page);
    assert!(text.matches(SAFE).count() > 20);
    assert!(!text.contains("<img"));
}

#[test]
fn nothing_is_fetched_and_no_script_runs() {
    let text = drawn(&page([example()]));
    for fetches in ["src=", "href=\"http", "url(", "@import", "javascript:"] {
        assert!(!text.contains(fetches), "{fetches}");
    }
}

#[test]
fn what_needs_a_look_is_said_first() {
    let mut well = example();
    well.task = "a task before".into();
    well.status = DriftStatus::Stable;
    well.alarms.iter_mut().for_each(|alarm| alarm.state = AlarmState::Quiet);
    well.findings.iter_mut().for_each(|finding| finding.moved = false);
    let page = page([well, example()]);
    assert_eq!([&page.tasks[0].task, &page.tasks[1].task], ["spam", "a task before"]);
    assert_eq!(
        page.tasks[0].says,
        [
            "Drift alarm raised since 2024-11-23 13:00 UTC, by windows of 1h.",
            "Calibration alarm raised since 2024-11-23 14:00 UTC, by windows of 1h.",
            "2 of 2 moved: language en: 95 % to 60 %; text_length mean: 142 to 212.",
        ]
    );
    assert_eq!(page.tasks[1].says, ["Nothing of 2 has moved."]);
    let text = drawn(&page);
    let first = text.find("language en: 95 % to 60 %").unwrap();
    assert!(first < text.find("id=\"summary\"").unwrap());
}

#[test]
fn a_later_report_of_a_window_takes_the_place_of_the_earlier() {
    let mut again = example();
    again.predictions.counted = 5_000;
    assert_eq!(page([example(), again.clone()]).tasks[0].report, again);
    let page = page([example(), later(1), again]);
    assert_eq!((page.reports.kept, page.reports.replaced), (2, 1));
    let counted: Vec<_> = page.tasks[0].over_time.iter().map(|moment| moment.predictions.counted).collect();
    assert_eq!(counted, [5_000, 4_217]);
    assert_eq!(
        page.tasks[0].report.window_start,
        later(1).window_start,
        "the newest window, in whatever order they come"
    );
}

#[test]
fn of_many_reports_the_newest_stay() {
    let mut kept = Kept::new(24);
    // In no order.
    (0..1_000).for_each(|hour| kept.add(later(hour * 7 % 1_000)).unwrap());
    let page = Page::of(&kept, None, String::new(), 0).unwrap();
    assert_eq!((page.reports.kept, page.reports.left_out), (24, 976));
    let starts: Vec<_> = page.tasks[0].over_time.iter().map(|moment| moment.window_start).collect();
    assert_eq!(starts, (976..1_000).map(|hour| later(hour).window_start).collect::<Vec<_>>());
    assert!(drawn(&page).contains("976 reports older than these were left out"));
}

#[test]
fn a_thousand_reports_are_a_page_of_ordinary_size() {
    let text = drawn(&page((0..1_000).map(later)));
    assert!(text.len() < 1 << 20, "{} bytes", text.len());
}

#[test]
fn a_window_with_too_few_values_does_not_hide_the_one_before() {
    let mut few = later(1);
    few.status = DriftStatus::TooFew;
    let task = &page([example(), few.clone()]).tasks[0];
    assert_eq!(task.report.window_start, example().window_start);
    assert_eq!((task.windows[0].status, task.windows[0].window_start), (DriftStatus::TooFew, few.window_start));
    assert!(task.says.iter().any(|says| says.contains("too few values to be judged; shown is")), "{:?}", task.says);
}

#[test]
fn tables_are_those_of_the_shortest_window_or_of_the_one_asked_for() {
    let day = || DriftReport { window: "24h".into(), window_start: later(-23).window_start, ..example() };
    let kept = kept([day(), example(), later(-1)]);
    let of = |window| Page::of(&kept, window, String::new(), 0);
    let page = of(None).unwrap();
    let task = &page.tasks[0];
    assert_eq!((task.report.window.as_str(), task.over_time.len()), ("1h", 2));
    let windows: Vec<_> = task.windows.iter().map(|now| now.window.as_str()).collect();
    assert_eq!(windows, ["1h", "24h"]);
    assert_eq!(task.lanes.len(), 6, "what the windows said and two alarms, of both");
    assert_eq!(of(Some("24h")).unwrap().tasks[0].report.window, "24h");
    let there = vec!["1h".to_owned(), "24h".to_owned()];
    assert_eq!(of(Some("2h")), Err(NoPage::NoWindow { wanted: "2h".into(), there }));
    assert!(matches!(Page::of(&Kept::new(1), None, String::new(), 0), Err(NoPage::NoReport(_))));
}

#[test]
fn stretches_end_where_something_changes_or_is_missing() {
    let with = |hour: i64, state: AlarmState, change: AlarmChange| {
        let mut report = later(hour);
        (report.alarms[0].state, report.alarms[0].change) = (state, change);
        report
    };
    let page = page([
        with(0, AlarmState::Quiet, AlarmChange::None),
        with(1, AlarmState::Raised, AlarmChange::Raised),
        with(2, AlarmState::Raised, AlarmChange::None),
        with(9, AlarmState::Quiet, AlarmChange::Cleared),
        with(20, AlarmState::Quiet, AlarmChange::None),
    ]);
    let lane = &page.tasks[0].lanes[1];
    let start = example().window_start;
    let hours = |at: i64| (at - start) / HOUR_MS;
    let stretches: Vec<_> = lane.stretches.iter().map(|one| (hours(one.from), hours(one.to), one.state)).collect();
    use State::{Quiet, Raised};
    assert_eq!(stretches, [(0, 1, Quiet), (1, 3, Raised), (9, 10, Quiet), (20, 21, Quiet)]);
    let changes: Vec<_> = lane.changes.iter().map(|change| (hours(change.at), change.change)).collect();
    assert_eq!(changes, [(2, AlarmChange::Raised), (10, AlarmChange::Cleared)]);
}

#[test]
fn without_labels_nothing_is_said_to_be_measured() {
    let mut report = example();
    report.labels.joined = 0;
    report.performance.clear();
    let text = drawn(&page([report]));
    assert!(text.contains("nothing is measured") && text.contains("class=\"estimate\""));
    assert!(!text.contains(">Reliability<") && !text.contains(">measured<"));
    // As the job writes it: an entry per label, of no messages.
    let mut report = example();
    report.performance[0] = Performance { messages: 0, diagram: Vec::new(), ..report.performance[0].clone() };
    assert!(!drawn(&page([report])).contains(">measured<"));
    let mut report = example();
    report.estimates.clear();
    assert!(!drawn(&page([report])).contains("class=\"estimate\""));
}

#[test]
fn an_estimate_is_marked_as_one() {
    let text = drawn(&page([example()]));
    assert!(text.contains(">measured<"));
    // Of the example: F1 0.897 measured, 0.917 estimated.
    assert!(text.contains("<td>0.897<small>0.824..0.941</small></td>"), "measured");
    assert!(text.contains("<td><span class=\"estimate\">0.917<small>0.903..0.931</small></span></td>"), "estimated");
}

#[test]
fn a_distribution_of_nothing_is_no_picture() {
    let mut report = example();
    report.findings[0].distribution.clear();
    report.findings[1].distribution = vec![DistributionBin { low: None, high: None, name: None, before: 0, after: 0 }];
    report.findings.push(DriftFinding { tests: Vec::new(), too_few: true, moved: false, ..report.findings[0].clone() });
    report.performance[0] = Performance { diagram: Vec::new(), messages: 0, f1: None, ..report.performance[0].clone() };
    assert!(drawn(&page([report])).contains("The report has no distribution of it."));
}

#[test]
fn one_class_alone_is_a_page() {
    let mut report = example();
    let only = DistributionBin { low: None, high: None, name: Some("spam".into()), before: 10_000, after: 4_217 };
    let kind = FeatureKind::Category;
    let finding = DriftFinding { name: "label".into(), kind, distribution: vec![only], ..report.findings[0].clone() };
    report.findings.push(finding);
    let page = page([report]);
    assert_eq!(page.tasks[0].over_time[0].said[0].share, 1.0);
    assert!(drawn(&page).contains("Said 100 % to 100 %"));
}

#[test]
fn of_a_hundred_features_every_one_is_in_the_table_and_the_first_are_open() {
    let mut report = example();
    let feature = |index: usize| DriftFinding {
        name: format!("feature-{index}-"),
        moved: false,
        ..example().findings[1].clone()
    };
    report.findings.extend((0..100).map(feature));
    let text = drawn(&page([report]));
    let closed = text.find("class=\"more\"").unwrap();
    assert!(text[..closed].contains("feature-11-") && !text[..closed].contains("feature-12-"));
    (0..100).for_each(|index| assert!(text.contains(&format!(">feature-{index}-<")), "{index}"));
    assert!(text.len() < 2 << 20, "{} bytes", text.len());
}

#[test]
fn the_twin_has_what_the_page_shows() {
    let page = page([later(-1), example()]);
    let twin: Value = serde_json::to_value(&page).unwrap();
    let task = &twin["tasks"][0];
    let digest = "b5790eaab58e675da4a3732b7a53afea7b61c87bc3810b06772c64fae9f986ec";
    assert_eq!(task["report"]["model"]["digest"], digest);
    let mut report: Value = serde_json::from_str(EXAMPLE).unwrap();
    report["model"]["digest"] = digest.into();
    assert_eq!(task["report"], report, "as `assize watch` shows it");
    assert_eq!(task["counts"]["labels"]["unmatched"], 14);
    assert_eq!(task["over_time"][1]["f1"][0]["measured"]["value"], 0.8966);
    assert_eq!(task["lanes"][1]["stretches"][0]["state"], "RAISED");
    assert_eq!(twin["reports"], json!({"kept": 2, "replaced": 0, "left_out": 0, "unreadable": 0}));
    let text = drawn(&page);
    for says in task["says"].as_array().unwrap() {
        assert!(text.contains(says.as_str().unwrap()), "{says}");
    }
    assert!(text.contains("<td>7</td><td>14</td>"), "unmatched, of this window and of both");
    assert!(text.contains(digest));
}

#[test]
fn reports_are_read_as_they_are_and_as_watch_shows_them() {
    let mut watched: Value = serde_json::from_str(EXAMPLE).unwrap();
    watched["model"]["digest"] = "b5790eaab58e675da4a3732b7a53afea7b61c87bc3810b06772c64fae9f986ec".into();
    watched["window"] = "24h".into();
    let plain = serde_json::to_string(&example()).unwrap();
    let lines = format!("{plain}\n{}\n{{\"value\": 1}}\nno JSON\n", json!({"partition": 0, "value": watched}));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), lines).unwrap();
    let (mut kept, mut told) = (Kept::new(10), Vec::new());
    read_file(Some(file.path()), &Filter::default(), &mut kept, |line, problem| told.push((line, problem.to_owned())))
        .unwrap();
    let page = Page::of(&kept, None, String::new(), 0).unwrap();
    assert_eq!((page.reports.kept, page.reports.unreadable), (2, 2));
    assert_eq!(page.tasks[0].windows.len(), 2);
    assert_eq!(told.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [3, 4]);
    assert!(told[0].1.starts_with("no drift report: "), "{told:?}");
}

#[test]
fn a_filter_lets_through_what_is_meant() {
    let report = example();
    let matches = |filter: Filter| filter.matches(&report);
    let (task, arm) = (Some("spam".to_owned()), Some("live".to_owned()));
    assert!(matches(Filter { task, arm, from_ms: Some(report.window_end), to_ms: Some(report.window_end) }));
    assert!(!matches(Filter { task: Some("tone".into()), ..Filter::default() }));
    assert!(!matches(Filter { arm: Some("b".into()), ..Filter::default() }));
    assert!(!matches(Filter { from_ms: Some(report.window_end + 1), ..Filter::default() }));
    assert!(!matches(Filter { to_ms: Some(report.window_end - 1), ..Filter::default() }));
}
