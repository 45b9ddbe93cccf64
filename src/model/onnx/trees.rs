//! Tree ensembles: random forests and boosted trees, from the attributes of their ONNX node to one flat array.
//!
//! ```text
//!  nodes: … │ x ≤ v ? ─┬─ child     │ …      the two children of a branch lie side by side, so a step is
//!           │          └─ child + 1 │ …      next = child + !(x[column] <= value), without a jump
//! ```
//!
//! A leaf compares with NaN, which is never true, and leads to itself. Several trees step at once, since each step of one
//! waits for the memory. Every mode of the specification becomes `<=`, with the branches swapped where it must be:
//! `x < v` is `x <= the number before v`, `x >= v` is not `x < v`. What is added, and what becomes of the sums, is what
//! onnxruntime does, also where the specification leaves it open.

use std::collections::{HashMap, HashSet, VecDeque};

use tract_onnx::pb::NodeProto;

/// Trees that step at the same time.
const LANES: usize = 8;
/// The node's two flags are in the highest bits of its column.
const NAN_IS_TRUE: u32 = 1 << 31;
const EQUALITY: u32 = 1 << 30;
const COLUMN: u32 = EQUALITY - 1;

/// A node that compares, or a leaf.
#[derive(Clone, Copy, Debug)]
struct Node {
    value: f32,
    /// With the flags.
    column: u32,
    /// Where to go if the comparison is true; else one further.
    child: u32,
}

impl Node {
    fn leaf(at: usize) -> Self {
        Self { value: f32::NAN, column: 0, child: (at as u32).wrapping_sub(1) }
    }
}

/// What a node of an ONNX graph says of its trees, ready to run.
#[derive(Debug)]
pub(super) struct Ensemble {
    /// The first is a leaf of nothing, for lanes that have no tree.
    nodes: Vec<Node>,
    /// Per node: where its weights lie; empty but for leaves.
    leaves: Vec<(u32, u32)>,
    /// (target, weight).
    weights: Vec<(u32, f32)>,
    roots: Vec<u32>,
    /// Whether a node has a flag.
    flagged: bool,
    /// Columns that a row must have.
    columns: usize,
    targets: usize,
    base: Vec<f32>,
    aggregate: Aggregate,
    transform: Transform,
    task: Task,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Aggregate {
    Sum,
    Average,
    Min,
    Max,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Transform {
    None,
    Softmax,
    Logistic,
    SoftmaxZero,
    Probit,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Task {
    Regression,
    Classes,
    /// Two classes with the weights of one: all positive, or of both signs.
    OneOfTwo {
        positive: bool,
    },
}

impl Ensemble {
    /// Reads a `TreeEnsembleClassifier` or `TreeEnsembleRegressor`; the error says what is wrong with it.
    pub(super) fn read(node: &NodeProto) -> Result<Self, String> {
        let attributes = Attributes(node);
        let classifier = node.op_type == "TreeEnsembleClassifier";
        attributes.refuse_doubles()?;
        let file = FileNodes::read(&attributes)?;
        let leaves = LeafWeights::read(&attributes, if classifier { "class" } else { "target" })?;
        let targets = if classifier { attributes.classes() } else { attributes.int("n_targets").unwrap_or(1) };
        let targets = usize::try_from(targets).ok().filter(|targets| (1..=10_000).contains(targets));
        let targets = targets.ok_or("it gives no usable number of classes or targets")?;
        if let Some(target) = leaves.weights.iter().map(|&(target, _)| target).find(|target| *target >= targets) {
            return Err(format!("a leaf is about target {target}; there are {targets}"));
        }
        let base = attributes.floats("base_values").to_vec();
        // Two classes have one, of the class that the leaves are about; with two, runtimes differ.
        let bases = if classifier && targets == 2 { 1 } else { targets };
        if !(base.is_empty() || base.len() == bases) {
            return Err(format!("base_values has {} numbers for {targets} classes or targets", base.len()));
        }
        let one_of_two = classifier && targets == 2 && leaves.is_about_one_target();
        let task = match classifier {
            false => Task::Regression,
            true if one_of_two => Task::OneOfTwo { positive: leaves.weights.iter().all(|&(_, weight)| weight >= 0.0) },
            true => Task::Classes,
        };
        let transform = attributes.transform()?;
        if one_of_two && transform == Transform::Probit {
            return Err("post_transform is PROBIT with one score for two classes; runtimes differ".into());
        }
        let mut ensemble = Self {
            nodes: vec![Node::leaf(0)],
            leaves: vec![(0, 0)],
            weights: Vec::new(),
            roots: Vec::new(),
            flagged: false,
            columns: 0,
            targets,
            base,
            aggregate: if classifier { Aggregate::Sum } else { attributes.aggregate()? },
            transform,
            task,
        };
        for root in file.roots()? {
            ensemble.place(&file, &leaves, root)?;
        }
        if ensemble.nodes.len() != file.len() + 1 {
            return Err("no branch leads to some nodes of a tree: they form a circle".into());
        }
        ensemble.flagged = ensemble.nodes.iter().any(|node| node.column & !COLUMN != 0);
        Ok(ensemble)
    }

    /// Lays out one tree, level by level.
    fn place(&mut self, file: &FileNodes, leaves: &LeafWeights, root: usize) -> Result<(), String> {
        self.roots.push(self.nodes.len() as u32);
        self.push();
        let mut queue = VecDeque::from([(root, self.nodes.len() - 1)]);
        while let Some((found, at)) = queue.pop_front() {
            let Some(branch) = file.branch(found)? else {
                let start = self.weights.len() as u32;
                self.weights.extend(leaves.of(file.key(found)).map(|(target, weight)| (target as u32, weight)));
                self.leaves[at] = (start, self.weights.len() as u32);
                continue;
            };
            let child = self.nodes.len();
            // Each node of the file is reached once: more are a circle, or a branch that two share.
            if child + 2 > file.len() + 1 {
                return Err("its nodes form a circle, or two branches lead to one node".into());
            }
            self.columns = self.columns.max((branch.column & COLUMN) as usize + 1);
            self.nodes[at] = Node { value: branch.value, column: branch.column, child: child as u32 };
            for next in branch.next {
                self.push();
                queue.push_back((next, self.nodes.len() - 1));
            }
        }
        Ok(())
    }

    fn push(&mut self) {
        self.nodes.push(Node::leaf(self.nodes.len()));
        self.leaves.push((0, 0));
    }

    /// Columns that a row must have.
    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    /// Numbers per row that come out.
    pub(super) fn outputs(&self) -> usize {
        self.targets
    }

    /// Writes [`Self::outputs`] numbers for each row of `width`, at least [`Self::columns`].
    pub(super) fn run(&self, rows: &[f32], width: usize, out: &mut Vec<f32>) {
        let count = rows.len().checked_div(width).unwrap_or_default();
        let mut sums = Sums { values: vec![0.0; count * self.targets], given: vec![false; count * self.targets] };
        for group in self.roots.chunks(LANES) {
            let mut lanes = [0; LANES];
            lanes[..group.len()].copy_from_slice(group);
            for (index, row) in rows.chunks_exact(width).enumerate() {
                let found = if self.flagged { self.walk::<true>(lanes, row) } else { self.walk::<false>(lanes, row) };
                for at in found {
                    let (start, end) = self.leaves[at as usize];
                    for &(target, weight) in &self.weights[start as usize..end as usize] {
                        sums.add(index * self.targets + target as usize, weight, self.aggregate);
                    }
                }
            }
        }
        let per_row = sums.values.chunks_exact_mut(self.targets).zip(sums.given.chunks_exact(self.targets));
        for (values, given) in per_row {
            self.finish(values, given);
            out.extend_from_slice(values);
        }
    }

    /// From the roots to the leaves.
    #[inline]
    fn walk<const FLAGGED: bool>(&self, mut lanes: [u32; LANES], row: &[f32]) -> [u32; LANES] {
        loop {
            let mut moved = 0;
            for at in &mut lanes {
                let node = self.nodes[*at as usize];
                let is_true = if FLAGGED {
                    let found = row[(node.column & COLUMN) as usize];
                    let compared = if node.column & EQUALITY == 0 { found <= node.value } else { found == node.value };
                    compared | (found.is_nan() & (node.column & NAN_IS_TRUE != 0))
                } else {
                    row[node.column as usize] <= node.value
                };
                let next = node.child.wrapping_add(u32::from(!is_true));
                moved |= next ^ *at;
                *at = next;
            }
            if moved == 0 {
                return lanes;
            }
        }
    }

    fn finish(&self, values: &mut [f32], given: &[bool]) {
        if self.aggregate == Aggregate::Average {
            values.iter_mut().for_each(|value| *value /= self.roots.len() as f32);
        }
        if self.targets == 2 && self.task != Task::Regression {
            return self.finish_two(values, given);
        }
        values.iter_mut().zip(&self.base).for_each(|(value, base)| *value += base);
        match (values, self.transform) {
            ([value], Transform::Probit) => *value = probit(*value),
            // As onnxruntime: a single score is not transformed.
            ([_], _) => {}
            (values, transform) => transform.apply(values),
        }
    }

    /// Two classes: their scores, or that of one of them, which says what the other's is.
    fn finish_two(&self, values: &mut [f32], given: &[bool]) {
        let base = self.base.first().copied().unwrap_or_default();
        values.iter_mut().for_each(|value| *value += base);
        if given[1] {
            return self.transform.apply(values);
        }
        let score = values[0];
        let pair = match (self.task, self.transform) {
            (_, Transform::Logistic) => [logistic(-score), logistic(score)],
            (Task::OneOfTwo { positive: true }, _) => [1.0 - score, score],
            _ => [-score, score],
        };
        values.copy_from_slice(&pair);
    }
}

/// What the leaves gave so far, per row and target.
struct Sums {
    values: Vec<f32>,
    given: Vec<bool>,
}

impl Sums {
    #[inline]
    fn add(&mut self, at: usize, weight: f32, aggregate: Aggregate) {
        let value = &mut self.values[at];
        *value = match aggregate {
            Aggregate::Min if self.given[at] => value.min(weight),
            Aggregate::Max if self.given[at] => value.max(weight),
            Aggregate::Min | Aggregate::Max => weight,
            Aggregate::Sum | Aggregate::Average => *value + weight,
        };
        self.given[at] = true;
    }
}

impl Transform {
    fn apply(self, values: &mut [f32]) {
        match self {
            Self::None => {}
            Self::Logistic => values.iter_mut().for_each(|value| *value = logistic(*value)),
            Self::Probit => values.iter_mut().for_each(|value| *value = probit(*value)),
            Self::Softmax | Self::SoftmaxZero => self.softmax(values),
        }
    }

    fn softmax(self, values: &mut [f32]) {
        let max = values.iter().copied().fold(f32::MIN, f32::max);
        let mut sum = 0.0;
        for value in &mut *values {
            if self == Self::SoftmaxZero && value.abs() <= 1e-7 {
                *value *= (-max).exp();
            } else {
                *value = (*value - max).exp();
                sum += *value;
            }
        }
        values.iter_mut().for_each(|value| *value /= sum);
    }
}

fn logistic(value: f32) -> f32 {
    let positive = 1.0 / (1.0 + (-value.abs()).exp());
    if value < 0.0 { 1.0 - positive } else { positive }
}

/// onnxruntime's approximation.
fn probit(value: f32) -> f32 {
    let x = 2.0 * value - 1.0;
    let log = ((1.0 - x) * (1.0 + x)).ln();
    #[expect(clippy::approx_constant, reason = "onnxruntime calculates with this one")]
    let v = 2.0 / (3.14159 * 0.147) + 0.5 * log;
    let v3 = -v + (v * v - log / 0.147).sqrt();
    std::f32::consts::SQRT_2 * v3.sqrt().copysign(x)
}

/// A comparison as it is laid out.
struct Branch {
    value: f32,
    column: u32,
    /// Where to go if true, if false: numbers of nodes in the file.
    next: [usize; 2],
}

/// The parallel lists of the file, which name nodes by tree and number.
struct FileNodes<'a> {
    trees: &'a [i64],
    ids: &'a [i64],
    columns: &'a [i64],
    values: &'a [f32],
    modes: Vec<Mode>,
    trues: &'a [i64],
    falses: &'a [i64],
    missing_are_true: &'a [i64],
    by_key: HashMap<(i64, i64), usize>,
}

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Leaf,
    LessOrEqual,
    Less,
    GreaterOrEqual,
    Greater,
    Equal,
    NotEqual,
}

impl<'a> FileNodes<'a> {
    fn read(attributes: &Attributes<'a>) -> Result<Self, String> {
        let ids = attributes.ints("nodes_nodeids");
        let count = ids.len();
        let same = |name: &str, found: usize| match found == count {
            true => Ok(()),
            false => Err(format!("{name} has {found} entries for {count} nodes")),
        };
        let ints = |name: &str| {
            let found = attributes.ints(name);
            same(name, found.len()).map(|()| found)
        };
        let values = attributes.floats("nodes_values");
        same("nodes_values", values.len())?;
        let modes = attributes.modes()?;
        same("nodes_modes", modes.len())?;
        let missing_are_true = attributes.ints("nodes_missing_value_tracks_true");
        if !missing_are_true.is_empty() {
            same("nodes_missing_value_tracks_true", missing_are_true.len())?;
        }
        let trees = ints("nodes_treeids")?;
        let keys = trees.iter().copied().zip(ids.iter().copied());
        let by_key: HashMap<_, _> = keys.zip(0..).collect();
        if by_key.len() != count || count == 0 {
            return Err(format!("{count} nodes have {} different numbers", by_key.len()));
        }
        Ok(Self {
            trees,
            ids,
            columns: ints("nodes_featureids")?,
            values,
            modes,
            trues: ints("nodes_truenodeids")?,
            falses: ints("nodes_falsenodeids")?,
            missing_are_true,
            by_key,
        })
    }

    fn len(&self) -> usize {
        self.ids.len()
    }

    fn key(&self, node: usize) -> (i64, i64) {
        (self.trees[node], self.ids[node])
    }

    /// The nodes that no branch leads to, in the order of the file.
    fn roots(&self) -> Result<Vec<usize>, String> {
        let mut is_child = vec![false; self.len()];
        for node in 0..self.len() {
            if let Some(branch) = self.branch(node)? {
                branch.next.iter().for_each(|&next| is_child[next] = true);
            }
        }
        let roots: Vec<usize> = (0..self.len()).filter(|&node| !is_child[node]).collect();
        let trees: HashSet<i64> = self.trees.iter().copied().collect();
        if roots.len() == trees.len() {
            Ok(roots)
        } else {
            Err(format!("{} trees have {} roots; a tree has one", trees.len(), roots.len()))
        }
    }

    /// None for a leaf.
    fn branch(&self, node: usize) -> Result<Option<Branch>, String> {
        let next = |id: i64| {
            let found = self.by_key.get(&(self.trees[node], id)).copied();
            found.ok_or_else(|| format!("a branch leads to node {id}, which tree {} has not", self.trees[node]))
        };
        let mode = self.modes[node];
        if mode == Mode::Leaf {
            return Ok(None);
        }
        let column = u32::try_from(self.columns[node]).ok().filter(|column| *column <= COLUMN);
        let column = column.ok_or_else(|| format!("a branch reads column {}", self.columns[node]))?;
        let value = self.values[node];
        let (yes, no) = (next(self.trues[node])?, next(self.falses[node])?);
        let swapped = matches!(mode, Mode::GreaterOrEqual | Mode::Greater | Mode::NotEqual);
        let value = match mode {
            Mode::Less | Mode::GreaterOrEqual => before(value),
            _ => value,
        };
        // A comparison with NaN is false, but for `!=`; or the node says where missing values go.
        let missing_is_true = self.missing_are_true.get(node).is_some_and(|&tracks| tracks != 0);
        let nan_is_yes = missing_is_true || mode == Mode::NotEqual;
        let equality = matches!(mode, Mode::Equal | Mode::NotEqual);
        let flags = if nan_is_yes != swapped { NAN_IS_TRUE } else { 0 } | if equality { EQUALITY } else { 0 };
        Ok(Some(Branch { value, column: column | flags, next: if swapped { [no, yes] } else { [yes, no] } }))
    }
}

/// The largest number below: `x < value` is `x <= before(value)`. Nothing is below -∞ and NaN.
fn before(value: f32) -> f32 {
    if value == f32::NEG_INFINITY { f32::NAN } else { value.next_down() }
}

/// The weights of the leaves, in order of tree and node.
struct LeafWeights {
    keys: Vec<(i64, i64)>,
    weights: Vec<(usize, f32)>,
}

impl LeafWeights {
    fn read(attributes: &Attributes, prefix: &str) -> Result<Self, String> {
        let ints = |name: &str| attributes.ints(&format!("{prefix}_{name}"));
        let (trees, nodes, targets) = (ints("treeids"), ints("nodeids"), ints("ids"));
        let weights = attributes.floats(&format!("{prefix}_weights"));
        let lengths = [trees.len(), nodes.len(), targets.len(), weights.len()];
        if lengths.iter().any(|length| *length != lengths[0]) {
            return Err(format!("{prefix}_treeids, _nodeids, _ids and _weights have {lengths:?} entries"));
        }
        let mut entries = Vec::with_capacity(weights.len());
        for (((&tree, &node), &target), &weight) in trees.iter().zip(nodes).zip(targets).zip(weights) {
            let target = usize::try_from(target).map_err(|_| format!("a leaf is about target {target}"))?;
            entries.push(((tree, node), (target, weight)));
        }
        entries.sort_by_key(|&(key, _)| key);
        let (keys, weights) = entries.into_iter().unzip();
        Ok(Self { keys, weights })
    }

    fn of(&self, key: (i64, i64)) -> impl Iterator<Item = (usize, f32)> {
        let start = self.keys.partition_point(|found| *found < key);
        let end = self.keys.partition_point(|found| *found <= key);
        self.weights[start..end].iter().copied()
    }

    fn is_about_one_target(&self) -> bool {
        self.weights.windows(2).all(|pair| pair[0].0 == pair[1].0)
    }
}

/// The attributes of a node by name; one that is missing is empty.
struct Attributes<'a>(&'a NodeProto);

impl<'a> Attributes<'a> {
    fn ints(&self, name: &str) -> &'a [i64] {
        self.0.attribute.iter().find(|found| found.name == name).map_or(&[], |found| &found.ints)
    }

    fn floats(&self, name: &str) -> &'a [f32] {
        self.0.attribute.iter().find(|found| found.name == name).map_or(&[], |found| &found.floats)
    }

    fn strings(&self, name: &str) -> &'a [Vec<u8>] {
        self.0.attribute.iter().find(|found| found.name == name).map_or(&[], |found| &found.strings)
    }

    fn int(&self, name: &str) -> Option<i64> {
        self.0.attribute.iter().find(|found| found.name == name).map(|found| found.i)
    }

    fn string(&self, name: &str) -> &'a [u8] {
        self.0.attribute.iter().find(|found| found.name == name).map_or(&[], |found| &found.s)
    }

    fn classes(&self) -> i64 {
        (self.ints("classlabels_int64s").len() + self.strings("classlabels_strings").len()) as i64
    }

    fn refuse_doubles(&self) -> Result<(), String> {
        match self.0.attribute.iter().find(|found| found.name.ends_with("_as_tensor")) {
            Some(found) => Err(format!("{} has 64-bit numbers; convert it with FloatTensorType inputs", found.name)),
            None => Ok(()),
        }
    }

    fn modes(&self) -> Result<Vec<Mode>, String> {
        let mode = |name: &Vec<u8>| match name.as_slice() {
            b"LEAF" => Ok(Mode::Leaf),
            b"BRANCH_LEQ" => Ok(Mode::LessOrEqual),
            b"BRANCH_LT" => Ok(Mode::Less),
            b"BRANCH_GTE" => Ok(Mode::GreaterOrEqual),
            b"BRANCH_GT" => Ok(Mode::Greater),
            b"BRANCH_EQ" => Ok(Mode::Equal),
            b"BRANCH_NEQ" => Ok(Mode::NotEqual),
            other => Err(format!("a node has the mode {:?}", String::from_utf8_lossy(other))),
        };
        self.strings("nodes_modes").iter().map(mode).collect()
    }

    fn transform(&self) -> Result<Transform, String> {
        match self.string("post_transform") {
            b"" | b"NONE" => Ok(Transform::None),
            b"SOFTMAX" => Ok(Transform::Softmax),
            b"LOGISTIC" => Ok(Transform::Logistic),
            b"SOFTMAX_ZERO" => Ok(Transform::SoftmaxZero),
            b"PROBIT" => Ok(Transform::Probit),
            other => Err(format!("post_transform is {:?}", String::from_utf8_lossy(other))),
        }
    }

    fn aggregate(&self) -> Result<Aggregate, String> {
        match self.string("aggregate_function") {
            b"" | b"SUM" => Ok(Aggregate::Sum),
            b"AVERAGE" => Ok(Aggregate::Average),
            b"MIN" => Ok(Aggregate::Min),
            b"MAX" => Ok(Aggregate::Max),
            other => Err(format!("aggregate_function is {:?}", String::from_utf8_lossy(other))),
        }
    }
}
