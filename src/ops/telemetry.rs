//! Logs: one `tracing` subscriber that writes to stderr, for people or as JSON, one event a line.

use std::io::IsTerminal;
use std::panic::PanicHookInfo;

use serde::Deserialize;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people; coloured on a terminal.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The level is not one that `tracing` understands.
    #[error("log level {directives:?} is not understood: use error, warn, info, debug, trace or module=level, ...")]
    Level {
        /// What was given, by the config or `RUST_LOG`.
        directives: String,
        /// What the parser said.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// Something else installed a subscriber before.
    #[error("logging is already set up: call telemetry::init once, first thing in main")]
    AlreadySet(#[source] tracing_subscriber::util::TryInitError),
}

/// Starts logging to stderr. `RUST_LOG`, when set and not empty, wins over `level`; both take `tracing` directives
/// such as `info` or `warn,assize=debug`.
pub fn init(format: LogFormat, level: &str) -> Result<(), TelemetryError> {
    let from_environment = std::env::var("RUST_LOG").ok().filter(|directives| !directives.trim().is_empty());
    let filter = filter(from_environment.as_deref().unwrap_or(level))?;
    let builder = tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter);
    match format {
        LogFormat::Human => builder.with_ansi(std::io::stderr().is_terminal()).finish().try_init(),
        LogFormat::Json => builder.json().flatten_event(true).finish().try_init(),
    }
    .map_err(TelemetryError::AlreadySet)?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

fn filter(directives: &str) -> Result<EnvFilter, TelemetryError> {
    EnvFilter::try_new(directives).map_err(|source| TelemetryError::Level { directives: directives.into(), source })
}

/// Logs a panic as an event, so that JSON logs stay JSON.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    tracing::error!(location, thread = thread.name(), "panic: {}", panic_text(panic.payload()));
}

/// A panic's text, when it is a literal of the program. A formatted one may quote a message (slicing a string off a
/// character boundary does), and no message text may reach a log.
fn panic_text(payload: &(dyn std::any::Any + Send)) -> &'static str {
    payload.downcast_ref::<&'static str>().copied().unwrap_or("(text withheld: it may quote a message)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_level_names_what_was_found_and_what_is_allowed() {
        let error = filter("loud=very").unwrap_err().to_string();
        assert_eq!(
            error,
            "log level \"loud=very\" is not understood: use error, warn, info, debug, trace or module=level, ..."
        );
    }

    #[test]
    fn levels_and_directives_are_understood() {
        for directives in ["info", "warn,assize=debug", "off"] {
            assert!(filter(directives).is_ok(), "{directives}");
        }
    }

    #[test]
    fn a_panic_that_quotes_data_is_withheld() {
        let text = String::from("caf\u{e9}");
        let quoting = std::panic::catch_unwind(|| text[..4].len()).unwrap_err();
        assert!(!panic_text(quoting.as_ref()).contains("caf"));
        let literal: Box<dyn std::any::Any + Send> = Box::new("index out of step");
        assert_eq!(panic_text(literal.as_ref()), "index out of step");
    }
}
