//! How good the model is: measured by labels, and estimated without.

use super::{
    TaskPage,
    moment::{labels, share},
    over_time,
    pictures::reliability,
    words::{chance, short},
};
use crate::{
    page::{Markup, Tone, badge, beneath, figures, more, paragraph, part, table},
    records::{EstimatedPerformance, Figure, Performance},
};

/// Pictures of labels that stand open, each kind; the others are closed at first.
const LABELS_OPEN_MAX: usize = 4;
/// Pictures of labels at most, each kind; the twin has all.
pub(super) const LABELS_DRAWN_MAX: usize = 32;

const HEADER: [&str; 11] =
    ["", "", "precision", "recall", "F1", "accuracy", "prevalence", "Brier", "log loss", "ECE", "bias"];

/// Table, F1 over time, reliability.
pub(super) fn measured(task: &TaskPage) -> Markup {
    let report = &task.report;
    let mut inside = vec![explained(task)];
    let rows: Vec<_> = labels(report).flat_map(|label| rows(task, label)).collect();
    if !rows.is_empty() {
        inside.push(table(&HEADER, rows));
    }
    let names: Vec<_> = labels(report).collect();
    let f1 = names.iter().take(LABELS_DRAWN_MAX).map(|label| over_time::f1(label, &task.over_time));
    inside.extend(opened(f1.collect(), "F1 of "));
    let diagrams = report.performance.iter().filter(|found| !found.diagram.is_empty());
    let diagrams: Vec<_> = diagrams.take(LABELS_DRAWN_MAX).map(reliability).collect();
    if !diagrams.is_empty() {
        inside.push(part("Reliability", opened(diagrams, "Reliability of ")));
    }
    part("Performance", inside)
}

/// The first pictures, then the others behind a line of words that starts with `what`.
pub(super) fn opened(mut pictures: Vec<Markup>, what: &str) -> Vec<Markup> {
    let rest = pictures.split_off(pictures.len().min(LABELS_OPEN_MAX));
    let mut opened = Vec::new();
    if !pictures.is_empty() {
        opened.push(figures(pictures));
    }
    if !rest.is_empty() {
        opened.push(more(&format!("{what}{} more labels", rest.len()), [figures(rest)]));
    }
    opened
}

fn explained(task: &TaskPage) -> Markup {
    let (measured, estimated) = (task.report.labels.joined, !task.report.estimates.is_empty());
    let labels = match measured {
        0 => "No labels were learnt in this window: nothing is measured. ",
        _ => "Measured by the labels that were learnt in this window, whenever the messages were judged. ",
    };
    let estimate = match estimated {
        true => {
            "What is in italics is an estimate (CBPE): what the calibrated probabilities of the window's predictions promise. \
             It is right as far as they are calibrated, and sees no change of what messages mean. "
        }
        false => "",
    };
    paragraph(&format!("{labels}{estimate}Beneath each figure is its 95 % interval."))
}

fn rows(task: &TaskPage, label: &str) -> Vec<Vec<Markup>> {
    let report = &task.report;
    let measured = report.performance.iter().find(|found| found.label == label && found.messages > 0);
    let estimated = report.estimates.iter().find(|found| found.label == label);
    let name = Markup::text(label);
    let row = |how: Vec<Markup>, name: Markup| std::iter::once(name).chain(how).collect();
    match (measured.map(measured_row), estimated.map(estimated_row)) {
        (Some(measured), Some(estimated)) => vec![row(measured, name), row(estimated, Markup::default())],
        (Some(one), None) | (None, Some(one)) => vec![row(one, name)],
        (None, None) => Vec::new(),
    }
}

fn measured_row(found: &Performance) -> Vec<Markup> {
    let Performance { messages, true_positives, true_negatives, false_negatives, .. } = *found;
    let of_all = |part: i64| (messages > 0).then(|| short(share(part, messages)));
    let plain = |text: Option<String>| Markup::text(text.as_deref().unwrap_or("-"));
    let moved = found.calibration_moved.then(|| badge("moved", Tone::Block));
    vec![
        beneath("measured", Some(format!("{messages} messages"))),
        within(found.precision),
        within(found.recall),
        within(found.f1),
        plain(of_all(true_positives.saturating_add(true_negatives))),
        plain(of_all(true_positives.saturating_add(false_negatives))),
        within(found.brier),
        within(found.log_loss),
        std::iter::once(within(found.ece)).chain(moved).collect(),
        beneath(
            &found.bias.map_or_else(|| "-".to_owned(), short),
            found.p_value.map(|p_value| format!("p {}", chance(p_value))),
        ),
    ]
}

fn estimated_row(found: &EstimatedPerformance) -> Vec<Markup> {
    let how = beneath("estimate", Some(format!("{} messages", found.messages)));
    let figures = [found.precision, found.recall, found.f1, found.accuracy, found.prevalence].map(within);
    // What takes the truth is not estimated.
    let nothing = std::iter::repeat_n(Markup::text("-"), HEADER.len() - 2 - figures.len());
    let cells = std::iter::once(how).chain(figures).chain(nothing);
    cells.map(|cell| Markup::element("span", &[("class", "estimate")], [cell])).collect()
}

fn within(figure: Option<Figure>) -> Markup {
    let interval = figure.map(|Figure { low, high, .. }| format!("{low:.3}..{high:.3}"));
    beneath(&figure.map_or_else(|| "-".to_owned(), |figure| format!("{:.3}", figure.value)), interval)
}
