//! From what was counted in a window to its reports, one for each task and arm.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    alarms::Series,
    assembly::{Counted, Ended},
};
use crate::{
    drift::{
        panes::{LabelPane, PredictionPane},
        reference::BundleReference,
        report::{self, Alarms, AnyLabels, AnyPredictions, Gathered, Judging},
    },
    model::Bundle,
    pipeline::Task,
    records::{DriftReport, ModelRef},
};

/// The tasks that have a reference, and by what their windows are judged.
#[derive(Clone)]
pub(super) struct Reporter {
    tasks: Vec<(String, Arc<Bundle>)>,
    judging: Judging,
}

impl Reporter {
    pub(super) fn new(tasks: &[Task], judging: Judging) -> Self {
        let watched = tasks.iter().filter(|task| task.bundle.drift_reference().is_some());
        Self { tasks: watched.map(|task| (task.name.clone(), Arc::clone(&task.bundle))).collect(), judging }
    }

    fn task(&self, name: &str) -> Option<(&Bundle, &BundleReference)> {
        let (_, bundle) = self.tasks.iter().find(|(known, _)| known == name)?;
        Some((bundle, bundle.drift_reference()?))
    }

    /// Tasks and arms that a window has something of, in the order of their names.
    pub(super) fn series(&self, counted: &Counted) -> BTreeSet<(String, String)> {
        let Counted { predictions: PredictionPane { tasks: predicted, .. }, labels: LabelPane { tasks: labelled, .. } } =
            counted;
        let predicted = predicted.iter().flat_map(|(task, arms)| arms.keys().map(move |arm| (task, arm)));
        let labelled = labelled.iter().flat_map(|(task, series)| series.arms.keys().map(move |arm| (task, arm)));
        let all = predicted.chain(labelled).filter(|(task, _)| self.task(task).is_some());
        all.map(|(task, arm)| (task.clone(), arm.clone())).collect()
    }

    /// What a window says of a task and arm, and the alarms after it; none of a task that has no reference.
    pub(super) fn report(
        &self,
        (window, task, arm): &Series,
        ended: Ended,
        Counted { predictions, labels }: &Counted,
        before: Alarms,
    ) -> Option<(DriftReport, Alarms)> {
        let (bundle, reference) = self.task(task)?;
        let model: ModelRef<'_> = bundle.reference(arm);
        let gathered = Gathered {
            window,
            start_ms: ended.start_ms,
            end_ms: ended.end_ms,
            task,
            arm,
            model: &model,
            reference,
            predictions: predictions.tasks.get(task).and_then(|arms| arms.get(arm)),
            any_predictions: AnyPredictions {
                late: predictions.late,
                clamped: predictions.clamped,
                unreadable: predictions.unreadable,
            },
            labels: labels.tasks.get(task),
            any_labels: AnyLabels { late: labels.late, unreadable: labels.unreadable },
        };
        Some(report::build(&gathered, &self.judging, before))
    }
}
