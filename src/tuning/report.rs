//! The page that shows what was chosen.

use serde::Serialize;

use super::{
    Found, LabelFound,
    pictures::{self, Naming},
    words::{self, figure},
};
use crate::{
    decision::tune::{At, Interval},
    page::{Markup, facts, figures, fold, page, paragraph, section, table},
    records::Kind,
};

/// With more labels than this their parts are closed at first.
const LABELS_OPEN_MAX: usize = 3;

/// What it takes to apply a decision.
pub const APPLY: &str = "\
Do not paste this into the manifest alone: golden.json holds the labels that the old decision gives, and the bundle would be \
refused. `assize model package --decision FILE` puts it into the manifest of a draft and gives the golden vectors their new \
labels; FILE is the object that `assize model tune --json | jq .decision` prints.";

/// The messages that were looked at.
#[derive(Clone, Debug, Serialize)]
pub struct Data {
    /// Where they come from.
    pub name: String,
    /// Of the file; none of standard input and of pipes.
    pub sha256: Option<String>,
    /// Whether the bundle names it as what it learnt from.
    pub trained_on: bool,
    /// Messages without labels, which say nothing here.
    pub unlabelled: u64,
    /// Lines that hold no message.
    pub bad_lines: u64,
    /// When, as RFC 3339.
    pub at: String,
}

/// The whole page.
pub fn report(found: &Found, data: &Data) -> String {
    let title = format!("Thresholds of {} {}", found.bundle.name, found.bundle.version);
    let mut body = vec![head(&title, found, data)];
    // The words of one label stand on top; those of many beside their pictures.
    let open = found.labels.len() <= LABELS_OPEN_MAX;
    let first = found.abstain.iter().chain(&found.labels).filter(|_| open || found.abstain.is_some());
    body.extend(first.flat_map(|label| &label.says).map(|says| saying(says)));
    body.extend(found.warnings.iter().map(|warning| warned(warning)));
    body.push(section("choice", "Chosen", [choices(found), paragraph(&caution(data))]));
    if let Some(abstain) = &found.abstain {
        body.push(one("abstain", "The abstain band", abstain, found, true));
    }
    for (index, label) in found.labels.iter().enumerate() {
        body.push(one(&format!("label-{index}"), &label.label, label, found, open));
    }
    body.push(section("confusion", "What is said of what", [confusion(found)]));
    let decision = serde_json::to_string_pretty(&found.decision).unwrap_or_default();
    let decision = Markup::element("pre", &[], [Markup::text(&format!("\"decision\": {decision}"))]);
    body.push(section("apply", "To apply it", [paragraph(APPLY), decision]));
    page(&title, body)
}

fn head(title: &str, found: &Found, data: &Data) -> Markup {
    let aim = words::aim(&found.options, found.bundle.kind);
    let kept = found.messages as u64;
    let part = if kept < found.labelled { format!(", a fair part of {}", found.labelled) } else { String::new() };
    let kind = format!("{:?}", found.bundle.kind).to_uppercase();
    let all = facts(&[
        ("Bundle", format!("{} {}, {kind}", found.bundle.name, found.bundle.version)),
        ("Bundle SHA-256", found.bundle.digest.clone()),
        ("Data", data.name.clone()),
        ("Data SHA-256", data.sha256.clone().unwrap_or_else(|| "-".into())),
        ("Messages with labels", format!("{kept}{part}")),
        ("Left out", format!("{} without labels, {} bad lines", data.unlabelled, data.bad_lines)),
        ("Chosen for", aim),
        ("Date", data.at.clone()),
    ]);
    [Markup::element("h1", &[], [Markup::text(title)]), all].into_iter().collect()
}

fn saying(says: &str) -> Markup {
    Markup::element("p", &[("class", "says lead")], [Markup::text(says)])
}

fn warned(warning: &str) -> Markup {
    Markup::element("p", &[("class", "warn")], [Markup::text(warning)])
}

fn caution(data: &Data) -> String {
    let trained = if data.trained_on {
        "The model learnt from this very file: its figures are better than they will be. "
    } else {
        ""
    };
    format!(
        "{trained}Thresholds were chosen and measured on the same messages, and precision depends on how many of all \
         messages have the label: where that differs, so does precision."
    )
}

fn choices(found: &Found) -> Markup {
    let header =
        ["", "with it", "without", "threshold", "precision", "recall", "F1", "by now", "precision now", "recall now"];
    let multiclass = found.bundle.kind == Kind::Multiclass;
    let abstain = found.abstain.iter().map(|label| ("#abstain".to_owned(), label, "abstain below".to_owned()));
    let labels =
        found.labels.iter().enumerate().map(|(index, label)| (format!("#label-{index}"), label, label.label.clone()));
    let rows = abstain.chain(labels).map(|(link, label, name)| {
        let link = Markup::element("a", &[("href", &link)], [Markup::text(&name)]);
        let cells = cells(label).into_iter();
        std::iter::once(link).chain(cells).collect()
    });
    let mut all = table(&header, rows);
    if multiclass {
        all.push(&paragraph(
            "Only the abstain band is part of a MULTICLASS decision; the thresholds of single labels are shown to compare them.",
        ));
    }
    all
}

/// What a label came to: figures, with the interval beneath.
fn cells(label: &LabelFound) -> [Markup; 9] {
    let at = label.choice.map(|choice| choice.at);
    let of = |at: &Option<At>, what: fn(&At) -> Option<f64>| figure(at.as_ref().and_then(what));
    let threshold = |at: &Option<At>| at.map_or("-".into(), |at| at.threshold.to_string());
    let (found, plain) = (&label.intervals, |text: &str| Markup::text(text));
    [
        plain(&label.with.to_string()),
        plain(&label.without.to_string()),
        beneath(
            &threshold(&at),
            at.zip(found.threshold).map(|(at, of)| words::interval_of_threshold(of, at.threshold)),
        ),
        within(&of(&at, |at| at.precision), found.precision),
        within(&of(&at, |at| at.recall), found.recall),
        within(&of(&at, |at| at.f1), found.f1),
        plain(&threshold(&label.now)),
        plain(&of(&label.now, |at| at.precision)),
        plain(&of(&label.now, |at| at.recall)),
    ]
}

fn within(figure: &str, interval: Option<Interval>) -> Markup {
    beneath(figure, interval.map(|Interval { low, high }| format!("{low:.3}..{high:.3}")))
}

fn beneath(figure: &str, small: Option<String>) -> Markup {
    let small = small.map(|text| Markup::element("small", &[], [Markup::text(&text)]));
    std::iter::once(Markup::text(figure)).chain(small).collect()
}

fn one(id: &str, title: &str, label: &LabelFound, found: &Found, open: bool) -> Markup {
    let naming = if id == "abstain" {
        Naming {
            with: "right".into(),
            without: "wrong".into(),
            recall: "share of the right answers given",
            precision: "share of answers that are right",
        }
    } else {
        let other = found.bundle.labels.iter().find(|other| **other != label.label);
        let without = match (found.bundle.kind, other) {
            (Kind::Binary, Some(other)) => other.clone(),
            _ => format!("not {}", label.label),
        };
        Naming { with: label.label.clone(), without, recall: "recall", precision: "precision" }
    };
    let note = format!(
        "average precision {}, ROC AUC {}, log loss {}",
        figure(label.average_precision),
        figure(label.roc_auc),
        figure(label.after.log_loss)
    );
    let on_top = found.labels.len() <= LABELS_OPEN_MAX || id == "abstain";
    let mut inside: Vec<Markup> = label.says.iter().filter(|_| !on_top).map(|says| saying(says)).collect();
    if label.choice.is_none() {
        inside.push(warned(&format!(
            "{} messages with it, {} without: nothing can be chosen",
            label.with, label.without
        )));
    }
    inside.push(figures([
        pictures::curve(label, &naming, &found.options),
        pictures::histogram(label, &naming),
        pictures::reliability(label, &naming),
    ]));
    fold(id, title, &note, open, inside)
}

fn confusion(found: &Found) -> Markup {
    let labels = &found.bundle.labels;
    match (&found.confusion, found.bundle.kind) {
        (Some(confusion), _) => {
            let header: Vec<_> =
                ["truly, and said:"].into_iter().chain(labels.iter().map(String::as_str)).chain(["nothing"]).collect();
            let rows = labels
                .iter()
                .zip(&confusion.counts)
                .enumerate()
                .map(|(truth, (label, counts))| shaded(label, counts, Some(truth)));
            table(&header, rows.collect::<Vec<_>>())
        }
        (None, Kind::Binary) => binary(found),
        (None, _) => {
            let header = ["", "has it, said", "has it, not said", "does not, said", "does not, not said"];
            let rows = found.labels.iter().filter_map(|label| {
                let at = label.choice.map(|choice| choice.at).or(label.now)?;
                let counts = [at.true_positives, at.false_negatives, at.false_positives, at.true_negatives];
                let cells = counts.iter().map(|count| Markup::text(&count.to_string()));
                Some(std::iter::once(Markup::text(&label.label)).chain(cells).collect())
            });
            table(&header, rows.collect::<Vec<_>>())
        }
    }
}

/// Two labels, at the threshold that was chosen.
fn binary(found: &Found) -> Markup {
    let Some((label, at)) = found.labels.first().and_then(|label| Some((label, label.choice?.at))) else {
        return paragraph("Nothing was chosen.");
    };
    let other = found.bundle.labels.iter().find(|other| **other != label.label).map_or("", String::as_str);
    let rows = vec![
        shaded(&label.label, &[at.true_positives, at.false_negatives], Some(0)),
        shaded(other, &[at.false_positives, at.true_negatives], Some(1)),
    ];
    table(&["truly, and said:", &label.label, other], rows)
}

/// A row of counts, each the darker the larger its share of the row.
fn shaded(label: &str, counts: &[u64], right: Option<usize>) -> Vec<Markup> {
    let all = counts.iter().sum::<u64>().max(1) as f64;
    let cells = counts.iter().enumerate().map(|(column, &count)| {
        let class = if Some(column) == right { "cell right" } else { "cell wrong" };
        let share = format!("--share:{:.3}", count as f64 / all);
        Markup::element("span", &[("class", class), ("style", &share)], [Markup::text(&count.to_string())])
    });
    std::iter::once(Markup::text(label)).chain(cells).collect()
}
