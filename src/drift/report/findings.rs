//! What a window says of each number and category, as the record has it.

use super::{
    distribution::{of_category, of_number, whole},
    finite,
};
use crate::{
    drift::{Baseline, Finding, Kind, Statistic, Test, Verdict, Window, sketch::Counts},
    records::{DriftFinding, DriftStatistic, DriftTest, FeatureKind},
};

/// In the order of the verdict.
pub(super) fn findings(verdict: Verdict, baseline: &Baseline, window: &Window) -> Vec<DriftFinding> {
    verdict.findings.into_iter().map(|finding| one(finding, baseline, window)).collect()
}

fn one(finding: Finding, baseline: &Baseline, window: &Window) -> DriftFinding {
    let (mut outside, mut distribution) = (0.0, Vec::new());
    match finding.kind {
        Kind::Number => {
            let mut numbers = baseline.numbers.iter().zip(&window.numbers);
            if let Some(((_, reference), counts)) = numbers.find(|((name, _), _)| *name == finding.name) {
                (outside, distribution) = (share_outside(counts), of_number(reference, counts));
            }
        }
        Kind::Category => {
            let mut categories = baseline.categories.iter().zip(&window.categories);
            if let Some(((_, known), found)) = categories.find(|((name, _), _)| *name == finding.name) {
                distribution = of_category(known, found);
            }
        }
    }
    DriftFinding {
        name: finding.name,
        kind: match finding.kind {
            Kind::Number => FeatureKind::Number,
            Kind::Category => FeatureKind::Category,
        },
        moved: finding.moved,
        too_few: finding.too_few,
        values_before: whole(finding.values_before),
        values: whole(finding.values_after),
        missing_before: finite(finding.what.missing_before),
        missing: finite(finding.what.missing_after),
        outside,
        of: finding.what.of,
        before: finding.what.before.map(finite),
        after: finding.what.after.map(finite),
        tests: finding.tests.into_iter().map(test).collect(),
        distribution,
    }
}

/// Below the least or above the largest number of the reference, 0..=1.
fn share_outside(counts: &Counts) -> f64 {
    (counts.below() + counts.above()) as f64 / counts.numbers().max(1) as f64
}

fn test(test: Test) -> DriftTest {
    DriftTest {
        statistic: match test.statistic {
            Statistic::Ks => DriftStatistic::Ks,
            Statistic::Mean => DriftStatistic::Mean,
            Statistic::Psi => DriftStatistic::Psi,
            Statistic::JensenShannon => DriftStatistic::JensenShannon,
            Statistic::CramersV => DriftStatistic::CramersV,
        },
        effect: finite(test.effect),
        floor: finite(test.floor),
        p_value: finite(test.p_value),
        q_value: finite(test.q_value),
        moved: test.moved,
    }
}
