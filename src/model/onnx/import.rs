//! From a file to a graph that tract runs: what cannot run is refused with what to do about it, what no row needs is
//! left out, and operators that tract lacks are written with those that it has.
//!
//! ```text
//!  bytes ─► ModelProto ─► opsets, input ─► only what the output needs ─► operators, tensors ─► lowered
//!                                          (no labels, no ZipMap)                              (Scaler, LinearClassifier)
//! ```
//!
//! Nothing is taken over that tract would follow out of the file or interpret further: no external data, subgraphs,
//! functions, declared shapes or symbols.

use std::collections::{HashMap, HashSet};

use tract_onnx::{
    pb::{
        GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto,
        ValueInfoProto,
        tensor_proto::{DataLocation, DataType},
        tensor_shape_proto::dimension::Value as Dimension,
        type_proto,
    },
    prelude::Framework,
};

use super::{GraphError, lower};

/// The newest versions of the two operator sets whose meaning is known here.
const OPSET_MAX: i64 = 23;
const OPSET_ML_MAX: i64 = 5;
/// Nodes of a graph.
const NODES_MAX: usize = 20_000;

/// A graph as it is to be run.
pub(super) struct Imported {
    pub(super) model: ModelProto,
    /// Name of the input.
    pub(super) input: String,
    /// Columns that the file says it reads, if it does.
    pub(super) width: Option<usize>,
}

/// Reads a file for the sake of one output, by default that of the probabilities, or the last.
pub(super) fn import(onnx: &[u8], output: Option<&str>) -> Result<Imported, GraphError> {
    let file = tract_onnx::onnx().proto_model_for_read(&mut &*onnx).map_err(|_| GraphError::NotOnnx)?;
    let ModelProto { graph: Some(graph), opset_import, .. } = file else { return Err(GraphError::NotOnnx) };
    check_opsets(&opset_import)?;
    let (input, width) = input(&graph)?;
    let wanted = wanted(&graph, output)?;
    let mut graph = needed(graph, wanted, &input)?;
    graph.node.iter().try_for_each(check_operator)?;
    let attributes = graph.node.iter().flat_map(|node| &node.attribute);
    let tensors = attributes.filter_map(|attribute| attribute.t.as_ref()).chain(&graph.initializer);
    tensors.clone().try_for_each(check_tensor)?;
    let version = opset_import.iter().find(|set| is_core(&set.domain)).map_or(OPSET_MAX, |set| set.version);
    lower::lower(&mut graph, version)?;
    let opset_import = vec![OperatorSetIdProto { domain: String::new(), version }];
    let model = ModelProto { graph: Some(graph), opset_import, ..ModelProto::default() };
    Ok(Imported { model, input, width })
}

fn is_core(domain: &str) -> bool {
    matches!(domain, "" | "ai.onnx")
}

fn check_opsets(sets: &[OperatorSetIdProto]) -> Result<(), GraphError> {
    for set in sets {
        let max = match set.domain.as_str() {
            "" | "ai.onnx" => OPSET_MAX,
            "ai.onnx.ml" => OPSET_ML_MAX,
            // Its operators are refused by their names, if a row needs any.
            _ => continue,
        };
        if set.version > max {
            let domain = if is_core(&set.domain) { "ai.onnx" } else { "ai.onnx.ml" };
            return Err(GraphError::Opset { domain, found: set.version, max });
        }
    }
    Ok(())
}

/// The name of the one input and its columns.
fn input(graph: &GraphProto) -> Result<(String, Option<usize>), GraphError> {
    // Old files list the weights among the inputs, too.
    let weights: HashSet<&str> = graph.initializer.iter().map(|tensor| tensor.name.as_str()).collect();
    let inputs: Vec<_> = graph.input.iter().filter(|input| !weights.contains(input.name.as_str())).collect();
    let [input] = inputs[..] else {
        return Err(GraphError::Inputs { found: inputs.iter().map(|input| input.name.clone()).collect() });
    };
    let Some(TypeProto { value: Some(type_proto::Value::TensorType(tensor)), .. }) = &input.r#type else {
        return Err(GraphError::InputType { name: input.name.clone(), found: "no tensor".into(), remedy: DENSE });
    };
    let kind = DataType::try_from(tensor.elem_type).unwrap_or(DataType::Undefined);
    if kind != DataType::Float {
        let remedy = match kind {
            DataType::String => TEXT,
            _ => DENSE,
        };
        let found = kind.as_str_name().to_lowercase();
        return Err(GraphError::InputType { name: input.name.clone(), found, remedy });
    }
    let width = tensor.shape.as_ref().map(|shape| check_shape(&input.name, shape)).transpose()?.flatten();
    Ok((input.name.clone(), width))
}

const TEXT: &str = "it reads text: leave the vectorizer out of the export and convert the classifier alone; the \
                    bundle's vectorizer makes its columns";
const DENSE: &str = "convert it with one input of 32-bit numbers: \
                     to_onnx(model, X[:1].astype(numpy.float32)) or FloatTensorType([None, columns])";

fn check_shape(name: &str, shape: &TensorShapeProto) -> Result<Option<usize>, GraphError> {
    let [rows, columns] = &shape.dim[..] else {
        return Err(GraphError::InputRank { name: name.into(), found: shape.dim.len() });
    };
    if let Some(Dimension::DimValue(found @ 1..)) = rows.value {
        return Err(GraphError::FixedRows { name: name.into(), found });
    }
    match columns.value {
        Some(Dimension::DimValue(columns)) => Ok(usize::try_from(columns).ok().filter(|columns| *columns > 0)),
        _ => Ok(None),
    }
}

/// The name of the tensor to compute. Behind a ZipMap it is what the ZipMap would put into a dictionary.
fn wanted(graph: &GraphProto, output: Option<&str>) -> Result<String, GraphError> {
    let outputs = || graph.output.iter().map(|output| output.name.clone());
    let named = match output {
        Some(expected) if !outputs().any(|name| name == expected) => {
            return Err(GraphError::Output { expected: expected.into(), found: outputs().collect() });
        }
        Some(expected) => Some(expected.to_owned()),
        None => outputs().find(|name| name.contains("prob")).or_else(|| outputs().next_back()),
    };
    let named = named.ok_or(GraphError::NotOnnx)?;
    let maker = graph.node.iter().find(|node| node.output.contains(&named));
    match maker.map(|node| (node.op_type.as_str(), node.input.as_slice())) {
        Some(("ZipMap", [scores])) => Ok(scores.clone()),
        _ => Ok(named),
    }
}

/// Keeps what `wanted` is computed from, and nothing that says more of it than the names.
fn needed(graph: GraphProto, wanted: String, input: &str) -> Result<GraphProto, GraphError> {
    if graph.node.len() > NODES_MAX {
        return Err(GraphError::Nodes { found: graph.node.len() });
    }
    if !graph.sparse_initializer.is_empty() {
        return Err(GraphError::Sparse);
    }
    let mut names = HashSet::from([wanted.clone()]);
    let mut nodes = Vec::new();
    // Makers stand before readers in the file, so one look from its end is enough.
    for mut node in graph.node.into_iter().rev() {
        if !node.output.iter().any(|name| names.contains(name)) {
            continue;
        }
        if gives_labels(&node) {
            if node.output.first().is_some_and(|labels| names.contains(labels)) {
                return Err(GraphError::Labels { name: wanted });
            }
            node.output.remove(0);
        }
        names.retain(|name| !node.output.contains(name));
        names.extend(node.input.iter().filter(|name| !name.is_empty()).cloned());
        nodes.push(node);
    }
    nodes.reverse();
    let initializer: Vec<_> = graph.initializer.into_iter().filter(|tensor| names.remove(&tensor.name)).collect();
    if !names.remove(input) {
        return Err(GraphError::Output { expected: format!("{wanted} that reads {input}"), found: Vec::new() });
    }
    if let Some(name) = names.into_iter().next() {
        return Err(GraphError::Dangling { name });
    }
    let value = |name: &str| {
        let tensor = type_proto::Tensor { elem_type: DataType::Float as i32, shape: None };
        let kind = TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..TypeProto::default() };
        ValueInfoProto { name: name.into(), r#type: Some(kind), ..ValueInfoProto::default() }
    };
    let (input, output) = (vec![value(input)], vec![value(&wanted)]);
    let mut graph = GraphProto { node: nodes, initializer, input, output, ..GraphProto::default() };
    // Names are only for people, and may be given twice.
    (0..).zip(&mut graph.node).for_each(|(index, node): (usize, _)| node.name = format!("{index}-{}", node.op_type));
    Ok(graph)
}

/// Whether the first output is the label, which is of no use here: the manifest has the labels.
fn gives_labels(node: &NodeProto) -> bool {
    matches!(node.op_type.as_str(), "LinearClassifier" | "TreeEnsembleClassifier" | "SVMClassifier")
        && node.output.len() == 2
}

/// What runs here, by the models that bring it.
const OPERATORS: &[&str] = &[
    // Linear models, trees and what stands before them, of ai.onnx.ml.
    "ArrayFeatureExtractor LinearClassifier LinearRegressor Normalizer Scaler",
    "TreeEnsembleClassifier TreeEnsembleRegressor",
    // Networks.
    "BatchNormalization Dropout Elu Erf Gelu Gemm HardSigmoid LayerNormalization LeakyRelu LogSoftmax MatMul Relu",
    "Selu Sigmoid Softmax Softplus Tanh",
    // Naive Bayes, calibration, votes.
    "Abs Add And ArgMax ArgMin Clip Div Equal Exp Greater GreaterOrEqual Less LessOrEqual Log LpNormalization Max",
    "Mean Min Mul Neg Not Or Pow Reciprocal ReduceL1 ReduceL2 ReduceLogSumExp ReduceMax ReduceMean ReduceMin",
    "ReduceSum ReduceSumSquare Sign Sqrt Sub Sum Where",
    // Moving numbers about.
    "Cast Concat Constant ConstantOfShape Expand Flatten Gather Identity Reshape Shape Slice Split Squeeze Transpose",
    "Unsqueeze",
];

fn check_operator(node: &NodeProto) -> Result<(), GraphError> {
    let known = OPERATORS.iter().any(|line| line.split(' ').any(|known| known == node.op_type));
    let within = matches!(node.domain.as_str(), "" | "ai.onnx" | "ai.onnx.ml");
    let has_graph = node
        .attribute
        .iter()
        .any(|attribute| attribute.g.is_some() || !attribute.graphs.is_empty() || attribute.sparse_tensor.is_some());
    if known && within && !has_graph {
        return Ok(());
    }
    Err(GraphError::Operator { operator: node.op_type.clone(), remedy: remedy(&node.op_type) })
}

/// How to export without an operator.
fn remedy(operator: &str) -> &'static str {
    match operator {
        "SVMClassifier" | "SVMRegressor" => {
            "a kernel SVM costs too much a row; use LinearSVC, alone or in CalibratedClassifierCV"
        }
        "TreeEnsemble" => "export trees with target_opset={'': 18, 'ai.onnx.ml': 3}",
        "ZipMap" => "convert with options={'zipmap': False}",
        "TfIdfVectorizer" | "Tokenizer" | "StringNormalizer" | "StringConcat" | "StringSplit" => TEXT,
        "Imputer" => "leave it out; the bundle's contract says what stands in for a missing value",
        "LabelEncoder" | "OneHotEncoder" | "CategoryMapper" | "FeatureVectorizer" | "DictVectorizer" => {
            "leave it out; a model reads numbers, which the bundle's contract names"
        }
        "Loop" | "If" | "Scan" | "SequenceMap" => "control flow is refused; export the model without it",
        _ => "export a model without it; docs/models.md has the list of what loads",
    }
}

/// The numbers must lie in the file, and be as many as the shape says, before anyone makes room for them.
fn check_tensor(tensor: &TensorProto) -> Result<(), GraphError> {
    let name = || tensor.name.clone();
    if tensor.data_location == Some(DataLocation::External as i32) || !tensor.external_data.is_empty() {
        return Err(GraphError::External { name: name() });
    }
    let kind = DataType::try_from(tensor.data_type).unwrap_or(DataType::Undefined);
    let (bytes, listed) = match kind {
        DataType::Float => (4, tensor.float_data.len()),
        DataType::Double => (8, tensor.double_data.len()),
        DataType::Int64 => (8, tensor.int64_data.len()),
        DataType::Int32 => (4, tensor.int32_data.len()),
        DataType::Bool => (1, tensor.int32_data.len()),
        DataType::String => (usize::MAX, tensor.string_data.len()),
        other => return Err(GraphError::TensorType { name: name(), found: other.as_str_name().to_lowercase() }),
    };
    let mut sizes = tensor.dims.iter().map(|dim| usize::try_from(*dim).ok());
    let expected = sizes.try_fold(1_usize, |product, size| product.checked_mul(size?));
    let found = if tensor.raw_data.is_empty() { listed } else { tensor.raw_data.len() / bytes };
    let whole = tensor.raw_data.is_empty() || tensor.raw_data.len().is_multiple_of(bytes);
    if expected == Some(found) && whole {
        return Ok(());
    }
    Err(GraphError::TensorSize { name: name(), dims: tensor.dims.clone(), found })
}

/// Where each name is read, for [`lower`].
pub(super) fn readers(graph: &GraphProto) -> HashMap<String, usize> {
    let mut readers = HashMap::new();
    let names = graph.node.iter().flat_map(|node| &node.input).chain(graph.output.iter().map(|output| &output.name));
    names.for_each(|name| *readers.entry(name.clone()).or_default() += 1);
    readers
}
