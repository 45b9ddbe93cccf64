//! Posts an alert until somebody has it.
//!
//! 2xx is success. 408, 429, 5xx and no answer may be different the next time. Every other answer would be the same
//! again: it is given up at once. Redirects are not followed, as they would take the token elsewhere.

use std::{fmt, time::Duration};

use reqwest::{
    StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
    redirect::Policy,
};
use secrecy::ExposeSecret;

use super::{StartError, record::Alert};
use crate::{
    config,
    http::{because, retry_after},
};

/// Of the header by which a receiver knows a repeat.
const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// Pauses between two attempts; each is twice the one before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pauses {
    pub(super) first: Duration,
    /// Also the longest that a receiver may ask for.
    pub(super) longest: Duration,
}

pub(super) const PAUSES: Pauses = Pauses { first: Duration::from_secs(1), longest: Duration::from_secs(300) };

/// Where alerts are posted.
pub(super) struct Webhook {
    http: reqwest::Client,
    /// Not printed: it may hold a secret.
    url: String,
    /// Marked as sensitive: not printed either.
    authorization: Option<HeaderValue>,
    attempts_max: u32,
    pauses: Pauses,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").finish_non_exhaustive()
    }
}

/// What an attempt brought, other than success.
enum Problem {
    /// Another attempt may bring more; not before this pause, if the receiver has asked for one.
    Passing(String, Option<Duration>),
    /// None would.
    Lasting(String),
}

impl Webhook {
    pub(super) fn try_new(config: &config::Alert, pauses: Pauses) -> Result<Option<Self>, StartError> {
        let Some(url) = config.webhook.clone() else { return Ok(None) };
        let patience = Duration::from_millis(config.webhook_ms_max);
        let client = reqwest::Client::builder().timeout(patience).connect_timeout(patience).redirect(Policy::none());
        let http = client.build().map_err(StartError::Client)?;
        let authorization = match config.webhook_token.read("drift.alert.webhook_token")? {
            None => None,
            Some(token) => {
                let text = format!("Bearer {}", token.expose_secret());
                let mut value = HeaderValue::try_from(text).map_err(|_| StartError::TokenText)?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        Ok(Some(Self { http, url, authorization, attempts_max: config.webhook_attempts_max, pauses }))
    }

    /// Posts it until it is delivered, or false once that is given up; `retried` hears of every attempt but the first.
    pub(super) async fn deliver(&self, alert: &Alert, retried: impl Fn()) -> bool {
        let id = alert.id.escape_debug();
        let mut pause = self.pauses.first;
        for attempt in 1..=self.attempts_max {
            let (why, asked) = match self.post(alert).await {
                Ok(()) => return true,
                Err(Problem::Lasting(why)) => {
                    tracing::error!(%id, why, "an alert is given up: check drift.alert.webhook and its token");
                    return false;
                }
                Err(Problem::Passing(why, asked)) => (why, asked),
            };
            if attempt == self.attempts_max {
                tracing::error!(%id, attempt, why, "an alert is given up: is what drift.alert.webhook names there?");
                break;
            }
            let wait = pause.max(asked.unwrap_or_default()).min(self.pauses.longest);
            tracing::debug!(%id, attempt, why, wait_ms = wait.as_millis() as u64, "an alert is posted again");
            tokio::time::sleep(wait).await;
            pause = (pause * 2).min(self.pauses.longest);
            retried();
        }
        false
    }

    async fn post(&self, alert: &Alert) -> Result<(), Problem> {
        let body = serde_json::to_vec(alert).map_err(|error| Problem::Lasting(error.to_string()))?;
        // A header holds printable ASCII; of names that are no more than that the id is the same.
        let id = alert.id.escape_default().to_string();
        let mut request =
            self.http.post(&self.url).header(CONTENT_TYPE, "application/json").header(IDEMPOTENCY_KEY, id);
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        // The answer's body is not read: whoever wrote it may say anything.
        let answer = request.body(body).send().await.map_err(silent)?;
        let status = answer.status();
        let (why, passing) = (format!("HTTP {status}"), |why| Problem::Passing(why, retry_after(&answer)));
        match status {
            _ if status.is_success() => Ok(()),
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Err(passing(why)),
            _ if status.is_server_error() => Err(passing(why)),
            _ => Err(Problem::Lasting(why)),
        }
    }
}

fn silent(error: reqwest::Error) -> Problem {
    Problem::Passing(format!("no answer: {}", because(error)), None)
}
