//! The job that watches predictions and labels beside the stream.

mod assembly;
mod lane;
mod merger;
mod partition;
mod state;
mod store;
#[cfg(test)]
mod tests;
mod time;

pub use state::Input;
