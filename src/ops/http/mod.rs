//! The operations endpoint: `/metrics`, `/livez`, `/readyz`. No authentication: bind it to loopback or to a network
//! that only operations reach.

mod listener;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::health::Health;
use super::metrics::{self, Metrics};
use listener::{BoundedListener, CONNECTION_AGE_MAX, CONNECTIONS_MAX};

/// Why the endpoint could not start.
#[derive(Debug, thiserror::Error)]
#[error("listen on {address} for /metrics, /livez and /readyz: is the port taken?")]
pub struct HttpError {
    /// What was to be bound.
    pub address: SocketAddr,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

/// The running endpoint. Dropping it closes the port.
#[derive(Debug)]
pub struct HttpServer {
    address: SocketAddr,
    task: JoinHandle<()>,
}

#[derive(Clone)]
struct Sources {
    metrics: Arc<Metrics>,
    health: Arc<Health>,
}

impl HttpServer {
    /// Binds `address` (port 0 takes a free one) and serves on `runtime`. Blocks for the bind alone; not to be called
    /// from a task of that runtime.
    pub fn start(
        address: SocketAddr,
        metrics: Arc<Metrics>,
        health: Arc<Health>,
        runtime: &Handle,
    ) -> Result<Self, HttpError> {
        let bound = runtime.block_on(async {
            let listener = TcpListener::bind(address).await?;
            let address = listener.local_addr()?;
            io::Result::Ok((listener, address))
        });
        let (listener, bound) = bound.map_err(|source| HttpError { address, source })?;
        let service = router(Sources { metrics, health });
        let task = runtime.spawn(async move {
            let listener = BoundedListener::new(listener, CONNECTIONS_MAX, CONNECTION_AGE_MAX);
            // axum's serve never returns an error: the listener retries accepting by itself.
            let _ = axum::serve(listener, service).await;
        });
        tracing::info!(address = %bound, "serving /metrics, /livez and /readyz");
        Ok(Self { address: bound, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn router(sources: Sources) -> Router {
    Router::new()
        .route("/metrics", get(exposition))
        .route("/livez", get(liveness))
        .route("/readyz", get(readiness))
        .with_state(sources)
}

async fn exposition(State(sources): State<Sources>) -> Response {
    match sources.metrics.encode() {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be written as text\n").into_response(),
    }
}

async fn liveness(State(sources): State<Sources>) -> Response {
    let stuck = sources.health.stuck();
    answer(stuck.is_empty(), json!({ "live": stuck.is_empty(), "stuck": stuck }))
}

async fn readiness(State(sources): State<Sources>) -> Response {
    let missing = sources.health.not_ready();
    answer(missing.is_empty(), json!({ "ready": missing.is_empty(), "not_ready": missing }))
}

fn answer(good: bool, body: serde_json::Value) -> Response {
    let status = if good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(header::CONTENT_TYPE, "application/json")], format!("{body}\n")).into_response()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::super::health::STALL_SECONDS_MAX;
    use super::*;

    #[tokio::test]
    async fn a_stuck_lane_flips_liveness_and_its_progress_flips_it_back() {
        let stalled = Instant::now() - Duration::from_secs(STALL_SECONDS_MAX + 1);
        let sources = Sources { metrics: Metrics::new(), health: Health::started_at(1, stalled) };
        assert_eq!(liveness(State(sources.clone())).await.status(), StatusCode::SERVICE_UNAVAILABLE);
        sources.health.lane(0).progress();
        assert_eq!(liveness(State(sources)).await.status(), StatusCode::OK);
    }
}
