//! `assize model`: judge a model before it serves.

mod bench;
mod decided;
mod diff;
mod inspect;
mod manifest;
mod package;
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
  assize model inspect models/spam-sms     what is in it?
  assize model tune --bundle models/spam-sms --labels labelled.csv --report spam.html
                                           where should its threshold be, and what does that mean?
  assize model diff models/spam-sms candidate --input messages.ndjson
                                           what would the other decide otherwise?
  assize model package --manifest draft/manifest.json --out models/mine
                                           files and a draft manifest become a bundle

Exit codes: 0 done; 1 see tune and diff; 2 wrong use; 65 the model is refused.")]
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
    /// What a bundle is: labels, files, features, decision, figures.
    Inspect(inspect::Args),
    /// Judge the same messages by two bundles: what flips, and what moved.
    Diff(diff::Args),
    /// Make a bundle of its files and a draft of their manifest.
    Package(package::Args),
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
            What::Inspect(args) => args.run(),
            What::Diff(args) => args.run(),
            What::Package(args) => args.run(),
            What::Tune(args) => args.run(),
        }
    }
}
