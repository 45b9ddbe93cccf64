//! `assize model`: judge a model before it serves.

mod bench;
mod tune;
mod verify;

use clap::Subcommand;

pub(super) use verify::TrialArgs;

use crate::{failure::Failure, fault::Exit};

/// What `assize model` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  assize model verify models/spam-sms      does it load, and do its golden vectors come out?
  assize model verify export.onnx          does this export load, and if not, how to export it?
  assize model bench models/spam-sms       what does a row cost?

Exit codes: 0 done; 65 the model is refused.")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Check a bundle or an ONNX file in a process of its own; says how to export it right.
    Verify(verify::Args),
    /// Measure what a row costs.
    Bench(bench::Args),
    /// Choose thresholds from messages with labels, and draw what they mean.
    Tune(tune::Args),
}

impl Args {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`] with [`Exit::Bundle`] when the model is refused.
    pub(super) fn run(self) -> Result<Exit, Failure> {
        match self.what {
            What::Verify(args) => args.run(),
            What::Bench(args) => args.run(),
            What::Tune(args) => args.run(),
        }
    }
}
