//! `assize run`: the stream.

use clap::Args as ClapArgs;

use super::ConfigArg;
use crate::{failure::Failure, fault::Exit, ops::telemetry, service};

/// Judge the messages of a topic, exactly once, until SIGTERM.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  assize topics create --config assize.toml
  ASSIZE_HASH_KEY=$(openssl rand -hex 32) assize run --config assize.toml
  ASSIZE_STREAM__LANES=4 assize run --config assize.toml --check")]
pub struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// Only check the configuration and the bundles, then exit.
    #[arg(long)]
    check: bool,
}

/// # Errors
/// [`Failure`], with its exit code.
pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let config = args.config.load()?;
    telemetry::init(config.log.format, &config.log.filter).map_err(|error| Failure::new(Exit::Config, error))?;
    if args.check {
        service::try_models(&config.tasks)?;
        service::load_tasks(&config.tasks)?;
        return Ok(Exit::Done);
    }
    service::run(&config)
}
