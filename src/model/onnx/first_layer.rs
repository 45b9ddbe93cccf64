//! The first layer of a graph on sparse rows. A message has some thirty of thousands of terms: a matrix product over
//! all of them is nearly all multiplications by zero.
//!
//! ```text
//!  graph:  features [rows, width] ─► × W [width, units] ─► + b ─► ... ─► probabilities
//!                                          │
//!  here:   Rows (sparse) ─► sums of rows of W ─► [rows, units] ─► the rest of the graph, + b ...
//! ```

use tract_onnx::{
    prelude::*,
    tract_hir::tract_core::ops::{array::Slice, einsum::EinSum, source::TypedSource},
};

use crate::features::vector::Rows;

/// Weights of the first product, one row of `units` for each column that a message may have.
#[derive(Debug)]
pub(super) struct FirstLayer {
    weights: Vec<f32>,
    units: usize,
}

impl FirstLayer {
    /// Takes the first product out of `model`, whose input is then what came out of that product. Several products, as
    /// one-vs-rest and calibration by folds have them, become one, whose columns are then parted. None, and the model is
    /// left as it is, when its input goes anywhere else than into products with constant weights.
    pub(super) fn take(model: &mut TypedModel) -> TractResult<Option<Self>> {
        let source = model.input_outlets()?[0];
        let mut products = Vec::new();
        for product in model.outlet_successors(source).iter().map(|successor| successor.node) {
            let Some((layer, weights)) = Self::of(model, product, source)? else { return Ok(None) };
            products.push((product, layer, weights));
        }
        let Some((first, ..)) = products.first() else { return Ok(None) };
        let rows = model.outlet_fact((*first).into())?.shape[0].clone();
        let units: usize = products.iter().map(|(_, layer, _)| layer.units).sum();
        let fact = f32::fact([rows, units.to_dim()]);
        let node = model.node_mut(source.node);
        node.op = Box::new(TypedSource::new(fact.clone()));
        node.outputs[source.slot].fact = fact;
        let mut start = 0;
        for (product, layer, weights) in &products {
            let end = start + layer.units;
            let successors = &mut model.node_mut(weights.node).outputs[weights.slot].successors;
            successors.retain(|successor| successor.node != *product);
            let node = model.node_mut(*product);
            node.op = Box::new(Slice::new(1, start, end));
            node.inputs = vec![source];
            start = end;
        }
        Ok(Self::side_by_side(products.into_iter().map(|(_, layer, _)| layer).collect()))
    }

    /// One layer with the units of all.
    fn side_by_side(mut layers: Vec<Self>) -> Option<Self> {
        if layers.len() == 1 {
            return layers.pop();
        }
        let units = layers.iter().map(|layer| layer.units).sum();
        let width = layers.first().map(|layer| layer.weights.len() / layer.units.max(1))?;
        let row = |row: usize| layers.iter().flat_map(move |layer| &layer.weights[row * layer.units..][..layer.units]);
        Some(Self { weights: (0..width).flat_map(row).copied().collect(), units })
    }

    /// The weights of node `product`, if it is a product of rows from `source` and a constant.
    fn of(model: &TypedModel, product: usize, source: OutletId) -> TractResult<Option<(Self, OutletId)>> {
        let node = model.node(product);
        let (Some(op), &[rows, weights]) = (node.op_as::<EinSum>(), node.inputs.as_slice()) else { return Ok(None) };
        if rows != source || op.q_params.is_some() || op.operating_dt != f32::datum_type() {
            return Ok(None);
        }
        let Some(constant) = model.outlet_fact(weights)?.konst.clone() else { return Ok(None) };
        if constant.datum_type() != f32::datum_type() {
            return Ok(None);
        }
        let values = constant.try_as_plain_ram()?.as_slice::<f32>()?.to_vec();
        let layer = match (layout(&op.axes.to_string()), constant.shape()) {
            (Some(Layout::WidthFirst), &[_, units]) => Self { weights: values, units },
            (Some(Layout::WidthLast), &[units, width]) => Self { weights: transpose(&values, units, width), units },
            (Some(Layout::Vector), &[_]) => Self { weights: values, units: 1 },
            _ => return Ok(None),
        };
        Ok(Some((layer, weights)))
    }

    /// Numbers that come out for each row.
    pub(super) fn units(&self) -> usize {
        self.units
    }

    /// Writes the product of `row` into `out`, `units` long.
    pub(super) fn apply(&self, rows: &Rows, row: usize, out: &mut [f32]) {
        out.fill(0.0);
        for &(column, value) in rows.row(row) {
            let start = column as usize * self.units;
            let weights = &self.weights[start..start + self.units];
            out.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += value * weight);
        }
    }
}

/// How the weights lie.
#[derive(Debug, PartialEq)]
enum Layout {
    /// `[width, units]`, as scikit-learn exports them.
    WidthFirst,
    /// `[units, width]`, as PyTorch does.
    WidthLast,
    /// `[width]`: one unit.
    Vector,
}

/// The layout behind an Einstein summation such as `mk,kn->mn`; none for another kind of product.
fn layout(axes: &str) -> Option<Layout> {
    let (inputs, output) = axes.split_once("->")?;
    let (rows, weights) = inputs.split_once(',')?;
    let [m, k] = <[char; 2]>::try_from(rows.chars().collect::<Vec<_>>()).ok()?;
    let [first, n] = <[char; 2]>::try_from(output.chars().collect::<Vec<_>>()).ok()?;
    if first != m || n == k || n == m || m == k {
        return None;
    }
    match weights.chars().collect::<Vec<_>>()[..] {
        [a, b] if (a, b) == (k, n) => Some(Layout::WidthFirst),
        [a, b] if (a, b) == (n, k) => Some(Layout::WidthLast),
        [a] if a == k => Some(Layout::Vector),
        _ => None,
    }
}

fn transpose(values: &[f32], units: usize, width: usize) -> Vec<f32> {
    (0..width).flat_map(|column| (0..units).map(move |unit| values[unit * width + column])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_products_of_rows_and_weights_count() {
        assert_eq!(layout("mk,kn->mn"), Some(Layout::WidthFirst));
        assert_eq!(layout("ab,cb->ac"), Some(Layout::WidthLast));
        assert_eq!(layout("mk,k->mn"), Some(Layout::Vector));
        for other in ["mk,kn->nm", "mk,mk->mk", "km,kn->mn", "bmk,bkn->bmn", "mk->mk", "mk,kn->mk", "mm,mn->mn"] {
            assert_eq!(layout(other), None, "{other}");
        }
    }

    #[test]
    fn weights_that_lie_the_other_way_are_turned() {
        assert_eq!(transpose(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2, 3), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    }
}
