//! How often chance raises an alarm, and how often a shift of a stated size does. `docs/drift.md` has the table that
//! `cargo test --lib drift::simulation -- --ignored --nocapture` prints.

use super::{Baseline, Rule, Window, sketch::Categories, sketch::Reference};
use crate::decision::tune::Random;

/// Predictions of the reference.
const REFERENCE: usize = 10_000;
const RESOLUTION: usize = 1 << 40;
const LANGUAGES: [(&str, f64); 6] =
    [("en", 0.80), ("de", 0.10), ("fr", 0.05), ("es", 0.03), ("it", 0.015), ("sw", 0.005)];

/// What traffic is drawn from. Every share is a fraction of the messages that come from elsewhere.
#[derive(Clone, Copy, Default)]
struct Shift {
    /// Standard deviations that the logarithm of the length grows by.
    length: f64,
    /// Share of messages that turn into spam.
    spam: f64,
    /// Share that turns from English into German.
    german: f64,
    /// Share whose first feature goes missing.
    missing: f64,
}

struct Traffic {
    random: Random,
    shift: Shift,
}

impl Traffic {
    fn uniform(&mut self) -> f64 {
        (self.random.below(RESOLUTION) as f64 + 0.5) / RESOLUTION as f64
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// As text messages are: long tails, counts that are mostly 0, shares with many zeros, a score near 0 or 1.
    fn draw(&mut self) -> ([Option<f64>; 8], [&'static str; 4]) {
        let spam = self.uniform() < 0.13 + self.shift.spam;
        let characters =
            (4.0 + 0.8 * (self.normal() + self.shift.length) + 0.5 * f64::from(u8::from(spam))).exp().ceil();
        let words = (characters / (4.0 + self.uniform())).ceil();
        let urls = (-self.uniform().ln() * if spam { 0.8 } else { 0.2 }).floor();
        let capitals =
            if self.uniform() < 0.4 { 0.0 } else { (self.uniform().powi(3) * characters).ceil() / characters };
        let unknown = (self.uniform().powi(2) * words).floor() / words;
        let score = 1.0 / (1.0 + (-(self.normal() * 1.5 + if spam { 3.0 } else { -4.0 })).exp());
        let missing = self.uniform() < 0.05 + self.shift.missing;
        let numbers = [characters, words, urls, capitals, self.normal(), unknown, score, 1.0 - score];
        let mut numbers = numbers.map(Some);
        numbers[4] = numbers[4].filter(|_| !missing);
        let mut place = self.uniform();
        let of_place = |share: &&(&str, f64)| {
            place -= share.1;
            place < 0.0
        };
        let mut language = LANGUAGES.iter().find(of_place).unwrap_or(&LANGUAGES[0]).0;
        if language == "en" && self.uniform() < self.shift.german / 0.8 {
            language = "de";
        }
        let label = if score >= 0.5 { "spam" } else { "not_spam" };
        let action = if score >= 0.5 {
            "BLOCK"
        } else if score > 0.1 {
            "REVIEW"
        } else {
            "ALLOW"
        };
        let user = if self.uniform() < 0.9 { "CACHED" } else { "FRESH" };
        (numbers, [language, label, action, user])
    }
}

fn baseline(random: &mut Random) -> Baseline {
    let mut traffic = Traffic { random: Random::new(random.below(RESOLUTION) as u64), shift: Shift::default() };
    let rows: Vec<_> = (0..REFERENCE).map(|_| traffic.draw()).collect();
    let number = |index: usize| {
        let values: Vec<_> = rows.iter().map(|(numbers, _)| numbers[index]).collect();
        (format!("number {index}"), Reference::of(&values))
    };
    let category = |index: usize| {
        let mut counts = Categories::default();
        rows.iter().for_each(|(_, names)| counts.add(names[index]));
        (format!("category {index}"), counts)
    };
    Baseline { numbers: (0..8).map(number).collect(), categories: (0..4).map(category).collect() }
}

/// Windows of `n` predictions that raise an alarm, of `windows`; a new reference every ten.
fn alarms(n: usize, windows: usize, shift: Shift, rule: &Rule) -> usize {
    let mut random = Random::new(7);
    let mut known = baseline(&mut random);
    let alarm = |index: usize| {
        if index % 10 == 9 {
            known = baseline(&mut random);
        }
        let mut traffic = Traffic { random: Random::new(random.below(RESOLUTION) as u64), shift };
        let mut window = Window::of(&known);
        for _ in 0..n {
            let (numbers, names) = traffic.draw();
            let edges = known.numbers.iter().map(|(_, reference)| reference.edges());
            window
                .numbers
                .iter_mut()
                .zip(edges)
                .zip(numbers)
                .for_each(|((counts, edges), value)| counts.add(edges, value));
            window.categories.iter_mut().zip(names).for_each(|(counts, name)| counts.add(name));
        }
        usize::from(known.judge(&window, rule).drifted)
    };
    (0..windows).map(alarm).sum()
}

const SHIFTS: [(&str, Shift); 6] = [
    ("none", Shift { length: 0.0, spam: 0.0, german: 0.0, missing: 0.0 }),
    ("text 0.15 deviations longer", Shift { length: 0.15, spam: 0.0, german: 0.0, missing: 0.0 }),
    ("text 0.5 deviations longer", Shift { length: 0.5, spam: 0.0, german: 0.0, missing: 0.0 }),
    ("spam from 13 % to 23 %", Shift { length: 0.0, spam: 0.1, german: 0.0, missing: 0.0 }),
    ("15 % from English to German", Shift { length: 0.0, spam: 0.0, german: 0.15, missing: 0.0 }),
    ("a feature missing 25 % more", Shift { length: 0.0, spam: 0.0, german: 0.0, missing: 0.25 }),
];

#[test]
fn unshifted_traffic_raises_no_alarm_and_shifted_traffic_does() {
    let rule = Rule::default();
    assert_eq!(alarms(1_000, 40, SHIFTS[0].1, &rule), 0);
    for (name, shift) in [SHIFTS[2], SHIFTS[3], SHIFTS[4], SHIFTS[5]] {
        let found = alarms(1_000, 10, shift, &rule);
        assert!(found >= 9, "{name}: {found} of 10");
    }
}

#[test]
#[ignore = "minutes: prints the table of docs/drift.md"]
fn table() {
    // The floors alone keep chance out of large windows, significance alone out of small ones: the last column has none.
    let floors = super::Floors { ks: 1e-9, mean: 1e-9, psi: 1e-9, jensen_shannon: 1e-9, cramers_v: 1e-9 };
    let certain = Rule { floors, ..Rule::default() };
    println!("| traffic | n | windows | alarms | without floors |\n| --- | ---: | ---: | ---: | ---: |");
    for (name, shift) in SHIFTS {
        for (n, windows) in [(500, 1_000), (1_000, 1_000), (10_000, 200), (100_000, 20)] {
            let [found, without] = [Rule::default(), certain].map(|rule| alarms(n, windows, shift, &rule));
            println!("| {name} | {n} | {windows} | {found} | {without} |");
        }
    }
}

#[test]
#[ignore = "prints the time of a value"]
fn time_of_a_value() {
    let mut traffic = Traffic { random: Random::new(1), shift: Shift::default() };
    let values: Vec<_> = (0..1_000_000).map(|_| Some(traffic.normal())).collect();
    let reference = Reference::of(&values);
    let mut counts = super::sketch::Counts::on(reference.edges());
    let best = (0..20)
        .map(|_| {
            let start = std::time::Instant::now();
            values.iter().for_each(|&value| counts.add(reference.edges(), std::hint::black_box(value)));
            start.elapsed().as_nanos() as f64 / values.len() as f64
        })
        .fold(f64::INFINITY, f64::min);
    println!("{best:.1} ns a value, {} edges, {} values", reference.edges().at().len(), counts.values());
}
