//! What answers and errors of HTTP say, for everybody who asks.

use std::time::Duration;

use reqwest::{Response, header::RETRY_AFTER};

/// The pause that whoever answered asks for. Seconds only; a date is passed over, and the usual pause holds.
pub fn retry_after(response: &Response) -> Option<Duration> {
    let value = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
}

/// An error with its causes, without the URL: that may hold a secret.
pub fn because(error: reqwest::Error) -> String {
    format!("{:#}", anyhow::Error::new(error.without_url()))
}
