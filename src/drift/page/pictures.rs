//! Both sides of a number or category, and what probabilities are worth.

use super::{
    moment::{largest_test, over_floor, share, values},
    words::{moved_to, percent, short, statistic},
};
use crate::{
    page::{Axis, Bar, Chart, Markup, Pair, Tone, figure, legend, pairs, spark},
    records::{DistributionBin, DriftFinding, FeatureKind, Performance},
};

const HEIGHT: u32 = 220;
const RELIABILITY_HEIGHT: u32 = 300;
const MESSAGES_HEIGHT: u32 = 130;
/// Names that a picture has room for; the others are drawn as one.
const NAMES_MAX: usize = 10;
/// Marks under a picture of bins.
const MARKS_MAX: usize = 6;
/// Where bins of probability are drawn: as wide as a tenth.
const BIN_HALF: f64 = 0.045;

/// Both sides, small enough for a cell.
pub(super) fn small(finding: &DriftFinding) -> Markup {
    let (before, after) = shares(finding);
    spark(&moved_to(finding), &before, &after)
}

/// Both sides under their name.
pub(super) fn distribution(finding: &DriftFinding) -> Markup {
    let effect = largest_test(finding).map_or_else(
        || "Too few values to be judged.".to_owned(),
        |test| {
            let (name, times) = (statistic(test.statistic), short(over_floor(test)));
            format!("{name} {}, {times} times its floor.", short(test.effect))
        },
    );
    let note = format!("{}. {effect}", moved_to(finding));
    let picture = match (finding.distribution.is_empty(), finding.kind) {
        (true, _) => {
            Markup::element("p", &[("class", "note")], [Markup::text("The report has no distribution of it.")])
        }
        (false, FeatureKind::Number) => number(finding),
        (false, FeatureKind::Category) => category(finding),
    };
    let legend = legend(&[(Tone::Muted, "reference"), (Tone::Main, "window")]);
    figure(&finding.name, &note, [legend, picture])
}

fn shares(finding: &DriftFinding) -> (Vec<f64>, Vec<f64>) {
    let (before, after) = values(finding);
    let bins = finding.distribution.iter();
    bins.map(|bin| (share(bin.before, before), share(bin.after, after))).unzip()
}

/// Bins as wide as each other, whatever they span: most are parts of equal size of the reference.
fn number(finding: &DriftFinding) -> Markup {
    let (bins, (before, after)) = (&finding.distribution, shares(finding));
    let most = before.iter().chain(&after).copied().fold(0.0, f64::max);
    let step = bins.len().div_ceil(MARKS_MAX).max(1);
    let mark = |(index, bin): (usize, &DistributionBin)| Some((index as f64, short(bin.low?)));
    let marks = bins.iter().enumerate().skip(1).step_by(step).filter_map(mark).collect();
    let x = Axis::linear(&finding.name, 0.0, bins.len() as f64).with_ticks(marks);
    let y = Axis::percent("share of the values", (most * 1.1).clamp(0.01, 1.0));
    let mut chart = Chart::new(&moved_to(finding), x, y, HEIGHT);
    let bars = bins.iter().enumerate().map(|(index, bin)| Bar {
        x: [index as f64, index as f64 + 1.0],
        y: before[index],
        says: format!("{}: {} before, {} in the window", span(bin), percent(before[index]), percent(after[index])),
    });
    chart.bars(&bars.collect::<Vec<_>>(), Tone::Muted);
    let steps = after.iter().enumerate().flat_map(|(index, &share)| {
        let left = index as f64;
        [(left, share), (left + 1.0, share)]
    });
    chart.line(&steps.collect::<Vec<_>>(), Tone::Main);
    chart.finish()
}

fn span(bin: &DistributionBin) -> String {
    match (bin.low, bin.high) {
        (Some(low), Some(high)) => format!("above {} up to {}", short(low), short(high)),
        (None, Some(high)) => format!("up to {}", short(high)),
        (Some(low), None) => format!("above {}", short(low)),
        (None, None) => "all".to_owned(),
    }
}

fn category(finding: &DriftFinding) -> Markup {
    let (before, after) = shares(finding);
    let named = |bin: &DistributionBin| bin.name.clone().unwrap_or_else(|| "(others)".to_owned());
    let rows = finding.distribution.iter().map(named).zip(before.into_iter().zip(after));
    let mut rows: Vec<_> = rows.map(|(name, (before, after))| (name, before, after)).collect();
    // What changed much has much on one side.
    rows.sort_by(|(_, a, b), (_, c, d)| c.max(*d).total_cmp(&a.max(*b)));
    if rows.len() > NAMES_MAX {
        let rest = rows.split_off(NAMES_MAX - 1);
        let sum = |side: fn(&(String, f64, f64)) -> f64| rest.iter().map(side).sum();
        rows.push((format!("({} others)", rest.len()), sum(|row| row.1), sum(|row| row.2)));
    }
    let rows = rows.into_iter().map(|(name, before, after)| {
        let figures = format!("{} to {}", percent(before), percent(after));
        Pair { says: format!("{name}: {figures}"), name, before, after, figures }
    });
    pairs(&moved_to(finding), &rows.collect::<Vec<_>>())
}

/// Whether the probabilities of a label are what they say.
pub(super) fn reliability(found: &Performance) -> Markup {
    let says = format!("Share that is {} over the probability", found.label);
    let (x, y) = (Axis::share("probability"), Axis::share(&format!("share that is {}", found.label)));
    let mut chart = Chart::new(&says, x, y, RELIABILITY_HEIGHT);
    chart.dashes(&[(0.0, 0.0), (1.0, 1.0)], Tone::Muted);
    let points: Vec<_> = found.diagram.iter().map(|bin| (bin.probability, bin.share)).collect();
    chart.line(&points, Tone::Main);
    for bin in &found.diagram {
        let (probability, share) = (percent(bin.probability), percent(bin.share));
        let says = format!("{} messages: probability {probability}, truly {share}", bin.messages);
        chart.dot((bin.probability, bin.share), Tone::Main, &says);
    }
    let most = found.diagram.iter().map(|bin| bin.messages.unsigned_abs()).max().unwrap_or_default();
    let mut counts =
        Chart::new("Messages in each bin", Axis::share(""), Axis::counts("messages", most), MESSAGES_HEIGHT);
    let bars = found.diagram.iter().map(|bin| Bar {
        x: [bin.probability - BIN_HALF, bin.probability + BIN_HALF],
        y: bin.messages as f64,
        says: format!("{} messages", bin.messages),
    });
    counts.bars(&bars.collect::<Vec<_>>(), Tone::Main);
    let figure_of = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), short);
    let note = format!(
        "On the dashed line probabilities come true. Expected calibration error {}, by chance {}; bias {}, positive is too \
         sure. Beneath: messages in each bin; a bin of few says little.",
        figure_of(found.ece.map(|ece| ece.value)),
        figure_of(found.ece_by_chance),
        figure_of(found.bias),
    );
    figure(&found.label, &note, [chart.finish(), counts.finish()])
}
