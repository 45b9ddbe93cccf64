//! `assize model diff`: the same messages, judged by two bundles.

use std::{fmt::Write as _, path::PathBuf, sync::Arc};

use serde::Serialize;

use super::manifest::{manifest, short};
use crate::{
    classify::{Judge, Reader, Source},
    cli::{
        bad_lines::BadLines,
        classify::{HowArg, load},
        output::print,
        progress::Progress,
        table::table,
    },
    compare::{Comparison, ComparisonReport, Difference, LabelMoves, Move, SliceReport, Spread, differences},
    failure::Failure,
    fault::Exit,
    model::Bundle,
    records::Kind,
};

/// Differences of manifests that are told; all are in the JSON.
const DIFFERENCES_TOLD_MAX: usize = 40;
const ACTIONS: [&str; 3] = ["ALLOW", "REVIEW", "BLOCK"];

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The bundle that serves now, say.
    a: PathBuf,
    /// The one that may take its place.
    b: PathBuf,
    /// Messages, with or without labels: NDJSON, CSV or TSV with a header row; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    #[command(flatten)]
    how: HowArg,
    /// Exit with 1 when a larger share of messages gets another action or other labels.
    #[arg(long, value_name = "SHARE", value_parser = share)]
    flips_max: Option<f64>,
    /// How many of the largest moves to tell.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(..=1_000))]
    moves: u16,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Tell the progress although stderr is no terminal.
    #[arg(long)]
    progress: bool,
}

const EXAMPLES: &str = "\
Rows are those of `assize classify`. A decision flips when the action is another, or the labels are. Bundles may know \
different labels: those that both know are compared, and a message with a true label that not both know is neither \
right nor wrong. No text is written, only line numbers and message ids.

Examples:
  assize model diff models/spam-sms models/spam-mail --input messages.ndjson
  assize model diff models/spam-sms candidate --input labelled.csv --label-map ham=not_spam
  assize model diff models/spam-sms candidate --input messages.ndjson --flips-max 0.01 && echo small enough
  assize model diff models/spam-sms candidate --input messages.ndjson --json | jq '.comparison.moves[].line'

Exit codes: 0 done, whatever flips; 1 more flips than --flips-max or nothing to compare by it, a line was bad and was \
passed over, or the file cannot be read; 2 wrong use; 65 a bundle is refused.";

fn share(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|share| (0.0..=1.0).contains(share)).ok_or_else(|| "give a number from 0 to 1".to_owned())
}

/// A bundle, named.
#[derive(Serialize)]
struct Named {
    name: String,
    version: String,
    digest: String,
    /// Columns of terms.
    terms: usize,
    /// Labels that the other does not know.
    labels_of_its_own: Vec<String>,
}

#[derive(Serialize)]
struct Report {
    a: Named,
    b: Named,
    bad_lines: u64,
    comparison: ComparisonReport,
    manifests: Vec<Difference>,
}

impl Args {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let source = self.how.source(&self.input)?;
        let (a, b) = (load(&self.a)?, load(&self.b)?);
        let mut bad = BadLines::default();
        let comparison = self.compare(&source, [&a, &b], &mut bad)?;
        let manifests = differences(&manifest(&self.a, &a)?, &manifest(&self.b, &b)?);
        let (named_a, named_b) = (Named::of(&a, &comparison), Named::of(&b, &comparison));
        let comparison = comparison.report();
        if comparison.no_common_label {
            eprintln!("assize: warning: the bundles have no label in common; only actions are compared");
        }
        let flips = comparison.flips_share;
        let report = Report { a: named_a, b: named_b, bad_lines: bad.count, comparison, manifests };
        let json = || serde_json::to_string(&report).map_err(anyhow::Error::new);
        print(&if self.json { json()? + "\n" } else { report.text() })?;
        let exit = bad.exit();
        let Some(most) = self.flips_max else { return Ok(exit) };
        match flips {
            None => eprintln!("assize: no message to compare; --flips-max says nothing of none"),
            Some(flips) if flips > most => {
                eprintln!("assize: {flips:.6} of the decisions flip; --flips-max allows {most}");
            }
            Some(_) => return Ok(exit),
        }
        Ok(Exit::Failed)
    }

    fn compare(&self, source: &Source, [a, b]: [&Arc<Bundle>; 2], bad: &mut BadLines) -> anyhow::Result<Comparison> {
        let (labels_a, labels_b) = (a.policy().labels(), b.policy().labels());
        let of = |bundle: &Arc<Bundle>| bundle.transformer().contract().user_names().to_vec();
        let (labels, users) = (union(labels_a, labels_b), union(&of(a), &of(b)));
        let name = source.name();
        let kinds = [a, b].map(|bundle| bundle.policy().kind());
        let kind = kinds.into_iter().find(|kind| *kind == Kind::Multilabel).unwrap_or(kinds[0]);
        let mut reader = Reader::open(source, labels, kind, users.clone())?;
        let (mut judge_a, mut judge_b) = (Judge::new(Arc::clone(a), &users)?, Judge::new(Arc::clone(b), &users)?);
        let mut comparison = Comparison::new(labels_a, labels_b, self.moves.into());
        let (mut cases, mut progress) = (Vec::new(), Progress::new(self.progress));
        loop {
            reader.read(&mut cases, |line| bad.tell(&name, line.line, &line.problem))?;
            if cases.is_empty() {
                progress.finish();
                return Ok(comparison);
            }
            judge_a.judge(&cases)?;
            judge_b.judge(&cases)?;
            for (index, case) in cases.iter().enumerate() {
                comparison.add(case, &judge_a.judgement(index), &judge_b.judgement(index));
            }
            progress.add(cases.len());
        }
    }
}

fn union(a: &[String], b: &[String]) -> Vec<String> {
    a.iter().chain(b.iter().filter(|name| !a.contains(name))).cloned().collect()
}

impl Named {
    fn of(bundle: &Bundle, comparison: &Comparison) -> Self {
        let own = |label: &&String| !comparison.common().any(|common| common == label.as_str());
        let transformer = bundle.transformer();
        Self {
            name: bundle.manifest().name.clone(),
            version: bundle.manifest().version.clone(),
            digest: bundle.digest().to_string(),
            terms: transformer.width() - transformer.numeric(),
            labels_of_its_own: bundle.policy().labels().iter().filter(own).cloned().collect(),
        }
    }
}

impl Report {
    fn text(&self) -> String {
        let mut text = String::new();
        for (side, Named { name, version, digest, terms, labels_of_its_own }) in [("A", &self.a), ("B", &self.b)] {
            let _ = writeln!(text, "{side}  {name} {version}, {terms} terms, SHA-256 {digest}");
            if !labels_of_its_own.is_empty() {
                let _ = writeln!(text, "   not compared, only {side} knows: {}", labels_of_its_own.join(", "));
            }
        }
        let ComparisonReport { messages, flips, flips_share, action_flips, label_flips, truths, .. } = &self.comparison;
        let percent = flips_share.unwrap_or_default() * 100.0;
        let _ = writeln!(
            text,
            "\n{messages} messages: {flips} decisions flip ({percent:.2} %), {action_flips} by action, {label_flips} by label"
        );
        if let Some(truths) = truths {
            let _ = writeln!(
                text,
                "{} with labels: {} become right, {} become wrong; {} right and {} wrong by both",
                truths.messages, truths.better, truths.worse, truths.right, truths.wrong
            );
        }
        if self.comparison.truths_not_compared > 0 {
            let _ = writeln!(text, "{} more with labels that not both know", self.comparison.truths_not_compared);
        }
        for part in [self.actions(), self.labels(), self.slices(), self.moves(), self.manifests()] {
            text.push_str(&part);
        }
        text
    }

    fn actions(&self) -> String {
        let row = |(action, counts): (&str, &[u64; 3])| {
            let [allow, review, block] = counts.map(|count| count.to_string());
            [action.to_owned(), allow, review, block]
        };
        let rows: Vec<_> = ACTIONS.into_iter().zip(&self.comparison.actions).map(row).collect();
        "\n".to_owned() + &table(["BY A, THEN B:", "ALLOW", "REVIEW", "BLOCK"], &rows)
    }

    fn labels(&self) -> String {
        let row = |LabelMoves { label, said_a, said_b, gained, lost, moved }: &LabelMoves| {
            let [signed, mean, p50, p90, p99, max] = spread(*moved);
            let [a, b, gained, lost] = [said_a, said_b, gained, lost].map(u64::to_string);
            [label.clone(), a, b, gained, lost, signed, mean, p50, p90, p99, max]
        };
        let header = ["LABEL", "A SAYS", "B SAYS", "ONLY B", "ONLY A", "B - A", "|B - A|", "P50", "P90", "P99", "MAX"];
        "\n".to_owned() + &table(header, &self.comparison.labels.iter().map(row).collect::<Vec<_>>())
    }

    fn slices(&self) -> String {
        let row = |SliceReport { by, name, slice }: &SliceReport| {
            let percent = slice.flips as f64 / slice.messages.max(1) as f64 * 100.0;
            let [messages, flips, actions, better, worse] =
                [slice.messages, slice.flips, slice.action_flips, slice.better, slice.worse].map(|n| n.to_string());
            [format!("{by} {name}"), messages, flips, format!("{percent:.2}"), actions, better, worse]
        };
        let header = ["SLICE", "MESSAGES", "FLIPS", "%", "ACTIONS", "BETTER", "WORSE"];
        "\n".to_owned() + &table(header, &self.comparison.slices.iter().map(row).collect::<Vec<_>>())
    }

    fn moves(&self) -> String {
        if self.comparison.moves.is_empty() {
            return String::new();
        }
        let row = |Move { line, message_id, label, a, b, truth }: &Move| {
            let [from, to] = [a, b].map(|said| format!("{:.4}", said.probability));
            let [action_a, action_b] = [a, b].map(|said| ACTIONS[said.action as usize].to_owned());
            let truth = truth.as_ref().map_or_else(|| "-".to_owned(), |truth| truth.join("|"));
            let id = message_id.as_deref().unwrap_or("-").chars().filter(|c| !c.is_control()).take(40).collect();
            [line.to_string(), id, label.clone(), from, to, action_a, action_b, truth]
        };
        let header = ["LINE", "MESSAGE ID", "LABEL", "A", "B", "ACTION A", "ACTION B", "TRULY"];
        "\nLargest moves\n".to_owned() + &table(header, &self.comparison.moves.iter().map(row).collect::<Vec<_>>())
    }

    fn manifests(&self) -> String {
        if self.manifests.is_empty() {
            return "\nThe manifests are the same.\n".into();
        }
        let value = |value: &Option<serde_json::Value>| value.as_ref().map_or_else(|| "-".into(), short);
        let row = |Difference { at, a, b }: &Difference| [at.clone(), value(a), value(b)];
        let rows: Vec<_> = self.manifests.iter().take(DIFFERENCES_TOLD_MAX).map(row).collect();
        let mut text = "\n".to_owned() + &table(["MANIFEST", "A", "B"], &rows);
        let rest = self.manifests.len() - rows.len();
        if rest > 0 {
            let _ = writeln!(text, "and {rest} more; --json has them all");
        }
        text
    }
}

fn spread(spread: Option<Spread>) -> [String; 6] {
    let Some(Spread { mean_signed, mean, p50, p90, p99, max }) = spread else {
        return std::array::from_fn(|_| "-".to_owned());
    };
    let [mean, p50, p90, p99, max] = [mean, p50, p90, p99, max].map(|figure| format!("{figure:.4}"));
    [format!("{mean_signed:+.4}"), mean, p50, p90, p99, max]
}
