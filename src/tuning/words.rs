//! What figures mean, said in words.

use super::{Now, Options, SAMPLES_FEW};
use crate::{
    decision::tune::{Aim, At, Choice, Interval, Suggested},
    records::Kind,
};

/// A share, 0..=1, as so many of 100. What is not quite none or all is not said to be.
pub fn of_hundred(share: f64) -> String {
    let hundredths = share * 100.0;
    match hundredths {
        all if all <= 0.0 || all >= 100.0 => format!("{all:.0}"),
        few if !(1.0..=99.0).contains(&few) => format!("{:.1}", few.clamp(0.1, 99.9)),
        some => format!("{some:.0}"),
    }
}

/// What a label's threshold means.
pub(super) fn choice(label: &str, at: &At) -> String {
    let threshold = at.threshold;
    let (Some(precision), Some(recall)) = (at.precision, at.recall) else {
        return format!("From {threshold} on, no message here is called {label}.");
    };
    format!(
        "From {threshold} on a message is called {label}: of 100 messages so called, {} are {label}; {} of 100 {label} are \
         missed.",
        of_hundred(precision),
        of_hundred(1.0 - recall)
    )
}

/// What cannot be trusted, since it rests on few messages.
pub(super) fn too_few(
    label: &str,
    [with, without]: [u64; 2],
    choice: Option<&Choice>,
    decides_by: Option<&str>,
) -> Option<String> {
    let Some(Choice { at, .. }) = choice else {
        let then = decides_by.map_or("nothing can be chosen".into(), |what| format!("{what} stays"));
        return Some(format!("{label}: {with} messages with it, {without} without; {then}"));
    };
    let caught = at.true_positives + at.false_positives;
    if with.min(without) < SAMPLES_FEW {
        return Some(format!("{label}: only {with} messages with it, {without} without; that is too few to trust"));
    }
    (caught < SAMPLES_FEW && decides_by.is_some())
        .then(|| format!("{label}: only {caught} messages reach the threshold; that is too few to trust"))
}

/// What is odd about how it was chosen.
pub(super) fn fell_back(label: &str, choice: &Choice, aim: Aim) -> Option<String> {
    let Aim::Precision(target) = aim else { return None };
    let reached = figure(choice.at.precision);
    choice.fell_back.then(|| {
        format!("{label}: no threshold reaches a precision of {target}; taken is the one with the best F1 (precision {reached})")
    })
}

/// What the bands mean.
pub(super) fn bands(label: &str, found: &Suggested, messages: u64) -> Vec<String> {
    let mut says = Vec::new();
    let share = |part: u64| of_hundred(part as f64 / messages.max(1) as f64);
    if let Some(block) = &found.block.at
        && let (Some(precision), Some(recall)) = (block.precision, block.recall)
    {
        says.push(format!(
            "Blocked from {} on: of 100 messages blocked, {} are {label}; {} of 100 {label} are not blocked.",
            block.threshold,
            of_hundred(precision),
            of_hundred(1.0 - recall)
        ));
    }
    if let Some(review) = &found.review.at {
        let above = found.block.at.map_or((0, 0), |block| (block.true_positives, block.false_positives));
        let (caught, wrong) = (review.true_positives - above.0, review.false_positives - above.1);
        let seen = caught + wrong;
        let upper = found.block.at.map_or("1".into(), |block| block.threshold.to_string());
        says.push(format!(
            "Between {} and {upper} a person looks: at {} of 100 messages, of which {} of 100 are {label}.",
            review.threshold,
            share(seen),
            of_hundred(caught as f64 / seen.max(1) as f64)
        ));
    }
    says
}

/// Bands that cannot be drawn, and what becomes of those by now.
pub(super) fn no_bands(suggested: &Suggested, kept: &Suggested, now: &Now) -> Vec<String> {
    let mut says = Vec::new();
    let none = |name: &str, precision: f64, why: &str| format!("no {name} band at a precision of {precision}: {why}");
    let out_of_reach = "no threshold reaches it";
    if suggested.block.at.is_none() {
        let then = now.block.map_or("there is none by now either".into(), |at| format!("it stays at {at}"));
        says.push(format!("{}; {then}", none("block", suggested.block.precision, out_of_reach)));
    }
    let upper = kept.block.at.map_or(1.0, |block| block.threshold);
    let dropped =
        |at: f64| format!("the review band from {at} on is dropped, it is not below the block band at {upper}");
    match (suggested.review.at, kept.review.at, now.review) {
        (Some(_), Some(_), _) => {}
        (Some(review), None, _) => says.push(dropped(review.threshold)),
        (None, kept, now) => {
            let why = if suggested.block.at.is_some() { "none reaches it below the block band" } else { out_of_reach };
            let then = match (kept, now) {
                (Some(kept), _) => format!("it stays at {}", kept.threshold),
                (None, Some(now)) => dropped(now),
                (None, None) => "there is none by now either".into(),
            };
            says.push(format!("{}; {then}", none("review", suggested.review.precision, why)));
        }
    }
    says
}

/// What the abstain band means.
pub(super) fn abstain(at: &At) -> String {
    let all = (at.true_positives + at.false_positives + at.false_negatives + at.true_negatives).max(1) as f64;
    let silent = (at.false_negatives + at.true_negatives) as f64 / all;
    match at.precision {
        None => format!("Below {} nothing is said, and no message here reaches it.", at.threshold),
        Some(precision) => format!(
            "Below {} nothing is said: {} of 100 messages get no label; of 100 that get one, {} get the right one.",
            at.threshold,
            of_hundred(silent),
            of_hundred(precision)
        ),
    }
}

/// What thresholds are chosen for.
pub(super) fn aim(options: &Options, kind: Kind) -> String {
    match (options.aim, kind) {
        (Aim::Precision(target), Kind::Multiclass) => {
            format!("the most messages with a label, of which a share of {target} is right")
        }
        (Aim::Precision(target), _) => format!("the highest recall at a precision of {target}"),
        (Aim::Cost { false_positive, false_negative }, _) => {
            format!(
                "the lowest cost: {false_positive} for each false positive, {false_negative} for each false negative"
            )
        }
    }
}

/// An interval of thresholds, with as many digits as the threshold itself has, and three at least.
pub fn interval_of_threshold(Interval { low, high }: Interval, threshold: f64) -> String {
    let text = threshold.to_string();
    let digits = text.split_once('.').map_or(0, |(_, digits)| digits.len()).max(3);
    format!("{low:.digits$}..{high:.digits$}")
}

/// A figure that may not be there.
pub(super) fn figure(figure: Option<f64>) -> String {
    figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.4}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn not_quite_all_is_not_said_to_be_all() {
        let said = [0.0, 0.000_01, 0.006, 0.06, 0.955, 0.994, 0.999_99, 1.0].map(of_hundred);
        assert_eq!(said, ["0", "0.1", "0.6", "6", "96", "99.4", "99.9", "100"]);
    }

    #[test]
    fn an_interval_has_the_digits_of_its_threshold() {
        let interval = Interval { low: 0.000_012, high: 0.000_034_6 };
        assert_eq!(interval_of_threshold(interval, 0.000_021), "0.000012..0.000035");
        assert_eq!(interval_of_threshold(interval, 1.0), "0.000..0.000");
    }

    #[test]
    fn a_threshold_is_said_in_words() {
        assert_eq!(
            choice("spam", &At::new(0.55, [94, 5, 6, 895])),
            "From 0.55 on a message is called spam: of 100 messages so called, 95 are spam; 6 of 100 spam are missed."
        );
        assert_eq!(choice("spam", &At::new(1.0, [0, 0, 6, 9])), "From 1 on, no message here is called spam.");
        assert_eq!(
            abstain(&At::new(0.6, [80, 10, 4, 6])),
            "Below 0.6 nothing is said: 10 of 100 messages get no label; of 100 that get one, 89 get the right one."
        );
    }
}
