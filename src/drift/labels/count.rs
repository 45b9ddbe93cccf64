use super::{Contribution, Models, Said};
use crate::drift::{
    panes::{LabelSeries, LabelledArm},
    reliability::Labelled,
};

/// Arms of a task that a pane tells apart; others are not counted.
const ARMS_MAX: usize = 64;

/// What these predictions add, where `labels` is the truth; those whose model does not have the labels add nothing.
pub(super) fn contributions<'s>(
    said: impl IntoIterator<Item = &'s Said>,
    labels: &[String],
    task: &str,
    models: &Models,
) -> Vec<Contribution> {
    let contribution = |said: &Said| {
        let model = models.get(task, said.digest).filter(|model| model.takes(labels))?;
        Some(Contribution { said: said.clone(), truth: model.truth(labels) })
    };
    said.into_iter().filter_map(contribution).collect()
}

/// Puts them into a pane, and returns those that it took: an arm is of the bundle that came first.
pub(super) fn put(series: &mut LabelSeries, mut contributions: Vec<Contribution>) -> Vec<Contribution> {
    contributions.retain(|contribution| {
        let (arm, labels) = (&contribution.said.arm, contribution.truth.len());
        if !series.arms.contains_key(arm) && series.arms.len() < ARMS_MAX {
            let digest = contribution.said.digest.to_string();
            series.arms.insert(arm.clone(), LabelledArm { digest, labels: vec![Labelled::default(); labels] });
        }
        each(series, contribution, Labelled::add)
    });
    contributions
}

/// Takes out what was put in.
pub(super) fn take(series: &mut LabelSeries, contributions: &[Contribution]) {
    for contribution in contributions {
        each(series, contribution, Labelled::remove);
    }
}

/// False when the pane's arm is of another bundle, or not there.
fn each(series: &mut LabelSeries, of: &Contribution, with: fn(&mut Labelled, f64, bool, bool)) -> bool {
    let Contribution { said: Said { arm, digest, probabilities, said }, truth } = of;
    let is_it = |found: &&mut LabelledArm| found.digest == digest.to_string() && found.labels.len() == truth.len();
    let Some(found) = series.arms.get_mut(arm).filter(is_it) else { return false };
    let values = probabilities.iter().zip(said).zip(truth);
    found.labels.iter_mut().zip(values).for_each(|(labelled, ((&p, &said), &truth))| with(labelled, p, said, truth));
    true
}
