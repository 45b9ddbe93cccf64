use serde::Serialize;
use serde_json::Value;
use thiserror::Error;

use super::{Samples, Subject, decision, samples::Column, words};
use crate::{
    decision::tune::{
        Aim, At, BINS, Bin, Choice, Curve, Intervals, Resampling, Sample, Suggested, Tally, bands, choose, resample,
    },
    records::Kind,
};

/// With fewer messages of one side than this, a choice says little: there is a warning.
pub const SAMPLES_FEW: u64 = 30;
/// Columns of the histogram of scores.
pub(super) const HISTOGRAM_BINS: usize = 40;
/// Name of what the abstain band is a threshold of.
const RIGHT: &str = "right";

/// What to choose, and how to be sure of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Options {
    /// What thresholds are chosen for.
    pub aim: Aim,
    /// `BINARY`: precision from the review band on, 0..=1.
    pub review_precision: f64,
    /// `BINARY`: precision from the block band on, 0..=1.
    pub block_precision: f64,
    /// How intervals are found.
    pub resampling: Resampling,
}

/// All that came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// The bundle.
    pub bundle: Subject,
    /// What was asked for.
    pub options: Options,
    /// Messages with labels in the file.
    pub labelled: u64,
    /// Those that are looked at: all, or a fair part of very many.
    pub messages: usize,
    /// `BINARY`: the positive label; otherwise each.
    pub labels: Vec<LabelFound>,
    /// `MULTICLASS`: a threshold on "the most probable label is right".
    pub abstain: Option<LabelFound>,
    /// `MULTICLASS`: what is said of what, at the abstain band of the decision.
    pub confusion: Option<Confusion>,
    /// The manifest's `decision` that applies all choices.
    pub decision: Value,
    /// What to look at before applying them.
    pub warnings: Vec<String>,
}

/// One label against the rest.
#[derive(Clone, Debug, Serialize)]
pub struct LabelFound {
    /// The label.
    pub label: String,
    /// Messages that have it.
    pub with: u64,
    /// Messages that do not.
    pub without: u64,
    /// 0..=1; none when messages of one side are missing, as all that follows.
    pub roc_auc: Option<f64>,
    /// 0..=1.
    pub average_precision: Option<f64>,
    /// What probabilities are worth as they are given.
    pub after: Quality,
    /// The same before calibration, where the bundle has any.
    pub before: Option<Quality>,
    /// What its threshold comes to now.
    pub now: Option<At>,
    /// The threshold that was chosen.
    pub choice: Option<Choice>,
    /// How firm it is.
    pub intervals: Intervals,
    /// `BINARY`: where actions start: by the precisions asked for, and where these are out of reach, as by now.
    pub bands: Option<Suggested>,
    /// In words.
    pub says: Vec<String>,
    #[serde(skip)]
    pub(super) picture: Picture,
}

/// What probabilities are worth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Quality {
    /// 0..=1.
    pub brier: Option<f64>,
    /// In nats.
    pub log_loss: Option<f64>,
    /// Expected calibration error, 0..=1.
    pub ece: Option<f64>,
    #[serde(skip)]
    pub(super) bins: [Bin; BINS],
}

/// What the page draws.
#[derive(Clone, Debug)]
pub(super) struct Picture {
    pub(super) curve: Curve,
    /// Messages with the label and without, from probability 0 to 1.
    pub(super) histogram: [[u64; 2]; HISTOGRAM_BINS],
}

/// Messages by what they are and what is said of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Confusion {
    /// Per true label: per said label, then without any.
    pub counts: Vec<Vec<u64>>,
}

/// Labels that nothing can be chosen from.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs)] // The messages say it.
pub enum Unusable {
    #[error(
        "no message has a label; give label or labels in each row, and see --label-map if they are called otherwise"
    )]
    NoLabels,
    #[error("all {messages} messages are of one side ({is}); give messages of both, a threshold lies between them")]
    OneClass { messages: usize, is: String },
}

/// Chooses.
///
/// # Errors
/// [`Unusable`], when there is nothing to choose between.
pub fn tune(subject: Subject, samples: &Samples, options: Options) -> Result<Found, Unusable> {
    usable(&subject, samples)?;
    let mut warnings = Vec::new();
    let labels: Vec<LabelFound> = subject
        .tuned()
        .map(|label| label_found(&subject, label, samples.column(label), &options, &mut warnings))
        .collect();
    let multiclass = subject.kind == Kind::Multiclass;
    let abstain = multiclass.then(|| abstain(&subject, samples, &options, &mut warnings));
    let below = abstain.as_ref().and_then(|found| found.choice).map(|choice| choice.at.threshold);
    let silent_below = below.or(subject.now.abstain_below).unwrap_or_default();
    let confusion = multiclass.then(|| Confusion::of(subject.labels.len(), samples, silent_below));
    let decision = decision::applied(&subject, &labels, below);
    Ok(Found {
        bundle: subject,
        options,
        labelled: samples.seen(),
        messages: samples.messages(),
        labels,
        abstain,
        confusion,
        decision,
        warnings,
    })
}

fn usable(subject: &Subject, samples: &Samples) -> Result<(), Unusable> {
    let messages = samples.messages();
    if messages == 0 {
        return Err(Unusable::NoLabels);
    }
    let positives = |label: usize| samples.column(label).after.iter().filter(|sample| sample.truth).count();
    let of_both = |label: usize| (1..messages).contains(&positives(label));
    if subject.tuned().any(of_both) {
        return Ok(());
    }
    let all = (0..subject.labels.len()).filter(|&label| positives(label) == messages);
    let is: Vec<_> = all.map(|label| subject.labels[label].as_str()).collect();
    let is = if is.is_empty() { "without any label".into() } else { is.join(", ") };
    Err(Unusable::OneClass { messages, is })
}

fn label_found(
    subject: &Subject,
    label: usize,
    column: &Column,
    options: &Options,
    warnings: &mut Vec<String>,
) -> LabelFound {
    // A MULTICLASS model does not decide by the thresholds of its labels.
    let decides_by = (subject.kind != Kind::Multiclass).then_some("its threshold");
    let now = subject.now.thresholds[label];
    let mut found = one(&subject.labels[label], column, now, decides_by, options, warnings);
    if let Some(choice) = &found.choice
        && decides_by.is_some()
    {
        found.says.push(words::choice(&found.label, &choice.at));
    }
    if subject.kind == Kind::Binary && found.choice.is_some() {
        let suggested = bands(&found.picture.curve, options.review_precision, options.block_precision);
        let kept = decision::kept(&suggested, &subject.now, &found.picture.curve);
        warnings.extend(words::no_bands(&suggested, &kept, &subject.now));
        found.says.extend(words::bands(&found.label, &kept, found.with + found.without));
        found.bands = Some(kept);
    }
    found
}

fn abstain(subject: &Subject, samples: &Samples, options: &Options, warnings: &mut Vec<String>) -> LabelFound {
    let right =
        samples.said().map(|said| Sample { probability: said.probability, truth: Some(said.label) == said.truth });
    let column = Column { after: right.collect(), before: Vec::new() };
    let mut found = one(RIGHT, &column, subject.now.abstain_below, Some("the abstain band"), options, warnings);
    found.says.extend(found.choice.map(|choice| words::abstain(&choice.at)));
    found
}

/// All that is told of a label by its samples alone; `decides_by` is what the threshold is called, if it decides.
fn one(
    label: &str,
    column: &Column,
    now: Option<f64>,
    decides_by: Option<&str>,
    options: &Options,
    warnings: &mut Vec<String>,
) -> LabelFound {
    let curve = Curve::of(&column.after);
    let (with, without) = (curve.positives(), curve.negatives());
    let choice = if without == 0 { None } else { choose(&curve, options.aim) };
    let intervals = choice.map_or_else(Intervals::default, |choice| {
        resample(&column.after, choice.at.threshold, options.aim, options.resampling)
    });
    warnings.extend(words::too_few(label, [with, without], choice.as_ref(), decides_by));
    warnings.extend(
        choice.filter(|_| decides_by.is_some()).and_then(|choice| words::fell_back(label, &choice, options.aim)),
    );
    LabelFound {
        label: label.into(),
        with,
        without,
        roc_auc: curve.roc_auc(),
        average_precision: curve.average_precision(),
        after: Quality::of(&column.after),
        before: (!column.before.is_empty()).then(|| Quality::of(&column.before)),
        now: now.map(|threshold| curve.at(threshold)),
        choice,
        intervals,
        bands: None,
        says: Vec::new(),
        picture: Picture { histogram: histogram(&column.after), curve },
    }
}

impl Quality {
    fn of(samples: &[Sample]) -> Self {
        let tally = Tally::of(samples);
        Self { brier: tally.brier(), log_loss: tally.log_loss(), ece: tally.calibration_error(), bins: *tally.bins() }
    }
}

impl Confusion {
    fn of(labels: usize, samples: &Samples, abstain_below: f64) -> Self {
        let mut counts = vec![vec![0; labels + 1]; labels];
        for said in samples.said() {
            let column = if f64::from(said.probability) < abstain_below { labels } else { said.label };
            if let Some(truth) = said.truth {
                counts[truth][column] += 1;
            }
        }
        Self { counts }
    }
}

fn histogram(samples: &[Sample]) -> [[u64; 2]; HISTOGRAM_BINS] {
    let mut counts = [[0; 2]; HISTOGRAM_BINS];
    for sample in samples {
        let bin = (f64::from(sample.probability) * HISTOGRAM_BINS as f64) as usize;
        counts[bin.min(HISTOGRAM_BINS - 1)][usize::from(!sample.truth)] += 1;
    }
    counts
}
