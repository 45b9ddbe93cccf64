//! Operators of ai.onnx.ml that tract lacks, or has by half, written with those of ai.onnx.
//!
//! ```text
//!  Scaler            ─► Sub offset, Mul scale      (only Mul, or nothing before a product, where the offset is 0)
//!  LinearClassifier  ─► MatMul, Add ─► Sigmoid | Softmax | nothing, for two classes both columns of one
//!  LpNormalization   ─► Div by ReduceL1 | ReduceL2
//!  ReduceLogSumExp   ─► m + Log ReduceSum Exp (x - m), m = ReduceMax x, so that nothing grows too large
//! ```

use tract_onnx::pb::{
    AttributeProto, GraphProto, NodeProto, TensorProto, attribute_proto::AttributeType, tensor_proto::DataType,
};

use super::{GraphError, import::readers};

/// Rewrites the graph in place.
pub(super) fn lower(graph: &mut GraphProto, opset: i64) -> Result<(), GraphError> {
    let tensors = std::mem::take(&mut graph.initializer);
    let mut lowered = Lowered { opset, nodes: Vec::new(), tensors };
    for node in std::mem::take(&mut graph.node) {
        match node.op_type.as_str() {
            "Scaler" => lowered.scaler(&node)?,
            "LinearClassifier" => lowered.linear(&node)?,
            "LpNormalization" => lowered.lp_normalization(&node)?,
            "ReduceLogSumExp" => lowered.log_sum_exp(node)?,
            "ArrayFeatureExtractor" => lowered.extractor(node),
            _ => lowered.nodes.push(node),
        }
    }
    graph.node = lowered.nodes;
    graph.initializer = lowered.tensors;
    fold_scale(graph);
    Ok(())
}

struct Lowered {
    /// Version of ai.onnx.
    opset: i64,
    nodes: Vec<NodeProto>,
    tensors: Vec<TensorProto>,
}

impl Lowered {
    fn node(&mut self, operator: &str, inputs: &[&str], output: &str, attributes: Vec<AttributeProto>) {
        self.nodes.push(NodeProto {
            op_type: operator.into(),
            name: format!("{output}/{operator}"),
            input: inputs.iter().map(|name| (*name).to_owned()).collect(),
            output: vec![output.to_owned()],
            attribute: attributes,
            ..NodeProto::default()
        });
    }

    /// Adds a constant and returns its name.
    fn tensor(&mut self, name: String, dims: &[usize], values: Vec<f32>) -> String {
        self.tensors.push(TensorProto {
            name: name.clone(),
            dims: dims.iter().map(|dim| *dim as i64).collect(),
            data_type: DataType::Float as i32,
            float_data: values,
            ..TensorProto::default()
        });
        name
    }

    fn integers(&mut self, name: String, values: Vec<i64>) {
        self.tensors.push(TensorProto {
            name,
            dims: vec![values.len() as i64],
            data_type: DataType::Int64 as i32,
            int64_data: values,
            ..TensorProto::default()
        });
    }

    fn scaler(&mut self, node: &NodeProto) -> Result<(), GraphError> {
        let (input, output) = ends(node)?;
        let (offset, scale) = (floats(node, "offset"), floats(node, "scale"));
        let mut from = input.to_owned();
        if offset.iter().any(|offset| *offset != 0.0) {
            let offset = self.tensor(format!("{output}/offset"), &[offset.len()], offset.to_vec());
            let centred = format!("{output}/centred");
            self.node("Sub", &[&from, &offset], &centred, Vec::new());
            from = centred;
        }
        let scale = if scale.is_empty() { &[1.0] } else { scale };
        let scale = self.tensor(format!("{output}/scale"), &[scale.len()], scale.to_vec());
        self.node("Mul", &[&from, &scale], output, Vec::new());
        Ok(())
    }

    fn linear(&mut self, node: &NodeProto) -> Result<(), GraphError> {
        let (input, output) = ends(node)?;
        let (coefficients, intercepts) = (floats(node, "coefficients"), floats(node, "intercepts"));
        let classes = list(node, "classlabels_ints").map_or(0, |found| found.ints.len())
            + list(node, "classlabels_strings").map_or(0, |found| found.strings.len());
        let units = match intercepts.len() {
            0 if classes == 2 && int(node, "multi_class") == 0 => 1,
            0 => classes,
            units => units,
        };
        if units == 0 || coefficients.is_empty() || coefficients.len() % units != 0 {
            let problem = format!("it has {} coefficients for {units} rows of weights", coefficients.len());
            return Err(GraphError::Node { operator: node.op_type.clone(), problem });
        }
        let width = coefficients.len() / units;
        let turned = (0..width).flat_map(|column| (0..units).map(move |unit| coefficients[unit * width + column]));
        let weights = self.tensor(format!("{output}/weights"), &[width, units], turned.collect());
        let product = format!("{output}/product");
        self.node("MatMul", &[input, &weights], &product, Vec::new());
        let mut scores = product;
        if !intercepts.is_empty() {
            let bias = self.tensor(format!("{output}/bias"), &[units], intercepts.to_vec());
            let sums = format!("{output}/sums");
            self.node("Add", &[&scores, &bias], &sums, Vec::new());
            scores = sums;
        }
        self.transform(node, &scores, output, units == 1 && classes == 2)
    }

    /// `post_transform`; for two classes with one row of weights also the other column, as onnxruntime makes it.
    fn transform(&mut self, node: &NodeProto, scores: &str, output: &str, one_of_two: bool) -> Result<(), GraphError> {
        let transform = string(node, "post_transform");
        match (transform, one_of_two) {
            (b"LOGISTIC", false) => self.node("Sigmoid", &[scores], output, Vec::new()),
            (b"SOFTMAX", false) => self.node("Softmax", &[scores], output, vec![attribute_int("axis", 1)]),
            (b"NONE" | b"", false) => self.node("Identity", &[scores], output, Vec::new()),
            (b"LOGISTIC", true) => {
                let both = self.both(scores, output);
                self.node("Sigmoid", &[&both], output, Vec::new());
            }
            (b"NONE" | b"", true) => {
                let one = self.tensor(format!("{output}/one"), &[1], vec![1.0]);
                let other = format!("{output}/other");
                self.node("Sub", &[&one, scores], &other, Vec::new());
                self.node("Concat", &[&other, scores], output, vec![attribute_int("axis", 1)]);
            }
            (other, _) => {
                let problem = format!("post_transform is {}", String::from_utf8_lossy(other));
                return Err(GraphError::Node { operator: node.op_type.clone(), problem });
            }
        }
        Ok(())
    }

    /// [-score, score]
    fn both(&mut self, scores: &str, output: &str) -> String {
        let (negated, both) = (format!("{output}/negated"), format!("{output}/both"));
        self.node("Neg", &[scores], &negated, Vec::new());
        self.node("Concat", &[&negated, scores], &both, vec![attribute_int("axis", 1)]);
        both
    }

    fn lp_normalization(&mut self, node: &NodeProto) -> Result<(), GraphError> {
        let (input, output) = ends(node)?;
        let operator = match list(node, "p").map_or(2, |found| found.i) {
            1 => "ReduceL1",
            _ => "ReduceL2",
        };
        let axis = list(node, "axis").map_or(-1, |found| found.i);
        let size = format!("{output}/size");
        self.reduce(operator, input, &size, vec![axis], true);
        self.node("Div", &[input, &size], output, Vec::new());
        Ok(())
    }

    fn log_sum_exp(&mut self, node: NodeProto) -> Result<(), GraphError> {
        let Some(axes) = self.axes(&node) else {
            self.nodes.push(node);
            return Ok(());
        };
        let (Some(input), [output]) = (node.input.first(), node.output.as_slice()) else {
            return Err(GraphError::Node { operator: node.op_type, problem: "it has no input or output".into() });
        };
        let keeps = list(&node, "keepdims").is_none_or(|found| found.i != 0);
        let [max, centred, exp, sum, log] =
            ["max", "centred", "exp", "sum", "log"].map(|part| format!("{output}/{part}"));
        self.reduce("ReduceMax", input, &max, axes.clone(), true);
        self.node("Sub", &[input, &max], &centred, Vec::new());
        self.node("Exp", &[&centred], &exp, Vec::new());
        self.reduce("ReduceSum", &exp, &sum, axes.clone(), keeps);
        self.node("Log", &[&sum], &log, Vec::new());
        let added = if keeps { max } else { format!("{output}/max_of_row") };
        if !keeps {
            self.reduce("ReduceMax", input, &added, axes, false);
        }
        self.node("Add", &[&log, &added], output, Vec::new());
        Ok(())
    }

    /// The axes of a reduction, if it names them.
    fn axes(&self, node: &NodeProto) -> Option<Vec<i64>> {
        let axes = match node.input.get(1) {
            Some(name) => integers(self.tensors.iter().find(|tensor| tensor.name == *name)?)?,
            None => list(node, "axes")?.ints.clone(),
        };
        (!axes.is_empty()).then_some(axes)
    }

    /// A reduction, whose axes are an attribute or a tensor by the version of the operators.
    fn reduce(&mut self, operator: &str, input: &str, output: &str, axes: Vec<i64>, keeps: bool) {
        let keeps = attribute_int("keepdims", keeps.into());
        if self.opset >= if operator == "ReduceSum" { 13 } else { 18 } {
            let name = format!("{output}/axes");
            self.integers(name.clone(), axes);
            self.node(operator, &[input, &name], output, vec![keeps]);
        } else {
            let axes = AttributeProto {
                name: "axes".into(),
                r#type: AttributeType::Ints as i32,
                ints: axes,
                ..AttributeProto::default()
            };
            self.node(operator, &[input], output, vec![axes, keeps]);
        }
    }

    /// A single column keeps its axis: tract drops it where the index is no list.
    fn extractor(&mut self, node: NodeProto) {
        let index = node.input.get(1).and_then(|name| self.tensors.iter_mut().find(|tensor| tensor.name == *name));
        if let Some(index) = index.filter(|index| index.dims.is_empty()) {
            index.dims = vec![1];
        }
        self.nodes.push(node);
    }
}

fn integers(tensor: &TensorProto) -> Option<Vec<i64>> {
    let is_int64 = tensor.data_type == DataType::Int64 as i32;
    let raw = || tensor.raw_data.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect();
    is_int64.then(|| if tensor.raw_data.is_empty() { tensor.int64_data.clone() } else { raw() })
}

/// A scale without offset, as sparse columns have it, goes into the weights behind it: the product can then take sparse
/// rows. With an offset it may not, the difference of large numbers would be lost.
fn fold_scale(graph: &mut GraphProto) {
    let readers = readers(graph);
    let Some(input) = graph.input.first().map(|input| input.name.clone()) else { return };
    let is_read_once = |name: &str| readers.get(name) == Some(&1);
    let position = |name: &str| graph.initializer.iter().position(|tensor| tensor.name == name);
    let Some([scaling, product]) = graph.node.first_chunk::<2>() else { return };
    let scale = match (scaling.op_type.as_str(), scaling.input.as_slice()) {
        ("Mul", [rows, scale]) if *rows == input && is_read_once(rows) => position(scale),
        _ => None,
    };
    let weights = match (product.op_type.as_str(), product.input.as_slice()) {
        ("MatMul", [rows, weights]) if scaling.output == [rows.clone()] && is_read_once(rows) => {
            position(weights).filter(|_| is_read_once(weights))
        }
        _ => None,
    };
    let (Some(scale), Some(weights)) = (scale, weights) else { return };
    let scale = graph.initializer[scale].float_data.clone();
    let tensor = &mut graph.initializer[weights];
    let &[width, units] = tensor.dims.as_slice() else { return };
    // Only what this module made is a list of numbers for sure.
    if tensor.float_data.is_empty() || scale.is_empty() || (scale.len() != 1 && scale.len() as i64 != width) {
        return;
    }
    let scales = scale.iter().cycle();
    for (row, scale) in tensor.float_data.chunks_exact_mut(units as usize).zip(scales) {
        row.iter_mut().for_each(|weight| *weight *= scale);
    }
    graph.node.remove(0);
    graph.node[0].input[0] = input;
}

/// The one input and the one output.
fn ends(node: &NodeProto) -> Result<(&str, &str), GraphError> {
    match (node.input.as_slice(), node.output.as_slice()) {
        ([input], [output]) => Ok((input, output)),
        _ => {
            let problem = format!("it has {} inputs and {} outputs", node.input.len(), node.output.len());
            Err(GraphError::Node { operator: node.op_type.clone(), problem })
        }
    }
}

fn list<'a>(node: &'a NodeProto, name: &str) -> Option<&'a AttributeProto> {
    node.attribute.iter().find(|attribute| attribute.name == name)
}

fn floats<'a>(node: &'a NodeProto, name: &str) -> &'a [f32] {
    list(node, name).map_or(&[], |found| &found.floats)
}

fn int(node: &NodeProto, name: &str) -> i64 {
    list(node, name).map_or(0, |found| found.i)
}

fn string<'a>(node: &'a NodeProto, name: &str) -> &'a [u8] {
    list(node, name).map_or(&[], |found| &found.s)
}

fn attribute_int(name: &str, value: i64) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: AttributeType::Int as i32, i: value, ..AttributeProto::default() }
}
