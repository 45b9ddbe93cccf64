//! `assize drift`: does the traffic look as it did?

mod check;
mod reference;
mod report;
mod run;

use clap::Subcommand;

use crate::{failure::Failure, fault::Exit};

/// Does the traffic look as it did?
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Watch predictions and labels: windows, reports, alarms, until SIGTERM.
    Run(run::Run),
    /// A page of the drift reports: what moved, since when, and how good the model still is.
    Report(report::Args),
    /// Hold one file of predictions against another: what moved, and by how much?
    Check(check::Args),
    /// Count predictions from when all was well, for a bundle to carry: what later ones are held against.
    Reference(reference::Args),
}

impl Args {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`] with the exit code that the help of the command names.
    pub(super) fn run(self) -> Result<Exit, Failure> {
        match self.command {
            Command::Run(run) => run.run(),
            Command::Report(args) => args.run(),
            Command::Check(args) => args.run(),
            Command::Reference(args) => args.run(),
        }
    }
}
