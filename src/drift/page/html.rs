//! The page itself.

use super::{
    Page, TaskPage, WindowNow,
    measured::{measured, opened},
    moment::largest_test,
    over_time, pictures,
    words::{self, chance, minute, percent, short, statistic, status, times_floor},
};
use crate::{
    model::Digest,
    page::{self, Markup, Tone, badge, beneath, facts, figures, fold, more, paragraph, part, section, table},
    records::{AlarmKind, AlarmState, DriftFinding, DriftStatus},
};

/// With more tasks than this only those that need a look are open, and their words on top.
const TASKS_OPEN_MAX: usize = 3;
/// Rows of the table of features that stand open, besides those that moved.
const ROWS_OPEN: usize = 12;
/// Rows that stand open at most.
const ROWS_OPEN_MAX: usize = 40;
/// Pictures of both sides that stand open, besides those of what moved.
const PICTURES_OPEN: usize = 4;
/// Pictures that stand open at most.
const PICTURES_OPEN_MAX: usize = 12;
/// Pictures at most; the rows of the table have small ones of all.
const PICTURES_MAX: usize = 48;

/// The whole file. Names come from strangers: nothing gets in but as text.
pub fn html(page: &Page) -> String {
    let few = page.tasks.len() <= TASKS_OPEN_MAX;
    let open = |task: &TaskPage| few || task.raised().next().is_some();
    let mut body = vec![head(page)];
    for task in page.tasks.iter().filter(|task| open(task)).take(TASKS_OPEN_MAX) {
        let words = format!("{}: {}", title(task), task.says.join(" "));
        body.push(Markup::element("p", &[("class", "says lead")], [Markup::text(&words)]));
    }
    body.extend(
        warnings(page).iter().map(|warning| Markup::element("p", &[("class", "warn")], [Markup::text(warning)])),
    );
    body.push(section("summary", "Summary", [summary(page)]));
    for (index, task) in page.tasks.iter().enumerate() {
        body.push(whole(index, task, open(task) && index < TASKS_OPEN_MAX));
    }
    page::page("Drift", body)
}

fn head(page: &Page) -> Markup {
    let all = facts(&[
        ("Reports", page.reports.kept.to_string()),
        ("From", page.source.clone()),
        ("Made at", minute(page.made_at - page.made_at.rem_euclid(60_000))),
    ]);
    [Markup::element("h1", &[], [Markup::text("Drift")]), all].into_iter().collect()
}

fn warnings(page: &Page) -> Vec<String> {
    let reports = &page.reports;
    [
        (reports.left_out, "reports older than these were left out; --reports-max takes more"),
        (reports.unreadable, "records are no drift reports, or of too many tasks, and were passed over"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{count} {what}."))
    .collect()
}

fn title(task: &TaskPage) -> String {
    format!("{} ({})", task.task, task.arm)
}

fn summary(page: &Page) -> Markup {
    let header = ["task (arm)", "window", "newest ends", "says", "drift", "calibration", "predictions", "labels"];
    let rows = page.tasks.iter().enumerate().flat_map(|(index, task)| {
        task.windows.iter().map(move |now| {
            let link = Markup::element("a", &[("href", &format!("#task-{index}"))], [Markup::text(&title(task))]);
            vec![
                link,
                Markup::text(&now.window),
                Markup::text(&minute(now.window_end)),
                says(now.status),
                alarm(now, AlarmKind::Drift),
                alarm(now, AlarmKind::Calibration),
                Markup::text(&now.predictions.to_string()),
                Markup::text(&now.labels.to_string()),
            ]
        })
    });
    table(&header, rows)
}

fn says(found: DriftStatus) -> Markup {
    let tone = match found {
        DriftStatus::Stable => Tone::Main,
        DriftStatus::Drifted => Tone::Other,
        DriftStatus::TooFew => Tone::Muted,
    };
    badge(status(found), tone)
}

fn alarm(now: &WindowNow, about: AlarmKind) -> Markup {
    let Some(alarm) = now.alarms.iter().find(|alarm| alarm.about == about) else { return Markup::text("-") };
    let (tone, state) = match alarm.state {
        AlarmState::Quiet => (Tone::Muted, "quiet"),
        AlarmState::Rising => (Tone::Review, "rising"),
        AlarmState::Raised => (Tone::Block, "raised"),
    };
    let since =
        alarm.since.map(|since| Markup::element("small", &[], [Markup::text(&format!("since {}", minute(since)))]));
    std::iter::once(badge(state, tone)).chain(since).collect()
}

fn whole(index: usize, task: &TaskPage, open: bool) -> Markup {
    let report = &task.report;
    let note = task.says.first().map_or("", String::as_str);
    let mut inside = Vec::new();
    if !open {
        inside.extend(task.says.iter().map(|says| paragraph(says)));
    }
    inside.push(facts(&[
        ("Window", format!("{}, {} to {}", report.window, minute(report.window_start), minute(report.window_end))),
        ("Model", format!("{} {}", report.model.name, report.model.version)),
        ("Model SHA-256", Digest(report.model.digest).to_string()),
        ("Predictions", report.predictions.counted.to_string()),
        ("Labels", report.labels.joined.to_string()),
        ("Reports over time", task.counts.reports.to_string()),
    ]));
    inside.push(over_time::lanes(task));
    inside.extend(features(&report.findings));
    inside.push(over_time(task));
    inside.push(measured(task));
    inside.push(counts(task));
    fold(&format!("task-{index}"), &title(task), note, open, inside)
}

/// What moved, as a table and as pictures; the rest behind a line of words.
fn features(findings: &[DriftFinding]) -> [Markup; 2] {
    let moved = findings.iter().filter(|finding| finding.moved).count();
    let open = findings.len().min((moved + ROWS_OPEN).min(ROWS_OPEN_MAX));
    let (first, rest) = findings.split_at(open);
    let rows = |findings: &[DriftFinding]| table(&HEADER, findings.iter().map(row));
    let mut inside = vec![
        paragraph(
            "Held against the model's reference, the largest effect over its floor first. Moved: an effect of at least its \
             floor, on enough values, and no chance (q).",
        ),
        rows(first),
    ];
    if !rest.is_empty() {
        inside.push(more(&format!("{} more", rest.len()), [rows(rest)]));
    }
    let drawn = findings.len().min(PICTURES_MAX);
    let pictures = |findings: &[DriftFinding]| figures(findings.iter().map(pictures::distribution));
    let (first, rest) = findings[..drawn].split_at(drawn.min((moved + PICTURES_OPEN).min(PICTURES_OPEN_MAX)));
    let mut both = vec![pictures(first)];
    if !rest.is_empty() {
        both.push(more(&format!("{} more of {}", rest.len(), findings.len()), [pictures(rest)]));
    }
    [part("What moved", inside), part("Reference and window", both)]
}

const HEADER: [&str; 9] =
    ["", "", "both sides", "times floor", "effect", "q", "reference", "window", "missing, outside"];

fn row(finding: &DriftFinding) -> Vec<Markup> {
    let plain = |text: &str| Markup::text(text);
    let test = largest_test(finding);
    let says = match (finding.too_few, finding.moved) {
        (true, _) => badge("too few", Tone::Muted),
        (false, true) => badge("moved", Tone::Other),
        (false, false) => Markup::default(),
    };
    let effect = test.map_or_else(
        || plain("-"),
        |test| {
            let effect = format!("{} {}", statistic(test.statistic), short(test.effect));
            beneath(&effect, Some(format!("floor {}", short(test.floor))))
        },
    );
    let of = finding.of.as_deref().unwrap_or("(others)");
    let missing = match (finding.missing_before, finding.missing) {
        (0.0, 0.0) => "-".to_owned(),
        (before, after) => format!("{} to {}", percent(before), percent(after)),
    };
    vec![
        plain(&finding.name),
        says,
        pictures::small(finding),
        plain(&times_floor(finding).map_or_else(|| "-".to_owned(), short)),
        effect,
        plain(&test.map_or_else(|| "-".to_owned(), |test| chance(test.q_value))),
        beneath(&words::value(finding, finding.before), Some(of.to_owned())),
        plain(&words::value(finding, finding.after)),
        beneath(&missing, (finding.outside > 0.0).then(|| format!("outside {}", percent(finding.outside)))),
    ]
}

fn over_time(task: &TaskPage) -> Markup {
    let moments = &task.over_time;
    let title = format!("Over time, windows of {}", task.report.window);
    let pictures = std::iter::once(over_time::largest(moments)).chain(over_time::labels(moments));
    part(&title, opened(pictures.collect(), ""))
}

fn counts(task: &TaskPage) -> Markup {
    let (now, all) = (&task.report, &task.counts);
    let (predictions, labels) = (&now.predictions, &now.labels);
    let rows = [
        ("predictions", "counted", predictions.counted, all.predictions.counted),
        ("late", "came after their window was closed", predictions.late, all.predictions.late),
        ("clamped", "stamped later than decided", predictions.clamped, all.predictions.clamped),
        ("unlike", "by another model or feature contract", predictions.unlike, all.predictions.unlike),
        ("unreadable", "no predictions", predictions.unreadable, all.predictions.unreadable),
        ("labels", "the first for their message", labels.joined, all.labels.joined),
        ("unmatched", "no prediction was found", labels.unmatched, all.labels.unmatched),
        ("too old", "learnt too long after the decision", labels.too_old, all.labels.too_old),
        ("repeated", "say what is known", labels.repeated, all.labels.repeated),
        ("corrected", "took the place of what was known", labels.corrected, all.labels.corrected),
        ("contradicted", "say otherwise, and do not count", labels.contradicted, all.labels.contradicted),
        ("unknown", "name a label that the model does not have", labels.unknown, all.labels.unknown),
        ("late labels", "came after their window was closed", labels.late, all.labels.late),
        ("unreadable labels", "no labels", labels.unreadable, all.labels.unreadable),
    ];
    let windows = format!("all {} windows", all.reports);
    let rows = rows.into_iter().map(|(name, meaning, now, all)| {
        let name = beneath(name, Some(meaning.to_owned()));
        vec![name, Markup::text(&now.to_string()), Markup::text(&all.to_string())]
    });
    part("Counted, and not counted", [table(&["", "this window", &windows], rows.collect::<Vec<_>>())])
}
