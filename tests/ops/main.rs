//! What operations people rely on: the metrics text, the health endpoint, and a process that ends in time.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is that test's failure, also in what tests share")]

mod drift;
mod endpoint;
mod exposition;
mod metrics;
mod shutdown;
mod stack;
mod telemetry;
