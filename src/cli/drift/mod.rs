//! `assize drift`: does the traffic look as it did?

mod check;

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
    /// Hold one file of predictions against another: what moved, and by how much?
    Check(check::Args),
}

impl Args {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`] with [`Exit::Usage`], [`Exit::Bundle`], or [`Exit::Failed`] when a file cannot be read.
    pub(super) fn run(self) -> Result<Exit, Failure> {
        match self.command {
            Command::Check(args) => args.run(),
        }
    }
}
