//! Windows over time: lines, and lanes of alarms.

use super::{
    Lane, Moment, State, TaskPage,
    measured::LABELS_DRAWN_MAX,
    words::{kind, minute, percent, short},
};
use crate::{
    page::{self, Axis, Chart, Markup, Tone, figure, legend},
    records::{AlarmChange, Figure},
};

const HEIGHT: u32 = 200;
/// With more windows than this a line has no dots.
const DOTS_MAX: usize = 60;
const TIME: &str = "end of the window, UTC";

/// A label, and how far it is from the reference.
struct Named<'m> {
    name: &'m str,
    change: f64,
}

/// What was said and which alarms stood, of every window.
pub(super) fn lanes(task: &TaskPage) -> Markup {
    let stretches = || task.lanes.iter().flat_map(|lane| &lane.stretches);
    let low = stretches().map(|stretch| stretch.from).min().unwrap_or_default();
    let high = stretches().map(|stretch| stretch.to).max().unwrap_or_default();
    let drawn: Vec<_> = task.lanes.iter().map(lane).collect();
    let legend = legend(&[
        (Tone::Main, "stable"),
        (Tone::Other, "drifted"),
        (Tone::Muted, "too few, or no alarm"),
        (Tone::Review, "alarm rising"),
        (Tone::Block, "alarm raised"),
        (Tone::Ink, "raised or cleared here"),
    ]);
    let picture = page::lanes("What the windows said, and alarms", &Axis::time("time, UTC", low, high), &drawn);
    let note = "A row of each window and of its alarms. Where nothing is drawn there is no report.";
    figure("Windows and alarms", note, [legend, picture])
}

fn lane(lane: &Lane) -> page::Lane {
    let name = match lane.alarm {
        None => format!("{} windows", lane.window),
        Some(about) => format!("{} {} alarm", lane.window, kind(about).to_lowercase()),
    };
    let stretches = lane.stretches.iter().map(|stretch| {
        let (tone, state) = look(stretch.state);
        let windows = if stretch.windows == 1 { "1 window".to_owned() } else { format!("{} windows", stretch.windows) };
        let says = format!("{state}: {} to {}, {windows}", minute(stretch.from), minute(stretch.to));
        page::Stretch { x: [stretch.from as f64, stretch.to as f64], tone, says }
    });
    let marks = lane.changes.iter().map(|change| {
        let what = if change.change == AlarmChange::Cleared { "cleared" } else { "raised" };
        (change.at as f64, Tone::Ink, format!("{what} by the window that ends {}", minute(change.at)))
    });
    page::Lane { name, stretches: stretches.collect(), marks: marks.collect() }
}

fn look(state: State) -> (Tone, &'static str) {
    match state {
        State::Stable => (Tone::Main, "stable"),
        State::Drifted => (Tone::Other, "drifted"),
        State::TooFew => (Tone::Muted, "too few"),
        State::Quiet => (Tone::Muted, "no alarm"),
        State::Rising => (Tone::Review, "rising"),
        State::Raised => (Tone::Block, "raised"),
    }
}

/// The largest effect of each window.
pub(super) fn largest(moments: &[Moment]) -> Markup {
    let over = |moment: &Moment| moment.largest.as_ref().map(|largest| largest.over_floor);
    let most = moments.iter().filter_map(over).fold(1.5, f64::max);
    let y = Axis::linear("effect over its floor", 0.0, most * 1.05);
    let mut chart = Chart::new("The largest effect over its floor, over time", time(moments), y, HEIGHT);
    across(&mut chart, moments, Some(1.0), Tone::Muted);
    line(&mut chart, moments, over, Tone::Main, |moment, times| {
        let name = moment.largest.as_ref().map_or("", |largest| largest.name.as_str());
        format!("{}: {name}, {} times its floor", minute(moment.window_end), short(times))
    });
    let note = "Of all features, scores and categories the one that is furthest from the reference; below 1, dashed, nothing matters.";
    figure("The largest effect", note, [chart.finish()])
}

/// One picture a label: how often it is said, and its mean score. What has changed most in the newest window comes first.
pub(super) fn labels(moments: &[Moment]) -> Vec<Markup> {
    let Some(newest) = moments.iter().rev().find(|moment| !moment.said.is_empty() || !moment.scores.is_empty()) else {
        return Vec::new();
    };
    let said =
        newest.said.iter().map(|said| Named { name: said_name(&said.label), change: (said.share - said.before).abs() });
    let scores = newest.scores.iter().map(|score| {
        let change = score.mean.zip(score.before).map_or(0.0, |(mean, before)| (mean - before).abs());
        Named { name: &score.label, change }
    });
    let mut named: Vec<_> = said.chain(scores).collect();
    named.sort_by(|a, b| b.change.total_cmp(&a.change));
    let mut pictures: Vec<&str> = Vec::new();
    named.iter().for_each(|one| {
        if !pictures.contains(&one.name) {
            pictures.push(one.name);
        }
    });
    pictures.into_iter().take(LABELS_DRAWN_MAX).map(|name| label(name, moments, newest)).collect()
}

fn said_name(label: &Option<String>) -> &str {
    label.as_deref().unwrap_or("(others)")
}

fn label(name: &str, moments: &[Moment], newest: &Moment) -> Markup {
    let said = |moment: &Moment| moment.said.iter().find(|said| said_name(&said.label) == name).map(|said| said.share);
    let mean = |moment: &Moment| moment.scores.iter().find(|score| score.label == name).and_then(|score| score.mean);
    let said_before = newest.said.iter().find(|said| said_name(&said.label) == name).map(|said| said.before);
    let mean_before = newest.scores.iter().find(|score| score.label == name).and_then(|score| score.before);
    let befores = [said_before, mean_before].into_iter().flatten();
    let most =
        moments.iter().flat_map(|moment| [said(moment), mean(moment)]).flatten().chain(befores).fold(0.0, f64::max);
    let y = Axis::percent("share", (most * 1.15).clamp(0.01, 1.0));
    let mut chart = Chart::new(&format!("{name} over time"), time(moments), y, HEIGHT);
    let told = |what: &'static str| {
        move |moment: &Moment, share: f64| format!("{}: {what} {}", minute(moment.window_end), percent(share))
    };
    across(&mut chart, moments, said_before, Tone::Main);
    across(&mut chart, moments, mean_before, Tone::Other);
    line(&mut chart, moments, said, Tone::Main, told("said of"));
    line(&mut chart, moments, mean, Tone::Other, told("mean score"));
    let legend = legend(&[(Tone::Main, "said, share"), (Tone::Other, "mean score")]);
    let to = |before: Option<f64>, after: Option<f64>| match (before, after) {
        (Some(before), Some(after)) => format!("{} to {}", percent(before), percent(after)),
        _ => "not known".to_owned(),
    };
    let note = format!(
        "Said {}, mean score {}: the reference, which is dashed, to the newest window.",
        to(said_before, said(newest)),
        to(mean_before, mean(newest))
    );
    figure(name, &note, [legend, chart.finish()])
}

/// F1 of a label, measured and estimated.
pub(super) fn f1(label: &str, moments: &[Moment]) -> Markup {
    let of = |moment: &Moment| moment.f1.iter().find(|f1| f1.label == label).cloned();
    let measured = |moment: &Moment| of(moment).and_then(|f1| f1.measured);
    let estimated = |moment: &Moment| of(moment).and_then(|f1| f1.estimated).map(|figure| figure.value);
    let mut chart = Chart::new(&format!("F1 of {label} over time"), time(moments), Axis::share("F1"), HEIGHT);
    for run in runs(moments) {
        let ends = run.iter().filter_map(|moment| Some((moment.window_end as f64, measured(moment)?)));
        let ends: Vec<_> = ends.map(|(at, Figure { low, high, .. })| (at, [low, high])).collect();
        chart.between(&ends, Tone::Main);
        chart.dashes(&points(run, estimated), Tone::Muted);
    }
    let value = |moment: &Moment| measured(moment).map(|figure| figure.value);
    line(&mut chart, moments, value, Tone::Main, |moment, value| {
        let ends = measured(moment).map_or_else(String::new, |of| format!(", {} to {}", short(of.low), short(of.high)));
        format!("{}: measured {}{ends}", minute(moment.window_end), short(value))
    });
    let legend = legend(&[(Tone::Main, "measured, with its 95 % interval"), (Tone::Muted, "estimate (CBPE), dashed")]);
    let note = "Measured by labels that were learnt in the window, of predictions of any time. The estimate is what the \
                probabilities of the window's predictions promise: no measurement.";
    figure(&format!("F1 of {label}"), note, [legend, chart.finish()])
}

fn time(moments: &[Moment]) -> Axis {
    let low = moments.first().map_or(0, |moment| moment.window_end);
    let high = moments.last().map_or(0, |moment| moment.window_end);
    Axis::time(TIME, low, high)
}

/// Windows that follow each other; where some are missing a line ends.
fn runs(moments: &[Moment]) -> impl Iterator<Item = &[Moment]> {
    moments.chunk_by(|a, b| b.window_start <= a.window_end)
}

fn points(run: &[Moment], value: impl Fn(&Moment) -> Option<f64>) -> Vec<(f64, f64)> {
    run.iter().filter_map(|moment| Some((moment.window_end as f64, value(moment)?))).collect()
}

fn line(
    chart: &mut Chart,
    moments: &[Moment],
    value: impl Fn(&Moment) -> Option<f64>,
    tone: Tone,
    says: impl Fn(&Moment, f64) -> String,
) {
    for run in runs(moments) {
        chart.line(&points(run, &value), tone);
        let dotted = run.iter().filter(|_| moments.len() <= DOTS_MAX || run.len() == 1);
        for (moment, at) in dotted.filter_map(|moment| Some((moment, value(moment)?))) {
            chart.dot((moment.window_end as f64, at), tone, &says(moment, at));
        }
    }
}

fn across(chart: &mut Chart, moments: &[Moment], at: Option<f64>, tone: Tone) {
    let ends = [moments.first(), moments.last()].into_iter().flatten();
    let points: Vec<_> = ends.filter_map(|moment| Some((moment.window_end as f64, at?))).collect();
    chart.dashes(&points, tone);
}
