use std::sync::Arc;

use super::Case;
use crate::{
    decision::Calibrator,
    features::{
        text,
        tfidf::Terms,
        vector::{self, Rows},
    },
    model::{Bundle, Model, ScoreError},
    records::{Action, Decision},
};

/// Name of the task and of the arm in decisions that leave both out.
const UNNAMED: &str = "";

/// A bundle with the memory to judge batches, used again and again.
pub struct Judge {
    model: Model,
    /// The bundle's calibrator with nothing fitted.
    uncalibrated: Calibrator,
    /// Per user feature of the bundle, its place among those of a case.
    places: Vec<usize>,
    text: text::Scratch,
    user: Vec<f64>,
    raw: Vec<Option<f64>>,
    /// Those of all cases, one after the other.
    features: Vec<Option<f64>>,
    scratch: vector::Scratch,
    rows: Rows,
    terms: Vec<Terms>,
}

/// What became of a case.
#[derive(Debug)]
pub struct Judgement<'a> {
    /// As a verdict would carry it, but for the names of task and arm.
    pub decision: Decision<'a>,
    /// What to do with the message.
    pub action: Action,
    /// One per label, 0..=1, in the order of the bundle's labels.
    pub probabilities: &'a [f32],
    /// The same before calibration: the graph's probabilities, or sigmoid or softmax of its scores.
    pub uncalibrated: Vec<f32>,
    /// Before clipping and scaling, in the order of the bundle's contract; none is missing.
    pub features: &'a [Option<f64>],
    /// Share of the text's terms that the vocabulary lacks, 0..=1.
    pub unknown_term_ratio: Option<f64>,
}

impl Judge {
    /// For cases whose user features have these names.
    ///
    /// # Errors
    /// [`ScoreError`], when the model has no working memory to give.
    pub fn new(bundle: Arc<Bundle>, user_names: &[String]) -> Result<Self, ScoreError> {
        let needed = bundle.transformer().contract().user_names().iter();
        let places = needed.filter_map(|needed| user_names.iter().position(|name| name == needed)).collect();
        Ok(Self {
            uncalibrated: bundle.calibrator().without(),
            model: Model::new(bundle)?,
            places,
            text: text::Scratch::default(),
            user: Vec::new(),
            raw: Vec::new(),
            features: Vec::new(),
            scratch: vector::Scratch::default(),
            rows: Rows::default(),
            terms: Vec::new(),
        })
    }

    /// The bundle that judges.
    pub fn bundle(&self) -> &Bundle {
        self.model.bundle()
    }

    /// Judges `cases`; the judgements before are forgotten.
    ///
    /// # Errors
    /// [`ScoreError`], when the graph fails on them.
    pub fn judge(&mut self, cases: &[Case]) -> Result<(), ScoreError> {
        self.rows.clear();
        self.terms.clear();
        self.features.clear();
        let bundle = Arc::clone(self.model.bundle());
        for Case { heard, user, .. } in cases {
            self.user.clear();
            self.user.extend(self.places.iter().map(|&place| user[place]));
            let contract = bundle.transformer().contract();
            let text = match contract.uses_text_features() {
                true => text::extract(&heard.text, &mut self.text),
                false => Default::default(),
            };
            contract.raw(&text, &self.user, &mut self.raw);
            self.features.extend_from_slice(&self.raw);
            self.terms.push(bundle.transformer().push(&self.raw, &heard.text, &mut self.scratch, &mut self.rows));
        }
        self.model.score(&self.rows)?;
        self.model.decide();
        Ok(())
    }

    /// What became of the case with this index among those judged last. Panics past them.
    pub fn judgement(&self, case: usize) -> Judgement<'_> {
        let mut uncalibrated = Vec::new();
        let width = self.bundle().transformer().numeric();
        self.uncalibrated.apply(self.model.raw(case), &mut uncalibrated);
        Judgement {
            decision: self.model.decision(case, UNNAMED, UNNAMED),
            action: self.model.outcomes()[case].action,
            probabilities: self.model.probabilities(case),
            uncalibrated,
            features: &self.features[case * width..(case + 1) * width],
            unknown_term_ratio: self.terms[case].unknown_ratio(),
        }
    }
}
