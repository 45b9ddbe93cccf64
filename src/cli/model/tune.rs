//! `assize model tune`: thresholds from messages with labels.

use std::{fs, io, path::PathBuf, sync::Arc};

use anyhow::Context;
use serde::Serialize;

use crate::{
    classify::{Judge, Reader, Source},
    cli::{
        bad_lines::BadLines,
        classify::{HowArg, load},
        output::print,
        progress::Progress,
        table::table,
    },
    decision::{
        Method,
        tune::{Aim, At, Interval, Resampling},
    },
    failure::Failure,
    fault::Exit,
    model::{Bundle, Digest},
    tuning::{self, Data, Found, LabelFound, Options, Samples, Subject},
};

const LEVEL: f64 = 0.95;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The bundle to tune.
    #[arg(long, value_name = "DIR")]
    bundle: PathBuf,
    /// Messages with labels: NDJSON, CSV or TSV with a header row; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    labels: PathBuf,
    #[command(flatten)]
    how: HowArg,
    /// The highest recall at this precision; where no threshold reaches it, the best F1.
    #[arg(long, value_name = "SHARE", default_value_t = 0.95, value_parser = share)]
    target_precision: f64,
    /// What saying a label wrongly costs; thresholds then have the lowest sum of costs.
    #[arg(long, value_name = "COST", value_parser = cost, requires = "cost_false_negative")]
    #[arg(conflicts_with = "target_precision")]
    cost_false_positive: Option<f64>,
    /// What not saying a label costs where it is, in the same unit.
    #[arg(long, value_name = "COST", value_parser = cost, requires = "cost_false_positive")]
    cost_false_negative: Option<f64>,
    /// BINARY: a person looks from where the precision is this.
    #[arg(long, value_name = "SHARE", default_value_t = 0.5, value_parser = share)]
    review_precision: f64,
    /// BINARY: messages are blocked from where the precision is this.
    #[arg(long, value_name = "SHARE", default_value_t = 0.95, value_parser = share)]
    block_precision: f64,
    /// Resamples of the messages that intervals are made of; 0 for none.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(..=100_000))]
    resamples: u32,
    /// Where random numbers start: the same seed gives the same intervals.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Write a page with pictures here; one HTML file, nothing is fetched.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Tell the progress although stderr is no terminal.
    #[arg(long)]
    progress: bool,
}

const EXAMPLES: &str = "\
Rows are those of `assize classify`. Take messages that the model did not learn from. Nothing is changed; what is printed \
has the manifest's `decision` that applies the choice. Do not paste it into the manifest alone: golden.json holds the labels \
that the old decision gives, and the bundle would be refused. `assize model package --decision` does both:

  assize model tune --bundle models/spam-sms --labels labelled.ndjson --json | jq .decision > decision.json
  assize model package --manifest models/spam-sms/manifest.json --decision decision.json --out models/tuned

Examples:
  assize model tune --bundle models/spam-sms --labels labelled.ndjson --label-map ham=not_spam
  assize model tune --bundle models/spam-sms --labels labelled.csv --target-precision 0.99 --report spam.html
  assize model tune --bundle models/spam-sms --labels labelled.csv --cost-false-positive 5 --cost-false-negative 1
  assize model tune --bundle models/spam-sms --labels - --json < labelled.ndjson | jq .decision

Exit codes: 0 done, also with warnings; 1 a line was bad and was passed over, the file cannot be read, or its labels are \
none, unknown to the model, or all the same; 2 wrong use; 65 the bundle is refused.";

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| *share > 0.0 && *share <= 1.0);
    share.ok_or_else(|| "give a number above 0, at most 1".to_owned())
}

fn cost(text: &str) -> Result<f64, String> {
    let cost = text.parse().ok().filter(|cost: &f64| cost.is_finite() && *cost >= 0.0);
    cost.ok_or_else(|| "give a number, at least 0".to_owned())
}

/// All of it, as JSON.
#[derive(Serialize)]
struct Output<'a> {
    data: &'a Data,
    #[serde(flatten)]
    found: &'a Found,
}

impl Args {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        if self.review_precision >= self.block_precision {
            let Self { review_precision, block_precision, .. } = self;
            let problem = format!(
                "--review-precision {review_precision} is not below --block-precision {block_precision}; people look at \
                 less certain messages than those that are blocked"
            );
            return Err(Failure::new(Exit::Usage, anyhow::Error::msg(problem)));
        }
        let source = self.how.source(&self.labels)?;
        let bundle = load(&self.bundle)?;
        let mut bad = BadLines::default();
        let (samples, unlabelled) = self.judge(&source, &bundle, &mut bad)?;
        let unusable = |error| anyhow::Error::new(error).context(format!("nothing to tune by in {}", source.name()));
        let found = tuning::tune(Subject::of(&bundle), &samples, self.options()).map_err(unusable)?;
        let data = data(&source, &bundle, unlabelled, bad.count)?;
        let trained_on = "the model learnt from this very file; its figures are better than they will be".to_owned();
        for warning in data.trained_on.then_some(&trained_on).into_iter().chain(&found.warnings) {
            eprintln!("assize: warning: {warning}");
        }
        if let Some(file) = &self.report {
            fs::write(file, tuning::report(&found, &data))
                .with_context(|| format!("{} cannot be written", file.display()))?;
        }
        let output = Output { data: &data, found: &found };
        print(&if self.json {
            serde_json::to_string(&output).map_err(anyhow::Error::new)? + "\n"
        } else {
            text(&found)
        })?;
        Ok(bad.exit())
    }

    fn options(&self) -> Options {
        let aim = match (self.cost_false_positive, self.cost_false_negative) {
            (Some(false_positive), Some(false_negative)) => Aim::Cost { false_positive, false_negative },
            _ => Aim::Precision(self.target_precision),
        };
        Options {
            aim,
            review_precision: self.review_precision,
            block_precision: self.block_precision,
            resampling: Resampling { times: self.resamples, seed: self.seed, level: LEVEL },
        }
    }

    /// What the bundle says of each message with labels, and how many have none.
    fn judge(&self, source: &Source, bundle: &Arc<Bundle>, bad: &mut BadLines) -> anyhow::Result<(Samples, u64)> {
        let (name, labels) = (source.name(), bundle.policy().labels());
        let users = bundle.transformer().contract().user_names();
        let mut reader = Reader::open(source, labels.to_vec(), bundle.policy().kind(), users.to_vec())?;
        let mut judge = Judge::new(Arc::clone(bundle), users)?;
        let calibrated = bundle.manifest().calibration != Method::None;
        let (mut samples, mut unlabelled) = (Samples::new(labels.len(), self.seed), 0);
        let (mut cases, mut progress, mut wrong) = (Vec::new(), Progress::new(self.progress), None);
        loop {
            reader.read(&mut cases, |line| {
                if line.bad_labels && wrong.is_none() {
                    wrong = Some(format!("{name}:{}: {}", line.line, line.problem));
                } else {
                    bad.tell(&name, line.line, &line.problem);
                }
            })?;
            if let Some(wrong) = wrong {
                // Without these messages the others would be tuned for another mixture.
                anyhow::bail!(wrong);
            }
            if cases.is_empty() {
                break;
            }
            judge.judge(&cases)?;
            for (index, case) in cases.iter().enumerate() {
                match &case.truth {
                    None => unlabelled += 1,
                    Some(truth) => {
                        let judgement = judge.judgement(index);
                        let has: Vec<bool> = labels.iter().map(|label| truth.contains(label)).collect();
                        let before = calibrated.then_some(&judgement.uncalibrated[..]);
                        samples.add(&has, judgement.probabilities, before);
                    }
                }
            }
            progress.add(cases.len());
        }
        progress.finish();
        Ok((samples, unlabelled))
    }
}

fn data(source: &Source, bundle: &Bundle, unlabelled: u64, bad_lines: u64) -> anyhow::Result<Data> {
    // A pipe has been read to its end and would not come again.
    let regular = |file: &&PathBuf| fs::metadata(file).is_ok_and(|metadata| metadata.is_file());
    let digest = source.file.as_ref().filter(regular).map(|file| {
        let hashed = fs::File::open(file).and_then(|file| Digest::of_reader(io::BufReader::new(file)));
        hashed.with_context(|| format!("{} cannot be read", file.display()))
    });
    let digest = digest.transpose()?;
    Ok(Data {
        name: source.name(),
        sha256: digest.map(|digest| digest.to_string()),
        trained_on: digest.is_some_and(|digest| bundle.manifest().training.data_sha256.contains(&digest)),
        unlabelled,
        bad_lines,
        at: jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string(),
    })
}

fn text(found: &Found) -> String {
    let subject = &found.bundle;
    let kind = format!("{:?}", subject.kind).to_uppercase();
    let mut text = format!(
        "{} {} ({kind}, SHA-256 {}), {} messages with labels\n\n",
        subject.name, subject.version, subject.digest, found.messages
    );
    let header = ["LABEL", "TRULY", "THRESHOLD", "", "PRECISION", "", "RECALL", "", "F1", "NOW", "PRECISION", "RECALL"];
    let abstain = found.abstain.iter().map(|label| row("(abstain)", label));
    let labels = found.labels.iter().map(|label| row(&label.label, label));
    text.push_str(&table(header, &abstain.chain(labels).collect::<Vec<_>>()));
    text.push('\n');
    for says in found.abstain.iter().chain(&found.labels).flat_map(|label| &label.says) {
        text.push_str(&format!("{says}\n"));
    }
    let decision = serde_json::to_string_pretty(&found.decision).unwrap_or_default();
    text + &format!("\n\"decision\": {decision}\n\n{}\n", tuning::APPLY)
}

fn row(name: &str, label: &LabelFound) -> [String; 12] {
    let at = label.choice.map(|choice| choice.at);
    let figure = |at: &Option<At>, what: fn(&At) -> Option<f64>| match at.as_ref().and_then(what) {
        Some(figure) => format!("{figure:.4}"),
        None => "-".into(),
    };
    let threshold = |at: &Option<At>| at.map_or("-".into(), |at| at.threshold.to_string());
    let interval = |interval: Option<Interval>| match interval {
        Some(Interval { low, high }) => format!("{low:.3}..{high:.3}"),
        None => String::new(),
    };
    [
        name.into(),
        label.with.to_string(),
        threshold(&at),
        at.zip(label.intervals.threshold)
            .map_or(String::new(), |(at, of)| tuning::interval_of_threshold(of, at.threshold)),
        figure(&at, |at| at.precision),
        interval(label.intervals.precision),
        figure(&at, |at| at.recall),
        interval(label.intervals.recall),
        figure(&at, |at| at.f1),
        threshold(&label.now),
        figure(&label.now, |at| at.precision),
        figure(&label.now, |at| at.recall),
    ]
}
