//! `assize classify`: messages from a file, judged by a bundle.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use serde::Serialize;

use super::{
    bad_lines::BadLines,
    output::{buffered, reader_left},
    progress::Progress,
    table::table,
};
use crate::{
    classify::{Case, Judge, Judgement, LabelReport, Logged, Marks, MarksReport, Reader, Source},
    failure::Failure,
    fault::Exit,
    model::{
        Bundle,
        isolate::{self, Limits},
    },
    records::{Action, Score},
    rows::Format,
};

/// What `assize classify` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The bundle that judges.
    #[arg(long, value_name = "DIR")]
    bundle: PathBuf,
    #[command(flatten)]
    messages: MessagesArg,
    /// Write the metrics here as JSON, too.
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,
    /// Write the prediction log here, too, with the numbers that the model read: for `assize drift`.
    #[arg(long, value_name = "FILE")]
    predictions: Option<PathBuf>,
    /// Tell the progress although stderr is no terminal.
    #[arg(long)]
    progress: bool,
}

/// Where messages come from, for every command that judges a file.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct MessagesArg {
    /// NDJSON, CSV or TSV with a header row; `-` is standard input.
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    #[command(flatten)]
    how: HowArg,
}

/// How they are written.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct HowArg {
    /// How the rows are written [default: as the file's name ends, NDJSON for standard input].
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// What a label of the file is called by the model; can be given more than once.
    #[arg(long, value_name = "THEIRS=OURS", value_parser = renaming)]
    label_map: Vec<(String, String)>,
}

const EXAMPLES: &str = "\
Fields of a row: text; optional message_id, user_id, language, label (several in one cell: a|b), labels (a list; JSON \
only) and user, the user features as an object (in tables its JSON). Other fields are passed over. No text is written.

Examples:
  echo '{\"text\": \"WINNER!! Call 09061701461 now to claim\"}' | assize classify --bundle models/spam-sms
  assize classify --bundle models/spam-sms messages.csv > verdicts.ndjson
  assize classify --bundle models/spam-sms labelled.ndjson --label-map ham=not_spam --metrics metrics.json
  assize classify --bundle models/spam-sms messages.ndjson | jq -r 'select(.action == \"BLOCK\") | .line'
  assize classify --bundle models/spam-sms messages.ndjson --predictions log.ndjson > verdicts.ndjson

Verdicts go to stdout, one JSON object a message; bad lines, progress and, where there are labels, metrics to stderr. A \
line may be written before a later one turns out bad: look at the exit code.

Exit codes: 0 every line was judged; 1 a line was bad and was passed over, or the file cannot be read; 2 wrong use; 65 \
the bundle is refused.";

fn renaming(text: &str) -> Result<(String, String), String> {
    let halves = text.split_once('=').filter(|(theirs, ours)| !theirs.is_empty() && !ours.is_empty());
    halves.map(|(theirs, ours)| (theirs.into(), ours.into())).ok_or_else(|| "give THEIRS=OURS".into())
}

impl MessagesArg {
    pub(super) fn source(&self) -> Result<Source, Failure> {
        self.how.source(&self.file)
    }
}

impl HowArg {
    /// The messages of `file`; `-` is standard input.
    pub(super) fn source(&self, file: &Path) -> Result<Source, Failure> {
        let stdin = file.as_os_str() == "-";
        let guess = if stdin { Some(Format::Ndjson) } else { Format::of(file) };
        let format = self.format.or(guess).ok_or_else(|| {
            let problem = format!("what {} holds cannot be told from its name; say --format", file.display());
            Failure::new(Exit::Usage, anyhow::Error::msg(problem))
        })?;
        let label_map: BTreeMap<_, _> = self.label_map.iter().cloned().collect();
        Ok(Source { file: (!stdin).then(|| file.to_owned()), format, label_map })
    }
}

/// Loads a bundle that was tried in a process of its own.
pub(super) fn load(folder: &Path) -> Result<Arc<Bundle>, Failure> {
    let refused =
        |error: anyhow::Error| Failure::new(Exit::Bundle, error.context(format!("bundle {}", folder.display())));
    isolate::trial(None, folder, Limits::default()).map_err(|error| refused(error.into()))?;
    Bundle::load(folder, None).map(Arc::new).map_err(|error| refused(error.into()))
}

/// A verdict, in a line.
#[derive(Serialize)]
struct Line<'a> {
    line: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<&'a str>,
    action: Action,
    labels: &'a [Cow<'a, str>],
    confidence: Option<f64>,
    scores: &'a [Score<'a>],
    language: &'a str,
    unknown_term_ratio: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    flags: Vec<&'static str>,
    /// The true labels, where the file has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    truth: Option<&'a [String]>,
}

/// What all messages came to.
#[derive(Serialize)]
struct Metrics<'a> {
    bundle: String,
    name: &'a str,
    version: &'a str,
    judged: u64,
    bad_lines: u64,
    actions: BTreeMap<String, u64>,
    seconds: f64,
    per_second: f64,
    /// None where no message has labels.
    labelled: Option<MarksReport>,
}

impl Args {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`] with [`Exit::Bundle`], [`Exit::Usage`], or [`Exit::Failed`] when the file cannot be read.
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let source = self.messages.source()?;
        let bundle = load(&self.bundle)?;
        let mut bad = BadLines::default();
        match self.judge(&source, &bundle, &mut bad) {
            Err(error) if !reader_left(&error) => Err(error.into()),
            Err(_) => Ok(Exit::Done),
            Ok(()) => Ok(bad.exit()),
        }
    }

    fn judge(&self, source: &Source, bundle: &Arc<Bundle>, bad: &mut BadLines) -> anyhow::Result<()> {
        let (name, labels) = (source.name(), bundle.policy().labels());
        let users = bundle.transformer().contract().user_names();
        let mut reader = Reader::open(source, labels.to_vec(), bundle.policy().kind(), users.to_vec())?;
        let mut judge = Judge::new(Arc::clone(bundle), users)?;
        let (mut marks, mut actions) = (Marks::new(labels), BTreeMap::new());
        let (mut cases, mut output) = (Vec::new(), buffered());
        let mut log = self.predictions.as_deref().map(create).transpose()?;
        let mut progress = Progress::new(self.progress);
        loop {
            reader.read(&mut cases, |line| bad.tell(&name, line.line, &line.problem))?;
            if cases.is_empty() {
                break;
            }
            judge.judge(&cases)?;
            for (index, case) in cases.iter().enumerate() {
                let judgement = judge.judgement(index);
                write(case, &judgement, &mut output)?;
                if let Some(log) = &mut log {
                    write_line(&Logged::of(case, &judgement, bundle), log)?;
                }
                *actions.entry(judgement.action).or_default() += 1;
                if let Some(truth) = &case.truth {
                    marks.add(truth, &judgement.decision.labels, judgement.probabilities);
                }
            }
            progress.add(cases.len());
        }
        output.flush()?;
        log.map_or(Ok(()), |mut log| log.flush())?;
        progress.finish();
        let metrics = metrics(bundle, &progress, bad.count, &actions, &marks);
        eprint!("{}", metrics.text());
        if let Some(file) = &self.metrics {
            let json = serde_json::to_string_pretty(&metrics)? + "\n";
            std::fs::write(file, json).with_context(|| format!("{} cannot be written", file.display()))?;
        }
        Ok(())
    }
}

fn write(case: &Case, judgement: &Judgement<'_>, output: &mut impl Write) -> anyhow::Result<()> {
    let line = Line {
        line: case.line,
        message_id: case.message_id.as_deref(),
        action: judgement.action,
        labels: &judgement.decision.labels,
        confidence: judgement.decision.confidence,
        scores: &judgement.decision.scores,
        language: case.heard.language.as_str(),
        unknown_term_ratio: judgement.unknown_term_ratio,
        flags: case.heard.flags.names().collect(),
        truth: case.truth.as_deref(),
    };
    write_line(&line, output)
}

fn write_line(line: &impl Serialize, output: &mut impl Write) -> anyhow::Result<()> {
    serde_json::to_writer(&mut *output, line)?;
    output.write_all(b"\n")?;
    Ok(())
}

fn create(file: &Path) -> anyhow::Result<BufWriter<File>> {
    File::create(file).map(BufWriter::new).with_context(|| format!("{} cannot be written", file.display()))
}

fn metrics<'a>(
    bundle: &'a Bundle,
    progress: &Progress,
    bad_lines: u64,
    actions: &BTreeMap<Action, u64>,
    marks: &Marks,
) -> Metrics<'a> {
    Metrics {
        bundle: bundle.digest().to_string(),
        name: &bundle.manifest().name,
        version: &bundle.manifest().version,
        judged: progress.judged,
        bad_lines,
        actions: actions.iter().map(|(action, count)| (format!("{action:?}").to_uppercase(), *count)).collect(),
        seconds: progress.seconds(),
        per_second: progress.per_second(),
        labelled: (marks.messages() > 0).then(|| marks.report()),
    }
}

impl Metrics<'_> {
    fn text(&self) -> String {
        let Self { name, version, judged, seconds, per_second, .. } = self;
        let actions: Vec<_> = self.actions.iter().map(|(action, count)| format!("{count} {action}")).collect();
        let mut text = format!("{judged} messages judged by {name} {version} in {seconds:.2} s ({per_second:.0}/s)");
        if !actions.is_empty() {
            text.push_str(&format!(": {}", actions.join(", ")));
        }
        text.push('\n');
        let Some(labelled) = &self.labelled else { return text };
        let MarksReport { messages, accuracy, micro_f1, macro_f1, ranked, .. } = labelled;
        let [accuracy, micro, macro_] = [*accuracy, *micro_f1, *macro_f1].map(figure);
        text.push_str(&format!("{messages} with labels: accuracy {accuracy}, micro F1 {micro}, macro F1 {macro_}\n\n"));
        let header =
            ["LABEL", "TRULY", "SAID", "PRECISION", "RECALL", "F1", "ROC AUC", "AVG PREC", "BRIER", "LOG LOSS", "ECE"];
        text.push_str(&table(header, &labelled.labels.iter().map(row).collect::<Vec<_>>()));
        if ranked < messages {
            text.push_str(&format!("ROC AUC and average precision are of the first {ranked} messages\n"));
        }
        text
    }
}

fn row(label: &LabelReport) -> [String; 11] {
    let figures = [
        label.precision,
        label.recall,
        label.f1,
        label.roc_auc,
        label.average_precision,
        label.brier,
        label.log_loss,
        label.ece,
    ];
    let [precision, recall, f1, auc, average, brier, log_loss, ece] = figures.map(figure);
    let (truly, said) = (label.true_positives + label.false_negatives, label.true_positives + label.false_positives);
    [
        label.label.clone(),
        truly.to_string(),
        said.to_string(),
        precision,
        recall,
        f1,
        auc,
        average,
        brier,
        log_loss,
        ece,
    ]
}

/// A figure that may not be there.
pub(super) fn figure(figure: Option<f64>) -> String {
    figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.4}"))
}
