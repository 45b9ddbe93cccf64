//! `assize model verify`, and the hidden command that it starts.

use std::path::PathBuf;

use crate::{
    cli::output::print,
    failure::Failure,
    fault::Exit,
    model::isolate::{self, Limits},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A bundle's folder or an ONNX file.
    #[arg(value_name = "BUNDLE_OR_ONNX")]
    model: PathBuf,
}

impl Args {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let context = |error: isolate::TrialError| anyhow::Error::new(error).context(self.model.display().to_string());
        let says = isolate::trial(None, &self.model, Limits::default())
            .map_err(|error| Failure::new(Exit::Bundle, context(error)))?;
        print(&format!("{}: {says}\n", self.model.display()))?;
        Ok(Exit::Done)
    }
}

/// What the process that tries a model takes.
#[derive(Debug, clap::Args)]
pub struct TrialArgs {
    model: PathBuf,
    #[arg(long)]
    memory_mib: u64,
    #[arg(long)]
    cpu_seconds: u64,
}

impl TrialArgs {
    /// What there is to say goes to stdout, be it good or bad.
    pub(in crate::cli) fn run(self) -> Result<Exit, Failure> {
        let tried = isolate::stand(&self.model, self.memory_mib, self.cpu_seconds);
        let exit = if tried.is_ok() { Exit::Done } else { Exit::Bundle };
        print(&tried.unwrap_or_else(|why| why))?;
        Ok(exit)
    }
}
