//! The merger over a topic in memory: whatever does not fit or goes wrong, it reports the same.

use std::{
    cell::{Cell, RefCell},
    sync::LazyLock,
    time::{Duration, Instant},
};

use super::*;
use crate::{
    config,
    decision::tune::Random,
    drift::{
        Rule, Window,
        alert::ALERTS_MAX,
        job::{
            state::{Input, Kept, Source},
            store::Each,
            time::{PaneClock, Progress},
        },
        panes::{PredictionPane, PredictionSeries},
        report::Judging,
    },
    model::Bundle,
    pipeline::Task,
};

const PANE_MS: i64 = 1_000;
const PANES: i64 = 40;
const PARTITIONS: i32 = 3;
const STATE_PARTITIONS: i32 = 2;
/// The first pane that does not look like the reference.
const SHIFTED: i64 = 20;

static TASK: LazyLock<Task> = LazyLock::new(|| {
    let bundle = Bundle::load("models/spam-sms".as_ref(), None).unwrap();
    Task { name: "spam".into(), bundle: Arc::new(bundle) }
});

/// Key and value of a record of the state.
type Stored = (Vec<u8>, Option<Vec<u8>>);

/// The topics of state and reports, with all that was ever committed.
#[derive(Default)]
struct Topics {
    state: RefCell<BTreeMap<i32, Vec<Stored>>>,
    reports: Vec<(Vec<u8>, Vec<u8>)>,
    followed: RefCell<BTreeMap<i32, i64>>,
    /// How often a partition of the state was read.
    readings: Cell<usize>,
}

impl Topics {
    fn write(&self, key: &Key, value: Option<Vec<u8>>) {
        let partition = key.partition(STATE_PARTITIONS);
        self.state.borrow_mut().entry(partition).or_default().push((key.bytes(), value));
    }

    fn commit(&mut self, outputs: &Outputs) {
        for output in outputs.iter() {
            let (key, value) = (output.key.unwrap().to_vec(), output.value.map(<[u8]>::to_vec));
            match output.topic {
                Topic::DriftState => self.state.get_mut().entry(output.partition).or_default().push((key, value)),
                _ => self.reports.push((key, value.unwrap())),
            }
        }
    }

    fn compacted(&self) -> BTreeMap<Key, Vec<u8>> {
        let deadline = self.deadline(&|| true);
        (0..STATE_PARTITIONS)
            .flat_map(|partition| store::latest(self, partition, &deadline, |_, _| Ok(true)).unwrap().0)
            .collect()
    }

    /// How often a key was deleted that `wanted` names.
    fn deletions(&self, wanted: impl Fn(&Key) -> bool) -> usize {
        let state = self.state.borrow();
        let deleted = state.values().flatten().filter(|(_, value)| value.is_none());
        deleted.filter(|(key, _)| wanted(&Key::parse(key).unwrap())).count()
    }
}

impl Store for Topics {
    fn partitions(&self) -> i32 {
        STATE_PARTITIONS
    }

    fn deadline<'a>(&self, go_on: &'a dyn Fn() -> bool) -> Deadline<'a> {
        Deadline::within(Duration::from_secs(60), go_on)
    }

    fn read(&self, partition: i32, _: &Deadline<'_>, each: Each<'_>) -> Result<i64, Fault> {
        self.readings.set(self.readings.get() + 1);
        let state = self.state.borrow();
        let records = state.get(&partition).map_or(&[][..], Vec::as_slice);
        records.iter().try_for_each(|(key, value)| each(key, value.as_deref()))?;
        Ok(records.len() as i64)
    }

    fn follow(&self, starts: &[(i32, i64)]) -> Result<(), Fault> {
        self.followed.replace(starts.iter().copied().collect());
        Ok(())
    }

    fn next(&self, each: Each<'_>) -> Result<bool, Fault> {
        let state = self.state.borrow();
        for (partition, next) in &mut *self.followed.borrow_mut() {
            if let Some((key, value)) = state.get(partition).and_then(|records| records.get(*next as usize)) {
                *next += 1;
                return each(key, value.as_deref()).map(|()| true);
            }
        }
        Ok(false)
    }
}

/// How a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Committed,
    Aborted,
    /// It is committed, and nobody is told.
    Unanswered,
}

struct Job {
    topics: Topics,
    merger: Merger,
    alerts: Arc<Alerts>,
    metrics: Arc<Metrics>,
    _runtime: tokio::runtime::Runtime,
}

impl Job {
    fn new(waiting_bytes_max: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let metrics = Metrics::new();
        let config = config::Alert { retrain_command: vec!["true".into()], ..config::Alert::default() };
        let alerts = Arc::new(Alerts::start(&config, runtime.handle(), &metrics).unwrap());
        let windows = ["1s", "3s"].map(|text| text.parse().unwrap());
        let clock = PaneClock { pane_ms: PANE_MS, grace_ms: 0 };
        let assembly = Assembly::new(&windows, clock, (0..PARTITIONS).map(source), waiting_bytes_max);
        let judging = Judging { rule: Rule::default(), alarm: config::AlarmConfig::default() };
        let reporter = Reporter::new(std::slice::from_ref(&*TASK), judging);
        let merger =
            Merger::new(assembly, &windows, reporter, RecordWriter::new(1), Arc::clone(&alerts), Arc::clone(&metrics));
        let mut job = Self { topics: Topics::default(), merger, alerts, metrics, _runtime: runtime };
        job.load();
        job
    }

    fn load(&mut self) {
        self.merger.load(&self.topics, &self.topics.deadline(&|| true)).unwrap();
    }

    fn follow(&mut self) {
        self.merger.follow(&self.topics, &|| true).unwrap();
    }

    /// One transaction, as the lane makes it.
    fn transaction(&mut self, end: End) {
        let mut outputs = Outputs::default();
        self.merger.write(STATE_PARTITIONS, &mut outputs, false).unwrap();
        if end != End::Aborted {
            self.topics.commit(&outputs);
        }
        if end == End::Committed {
            self.merger.committed();
        } else {
            self.merger.forget();
            self.load();
        }
    }

    /// Until nothing is left to do.
    fn settle(&mut self, mut end: impl FnMut() -> End) {
        self.follow();
        while self.merger.is_due() {
            self.transaction(end());
            self.follow();
        }
    }

    /// A pane is closed by its partition.
    fn close(&mut self, partition: i32, number: i64) {
        let key = Key::Pane(source(partition), number * PANE_MS);
        self.topics.write(&key, Some(pane(partition, number)));
        let closed_to_ms = Some((number + 1) * PANE_MS);
        let progress = Progress { watermark_ms: closed_to_ms, closed_to_ms, pane_ms: PANE_MS };
        self.topics.write(&Key::Progress(source(partition)), Some(state::json(&progress)));
    }

    fn count(&self, sample: &str) -> usize {
        let text = self.metrics.encode().unwrap();
        text.lines().find_map(|line| line.strip_prefix(sample)).unwrap().trim().parse().unwrap()
    }

    #[track_caller]
    fn until_retrained(&self, result: &str) {
        let end = Instant::now() + Duration::from_secs(60);
        while self.count(&format!("assize_drift_retrains_total{{result=\"{result}\"}}")) == 0 {
            assert!(Instant::now() < end, "no retraining has {result}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn source(partition: i32) -> Source {
    Source { input: Input::Predictions, partition }
}

/// A closed pane as the topic has it; no two count the same.
fn pane(partition: i32, number: i64) -> Vec<u8> {
    let baseline = &TASK.bundle.drift_reference().unwrap().baseline;
    let mut window = Window::of(baseline);
    if number >= SHIFTED {
        for (counts, (_, reference)) in window.numbers.iter_mut().zip(&baseline.numbers) {
            (0..300).for_each(|_| counts.add(reference.edges(), Some(1e6)));
        }
    }
    let expected = vec![Default::default(); TASK.bundle.policy().labels().len()];
    let digest = TASK.bundle.digest().to_string();
    let series = PredictionSeries { digest, counted: 300, unlike: 0, window, expected };
    let late = (number as u64 + 1) << (10 * partition);
    let tasks = [("spam".to_owned(), [("live".to_owned(), series)].into())].into();
    state::json(&Kept { closed: true, pane: PredictionPane { late, tasks, ..PredictionPane::default() } })
}

/// A whole backlog of all partitions but the last, then that one.
fn run(waiting_bytes_max: usize, mut end: impl FnMut() -> End) -> Job {
    let mut job = Job::new(waiting_bytes_max);
    let one_time = PARTITIONS as usize * pane(0, PANES - 1).len() + 100;
    for partition in 0..PARTITIONS {
        for number in 0..PANES {
            job.close(partition, number);
            job.settle(&mut end);
            assert!(job.merger.assembly.waiting_bytes() <= waiting_bytes_max.max(one_time));
        }
    }
    job
}

#[test]
fn a_backlog_that_does_not_fit_gives_the_same_reports() {
    let whole = run(usize::MAX, || End::Committed);
    assert_eq!(whole.topics.reports.len() as i64, PANES + PANES / 3);
    assert_eq!(whole.topics.readings.get(), STATE_PARTITIONS as usize);
    for panes in [0, 1, 7, 30] {
        let job = run(panes * pane(0, PANES - 1).len(), || End::Committed);
        assert!(job.topics.readings.get() > STATE_PARTITIONS as usize, "{panes} panes fit");
        assert!(job.topics.reports == whole.topics.reports, "{panes} panes fit");
        assert_eq!(job.topics.compacted(), whole.topics.compacted(), "{panes} panes fit");
    }
}

#[test]
fn whatever_goes_wrong_every_window_is_reported_once_and_the_same() {
    let whole = run(usize::MAX, || End::Committed);
    whole.until_retrained("started");
    let told = |job: &Job| job.topics.deletions(|key| matches!(key, Key::Alert(_)));
    assert_eq!(told(&whole), 2, "both windows raise it");
    for seed in 0..8 {
        let mut random = Random::new(seed);
        let job = run(3 * pane(0, 0).len(), || match random.below(4) {
            0 => End::Aborted,
            1 => End::Unanswered,
            _ => End::Committed,
        });
        assert!(job.topics.reports == whole.topics.reports, "seed {seed}");
        assert_eq!(job.topics.compacted(), whole.topics.compacted(), "seed {seed}");
        assert_eq!(job.topics.deletions(|key| matches!(key, Key::Retrain(_))), 1, "seed {seed}");
    }
}

/// One whose next transaction takes the trigger of a retraining out.
fn about_to_retrain() -> Job {
    let mut job = Job::new(usize::MAX);
    for partition in 0..PARTITIONS {
        job.close(partition, SHIFTED);
    }
    job.follow();
    while job.merger.retrainings.is_empty() {
        job.transaction(End::Committed);
    }
    job
}

#[test]
fn a_retraining_runs_once_its_trigger_is_out_of_the_state_for_sure() {
    let mut job = about_to_retrain();
    job.transaction(End::Aborted);
    assert_eq!(job.count("assize_drift_retrains_total{result=\"dropped\"}"), 0);
    job.transaction(End::Committed);
    job.until_retrained("succeeded");
    assert_eq!(job.count("assize_drift_retrains_total{result=\"started\"}"), 1);
}

#[test]
fn a_retraining_whose_commit_had_no_answer_is_dropped_and_counted() {
    let mut job = about_to_retrain();
    job.transaction(End::Unanswered);
    job.settle(|| End::Committed);
    job.until_retrained("dropped");
    assert_eq!(job.count("assize_drift_retrains_total{result=\"started\"}"), 0);
    assert_eq!(job.count("assize_drift_retrains_total{result=\"dropped\"}"), 1);
}

#[test]
fn a_retraining_whose_commit_had_no_answer_is_counted_though_the_partition_goes_away() {
    let mut job = about_to_retrain();
    job.transaction(End::Unanswered);
    job.merger.lost();
    assert_eq!(job.count("assize_drift_retrains_total{result=\"dropped\"}"), 1);
    job.settle(|| End::Committed);
    assert_eq!(job.count("assize_drift_retrains_total{result=\"dropped\"}"), 1, "once");
}

#[test]
fn a_raised_alarm_is_shown_before_the_next_window() {
    let mut job = about_to_retrain();
    let raised = |job: &Job| {
        let text = job.metrics.encode().unwrap();
        text.lines().filter(|line| line.starts_with("assize_drift_alarm_raised{") && line.ends_with(" 1.0")).count()
    };
    let before = raised(&job);
    job.merger.lost();
    job.merger.forget();
    assert!(before > 0 && raised(&job) == 0);
    job.load();
    assert_eq!(raised(&job), before);
}

/// One with so many alerts in its state, none of which was told.
fn with_alerts(count: usize) -> Job {
    let job = about_to_retrain();
    let state = job.topics.compacted();
    let (_, value) = state.iter().find(|(key, _)| matches!(key, Key::Alert(_))).unwrap();
    let alert: Alert = serde_json::from_slice(value).unwrap();
    let mut job = Job::new(usize::MAX);
    for index in 0..count {
        let id = format!("alert {index:03}");
        job.topics.write(&Key::Alert(id.clone()), Some(state::json(&Alert { id, ..alert.clone() })));
    }
    job.merger.forget();
    job.load();
    job
}

#[test]
fn alerts_that_had_no_room_are_told_once_there_is_some() {
    let count = 3 * ALERTS_MAX;
    let mut job = with_alerts(count);
    assert_eq!(job.topics.deletions(|_| true), 0);
    job.settle(|| End::Committed);
    let state = job.topics.compacted();
    assert!(!state.keys().any(|key| matches!(key, Key::Alert(_))), "{} are left", state.len());
    assert_eq!(job.topics.deletions(|key| matches!(key, Key::Alert(_))), count, "each is told once");
}

#[test]
fn what_was_told_is_not_told_again_when_its_transaction_fails() {
    let mut job = with_alerts(1);
    job.follow();
    assert_eq!(job.merger.done.len(), 1);
    job.transaction(End::Aborted);
    assert_eq!(job.alerts.done(), Vec::<String>::new());
    job.transaction(End::Committed);
    assert_eq!(job.topics.compacted(), BTreeMap::new());
}
