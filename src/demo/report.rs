use std::{
    collections::HashMap,
    fmt,
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

use anyhow::Context;
use serde::Deserialize;

use super::{Corpus, Example};
use crate::model::Bundle;

/// Verdicts shown.
const SAMPLES: usize = 8;
/// Characters of a text shown.
const SAMPLE_CHARS: usize = 58;

/// What the report needs of a line of `verdicts.ndjson`.
#[derive(Deserialize)]
struct Line {
    message_id: String,
    action: String,
    decisions: Vec<DecisionLine>,
}

#[derive(Deserialize)]
struct DecisionLine {
    labels: Vec<String>,
    confidence: Option<f64>,
}

/// Right and wrong verdicts on held-out messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Confusion {
    /// Positive, and said to be.
    pub true_positives: u64,
    /// Negative, and said to be positive.
    pub false_positives: u64,
    /// Positive, and said to be negative.
    pub false_negatives: u64,
    /// Negative, and said to be.
    pub true_negatives: u64,
}

impl Confusion {
    fn add(&mut self, truth: bool, said: bool) {
        *match (truth, said) {
            (true, true) => &mut self.true_positives,
            (false, true) => &mut self.false_positives,
            (true, false) => &mut self.false_negatives,
            (false, false) => &mut self.true_negatives,
        } += 1;
    }

    /// TP / (TP + FP), 0..=1; NaN when nothing was said to be positive.
    pub fn precision(&self) -> f64 {
        self.true_positives as f64 / (self.true_positives + self.false_positives) as f64
    }

    /// TP / (TP + FN), 0..=1; NaN when nothing is positive.
    pub fn recall(&self) -> f64 {
        self.true_positives as f64 / (self.true_positives + self.false_negatives) as f64
    }

    fn total(&self) -> u64 {
        self.true_positives + self.false_positives + self.false_negatives + self.true_negatives
    }
}

/// What the demo found, read from the files that it left.
#[derive(Clone, Debug)]
pub struct Report {
    /// Messages read.
    pub messages: usize,
    /// Verdicts written.
    pub verdicts: usize,
    /// Dead letters written.
    pub dead_letters: usize,
    /// Verdicts against labels, on messages that the model never saw.
    pub held_out: Confusion,
    /// Messages judged a second on one core.
    pub per_second: f64,
    positive: String,
    model: String,
    samples: Vec<String>,
    out: PathBuf,
}

impl Report {
    pub(super) fn read(out: &Path, corpus: Corpus, bundle: &Bundle, per_second: f64) -> anyhow::Result<Self> {
        let (manifest, policy) = (bundle.manifest(), bundle.policy());
        let positive = policy.positive().context("the demo needs a model with two labels")?;
        let examples: HashMap<&str, &Example> =
            corpus.examples.iter().map(|example| (example.id.as_str(), example)).collect();
        let mut report = Self {
            messages: corpus.examples.len(),
            verdicts: 0,
            dead_letters: lines(&out.join("dead-letters.ndjson"))?.count(),
            held_out: Confusion::default(),
            per_second,
            positive: policy.labels()[positive].clone(),
            model: format!("{} {}", manifest.name, manifest.version),
            samples: Vec::new(),
            out: out.to_owned(),
        };
        for line in lines(&out.join("verdicts.ndjson"))? {
            let line: Line = serde_json::from_str(&line?).context("a line of verdicts.ndjson")?;
            report.verdicts += 1;
            let Some(example) = examples.get(line.message_id.as_str()).filter(|example| example.held_out) else {
                continue;
            };
            report.weigh(&line, example);
        }
        Ok(report)
    }

    fn weigh(&mut self, line: &Line, example: &Example) {
        let Some(decision) = line.decisions.first() else { return };
        let said = decision.labels.first().map_or("", String::as_str);
        let (truth, positive) = (example.label == self.positive, said == self.positive);
        self.held_out.add(truth, positive);
        // Alternately one of each side, and every mistake while there is room: a demo that hides them is worth little.
        let wanted = self.samples.len() % 2 == usize::from(positive) || truth != positive;
        if self.samples.len() < SAMPLES && wanted {
            let text: String = example.text.chars().take(SAMPLE_CHARS).collect();
            self.samples.push(format!(
                "  {:<9} {:<6} {:<8} {:>5.3}  {:<5}  {text}",
                line.message_id,
                line.action,
                said,
                decision.confidence.unwrap_or_default(),
                if truth == positive { "right" } else { "WRONG" },
            ));
        }
    }
}

fn lines(path: &Path) -> anyhow::Result<impl Iterator<Item = std::io::Result<String>>> {
    let file = File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(BufReader::new(file).lines())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Confusion { true_positives, false_positives, false_negatives, true_negatives } = self.held_out;
        writeln!(f, "Held-out messages, judged by {}:", self.model)?;
        writeln!(f, "  message   action label    conf.  truth  text")?;
        for sample in &self.samples {
            writeln!(f, "{sample}")?;
        }
        writeln!(f)?;
        writeln!(
            f,
            "{} messages in: {} verdicts, {} dead letters, {} lost",
            self.messages,
            self.verdicts,
            self.dead_letters,
            self.messages - self.verdicts - self.dead_letters,
        )?;
        writeln!(
            f,
            "on {} held-out messages: precision {:.3}, recall {:.3} for {:?} ({true_positives} caught, \
             {false_positives} wrongly, {false_negatives} missed, {true_negatives} left alone)",
            self.held_out.total(),
            self.held_out.precision(),
            self.held_out.recall(),
            self.positive,
        )?;
        writeln!(f, "{:.0} messages/s on one core, from Avro bytes to Avro bytes", self.per_second)?;
        write!(f, "look at {}/verdicts.ndjson, predictions.ndjson and dead-letters.ndjson", self.out.display())
    }
}
