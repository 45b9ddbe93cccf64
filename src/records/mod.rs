//! What travels on each topic. The `.avsc` files under `schemas/` are the public interface; these structs are
//! checked against them by `tests/records.rs`. Fields are added only with defaults.

mod drift_report;
mod encode;
mod label;
mod message;
mod prediction;
mod prediction_view;
mod promote;
mod published;
mod verdict;

pub use drift_report::{
    AlarmChange, AlarmKind, AlarmState, DistributionBin, DriftAlarm, DriftFinding, DriftReport, DriftStatistic,
    DriftStatus, DriftTest, EstimatedPerformance, FeatureKind, Figure, LabelCounts, Performance, PredictionCounts,
    ReliabilityBin,
};
pub use label::{Label, LabelSource};
pub use message::Message;
pub use prediction::{Prediction, TaskPrediction, UserFeatures};
pub use prediction_view::{PredictionView, TaskView};
pub use verdict::{Action, Decision, Kind, ModelRef, Reason, ReasonSource, ReasonsStatus, Score, Verdict};

/// The Avro schemas of the records, as published.
pub mod schema {
    /// `Message`: what producers write.
    pub const MESSAGE: &str = include_str!("../../schemas/message.avsc");
    /// `Verdict`: what moderation services read.
    pub const VERDICT: &str = include_str!("../../schemas/verdict.avsc");
    /// `Prediction`: the prediction log.
    pub const PREDICTION: &str = include_str!("../../schemas/prediction.avsc");
    /// `Label`: what a message truly was.
    pub const LABEL: &str = include_str!("../../schemas/label.avsc");
    /// `DriftReport`: what a window of predictions says.
    pub const DRIFT_REPORT: &str = include_str!("../../schemas/drift-report.avsc");
}
