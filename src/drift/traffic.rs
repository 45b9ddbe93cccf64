//! How often the rule is wrong on real traffic: public texts, judged by the bundles here, and drawn again and again. One
//! random half of the predictions is the reference, windows are drawn with replacement from the other; new halves every
//! ten windows.

use std::{fs, io::Write as _, path::PathBuf, sync::Arc};

use tempfile::NamedTempFile;

use super::{
    Baseline, Rule, Window,
    row::Row,
    sketch::{Categories, Reference},
};
use crate::{
    classify::{Judge, Logged, Reader, Source},
    decision::tune::Random,
    model::Bundle,
    records::Kind,
    rows::Format,
};

/// Windows of each size.
const WINDOWS: usize = 200;
const SIZES: [usize; 3] = [1_000, 10_000, 100_000];

/// A prediction, as far as it is counted.
struct Counted {
    /// The label that the corpus gives it.
    truth: String,
    numbers: Vec<Option<f64>>,
    categories: Vec<Option<String>>,
}

/// Of a hundred predictions, so many are drawn from those whose text has one of these labels, the others from the rest.
#[derive(Clone, Copy)]
struct Shift {
    name: &'static str,
    of_hundred: usize,
    labels: &'static [&'static str],
}

/// A corpus whose lines are a label, a tab and a text, after `headers` others.
struct Corpus {
    name: &'static str,
    files: &'static [&'static str],
    headers: usize,
    bundle: &'static str,
}

const SMS: Corpus =
    Corpus { name: "SMS", files: &["data/spam-sms/messages.tsv"], headers: 0, bundle: "models/spam-sms" };
const NEWS: Corpus = Corpus {
    name: "Reuters R8",
    files: &["data/topics-r8/train.tab", "data/topics-r8/test.tab"],
    headers: 3,
    bundle: "models/topics-r8",
};

fn path(of: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(of)
}

impl Corpus {
    /// Label and text of each line.
    fn texts(&self) -> Vec<(String, String)> {
        let read = |file: &&str| fs::read_to_string(path(file)).unwrap();
        let files: Vec<_> = self.files.iter().map(read).collect();
        let lines = files.iter().flat_map(|file| file.lines().skip(self.headers));
        lines.filter_map(|line| line.split_once('\t')).map(|(label, text)| (label.into(), text.into())).collect()
    }

    /// What the bundle makes of them, as the prediction log has it.
    fn predictions(&self) -> Vec<Counted> {
        let texts = self.texts();
        let mut file = NamedTempFile::new().unwrap();
        texts.iter().for_each(|(_, text)| writeln!(file, "{}", serde_json::json!({ "text": text })).unwrap());
        let source =
            Source { file: Some(file.path().to_owned()), format: Format::Ndjson, label_map: Default::default() };
        let bundle = Arc::new(Bundle::load(&path(self.bundle), None).unwrap());
        let mut reader = Reader::open(&source, Vec::new(), Kind::Multilabel, Vec::new()).unwrap();
        let mut judge = Judge::new(Arc::clone(&bundle), &[]).unwrap();
        let (mut cases, mut counted) = (Vec::new(), Vec::new());
        loop {
            // A few texts are blank.
            reader.read(&mut cases, |_| ()).unwrap();
            if cases.is_empty() {
                return counted;
            }
            judge.judge(&cases).unwrap();
            for (index, case) in cases.iter().enumerate() {
                let judgement = judge.judgement(index);
                let row = serde_json::to_value(Logged::of(case, &judgement, &bundle)).unwrap();
                let row = Row::of_record(row).unwrap();
                counted.push(Counted {
                    truth: texts[case.line as usize - 1].0.clone(),
                    numbers: row.numbers(&row.tasks[0]).collect(),
                    categories: row.categories(&row.tasks[0]).into(),
                });
            }
        }
    }
}

fn baseline(rows: &[&Counted]) -> Baseline {
    let number = |index: usize| {
        let values: Vec<_> = rows.iter().map(|row| row.numbers[index]).collect();
        (format!("number {index}"), Reference::of(&values))
    };
    let category = |index: usize| {
        let mut counts = Categories::default();
        rows.iter().filter_map(|row| row.categories[index].as_ref()).for_each(|name| counts.add(name));
        (format!("category {index}"), counts)
    };
    let (numbers, categories) = (rows[0].numbers.len(), rows[0].categories.len());
    Baseline { numbers: (0..numbers).map(number).collect(), categories: (0..categories).map(category).collect() }
}

/// Two random halves.
fn halves<'r>(rows: &'r [Counted], random: &mut Random) -> [Vec<&'r Counted>; 2] {
    let mut rows: Vec<_> = rows.iter().collect();
    (1..rows.len()).for_each(|last| rows.swap(last, random.below(last + 1)));
    let other = rows.split_off(rows.len() / 2);
    [rows, other]
}

/// How many of [`WINDOWS`] windows of `n` predictions raise an alarm.
fn alarms(rows: &[Counted], n: usize, shift: Option<Shift>) -> usize {
    let (mut random, rule) = (Random::new(11), Rule::default());
    let mut found = 0;
    for start in (0..WINDOWS).step_by(10) {
        let [reference, others] = halves(rows, &mut random);
        let known = baseline(&reference);
        let wanted = |row: &&&Counted| shift.is_some_and(|shift| shift.labels.contains(&row.truth.as_str()));
        let (these, those): (Vec<_>, Vec<_>) = others.iter().partition(wanted);
        for _ in start..WINDOWS.min(start + 10) {
            let mut window = Window::of(&known);
            for _ in 0..n {
                let from = match shift {
                    Some(shift) if random.below(100) < shift.of_hundred => &these,
                    _ => &those,
                };
                let row: &Counted = from[random.below(from.len())];
                window.add(&known, row.numbers.iter().copied(), &row.categories);
            }
            found += usize::from(known.judge(&window, &rule).drifted);
        }
    }
    found
}

#[test]
#[ignore = "needs data/spam-sms and data/topics-r8; ./dev test fetches them. Prints the table of docs/drift.md"]
fn two_hundred_windows_of_real_traffic_raise_no_alarm_and_shifted_ones_do() {
    println!("| corpus | traffic | n | windows | alarms |\n| --- | --- | ---: | ---: | ---: |");
    let spam = |name, of_hundred| Shift { name, of_hundred, labels: &["spam"] };
    let rare = &["crude", "grain", "interest", "money-fx", "ship", "trade"];
    let rare = |name, of_hundred| Shift { name, of_hundred, labels: rare };
    // The smaller shift of each is about as large as the floors: it is printed only.
    for (corpus, shifts) in [
        (SMS, [spam("spam from 13 % to 20 %", 20), spam("spam from 13 % to 30 %", 30)]),
        (NEWS, [rare("rare topics from 19 % to 26 %", 26), rare("rare topics from 19 % to 40 %", 40)]),
    ] {
        let rows = corpus.predictions();
        let run = |traffic: &str, n: usize, shift| {
            let found = alarms(&rows, n, shift);
            println!("| {} | {traffic} | {n} | {WINDOWS} | {found} |", corpus.name);
            found
        };
        for n in SIZES {
            assert_eq!(run("as it is", n, None), 0, "{} at {n}", corpus.name);
        }
        let [smaller, larger] = shifts.map(|shift| run(shift.name, 1_000, Some(shift)));
        assert!(smaller < larger && larger == WINDOWS, "{}: {smaller}, {larger}", corpus.name);
    }
}
