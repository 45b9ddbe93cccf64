//! Runs a model's graph: ONNX through tract, on this thread.
//!
//! ```text
//!  Rows (sparse) ─► first layer ─► tiles of dense rows ─► the rest of the graph, optimized once ─► Scores
//! ```
//!
//! The batch dimension is symbolic, so one plan serves every number of rows. A tile stays in the processor's cache and
//! bounds what a lane holds, however many rows a chunk has. A graph that does not begin with a matrix product reads
//! whole rows, spread out.

use std::{ops::Range, panic, sync::Arc};

use thiserror::Error;
use tract_onnx::{
    prelude::*,
    tract_hir::{infer::Factoid, internal::DimLike, tract_core::dims},
};

use super::{Graph, first_layer::FirstLayer};
use crate::features::vector::Rows;

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
    #[error("the graph cannot be read as ONNX")]
    Parse { source: TractError },
    #[error("the graph makes the ONNX reader panic; it is malformed, export it again")]
    Panic,
    #[error("the graph has the inputs {found:?}; it must have {expected:?} and no other")]
    Input { expected: String, found: Vec<String> },
    #[error("the graph has no output {expected:?}; it has {found:?}")]
    Output { expected: String, found: Vec<String> },
    #[error("the graph reads {graph} columns; the bundle gives {numeric} numeric features and {terms} terms")]
    Width { numeric: usize, terms: usize, graph: usize },
    #[error("the graph cannot be prepared for rows of {width} 32-bit numbers")]
    Prepare { width: usize, source: TractError },
    #[error("the output is {found}; it must be 32-bit probabilities of {classes} classes per row")]
    Classes { classes: usize, found: String },
}

/// Why rows were not scored. None of these is the fault of a message.
#[derive(Debug, Error)]
#[allow(missing_docs)] // The messages say it.
pub enum ScoreError {
    #[error("the graph failed on {rows} rows")]
    Run { rows: usize, source: TractError },
    #[error("the graph gave {found} numbers for {rows} rows of {classes} classes")]
    Shape { rows: usize, classes: usize, found: usize },
    #[error("the graph gave {found} for row {row}, which is no probability")]
    NotAProbability { row: usize, found: f32 },
}

/// A graph made ready. Shared by all lanes; what a run changes is in [`State`].
#[derive(Clone, Debug)]
pub struct Scorer {
    plan: Arc<TypedRunnableModel>,
    /// None when the graph does not begin with a matrix product.
    first: Option<Arc<FirstLayer>>,
    /// Columns that the plan reads.
    width: usize,
    classes: usize,
}

/// One lane's working memory for one graph.
#[derive(Debug)]
pub struct State {
    session: TypedSimpleState,
    tile: Tile,
}

/// Probabilities per row and class, in the order of the bundle's labels.
#[derive(Debug, Default)]
pub struct Scores {
    values: Vec<f32>,
    classes: usize,
}

impl Scores {
    /// The probabilities of each row, in the order of the rows.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.classes.max(1))
    }
}

impl Scorer {
    /// Reads a graph whose input is `[rows, numeric + terms]` and whose output is `[rows, classes]`, both 32-bit.
    pub fn load(onnx: &[u8], graph: &Graph, numeric: usize, terms: usize, classes: usize) -> Result<Self, GraphError> {
        // tract panics on some malformed graphs. A bundle that is loaded beside a serving one must not end the process.
        panic::catch_unwind(|| Self::build(onnx, graph, numeric, terms, classes)).unwrap_or(Err(GraphError::Panic))
    }

    fn build(onnx: &[u8], graph: &Graph, numeric: usize, terms: usize, classes: usize) -> Result<Self, GraphError> {
        let mut model =
            tract_onnx::onnx().model_for_read(&mut &*onnx).map_err(|source| GraphError::Parse { source })?;
        select(&mut model, graph)?;
        let width = numeric + terms;
        match declared_width(&model) {
            Some(graph) if graph != width => return Err(GraphError::Width { numeric, terms, graph }),
            _ => {}
        }
        let failed = |source| GraphError::Prepare { width, source };
        let (model, first) = prepare(model, width).map_err(failed)?;
        check_output(&model, classes)?;
        let plan = model.into_runnable().map_err(failed)?;
        let width = first.as_ref().map_or(width, FirstLayer::units);
        Ok(Self { plan, first: first.map(Arc::new), width, classes })
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
        check_probabilities(scores)
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

/// Keeps the wanted output only: others, such as the label that scikit-learn exports, are not all runnable.
fn select(model: &mut InferenceModel, graph: &Graph) -> Result<(), GraphError> {
    let inputs: Vec<String> = model.inputs.iter().map(|outlet| model.node(outlet.node).name.clone()).collect();
    if inputs != [graph.input.as_str()] {
        return Err(GraphError::Input { expected: graph.input.clone(), found: inputs });
    }
    let label = |outlet: &OutletId| model.outlet_label(*outlet).unwrap_or_default().to_owned();
    let found: Vec<String> = model.outputs.iter().map(label).collect();
    let Some(position) = found.iter().position(|name| *name == graph.output) else {
        return Err(GraphError::Output { expected: graph.output.clone(), found });
    };
    model.outputs = vec![model.outputs[position]];
    Ok(())
}

/// Columns that the graph says it reads, if it says so.
fn declared_width(model: &InferenceModel) -> Option<usize> {
    let columns = model.input_fact(0).ok()?.shape.dim(1)?.concretize()?;
    columns.to_usize().ok()
}

fn prepare(mut model: InferenceModel, width: usize) -> TractResult<(TypedModel, Option<FirstLayer>)> {
    let batch = model.sym("rows");
    model.set_input_fact(0, f32::fact(dims!(batch, width)).into())?;
    let mut model = model.into_typed()?.into_decluttered()?;
    let first = FirstLayer::take(&mut model)?;
    Ok((model.into_optimized()?, first))
}

fn check_output(model: &TypedModel, classes: usize) -> Result<(), GraphError> {
    let fact = model.output_fact(0).map_err(|source| GraphError::Prepare { width: 0, source })?;
    let matches = fact.datum_type == f32::datum_type() && fact.rank() == 2 && fact.shape[1] == classes.to_dim();
    if matches { Ok(()) } else { Err(GraphError::Classes { classes, found: format!("{fact:?}") }) }
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
        for (bundle, units) in [("models/spam-sms", 16), ("tests/bundles/user-risk", 2)] {
            let bundle = Bundle::load(bundle.as_ref(), None).unwrap();
            let first = bundle.scorer().first.as_ref().unwrap();
            assert_eq!((first.units(), bundle.scorer().width), (units, units));
        }
    }
}
