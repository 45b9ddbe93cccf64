//! `assize drift check`: two files of predictions, held against each other.

use std::path::{Path, PathBuf};

use crate::{
    cli::{
        bad_lines::BadLines,
        classify::load,
        output::{plain, print},
        table::table,
    },
    config::RuleConfig,
    drift::{
        Finding, Kind, Statistic,
        check::{self, CheckError, Files, Names, NotCompared, Report, TaskReport, Why},
    },
    failure::Failure,
    fault::Exit,
};

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Predictions from when all was well, NDJSON. Read twice, so no pipe.
    #[arg(long, value_name = "FILE")]
    reference: PathBuf,
    /// Predictions to hold against them, NDJSON; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    current: PathBuf,
    /// The bundle that judged, for the names of its features and labels; without it they are numbered.
    #[arg(long, value_name = "DIR")]
    bundle: Option<PathBuf>,
    /// Everything as JSON, instead of tables.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    rule: RuleConfig,
}

const EXAMPLES: &str = "\
Per task: every feature, the unknown-term ratio, the score of each label; language, label, action, origin of the user \
features, degraded. Something has moved when an effect reaches its floor, on enough values, and is not chance \
(Benjamini-Hochberg over all tests of the task). docs/drift.md has the formulas and the rates of false alarms.

Examples:
  assize watch predictions --from -7d --until-end --format ndjson > week.ndjson
  assize drift check --reference week.ndjson --current today.ndjson --bundle models/spam-sms
  assize watch predictions --from -1h --until-end --format ndjson | assize drift check --reference week.ndjson --current -
  assize drift check --reference a.ndjson --current b.ndjson --json | jq '.tasks[].verdict.findings[] | select(.moved)'

The table goes to stdout, bad lines and tasks that are not compared to stderr; they are passed over. Memory is \
bounded, whatever the length of the files.

Exit codes: 0 no drift; 1 drift, or a file cannot be read; 2 wrong use, which is also a file without predictions to \
compare, or, without drift elsewhere, a task of the reference with fewer than --values-min values; 65 the bundle is \
refused.";

impl Args {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let names = self.bundle.as_deref().map(names).transpose()?.unwrap_or_default();
        let current = (self.current.as_os_str() != "-").then(|| self.current.clone());
        let files = Files { reference: self.reference.clone(), current };
        let mut bad = BadLines::default();
        let tell = |file: &str, line, problem: String| bad.tell(file, line, &problem);
        let report = check::check(&files, &names, &self.rule.rule(), tell);
        let report = report.map_err(|error| match error {
            CheckError::Nothing(_) | CheckError::NotAFile(_) => Failure::new(Exit::Usage, error),
            CheckError::Read { .. } => Failure::new(Exit::Failed, error),
        })?;
        // They are no failure here.
        bad.exit();
        for not_compared in &report.tasks_not_compared {
            eprintln!("assize: {}", says_why(not_compared));
        }
        match self.json {
            true => print(&(serde_json::to_string_pretty(&report).map_err(anyhow::Error::from)? + "\n"))?,
            false => print(&text(&report))?,
        }
        if report.drifted {
            return Ok(Exit::Failed);
        }
        if report.tasks_not_compared.iter().any(|task| task.why == Why::TooFew) {
            let problem =
                format!("fewer than {} values on one side; give more, or a lower --values-min", self.rule.values_min);
            return Err(Failure::new(Exit::Usage, anyhow::Error::msg(problem)));
        }
        Ok(Exit::Done)
    }
}

fn names(folder: &Path) -> Result<Names, Failure> {
    let bundle = load(folder)?;
    let contract = bundle.transformer().contract();
    Ok(Names {
        contract: contract.id(),
        features: contract.features().iter().map(|feature| feature.name.clone()).collect(),
        model: bundle.manifest().name.clone(),
        labels: bundle.policy().labels().to_vec(),
    })
}

fn says_why(NotCompared { task, arm, why }: &NotCompared) -> String {
    let why = match why {
        Why::TooFew => "too few values on one side",
        Why::NoReference => "the reference has no such task",
    };
    format!("task {} ({}) was not compared: {why}", plain(task), plain(arm))
}

fn text(report: &Report) -> String {
    report.tasks.iter().map(task).collect::<Vec<_>>().join("\n")
}

fn task(report: &TaskReport) -> String {
    let TaskReport { task, arm, rows_before, rows_after, rows_unlike, verdict } = report;
    let moved = verdict.moved().count();
    let says = match (verdict.too_few, moved) {
        (true, _) => "too few to say".to_owned(),
        (false, 0) => "no drift".to_owned(),
        (false, moved) => format!("drift: {moved} of {} moved", verdict.findings.len()),
    };
    let (task, arm) = (plain(task), plain(arm));
    let mut text = format!("{task} ({arm}): {says}; {rows_before} predictions before, {rows_after} after\n");
    if *rows_unlike > 0 {
        text.push_str(&format!("{rows_unlike} of another feature contract or model were not compared\n"));
    }
    let header = ["WHAT", "", "KS", "MEAN/SD", "PSI", "JS", "V", "Q", "BEFORE", "AFTER", "OF"];
    text + &table(header, &verdict.findings.iter().map(row).collect::<Vec<_>>())
}

fn row(finding: &Finding) -> [String; 11] {
    let effect = |statistic: Statistic| {
        let found = finding.tests.iter().find(|test| test.statistic == statistic);
        // A star where an effect has reached its floor and is no chance.
        found.map_or_else(|| "-".into(), |test| format!("{:.3}{}", test.effect, if test.moved { "*" } else { " " }))
    };
    let least = finding.tests.iter().map(|test| test.q_value).reduce(f64::min);
    let number = |number: Option<f64>| match (finding.kind, number) {
        (_, None) => "-".to_owned(),
        (Kind::Number, Some(number)) => format!("{number:.4}"),
        (Kind::Category, Some(share)) => format!("{:.1}%", 100.0 * share),
    };
    let what = &finding.what;
    let mut of = what.of.clone().unwrap_or_else(|| "(other)".into());
    if what.missing_before + what.missing_after > 0.0 {
        of.push_str(&format!(", missing {:.1}% {:.1}%", 100.0 * what.missing_before, 100.0 * what.missing_after));
    }
    [
        plain(&finding.name),
        match (finding.too_few, finding.moved) {
            (true, _) => "too few",
            (false, true) => "moved",
            (false, false) => "",
        }
        .into(),
        effect(Statistic::Ks),
        effect(Statistic::Mean),
        effect(Statistic::Psi),
        effect(Statistic::JensenShannon),
        effect(Statistic::CramersV),
        least.map_or_else(|| "-".into(), |q_value| format!("{q_value:.1e}")),
        number(what.before),
        number(what.after),
        plain(&of),
    ]
}
