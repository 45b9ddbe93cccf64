//! Why a command ended, in one line, and the exit code that says it to a script.

use crate::{config::ConfigError, fault::Exit};

/// An error with the exit code that it ends the process with.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    message: String,
}

impl Failure {
    /// A failure with its whole chain of causes in one line; a cause that its context already quotes is left out.
    pub fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        let mut message = String::new();
        for cause in error.into().chain().map(ToString::to_string) {
            if message.is_empty() {
                message = cause;
            } else if !message.ends_with(&cause) {
                message = format!("{message}: {cause}");
            }
        }
        Self { exit, message }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::new(Exit::Config, error)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::new(Exit::Failed, error)
    }
}
