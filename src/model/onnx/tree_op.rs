//! [`Ensemble`] as an operator of tract.

use std::sync::Arc;

use tract_onnx::{
    model::ParsingContext,
    pb::NodeProto,
    prelude::*,
    tract_hir::{
        internal::*,
        tract_core::{as_op, op_as_typed_op, op_out_of_plan},
    },
};

use super::trees::Ensemble;

/// The trees of one node.
#[derive(Clone, Debug)]
struct Trees(Arc<Ensemble>);

/// Reads the node for tract.
pub(super) fn read(_: &ParsingContext, node: &NodeProto) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    let ensemble = Ensemble::read(node).map_err(TractError::msg)?;
    Ok((expand(Trees(Arc::new(ensemble))), Vec::new()))
}

impl PartialEq for Trees {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Trees {}

impl Expansion for Trees {
    fn name(&self) -> StaticName {
        "Trees".into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, 1)?;
        check_output_arity(outputs, 1)?;
        solver.equals(&inputs[0].rank, 2)?;
        solver.equals(&outputs[0].rank, 2)?;
        solver.equals(&outputs[0].datum_type, f32::datum_type())?;
        solver.equals(&inputs[0].shape[0], &outputs[0].shape[0])?;
        solver.equals(&outputs[0].shape[1], self.0.outputs().to_dim())
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        model.wire_node(prefix, self.clone(), inputs)
    }
}

impl Op for Trees {
    fn name(&self) -> StaticName {
        "Trees".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Trees {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = args_1!(inputs);
        let &[rows, width] = input.shape() else { bail!("trees read rows, not {:?}", input.shape()) };
        let mut scores = Vec::with_capacity(rows * self.0.outputs());
        self.0.run(input.try_as_plain_ram()?.as_slice::<f32>()?, width, &mut scores);
        let output = tensor1(&scores).into_shape(&[rows, self.0.outputs()])?;
        Ok(tvec!(output.into_tvalue()))
    }
}

impl TypedOp for Trees {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let input = inputs[0];
        ensure!(input.datum_type == f32::datum_type(), "trees read 32-bit numbers, not {:?}", input.datum_type);
        let width = input.shape[1].to_usize()?;
        let columns = self.0.columns();
        ensure!(columns <= width, "a tree reads column {}; rows have {width}", columns.saturating_sub(1));
        Ok(tvec!(f32::fact([input.shape[0].clone(), self.0.outputs().into()])))
    }

    as_op!();
}
