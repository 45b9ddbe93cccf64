//! The pictures of one label.

use super::{
    LabelFound, Options, Quality,
    found::HISTOGRAM_BINS,
    words::{figure, of_hundred},
};
use crate::{
    decision::tune::{Aim, At, BINS, Bin, Choice, Curve, Interval},
    page::{Axis, Bar, Chart, Markup, Tone, figure as framed, legend},
};

const HEIGHT: u32 = 320;
const COUNTS_HEIGHT: u32 = 150;
/// Steps of a curve that can be told apart in a picture; more would only make the file large.
const CURVE_STEPS: f64 = 400.0;

/// How a label is called in pictures: what its threshold says, and what it is precise about.
pub(super) struct Naming<'a> {
    pub(super) with: String,
    pub(super) without: String,
    pub(super) recall: &'a str,
    pub(super) precision: &'a str,
}

/// Precision and recall of all thresholds, with the one that was chosen.
pub(super) fn curve(found: &LabelFound, naming: &Naming<'_>, options: &Options) -> Markup {
    let says =
        format!("Precision over recall of {}, average precision {}", found.label, figure(found.average_precision));
    let mut chart = Chart::new(&says, Axis::share(naming.recall), Axis::share(naming.precision), HEIGHT);
    if let Aim::Precision(target) = options.aim {
        chart.level(target, Tone::Muted, &format!("asked for: {target}"));
    }
    chart.line(&steps(&found.picture.curve), Tone::Main);
    if let Some(now) = &found.now
        && let Some(at) = point(now)
    {
        chart.dot(at, Tone::Muted, &format!("by now, {}", described(now)));
    }
    if let Some(Choice { at, .. }) = &found.choice
        && let Some(place) = point(at)
    {
        let ends = |interval: Option<Interval>| interval.map(|interval| [interval.low, interval.high]);
        let says = format!("chosen, {}", described(at));
        chart.dot_in(place, ends(found.intervals.recall), ends(found.intervals.precision), Tone::Other, &says);
    }
    let legend = legend(&[(Tone::Main, "every threshold"), (Tone::Other, "chosen"), (Tone::Muted, "by now")]);
    let level = options.resampling.level * 100.0;
    let note = format!(
        "Chosen: threshold {}, precision {}, recall {}. The thick lines at the point hold {level:.0} of 100 resamples of the \
         messages.",
        found.choice.map_or("-".into(), |choice| choice.at.threshold.to_string()),
        figure(found.choice.and_then(|choice| choice.at.precision)),
        figure(found.choice.and_then(|choice| choice.at.recall)),
    );
    framed("What a threshold catches, and how precisely", &note, [legend, chart.finish()])
}

/// Whether a probability is what it says.
pub(super) fn reliability(found: &LabelFound, naming: &Naming<'_>) -> Markup {
    let says = format!("Share of {} over the probability, in {BINS} bins", found.label);
    let share = Axis::share(&format!("share that is {}", naming.with));
    let mut chart = Chart::new(&says, Axis::share("probability"), share, HEIGHT);
    chart.dashes(&[(0.0, 0.0), (1.0, 1.0)], Tone::Muted);
    let mut entries = vec![(Tone::Main, "as given")];
    if let Some(before) = &found.before {
        draw(&mut chart, before, Tone::Other);
        entries.push((Tone::Other, "before calibration"));
    }
    entries.push((Tone::Muted, "exact"));
    draw(&mut chart, &found.after, Tone::Main);
    let before = found.before.map_or(String::new(), |before| format!(" (before calibration {})", figure(before.ece)));
    let note = format!(
        "On the dashed line, of 100 messages with probability 0.8 exactly 80 are {}. Expected calibration error {}{before}, \
         Brier score {}. Beneath: messages in each bin; a bin of few says little.",
        naming.with,
        figure(found.after.ece),
        figure(found.after.brier),
    );
    framed("Whether a probability is what it says", &note, [legend(&entries), chart.finish(), bin_counts(found)])
}

fn draw(chart: &mut Chart, quality: &Quality, tone: Tone) {
    let points: Vec<_> = quality.bins.iter().filter_map(Bin::point).collect();
    chart.line(&points, tone);
    for bin in &quality.bins {
        if let Some((mean, share)) = bin.point() {
            let says = format!("{} messages: mean probability {mean:.3}, {} of 100", bin.samples, of_hundred(share));
            chart.dot((mean, share), tone, &says);
        }
    }
}

/// Beneath the reliability: bins as given, and beside them those before calibration.
fn bin_counts(found: &LabelFound) -> Markup {
    let all = [Some(found.after), found.before];
    let most = all.iter().flatten().flat_map(|quality| quality.bins).map(|bin| bin.samples).max().unwrap_or_default();
    let axis = Axis::counts("messages", most);
    let mut chart = Chart::new("Messages in each bin", Axis::share(""), axis, COUNTS_HEIGHT);
    let halves = found.before.map_or([[0.0, 1.0]; 2], |_| [[0.0, 0.5], [0.5, 1.0]]);
    for ((quality, tone), [from, to]) in all.into_iter().zip([Tone::Main, Tone::Other]).zip(halves) {
        let bars = quality.into_iter().flat_map(|quality| quality.bins).enumerate().map(|(bin, counted)| {
            let x = [from, to].map(|end| (bin as f64 + end) / BINS as f64);
            Bar { x, y: counted.samples as f64, says: format!("{} messages", counted.samples) }
        });
        chart.bars(&bars.collect::<Vec<_>>(), tone);
    }
    chart.finish()
}

/// Probabilities of messages with the label, upwards, and without, downwards; with what is decided where.
pub(super) fn histogram(found: &LabelFound, naming: &Naming<'_>) -> Markup {
    let says = format!("Probabilities of {} and of the others", found.label);
    let counts = &found.picture.histogram;
    let most = counts.iter().flatten().copied().max().unwrap_or_default();
    let axis = Axis::counts_both_ways("messages, logarithmic", most);
    let mut chart = Chart::new(&says, Axis::share("probability"), axis, HEIGHT);
    let mut entries = vec![(Tone::Other, naming.with.as_str()), (Tone::Main, naming.without.as_str())];
    if let Some(bands) = &found.bands {
        let (review, block) = (bands.review.at.map(|at| at.threshold), bands.block.at.map(|at| at.threshold));
        if let Some(review) = review {
            chart.band([review, block.unwrap_or(1.0)], Tone::Review, "review");
            entries.push((Tone::Review, "review"));
        }
        if let Some(block) = block {
            chart.band([block, 1.0], Tone::Block, "block");
            entries.push((Tone::Block, "block"));
        }
    }
    for (side, (tone, name, sign)) in
        [(Tone::Other, &naming.with, 1.0), (Tone::Main, &naming.without, -1.0)].into_iter().enumerate()
    {
        let bars = counts.iter().enumerate().map(|(bin, counts)| {
            let x = [bin, bin + 1].map(|end| end as f64 / HISTOGRAM_BINS as f64);
            let says = format!("{} {name} from {:.3} to {:.3}", counts[side], x[0], x[1]);
            Bar { x, y: sign * counts[side] as f64, says }
        });
        chart.bars(&bars.collect::<Vec<_>>(), tone);
    }
    if let Some(now) = &found.now {
        chart.upright(now.threshold, Tone::Muted, &format!("by now {}", now.threshold), 1);
    }
    if let Some(choice) = &found.choice {
        chart.upright(choice.at.threshold, Tone::Ink, &format!("chosen {}", choice.at.threshold), 0);
    }
    let note = format!(
        "Upwards {}, downwards {}. To the right of the line upwards is caught, downwards is wrong.",
        naming.with, naming.without
    );
    framed("Where the messages lie", &note, [legend(&entries), chart.finish()])
}

/// The curve as steps: of points that fall on each other the lowest and the highest stay.
fn steps(curve: &Curve) -> Vec<(f64, f64)> {
    let positives = curve.positives().max(1) as f64;
    let mut steps: Vec<(f64, f64)> = Vec::new();
    for chunk in curve.points().chunk_by(|a, b| {
        let step = |caught: u64| (caught as f64 / positives * CURVE_STEPS) as u64;
        step(a.true_positives) == step(b.true_positives)
    }) {
        let recall = chunk[0].true_positives as f64 / positives;
        let precisions = chunk.iter().map(|point| point.precision());
        let first = chunk[0].precision();
        let low = precisions.fold(first, f64::min);
        if steps.is_empty() {
            steps.push((0.0, first));
        }
        steps.push((recall, first));
        if low < first {
            steps.push((recall, low));
        }
    }
    steps
}

fn point(at: &At) -> Option<(f64, f64)> {
    Some((at.recall?, at.precision?))
}

fn described(at: &At) -> String {
    format!("threshold {}: precision {}, recall {}", at.threshold, figure(at.precision), figure(at.recall))
}
