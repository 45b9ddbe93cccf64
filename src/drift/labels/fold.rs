use std::{sync::Arc, time::Instant};

use super::{
    Contribution, Found, Index, Models, Past, Remembered, Ruling, Table, Wanted, count,
    read::{Learnt, Reader, Truth, What},
    rule,
};
use crate::{
    codec::Schemas,
    config,
    drift::panes::{LabelPane, LabelSeries, Place},
    fault::Fault,
    ops::metrics::{LabelLookup, Metrics},
    stream::Chunk,
};

/// What the job keeps of the partitions of labels.
pub trait Lane {
    /// The place of a time, to which the partition's watermark moves on.
    fn place(&mut self, partition: i32, time_ms: i64) -> Place;

    /// The oldest pane that is open, where records count that have no time; none of a partition that is not here.
    fn oldest(&mut self, partition: i32) -> Option<&mut LabelPane>;

    /// The pane that starts then; none once it is closed.
    fn pane(&mut self, partition: i32, start_ms: i64) -> Option<&mut LabelPane>;

    /// What was learnt from the partition.
    fn table(&mut self, partition: i32) -> &mut Table;
}

/// Puts labels together with predictions, and counts.
pub struct Labels<P> {
    models: Arc<Models>,
    index: Index,
    past: P,
    schemas: Arc<Schemas>,
    metrics: Arc<Metrics>,
    delay_ms_max: u64,
    future_ms_max: i64,
}

impl<P: Past> Labels<P> {
    /// For these models; `index` is what the lane of the predictions writes.
    pub fn new(
        drift: &config::Drift,
        models: Arc<Models>,
        index: Index,
        past: P,
        schemas: Arc<Schemas>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let delay_ms_max = drift.labels.delay_seconds_max * 1_000;
        let future_ms_max = drift.future_seconds_max as i64 * 1_000;
        Self { models, index, past, schemas, metrics, delay_ms_max, future_ms_max }
    }

    /// Counts a chunk of labels. Everything that is looked up is looked up first, so that one reading back serves all.
    ///
    /// # Errors
    /// [`Fault`] before anything was counted, while a schema is not known or predictions cannot be read back: the same
    /// records are to be read again. `go_on` is asked on the way.
    pub fn fold(&mut self, chunk: &Chunk, lane: &mut impl Lane, go_on: &dyn Fn() -> bool) -> Result<(), Fault> {
        let Self { schemas, models, future_ms_max, .. } = self;
        let learnt = Reader { schemas, models, future_ms_max: *future_ms_max }.read(chunk)?;
        let found = self.look_up(&learnt, lane, go_on)?;
        learnt.iter().zip(found).for_each(|(learnt, found)| self.count(learnt, found.as_ref(), lane));
        Ok(())
    }

    /// The prediction of each label whose message is not known already.
    fn look_up(
        &mut self,
        learnt: &[Learnt],
        lane: &mut impl Lane,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Vec<Option<Found>>, Fault> {
        let new = |(number, of): (usize, &'_ Learnt)| match &of.what {
            // Any of the chunk may push it out of the table before its turn.
            What::Truth(truth) if !lane.table(of.partition).will_know(&truth.message_id, &truth.task, learnt.len()) => {
                Some(number)
            }
            _ => None,
        };
        let numbers: Vec<usize> = learnt.iter().enumerate().filter_map(new).collect();
        let wanted: Vec<(usize, Wanted<'_>)> =
            numbers.into_iter().filter_map(|number| Some((number, learnt[number].truth()?.wanted()))).collect();
        let mut answers = vec![None; learnt.len()];
        let mut past = Vec::new();
        for ((number, wanted), found) in wanted.iter().zip(self.index.find(wanted.iter().map(|(_, wanted)| wanted))) {
            match found {
                Some((rank, found)) if wanted.hints.is_exact(rank) || wanted.hints.read_back().is_none() => {
                    answers[*number] = Some(found);
                }
                _ if wanted.hints.read_back().is_some() => past.push((*number, *wanted)),
                _ => {}
            }
        }
        let answered = |answers: &[Option<Found>]| answers.iter().flatten().count() as u64;
        let from_index = answered(&answers);
        if !past.is_empty() {
            let start = Instant::now();
            let wanted: Vec<_> = past.iter().map(|(_, wanted)| *wanted).collect();
            let found = self.past.find(&wanted, go_on)?;
            past.iter().zip(found).for_each(|((number, _), found)| answers[*number] = found);
            self.metrics.drift().read_back(start.elapsed());
        }
        let (drift, found) = (self.metrics.drift(), answered(&answers));
        drift.label_lookups(LabelLookup::Index, from_index);
        drift.label_lookups(LabelLookup::ReadBack, found - from_index);
        drift.label_lookups(LabelLookup::Nowhere, wanted.len() as u64 - found);
        Ok(answers)
    }

    fn count(&self, learnt: &Learnt, found: Option<&Found>, lane: &mut impl Lane) {
        // When it was written says nothing of the labels around it, which may be old: time stays where it is.
        let Some(time_ms) = learnt.time_ms else {
            return lane.oldest(learnt.partition).into_iter().for_each(|pane| pane.unreadable += 1);
        };
        let start = match lane.place(learnt.partition, time_ms) {
            Place::Open(start) => start,
            Place::Late(oldest) => {
                lane.pane(learnt.partition, oldest).into_iter().for_each(|pane| pane.late += 1);
                return;
            }
        };
        let Some(pane) = lane.pane(learnt.partition, start) else { return };
        match &learnt.what {
            What::Unreadable => pane.unreadable += 1,
            What::Unknown(task) => series(pane, task).unknown += 1,
            What::Truth(truth) => match lane.table(learnt.partition).get(&truth.message_id, &truth.task).cloned() {
                Some(known) => self.again(learnt.partition, start, &known, truth, lane),
                None => self.first(learnt, start, truth, found, lane),
            },
        }
    }

    fn first(&self, learnt: &Learnt, start: i64, truth: &Truth, found: Option<&Found>, lane: &mut impl Lane) {
        let Some(pane) = lane.pane(learnt.partition, start) else { return };
        let series = series(pane, &truth.task);
        let Some(found) = found else { return series.unmatched += 1 };
        let delay_ms = truth.weight.labelled_at.saturating_sub(found.judged.decided_at);
        if u64::try_from(delay_ms).is_ok_and(|delay_ms| delay_ms > self.delay_ms_max) {
            return series.too_old += 1;
        }
        let contributions = count::contributions(&found.said, &truth.labels, &truth.task, &self.models);
        if contributions.is_empty() {
            return series.unknown += 1;
        }
        series.joined += 1;
        let remembered = Remembered {
            message_id: truth.message_id.clone(),
            task: truth.task.clone(),
            first_offset: learnt.offset,
            pane: start,
            weight: truth.weight,
            labels: truth.labels.clone(),
            contributions: count::put(series, contributions),
        };
        lane.table(learnt.partition).insert(remembered);
    }

    /// A label of a message that has one.
    fn again(&self, partition: i32, start: i64, known: &Remembered, truth: &Truth, lane: &mut impl Lane) {
        let is_open = lane.pane(partition, known.pane).is_some();
        let ruling = rule((known.weight, &known.labels), (truth.weight, &truth.labels), is_open);
        let said = known.contributions.iter().map(|contribution| &contribution.said);
        let instead = count::contributions(said, &truth.labels, &truth.task, &self.models);
        // Another bundle may have been configured since.
        let is_unknown = ruling == Ruling::Corrected && instead.is_empty() && !known.contributions.is_empty();
        let Some(pane) = lane.pane(partition, start) else { return };
        let series = series(pane, &truth.task);
        match ruling {
            _ if is_unknown => series.unknown += 1,
            Ruling::Contradicted => series.contradicted += 1,
            Ruling::Repeated => {
                series.repeated += 1;
                if truth.weight > known.weight {
                    let heavier = |known: &mut Remembered| known.weight = truth.weight;
                    lane.table(partition).update(&truth.message_id, &truth.task, heavier);
                }
            }
            Ruling::Corrected => {
                series.corrected += 1;
                correct(partition, known, truth, instead, lane);
            }
        }
    }
}

/// In the pane of the first label: its contributions go, the others come.
fn correct(partition: i32, known: &Remembered, truth: &Truth, instead: Vec<Contribution>, lane: &mut impl Lane) {
    let Some(pane) = lane.pane(partition, known.pane) else { return };
    let series = series(pane, &truth.task);
    count::take(series, &known.contributions);
    let contributions = count::put(series, instead);
    lane.table(partition).update(&truth.message_id, &truth.task, |known| {
        (known.weight, known.labels, known.contributions) = (truth.weight, truth.labels.clone(), contributions);
    });
}

fn series<'p>(pane: &'p mut LabelPane, task: &str) -> &'p mut LabelSeries {
    pane.tasks.entry(task.to_owned()).or_default()
}

#[cfg(test)]
mod tests;
