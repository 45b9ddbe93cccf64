//! Runs a model's graph: ONNX through tract, on this thread.
//!
//! ```text
//!  Rows (sparse) ─► first layer ─► tiles of dense rows ─► the rest of the graph, optimized once ─► Scores
//! ```
//!
//! The batch dimension is symbolic, so one plan serves every number of rows. A tile stays in the processor's cache and
//! bounds what a lane holds, however many rows a chunk has. A graph that does not begin with a matrix product reads
//! whole rows, spread out.

mod first_layer;
mod import;
mod lower;
mod tree_op;
mod trees;

use std::{ops::Range, panic, sync::Arc};

use thiserror::Error;
use tract_onnx::{
    prelude::*,
    tract_hir::{internal::DimLike, tract_core::dims},
};

use self::{first_layer::FirstLayer, import::Imported};
use super::Graph;
use crate::{decision::Gives, features::vector::Rows};

/// Numbers of a tile, so that it stays in the cache ...
const TILE_NUMBERS: usize = 32 * 1024;
/// ... but for rows that are very wide: fewer would cost more in calls than the cache gives ...
const TILE_ROWS_MIN: usize = 64;
/// ... and for narrow ones: a chunk has no more.
pub const TILE_ROWS_MAX: usize = 512;
/// A probability may leave 0..=1 by so much, from rounding.
const ROUNDING_MAX: f32 = 1e-5;

/// Why a graph cannot be used.
#[derive(Debug, Error)]
#[allow(missing_docs)] // The messages say it.
pub enum GraphError {
    #[error("this is no ONNX model, or it is cut short; export it again")]
    NotOnnx,
    #[error("the graph uses version {found} of the operators {domain}; export it with target_opset={max} or less")]
    Opset { domain: &'static str, found: i64, max: i64 },
    #[error("the graph has the inputs {found:?}; export it with one, of all columns")]
    Inputs { found: Vec<String> },
    #[error("the input {name} is of type {found}; {remedy}")]
    InputType { name: String, found: String, remedy: &'static str },
    #[error("the input {name} has {found} axes; a model reads rows of columns")]
    InputRank { name: String, found: usize },
    #[error(
        "the input {name} is for {found} rows at a time; export it with a dynamic first axis: \
         FloatTensorType([None, columns]), or dynamic_axes and dynamic_shapes of torch.onnx.export"
    )]
    FixedRows { name: String, found: i64 },
    #[error("the graph has {found} nodes; that is no classifier of rows")]
    Nodes { found: usize },
    #[error("the graph has sparse tensors; export it with dense ones")]
    Sparse,
    #[error("the output {name} is made of the label; name the output of probabilities or scores")]
    Labels { name: String },
    #[error("the graph reads {name}, which nothing before it makes; it is malformed, export it again")]
    Dangling { name: String },
    #[error("the operator {operator} does not run here; {remedy}")]
    Operator { operator: String, remedy: &'static str },
    #[error("a {operator} is not usable: {problem}")]
    Node { operator: String, problem: String },
    #[error("the tensor {name} lies outside of the file (external data); export all in one file: external_data=False")]
    External { name: String },
    #[error("the tensor {name} is of type {found}; export the model with 32-bit numbers")]
    TensorType { name: String, found: String },
    #[error("the tensor {name} says that it has the shape {dims:?}, but {found} numbers are there")]
    TensorSize { name: String, dims: Vec<i64>, found: usize },
    #[error("the graph cannot be read as ONNX")]
    Parse { source: TractError },
    #[error("the graph makes the ONNX reader panic; it is malformed or needs too much memory, export it again")]
    Panic,
    #[error("the graph reads the input {found:?}; it must be {expected:?}")]
    Input { expected: String, found: String },
    #[error("the input {name} does not say how many columns it has; export it with FloatTensorType([None, columns])")]
    Columns { name: String },
    #[error("the graph has no output {expected:?}; it has {found:?}")]
    Output { expected: String, found: Vec<String> },
    #[error("the graph reads {graph} columns; the bundle gives {numeric} numeric features and {terms} terms")]
    Width { numeric: usize, terms: usize, graph: usize },
    #[error("the graph cannot be prepared for rows of {width} 32-bit numbers")]
    Prepare { width: usize, source: TractError },
    #[error("the output is {found}; it must be a fixed number of 32-bit numbers a row")]
    Classes { found: String },
}

/// Why rows were not scored. None of these is the fault of a message.
#[derive(Debug, Error)]
#[allow(missing_docs)] // The messages say it.
pub enum ScoreError {
    #[error("the graph failed on {rows} rows")]
    Run { rows: usize, source: TractError },
    #[error("the graph gave {found} numbers for {rows} rows of {classes} classes")]
    Shape { rows: usize, classes: usize, found: usize },
    #[error("the graph gave {found} for row {row}, which is no probability or score")]
    NotAProbability { row: usize, found: f32 },
}

/// A graph made ready. Shared by all lanes; what a run changes is in [`State`].
#[derive(Clone, Debug)]
pub struct Scorer {
    plan: Arc<TypedRunnableModel>,
    /// None when the graph does not begin with a matrix product.
    first: Option<Arc<FirstLayer>>,
    /// Columns of a row.
    columns: usize,
    /// Columns that the plan reads.
    width: usize,
    classes: usize,
    gives: Gives,
}

/// One lane's working memory for one graph.
#[derive(Debug)]
pub struct State {
    session: TypedSimpleState,
    tile: Tile,
}

/// The graph's numbers, a row each.
#[derive(Debug, Default)]
pub struct Scores {
    values: Vec<f32>,
    classes: usize,
}

impl Scores {
    /// The numbers of one row. Panics past the last.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.classes..(row + 1) * self.classes]
    }

    /// The numbers of each row, in the order of the rows.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.classes.max(1))
    }
}

impl Scorer {
    /// Reads a graph whose input is `[rows, numeric + terms]` and whose output is `[rows, numbers]`, both 32-bit.
    pub fn load(onnx: &[u8], graph: &Graph, numeric: usize, terms: usize) -> Result<Self, GraphError> {
        // tract panics on some malformed graphs. A bundle that is loaded beside a serving one must not end the process.
        panic::catch_unwind(|| Self::build(onnx, graph, numeric, terms)).unwrap_or(Err(GraphError::Panic))
    }

    fn build(onnx: &[u8], graph: &Graph, numeric: usize, terms: usize) -> Result<Self, GraphError> {
        let imported = import::import(onnx, Some(&graph.output))?;
        if imported.input != graph.input {
            return Err(GraphError::Input { expected: graph.input.clone(), found: imported.input });
        }
        let width = numeric + terms;
        match imported.width {
            Some(graph) if graph != width => return Err(GraphError::Width { numeric, terms, graph }),
            _ => {}
        }
        Self::of(imported, width, graph.gives)
    }

    /// Reads a graph alone, for an output or for the one of probabilities, as wide as it says that it is.
    ///
    /// # Errors
    /// [`GraphError`]
    pub fn open(onnx: &[u8], output: Option<&str>, gives: Gives) -> Result<Self, GraphError> {
        let open = || {
            let imported = import::import(onnx, output)?;
            let width = imported.width.ok_or_else(|| GraphError::Columns { name: imported.input.clone() })?;
            Self::of(imported, width, gives)
        };
        panic::catch_unwind(open).unwrap_or(Err(GraphError::Panic))
    }

    fn of(imported: Imported, columns: usize, gives: Gives) -> Result<Self, GraphError> {
        let failed = |source| GraphError::Prepare { width: columns, source };
        let mut onnx = tract_onnx::onnx();
        onnx.op_register.insert("TreeEnsembleClassifier", tree_op::read);
        onnx.op_register.insert("TreeEnsembleRegressor", tree_op::read);
        let model = onnx.model_for_proto_model(&imported.model).map_err(|source| GraphError::Parse { source })?;
        let (model, first) = prepare(model, columns).map_err(failed)?;
        let classes = numbers_of(&model)?;
        let plan = model.into_runnable().map_err(failed)?;
        let width = first.as_ref().map_or(columns, FirstLayer::units);
        Ok(Self { plan, first: first.map(Arc::new), columns, width, classes, gives })
    }

    /// Columns of a row that it reads.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Numbers that it gives for each row.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// How rows go through it, in a word for people.
    pub fn path(&self) -> &'static str {
        let trees = self.plan.model().nodes().iter().any(|node| node.op.name() == "Trees");
        match (&self.first, trees) {
            (_, true) => "flat trees",
            (Some(_), _) => "sparse first layer",
            (None, _) => "dense",
        }
    }

    /// Fresh working memory.
    pub fn state(&self) -> Result<State, ScoreError> {
        let session = self.plan.spawn().map_err(|source| ScoreError::Run { rows: 0, source })?;
        Ok(State { session, tile: Tile::default() })
    }

    /// Replaces `scores` by those of `rows`.
    pub fn score(&self, state: &mut State, rows: &Rows, scores: &mut Scores) -> Result<(), ScoreError> {
        scores.values.clear();
        scores.classes = self.classes;
        let tile_rows = (TILE_NUMBERS / self.width.max(1)).clamp(TILE_ROWS_MIN, TILE_ROWS_MAX);
        for start in (0..rows.len()).step_by(tile_rows) {
            let tile = start..rows.len().min(start + tile_rows);
            self.score_tile(state, rows, tile, &mut scores.values)?;
        }
        match self.gives {
            Gives::Probabilities => check_probabilities(scores),
            Gives::Scores => check_numbers(scores),
        }
    }

    fn score_tile(
        &self,
        state: &mut State,
        rows: &Rows,
        range: Range<usize>,
        values: &mut Vec<f32>,
    ) -> Result<(), ScoreError> {
        let (tile_rows, classes) = (range.len(), self.classes);
        let run_error = |source| ScoreError::Run { rows: tile_rows, source };
        let input = state.tile.fill(rows, range, self.width, self.first.as_deref()).map_err(run_error)?;
        let outputs = state.session.run(tvec!(input)).map_err(run_error);
        if outputs.is_err() {
            // A run that failed leaves its symbols bound; the next one must not inherit them.
            state.session = self.plan.spawn().map_err(run_error)?;
        }
        let outputs = outputs?;
        let output = outputs[0].try_as_plain_ram().and_then(|view| view.as_slice::<f32>()).map_err(run_error)?;
        if output.len() != tile_rows * classes {
            return Err(ScoreError::Shape { rows: tile_rows, classes, found: output.len() });
        }
        values.extend_from_slice(output);
        Ok(())
    }
}

/// The dense rows that the plan reads, kept between runs.
#[derive(Debug, Default)]
struct Tile {
    tensor: Option<Arc<Tensor>>,
    /// Positions in the tensor that are not zero, where rows are spread out.
    filled: Vec<usize>,
}

impl Tile {
    /// Fills the tensor with the rows of `range`: what the first layer makes of them, or as they are.
    fn fill(
        &mut self,
        rows: &Rows,
        range: Range<usize>,
        width: usize,
        first: Option<&FirstLayer>,
    ) -> TractResult<TValue> {
        let shape = [range.len(), width];
        let mut tensor = match self.tensor.take().map(Arc::try_unwrap) {
            Some(Ok(tensor)) if tensor.shape() == shape => tensor,
            _ => {
                self.filled.clear();
                Tensor::zero::<f32>(&shape)?
            }
        };
        let mut view = tensor.try_as_plain_ram_mut()?;
        let dense = view.as_slice_mut::<f32>()?;
        match first {
            Some(first) => {
                dense.chunks_exact_mut(width).zip(range).for_each(|(out, row)| first.apply(rows, row, out));
            }
            None => self.spread(rows, range, width, dense),
        }
        let tensor = Arc::new(tensor);
        self.tensor = Some(Arc::clone(&tensor));
        Ok(TValue::from_const(tensor))
    }

    /// Only what the last call set is zeroed, not the thousands of other columns.
    fn spread(&mut self, rows: &Rows, range: Range<usize>, width: usize, dense: &mut [f32]) {
        for position in self.filled.drain(..) {
            dense[position] = 0.0;
        }
        for (index, row) in range.enumerate() {
            for &(column, value) in rows.row(row) {
                let position = index * width + column as usize;
                dense[position] = value;
                self.filled.push(position);
            }
        }
    }
}

fn prepare(mut model: InferenceModel, width: usize) -> TractResult<(TypedModel, Option<FirstLayer>)> {
    let batch = model.sym("rows");
    model.set_input_fact(0, f32::fact(dims!(batch, width)).into())?;
    let mut model = model.into_typed()?.into_decluttered()?;
    let first = FirstLayer::take(&mut model)?;
    Ok((model.into_optimized()?, first))
}

/// How many numbers a row gets.
fn numbers_of(model: &TypedModel) -> Result<usize, GraphError> {
    let fact = model.output_fact(0).map_err(|source| GraphError::Prepare { width: 0, source })?;
    let found = match fact.shape.dims() {
        [_, found] => found.to_usize().ok().filter(|_| fact.datum_type == f32::datum_type()),
        _ => None,
    };
    found.ok_or_else(|| GraphError::Classes { found: format!("{fact:?}") })
}

fn check_numbers(scores: &Scores) -> Result<(), ScoreError> {
    match scores.values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(at) => Err(ScoreError::NotAProbability { row: at / scores.classes, found: scores.values[at] }),
    }
}

fn check_probabilities(scores: &Scores) -> Result<(), ScoreError> {
    let usable = |value: &f32| (-ROUNDING_MAX..=1.0 + ROUNDING_MAX).contains(value);
    match scores.values.iter().position(|value| !usable(value)) {
        None => Ok(()),
        Some(at) => Err(ScoreError::NotAProbability { row: at / scores.classes, found: scores.values[at] }),
    }
}

#[cfg(test)]
mod tests {
    use crate::model::Bundle;

    #[test]
    fn graphs_that_begin_with_a_product_read_sparse_rows() {
        for (bundle, units) in [("models/spam-sms", 1), ("models/topics-r8", 8), ("tests/bundles/user-risk", 2)] {
            let bundle = Bundle::load(bundle.as_ref(), None).unwrap();
            let first = bundle.scorer().first.as_ref().unwrap();
            assert_eq!((first.units(), bundle.scorer().width), (units, units));
        }
    }
}
