//! `assize demo`: real messages, no services.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::{output::print, progress_bar};
use crate::{
    demo::Demo,
    failure::Failure,
    fault::Exit,
    ops::telemetry::{self, LogFormat},
};

/// Judge labelled messages from a file, with no services at all.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  ./dev demo
  assize demo --messages data/spam-sms/messages.tsv --bundle models/spam-sms --out run/demo")]
pub struct Args {
    /// Labelled messages: label, tab, text, one a line.
    #[arg(long, value_name = "FILE", default_value = "data/spam-sms/messages.tsv")]
    messages: PathBuf,
    /// The bundle that judges them.
    #[arg(long, value_name = "DIR", default_value = "models/spam-sms")]
    bundle: PathBuf,
    /// Where the answers go, one JSON object a line.
    #[arg(long, value_name = "DIR", default_value = "run/demo")]
    out: PathBuf,
}

/// # Errors
/// [`Failure`], with its exit code.
pub(super) fn run(args: Args) -> Result<Exit, Failure> {
    telemetry::init(LogFormat::Human, "warn").map_err(|error| Failure::new(Exit::Config, error))?;
    let Args { messages, bundle, out } = args;
    let bar = progress_bar(0, "judging {bar:40} {pos}/{len} messages, {per_sec}");
    let shown = bar.clone();
    let report = Demo { messages, bundle, out }.run(move |done, length| {
        shown.set_length(length);
        shown.set_position(done);
    });
    bar.finish_and_clear();
    print(&format!("{}\n", report?))?;
    Ok(Exit::Done)
}
