//! The `assize` command: arguments -> command -> exit code.

use std::process::ExitCode;

use assize::cli::Cli;
use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(exit) => exit.into(),
        Err(failure) => {
            eprintln!("assize: {failure}");
            failure.exit.into()
        }
    }
}
