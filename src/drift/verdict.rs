//! What has moved: by more than a floor, with enough records, and not by chance.

use serde::Serialize;

use super::{
    sketch::{Categories, Counts, Reference},
    statistics::{benjamini_hochberg, bins, chi_square, jensen_shannon, mean_shift, psi, shares_apart, smirnov},
};

/// When something counts as moved. The same for every number and category.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Rule {
    /// Of what is called moved, at most this share is chance: Benjamini-Hochberg over all tests of a window.
    pub alpha: f64,
    /// Fewer values, on either side, say nothing.
    pub values_min: u64,
    /// An effect below its floor does not matter, however certain.
    pub floors: Floors,
}

/// Least effects that matter.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Floors {
    /// Of the KS distance, 0..=1: a tenth of the numbers lies elsewhere.
    pub ks: f64,
    /// Of the mean, standard deviations of the reference: a small effect by Cohen 1988 is 0.2.
    pub mean: f64,
    /// Of the PSI: by common usage 0.1 is a small shift and 0.2 a large one.
    pub psi: f64,
    /// Of the Jensen-Shannon distance, 0..=1. For small shifts PSI is 8 ln 2 JS^2: 0.2 there is 0.19 here.
    pub jensen_shannon: f64,
    /// Of Cramér's V of the shares, 0..=1: a small effect by Cohen 1988 is 0.1; a share of 50 % moves by 10 points then,
    /// one of 5 % by 4.
    pub cramers_v: f64,
}

impl Default for Floors {
    fn default() -> Self {
        Self { ks: 0.1, mean: 0.2, psi: 0.2, jensen_shannon: 0.19, cramers_v: 0.1 }
    }
}

impl Default for Rule {
    fn default() -> Self {
        Self { alpha: 0.01, values_min: 500, floors: Floors::default() }
    }
}

/// How two sides are held against each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Statistic {
    /// Kolmogorov-Smirnov distance; p of the same test.
    Ks,
    /// Shift of the mean in standard deviations; p by its z.
    Mean,
    /// Population stability index of bins; p by chi-square of these bins.
    Psi,
    /// Jensen-Shannon distance of the same bins, or of categories; p by chi-square.
    JensenShannon,
    /// Cramér's V of the shares of categories; p by chi-square.
    CramersV,
}

/// One statistic of one number or category.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Test {
    /// Which.
    pub statistic: Statistic,
    /// How far apart; of a mean with its sign.
    pub effect: f64,
    /// Least effect that matters.
    pub floor: f64,
    /// How often chance alone gives as much.
    pub p_value: f64,
    /// The same, adjusted for all the tests of the window.
    pub q_value: f64,
    /// At least the floor, enough values, and not by chance.
    pub moved: bool,
}

/// What was compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Counted on edges.
    Number,
    /// Counted by name.
    Category,
}

/// What changed most, on the reference's side and now.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Moved {
    /// `mean`, or the category whose share changed most; none for those that have no count of their own.
    pub of: Option<String>,
    /// In the reference: the mean in the number's unit, or a share, 0..=1.
    pub before: Option<f64>,
    /// In the window.
    pub after: Option<f64>,
    /// Share of missing values in the reference, 0..=1.
    pub missing_before: f64,
    /// In the window.
    pub missing_after: f64,
}

/// What is said of one number or category.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// Of the number or category.
    pub name: String,
    /// Which of the two.
    pub kind: Kind,
    /// Values of the reference, missing ones too.
    pub values_before: u64,
    /// Values of the window, missing ones too.
    pub values_after: u64,
    /// Too few values to say anything.
    pub too_few: bool,
    /// At least one test has moved.
    pub moved: bool,
    /// Where to and where from.
    pub what: Moved,
    /// The KS distance is at most this much larger than it says, 0..=1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ks_error: Option<f64>,
    /// The statistics that there are.
    pub tests: Vec<Test>,
}

/// What is said of a window.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// Something has moved.
    pub drifted: bool,
    /// Nothing had enough values to be judged.
    pub too_few: bool,
    /// Everything, by effect over its floor, the largest first.
    pub findings: Vec<Finding>,
}

fn test(statistic: Statistic, effect: f64, floor: f64, p_value: f64) -> Test {
    Test { statistic, effect, floor, p_value, q_value: 1.0, moved: false }
}

fn share(part: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { part as f64 / all as f64 }
}

impl Finding {
    pub(super) fn number(name: &str, reference: &Reference, current: &Counts, rule: &Rule) -> Self {
        let (floors, unit, ours) = (rule.floors, reference.edges().unit(), reference.counts());
        let (mut tests, mut ks_error) = (Vec::new(), None);
        let enough = |values: fn(&Counts) -> u64| values(ours).min(values(current)) >= rule.values_min;
        if enough(Counts::numbers) && current.fits(reference.edges()) {
            if let Some(found) = smirnov(ours, current) {
                tests.push(test(Statistic::Ks, found.distance, floors.ks, found.p_value));
                ks_error = Some(found.error);
            }
            if let Some(found) = mean_shift(ours.moments(), current.moments(), unit)
                && let Some(deviations) = found.deviations
            {
                tests.push(test(Statistic::Mean, deviations, floors.mean, found.p_value));
            }
        }
        let pairs = bins(ours, current).filter(|_| enough(Counts::values)).unwrap_or_default();
        let p_value = chi_square(&pairs).map_or(1.0, |found| found.p_value);
        tests.extend(psi(&pairs).map(|effect| test(Statistic::Psi, effect, floors.psi, p_value)));
        let distance = jensen_shannon(&pairs);
        tests.extend(distance.map(|effect| test(Statistic::JensenShannon, effect, floors.jensen_shannon, p_value)));
        let what = Moved {
            of: Some("mean".into()),
            before: ours.moments().mean(unit),
            after: current.moments().mean(unit),
            missing_before: share(ours.missing(), ours.values()),
            missing_after: share(current.missing(), current.values()),
        };
        Self::new(name, Kind::Number, [ours.values(), current.values()], what, ks_error, tests)
    }

    pub(super) fn category(name: &str, reference: &Categories, current: &Categories, rule: &Rule) -> Self {
        let (n, m) = (reference.values(), current.values());
        let named = reference.pairs(current);
        let pairs: Vec<_> = named.iter().map(|&(_, ours, theirs)| (ours, theirs)).collect();
        let mut tests = Vec::new();
        if n.min(m) >= rule.values_min {
            let p_value = chi_square(&pairs).map_or(1.0, |found| found.p_value);
            let (v, js) = (shares_apart(&pairs), jensen_shannon(&pairs));
            tests.extend(v.map(|effect| test(Statistic::CramersV, effect, rule.floors.cramers_v, p_value)));
            tests.extend(js.map(|effect| test(Statistic::JensenShannon, effect, rule.floors.jensen_shannon, p_value)));
        }
        let change = |&(_, ours, theirs): &(Option<&str>, u64, u64)| (share(ours, n) - share(theirs, m)).abs();
        let most = named.iter().max_by(|a, b| change(a).total_cmp(&change(b)));
        let what = Moved {
            of: most.and_then(|&(name, ..)| name.map(str::to_owned)),
            before: most.map(|&(_, ours, _)| share(ours, n)),
            after: most.map(|&(.., theirs)| share(theirs, m)),
            missing_before: 0.0,
            missing_after: 0.0,
        };
        Self::new(name, Kind::Category, [n, m], what, None, tests)
    }

    fn new(
        name: &str,
        kind: Kind,
        [values_before, values_after]: [u64; 2],
        what: Moved,
        ks_error: Option<f64>,
        tests: Vec<Test>,
    ) -> Self {
        let (name, too_few) = (name.to_owned(), tests.is_empty());
        Self { name, kind, values_before, values_after, too_few, moved: false, what, ks_error, tests }
    }

    /// Its largest effect, as a multiple of its floor; 0 without tests.
    pub fn largest(&self) -> f64 {
        self.tests.iter().map(|test| test.effect.abs() / test.floor).fold(0.0, f64::max)
    }
}

impl Verdict {
    pub(super) fn of(mut findings: Vec<Finding>, rule: &Rule) -> Self {
        let tests = || findings.iter().flat_map(|finding| &finding.tests);
        let adjusted = benjamini_hochberg(&tests().map(|test| test.p_value).collect::<Vec<_>>());
        let tests = findings.iter_mut().flat_map(|finding| &mut finding.tests);
        for (test, q_value) in tests.zip(adjusted) {
            test.q_value = q_value;
            test.moved = test.effect.abs() >= test.floor && q_value <= rule.alpha;
        }
        findings.iter_mut().for_each(|finding| finding.moved = finding.tests.iter().any(|test| test.moved));
        findings.sort_by(|a, b| b.moved.cmp(&a.moved).then(b.largest().total_cmp(&a.largest())));
        let drifted = findings.iter().any(|finding| finding.moved);
        Self { drifted, too_few: findings.iter().all(|finding| finding.too_few), findings }
    }

    /// Those that have moved.
    pub fn moved(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.moved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drift::{Baseline, Window};

    fn baseline(values: u32) -> Baseline {
        let reference: Vec<_> = (0..values).map(|index| Some(f64::from(index % 100))).collect();
        let mut languages = Categories::default();
        (0..values).for_each(|index| languages.add(if index % 2 == 0 { "en" } else { "de" }));
        Baseline {
            numbers: vec![("length".into(), Reference::of(&reference))],
            categories: vec![("language".into(), languages)],
        }
    }

    fn window(baseline: &Baseline, values: u32, shift: f64, english: u32) -> Window {
        let mut window = Window::of(baseline);
        for index in 0..values {
            window.numbers[0].add(baseline.numbers[0].1.edges(), Some(f64::from(index * 100 / values) + shift));
            window.categories[0].add(if index * 100 / values < english { "en" } else { "de" });
        }
        window
    }

    fn moved(baseline: &Baseline, window: &Window) -> Vec<String> {
        let verdict = baseline.judge(window, &Rule::default());
        verdict.moved().map(|finding| finding.name.clone()).collect()
    }

    #[test]
    fn an_effect_below_its_floor_is_no_drift_however_certain() {
        let baseline = baseline(1_000_000);
        let verdict = baseline.judge(&window(&baseline, 1_000_000, 3.0, 53), &Rule::default());
        assert!(!verdict.drifted);
        assert!(verdict.findings.iter().all(|finding| finding.tests.iter().any(|test| test.q_value < 1e-6)));
    }

    #[test]
    fn too_few_values_are_no_drift_however_large_the_effect() {
        let baseline = baseline(10_000);
        let verdict = baseline.judge(&window(&baseline, 400, 50.0, 100), &Rule::default());
        assert!(verdict.too_few && !verdict.drifted);
    }

    #[test]
    fn an_effect_that_chance_can_give_is_no_drift() {
        let baseline = baseline(10_000);
        let rule = Rule { values_min: 20, ..Rule::default() };
        assert!(!baseline.judge(&window(&baseline, 20, 10.0, 50), &rule).drifted);
    }

    #[test]
    fn what_has_moved_is_named() {
        let baseline = baseline(10_000);
        assert_eq!(moved(&baseline, &window(&baseline, 5_000, 0.0, 50)), [""; 0]);
        assert_eq!(moved(&baseline, &window(&baseline, 5_000, 30.0, 50)), ["length"]);
        assert_eq!(moved(&baseline, &window(&baseline, 5_000, 0.0, 70)), ["language"]);
        let verdict = baseline.judge(&window(&baseline, 5_000, 0.0, 70), &Rule::default());
        let what = &verdict.findings[0].what;
        assert_eq!((what.of.as_deref(), what.before, what.after), (Some("de"), Some(0.5), Some(0.3)));
    }

    #[test]
    fn a_number_that_goes_missing_has_moved() {
        let baseline = baseline(10_000);
        let mut window = window(&baseline, 5_000, 0.0, 50);
        (0..5_000).for_each(|_| window.numbers[0].add(baseline.numbers[0].1.edges(), None));
        assert_eq!(moved(&baseline, &window), ["length"]);
    }
}
