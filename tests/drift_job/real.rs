//! Real messages through the stream, with the job on threads beside it.

use std::{
    cell::Cell,
    collections::{BTreeMap, HashMap},
    fs,
    path::PathBuf,
};

use assize::{
    demo::Corpus,
    records::{
        AlarmChange, AlarmKind, DriftReport, DriftStatus, Label, LabelSource, Prediction, Verdict,
        schema::{PREDICTION, VERDICT},
    },
};
use serde_json::json;

use crate::{
    bench::{Bench, SPAM},
    ground::{Labeller, PARTITIONS, Run, START_MS, WINDOW_MS, path, report},
    readers,
    traffic::Random,
};

/// Messages of a window of ten seconds.
const MESSAGES: usize = 700;
const DRIFT: &str = "\n[drift]\nenabled = true\nwindows = [\"10s\"]\ngrace_seconds = 1\nidle_seconds = 3600\n\
                     snapshot_ms = 200\n[drift.alarm]\nlabels_min = 100\n";

/// Texts that the model has not learnt from.
struct Texts {
    spam: Vec<String>,
    ham: Vec<String>,
    /// Newswire: no text messages at all.
    news: Vec<String>,
}

/// What a window is made of.
#[derive(Clone, Copy)]
enum Traffic {
    /// Text messages, as many of a hundred spam.
    Sms(u64),
    News,
}

impl Texts {
    fn read() -> Self {
        let corpus =
            Corpus::read(path("data/spam-sms/messages.tsv").as_ref(), path("models/spam-sms").as_ref()).unwrap();
        let texts = |wanted: &str| {
            let of = corpus.examples.iter().filter(|example| example.held_out && example.label == wanted);
            of.map(|example| example.text.clone()).collect()
        };
        let news = fs::read_to_string(path("data/topics-r8/test.tab")).unwrap();
        let news = news.lines().skip(3).filter_map(|line| line.split_once('\t')).map(|(_, text)| text.to_owned());
        Self { spam: texts("spam"), ham: texts("ham"), news: news.collect() }
    }

    /// A text, and whether it is spam.
    fn draw(&self, traffic: Traffic, random: &mut Random) -> (&str, bool) {
        let is_spam = matches!(traffic, Traffic::Sms(of_hundred) if random.below(100) < of_hundred);
        let texts = match traffic {
            Traffic::News => &self.news,
            Traffic::Sms(_) if is_spam => &self.spam,
            Traffic::Sms(_) => &self.ham,
        };
        (&texts[random.below(texts.len() as u64) as usize], is_spam)
    }
}

/// A file of messages, window after window, and which are spam. One message of each user closes the last window.
fn messages(bench: &Bench, windows: &[Traffic]) -> (PathBuf, HashMap<String, bool>) {
    let (all, mut random) = (Texts::read(), Random::new(17));
    let (mut lines, mut truth) = (String::new(), HashMap::new());
    for (window, &traffic) in windows.iter().enumerate() {
        for number in 0..MESSAGES {
            let (text, is_spam) = all.draw(traffic, &mut random);
            let id = format!("w{window}-{number}");
            let created_at = START_MS + window as i64 * WINDOW_MS + number as i64 * WINDOW_MS / MESSAGES as i64;
            let line = json!({"message_id": id, "user_id": 1 + number % 97, "text": text, "created_at": created_at});
            lines += &format!("{line}\n");
            truth.insert(id, is_spam);
        }
    }
    let end = START_MS + (1 + windows.len() as i64) * WINDOW_MS + 5_000;
    for user in 1..=97 {
        let line = json!({"message_id": format!("end-{user}"), "user_id": user, "text": all.ham[0], "created_at": end});
        lines += &format!("{line}\n");
    }
    (bench.sandbox.write("messages.ndjson", lines), truth)
}

#[test]
#[ignore = "needs Kafka; run ./dev test"]
fn a_shift_is_told_in_its_first_full_window_and_cleared_when_it_is_over() {
    let bench = Bench::new("drift-shift", PARTITIONS, &format!("{DRIFT}{SPAM}[drift.labels]\nenabled = false\n"));
    let run = Run::of_stream(&bench);
    let as_ever = Traffic::Sms(13);
    let windows = [as_ever, as_ever, Traffic::Sms(40), as_ever, as_ever, as_ever, Traffic::News, Traffic::News];
    let (file, _) = messages(&bench, &windows);
    let mut stream = bench.start("a", None);
    assert_eq!(bench.send(&file, &[]).wait(), Some(0));
    let reports: Vec<DriftReport> = run.wait_for_reports(windows.len()).values().map(|value| report(value)).collect();
    assert_eq!(stream.stop(), Some(0));
    bench.assert_clean();
    let says: Vec<_> = reports.iter().map(|report| (report.status, report.alarms[0].change, report.retrain)).collect();
    let (stable, drifted) = (DriftStatus::Stable, DriftStatus::Drifted);
    let expected = [
        (stable, AlarmChange::None, false),
        (stable, AlarmChange::None, false),
        (drifted, AlarmChange::Raised, true),
        (stable, AlarmChange::None, false),
        (stable, AlarmChange::None, false),
        (stable, AlarmChange::Cleared, false),
        (drifted, AlarmChange::Raised, true),
        (drifted, AlarmChange::None, false),
    ];
    assert_eq!(says, expected);
    assert!(reports.iter().all(|report| report.predictions.counted == MESSAGES as i64));
    let moved = |window: usize| {
        let findings = reports[window].findings.iter().filter(|finding| finding.moved);
        findings.map(|finding| finding.name.as_str()).collect::<Vec<_>>()
    };
    assert!(moved(2).contains(&"label"), "{:?}", moved(2));
    assert!(["text_chars", "unknown_term_ratio"].iter().all(|name| moved(6).contains(name)), "{:?}", moved(6));
    let since = |window: usize| reports[window].alarms[0].since;
    assert_eq!((since(2), since(7)), (Some(START_MS + 2 * WINDOW_MS), Some(START_MS + 6 * WINDOW_MS)));
    bench.wait_for_log("a", "spam (live)");
}

/// Sends the truth of each verdict: its hints, and who says so, by `of`.
fn label(
    bench: &Bench,
    truth: &HashMap<String, bool>,
    labelled_at: i64,
    of: impl Fn(usize, &Verdict<'_>, Label) -> Label,
) -> usize {
    let labeller = Labeller::new(bench);
    let verdicts = readers::read_all::<Verdict<'_>>(bench, &bench.topics().verdicts, VERDICT);
    let mut sent = 0;
    for (number, verdict) in verdicts.iter().enumerate() {
        let Some(&is_spam) = truth.get(&*verdict.message_id) else { continue };
        let label = Label {
            message_id: verdict.message_id.to_string(),
            task: "spam".into(),
            labels: vec![if is_spam { "spam" } else { "not_spam" }.to_owned()],
            source: LabelSource::Moderator,
            labelled_at: labelled_at + number as i64 % 5_000,
            source_partition: Some(verdict.source_partition),
            source_offset: Some(verdict.source_offset),
            decided_at: Some(verdict.decided_at),
        };
        labeller.write(None, &verdict.user_id.to_string(), &of(number, verdict, label));
        sent += 1;
    }
    labeller.flush();
    sent
}

/// What the labels come to when everything is held against everything.
fn directly(bench: &Bench, truth: &HashMap<String, bool>) -> BTreeMap<(bool, bool), i64> {
    let predictions = readers::read_all::<Prediction<'_>>(bench, &bench.topics().predictions, PREDICTION);
    let mut counts = BTreeMap::new();
    for prediction in &predictions {
        if let Some(&is_spam) = truth.get(&*prediction.message_id) {
            *counts.entry((prediction.tasks[0].labels[0] == "spam", is_spam)).or_default() += 1;
        }
    }
    counts
}

#[test]
#[ignore = "needs Kafka; run ./dev test"]
fn labels_are_joined_from_memory_or_from_the_topic_to_the_same_report() {
    let bench = Bench::new("drift-labels", PARTITIONS, &format!("{DRIFT}{SPAM}"));
    let run = Run::of_stream(&bench);
    let (file, truth) = messages(&bench, &[Traffic::Sms(13); 2]);
    let mut stream = bench.start("a", None);
    assert_eq!(bench.send(&file, &[]).wait(), Some(0));
    bench.wait_until_drained();
    let learnt = START_MS + WINDOW_MS;
    // What users say first is wrong in one of ten, and moderators correct it.
    let mistakes = Cell::new(0);
    label(&bench, &truth, learnt, |number, verdict, label| {
        let wrong = if truth[&*verdict.message_id] { "not_spam" } else { "spam" };
        mistakes.set(mistakes.get() + i64::from(number % 10 == 0));
        let labels = if number % 10 == 0 { vec![wrong.to_owned()] } else { label.labels.clone() };
        Label { source: LabelSource::UserReport, labels, ..label }
    });
    let sent = label(&bench, &truth, learnt, |_, _, label| label);
    let wrong = mistakes.get();
    // And a user contradicts a moderator.
    label(&bench, &truth, learnt, |_, verdict, label| {
        let wrong = if truth[&*verdict.message_id] { "not_spam" } else { "spam" };
        Label { source: LabelSource::UserReport, labels: vec![wrong.to_owned()], ..label }
    });
    close(&bench, START_MS + 3 * WINDOW_MS + 5_000);
    let key = run.wait_for_reports(2).into_iter().find(|(_, value)| report(value).window_start == learnt).unwrap();
    assert_eq!(stream.stop(), Some(0));
    let found = report(&key.1);
    let of_spam = found.performance.iter().find(|performance| performance.label == "spam").unwrap();
    let direct = directly(&bench, &truth);
    let count = |said: bool, so: bool| direct.get(&(said, so)).copied().unwrap_or_default();
    assert_eq!(
        [of_spam.true_positives, of_spam.false_positives, of_spam.false_negatives, of_spam.true_negatives],
        [count(true, true), count(true, false), count(false, true), count(false, false)]
    );
    let counts = found.labels;
    assert_eq!((counts.joined, counts.corrected, counts.repeated), (sent as i64, wrong, sent as i64 - wrong));
    assert_eq!((counts.contradicted, counts.unmatched, counts.unknown), (sent as i64, 0, 0));
    assert!(of_spam.recall.unwrap().value > 0.8, "{of_spam:?}");
    assert_eq!(found.alarms[1].about, AlarmKind::Calibration);
    // The same topics once more, by a job that remembers nothing: it reads every prediction back.
    let again = Run::new(&bench, "again");
    let mut job = again.start("b", &[("ASSIZE_DRIFT__LABELS__INDEX_BYTES_MAX", "0")]);
    let reports = again.wait_for_reports(2);
    assert_eq!(job.stop(), Some(0));
    assert!(reports[&key.0] == key.1, "{:?}\nis not {found:?}", report(&reports[&key.0]));
}

/// A label in each partition, of a message that nobody knows: time goes on.
fn close(bench: &Bench, labelled_at: i64) {
    let labeller = Labeller::new(bench);
    for partition in 0..PARTITIONS {
        let label = Label {
            message_id: format!("nobody-{partition}"),
            task: "spam".into(),
            labels: vec!["spam".into()],
            source: LabelSource::Other,
            labelled_at,
            source_partition: None,
            source_offset: None,
            decided_at: None,
        };
        labeller.write(Some(partition), "1", &label);
    }
    labeller.flush();
}
