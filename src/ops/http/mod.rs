//! The operations endpoint: `/metrics`, `/livez`, `/readyz`, and `/partitions` with the ones that wait. Who may ask what:
//! [`Access`].

mod access;
mod listener;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::health::{Health, Resume};
use super::metrics::{self, Metrics};
pub use access::Access;
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
        access: Access,
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
        let service = router(Sources { metrics, health }, access);
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

/// Every route added here, whatever its path and method, is behind the layer.
fn router(sources: Sources, access: Access) -> Router {
    Router::new()
        .route("/metrics", get(exposition))
        .route("/livez", get(liveness))
        .route("/readyz", get(readiness))
        .route("/partitions", get(partitions))
        .route("/partitions/{partition}/resume", post(resume))
        .with_state(sources)
        .layer(from_fn_with_state(access, access::check))
}

async fn exposition(State(sources): State<Sources>) -> Response {
    sources.metrics.set_ready(sources.health.not_ready().is_empty());
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
    let mut body = json!({ "ready": missing.is_empty(), "not_ready": missing });
    if let Some(down) = sources.health.down() {
        body["down"] = json!([down]);
    }
    answer(missing.is_empty(), body)
}

async fn partitions(State(sources): State<Sources>) -> Response {
    answer(true, json!({ "partitions": sources.health.partitions() }))
}

async fn resume(State(sources): State<Sources>, partition: Result<Path<i32>, PathRejection>) -> Response {
    let Ok(Path(partition)) = partition else {
        let told = "a partition is a number: see /partitions";
        return respond(StatusCode::BAD_REQUEST, json!({ "partition": null, "told": told }));
    };
    let (status, told) = match sources.health.resume(partition) {
        Resume::Asked => (StatusCode::ACCEPTED, "its lane reads it again within a moment"),
        Resume::NotPaused => (StatusCode::CONFLICT, "it does not pause for dead letters"),
        Resume::NotHere => (StatusCode::NOT_FOUND, "this process does not own it: ask the others"),
    };
    respond(status, json!({ "partition": partition, "told": told }))
}

fn answer(good: bool, body: serde_json::Value) -> Response {
    respond(if good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, body)
}

fn respond(status: StatusCode, body: serde_json::Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], format!("{body}\n")).into_response()
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
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

    #[test]
    fn what_is_no_partition_is_refused_in_json() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (metrics, health) = (Metrics::new(), Health::new(1));
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = HttpServer::start(any, Access::default(), metrics, health, runtime.handle()).unwrap();
        for (partition, status) in [("abc", 400), ("99999999999", 400), ("%ff", 400), ("7", 404)] {
            let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            let request = format!("POST /partitions/{partition}/resume HTTP/1.1\r\nhost: localhost\r\n");
            stream.write_all(format!("{request}connection: close\r\n\r\n").as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
            let body = answer.split_once("\r\n\r\n").unwrap().1;
            let body: serde_json::Value = serde_json::from_str(body).expect(&answer);
            assert!(body["told"].is_string(), "{answer}");
        }
    }
}
