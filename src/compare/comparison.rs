use serde::Serialize;

use super::{
    SliceReport, Spread,
    slices::{Slice, Slices},
    spread::Moved,
};
use crate::{
    classify::{Case, Judgement},
    records::Action,
};

/// Two bundles, message by message.
#[derive(Debug)]
pub struct Comparison {
    common: Vec<Common>,
    messages: u64,
    flips: u64,
    label_flips: u64,
    /// By the action of A, then of B.
    actions: [[u64; 3]; 3],
    truths: Truths,
    truths_not_compared: u64,
    slices: Slices,
    moves: Vec<Move>,
    moves_max: usize,
    /// Per message the largest of its labels.
    largest: Moved,
}

/// A label that both know.
#[derive(Debug)]
struct Common {
    label: String,
    /// Its index in A and in B.
    places: [usize; 2],
    said: [u64; 2],
    gained: u64,
    lost: u64,
    moved: Moved,
}

/// What one bundle says of a message.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Said {
    /// What is done.
    pub action: Action,
    /// Labels that were chosen.
    pub labels: Vec<String>,
    /// Of the label that moved most, 0..=1.
    pub probability: f32,
}

/// A message whose probabilities moved far.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Move {
    /// Line in the file, from 1.
    pub line: u64,
    /// As the file gives it.
    pub message_id: Option<String>,
    /// The label that moved most.
    pub label: String,
    /// By A.
    pub a: Said,
    /// By B.
    pub b: Said,
    /// The true labels, where the file has them.
    pub truth: Option<Vec<String>>,
}

/// Messages with labels that both know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Truths {
    /// Messages with labels that both know.
    pub messages: u64,
    /// Right by both.
    pub right: u64,
    /// Wrong by both.
    pub wrong: u64,
    /// Wrong by A, right by B.
    pub better: u64,
    /// Right by A, wrong by B.
    pub worse: u64,
}

/// A label that both know.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LabelMoves {
    /// The label.
    pub label: String,
    /// Messages that A says it of.
    pub said_a: u64,
    /// Messages that B says it of.
    pub said_b: u64,
    /// Only B says it.
    pub gained: u64,
    /// Only A says it.
    pub lost: u64,
    /// How far its probability moved.
    pub moved: Option<Spread>,
}

/// What it came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ComparisonReport {
    /// Messages that both judged.
    pub messages: u64,
    /// With another action or other labels.
    pub flips: u64,
    /// 0..=1; none of no messages.
    pub flips_share: Option<f64>,
    /// With another action.
    pub action_flips: u64,
    /// With other labels, of those that both know.
    pub label_flips: u64,
    /// Messages by the action of A (rows) and of B: ALLOW, REVIEW, BLOCK.
    pub actions: [[u64; 3]; 3],
    /// Labels that both know.
    pub labels: Vec<LabelMoves>,
    /// There are none: only actions are compared.
    pub no_common_label: bool,
    /// How far the label that moved most did.
    pub moved: Option<Spread>,
    /// None where no message has labels that both know.
    pub truths: Option<Truths>,
    /// Messages with labels that not both know: they are neither right nor wrong here.
    pub truths_not_compared: u64,
    /// By language, text length and true label.
    pub slices: Vec<SliceReport>,
    /// The farthest first.
    pub moves: Vec<Move>,
}

impl Comparison {
    /// Of bundles with these labels; so many of the largest moves are kept.
    pub fn new(a: &[String], b: &[String], moves_max: usize) -> Self {
        let common = a.iter().enumerate().filter_map(|(index, label)| {
            let there = b.iter().position(|other| other == label)?;
            let (label, places, moved) = (label.clone(), [index, there], Moved::new());
            Some(Common { label, places, said: [0; 2], gained: 0, lost: 0, moved })
        });
        Self {
            common: common.collect(),
            messages: 0,
            flips: 0,
            label_flips: 0,
            actions: [[0; 3]; 3],
            truths: Truths::default(),
            truths_not_compared: 0,
            slices: Slices::default(),
            moves: Vec::new(),
            moves_max,
            largest: Moved::new(),
        }
    }

    /// Labels that both know.
    pub fn common(&self) -> impl Iterator<Item = &str> {
        self.common.iter().map(|common| common.label.as_str())
    }

    /// One message, judged by both.
    pub fn add(&mut self, case: &Case, a: &Judgement<'_>, b: &Judgement<'_>) {
        let (mut labels_flip, mut farthest) = (false, None);
        for (index, common) in self.common.iter_mut().enumerate() {
            labels_flip |= common.add(a, b);
            let distance = (common.probability(1, b) - common.probability(0, a)).abs();
            if farthest.is_none_or(|(_, most)| distance > most) {
                farthest = Some((index, distance));
            }
        }
        let action_flips = a.action != b.action;
        let flips = action_flips || labels_flip;
        self.messages += 1;
        self.flips += u64::from(flips);
        self.label_flips += u64::from(labels_flip);
        self.actions[a.action as usize][b.action as usize] += 1;
        let [better, worse] = self.judge(case, a, b);
        let [flips, action_flips, better, worse] = [flips, action_flips, better, worse].map(u64::from);
        self.slices.add(case, Slice { messages: 1, flips, action_flips, better, worse });
        if let Some((index, distance)) = farthest {
            let common = &self.common[index];
            self.largest.add(common.probability(1, b) - common.probability(0, a));
            self.keep(index, distance, case, a, b);
        }
    }

    /// What it came to.
    pub fn report(&self) -> ComparisonReport {
        let kept: u64 = (0..3).map(|action| self.actions[action][action]).sum();
        ComparisonReport {
            messages: self.messages,
            flips: self.flips,
            flips_share: (self.messages > 0).then(|| self.flips as f64 / self.messages as f64),
            action_flips: self.messages - kept,
            label_flips: self.label_flips,
            actions: self.actions,
            labels: self.common.iter().map(Common::report).collect(),
            no_common_label: self.common.is_empty(),
            moved: self.largest.spread(),
            truths: (self.truths.messages > 0).then_some(self.truths),
            truths_not_compared: self.truths_not_compared,
            slices: self.slices.report(),
            moves: self.moves.clone(),
        }
    }

    /// Whether it became better, or worse.
    fn judge(&mut self, case: &Case, a: &Judgement<'_>, b: &Judgement<'_>) -> [bool; 2] {
        // Of what none or only one of them knows, neither can be right or wrong.
        let known = |truth: &&Vec<String>| truth.iter().all(|label| self.common().any(|common| common == label));
        let Some(truth) = case.truth.as_ref().filter(|_| !self.common.is_empty()).filter(known) else {
            self.truths_not_compared += u64::from(case.truth.is_some());
            return [false; 2];
        };
        let right = |judgement: &Judgement<'_>| {
            let as_is = |common: &Common| truth.contains(&common.label) == says(judgement, &common.label);
            self.common.iter().all(as_is)
        };
        let (before, after) = (right(a), right(b));
        self.truths.messages += 1;
        *match (before, after) {
            (true, true) => &mut self.truths.right,
            (false, false) => &mut self.truths.wrong,
            (false, true) => &mut self.truths.better,
            (true, false) => &mut self.truths.worse,
        } += 1;
        [!before && after, before && !after]
    }

    /// Among the largest moves, if it is one; of equal ones the first lines.
    fn keep(&mut self, index: usize, distance: f32, case: &Case, a: &Judgement<'_>, b: &Judgement<'_>) {
        let far = |of: &Move| (of.b.probability - of.a.probability).abs();
        let full = self.moves.len() >= self.moves_max;
        if distance == 0.0 || (full && self.moves.last().is_none_or(|last| far(last) >= distance)) {
            return;
        }
        let common = &self.common[index];
        let said = |side: usize, judgement: &Judgement<'_>| Said {
            action: judgement.action,
            labels: judgement.decision.labels.iter().map(|label| label.to_string()).collect(),
            probability: common.probability(side, judgement),
        };
        let one = Move {
            line: case.line,
            message_id: case.message_id.clone(),
            label: common.label.clone(),
            a: said(0, a),
            b: said(1, b),
            truth: case.truth.clone(),
        };
        let place = self.moves.partition_point(|before| far(before) >= distance);
        self.moves.insert(place, one);
        self.moves.truncate(self.moves_max);
    }
}

impl Common {
    /// Whether one says it and the other does not.
    fn add(&mut self, a: &Judgement<'_>, b: &Judgement<'_>) -> bool {
        let said = [says(a, &self.label), says(b, &self.label)];
        for (count, said) in self.said.iter_mut().zip(said) {
            *count += u64::from(said);
        }
        self.lost += u64::from(said == [true, false]);
        self.gained += u64::from(said == [false, true]);
        let moved = self.probability(1, b) - self.probability(0, a);
        self.moved.add(moved);
        said[0] != said[1]
    }

    fn probability(&self, side: usize, judgement: &Judgement<'_>) -> f32 {
        judgement.probabilities[self.places[side]]
    }

    fn report(&self) -> LabelMoves {
        let (label, [said_a, said_b]) = (self.label.clone(), self.said);
        LabelMoves { label, said_a, said_b, gained: self.gained, lost: self.lost, moved: self.moved.spread() }
    }
}

fn says(judgement: &Judgement<'_>, label: &str) -> bool {
    judgement.decision.labels.iter().any(|said| *said == label)
}
