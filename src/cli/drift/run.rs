//! `assize drift run`: the job itself.

use crate::{cli::ConfigArg, failure::Failure, fault::Exit, ops::telemetry, service};

/// What `assize drift run` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Run {
    #[command(flatten)]
    config: ConfigArg,
}

const EXAMPLES: &str = "\
Counts predictions and labels in windows of event time, holds them against the reference in each task's bundle, and writes \
a report of each window, task and arm to the topic topics.drift_reports; an alarm goes to the log and to \
drift.alert.webhook. Counts and offsets are committed together: a job that was killed goes on as if nothing had happened. \
More processes share the partitions. docs/drift.md says what counts as drift.

Examples:
  assize topics create --drift                    labels, drift-reports and drift-state too
  assize drift run --config assize.toml
  ASSIZE_DRIFT__ENABLED=true assize run           the same beside the stream, on threads that give way to it
  assize drift report                             a page of the last days

It needs a drift reference in the bundle of at least one [[task]]: `assize model inspect` shows it, `assize drift \
reference` makes one. Logs go to stderr; /metrics, /livez and /readyz are served on admin.listen.

Exit codes: 0 drained after SIGTERM or SIGINT; 64 the configuration is refused; 65 a bundle is refused, or none has a \
reference; 69 Kafka, its topics, the registry or the port is not as needed; 70 the broker refuses for good; 75 the drain \
took too long; 76 another process has this identity; 77 too many new producers.";

impl Run {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`], with its exit code and what to do.
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let config = self.config.load()?;
        telemetry::init(config.log.format, &config.log.filter).map_err(|error| Failure::new(Exit::Config, error))?;
        service::run_drift(&config)
    }
}
