//! The job that watches predictions and labels beside the stream.

mod assembly;
mod partition;
mod state;
mod time;
