//! What operations people see and use: logs, metrics, health and a clean stop.
//!
//! ```text
//!  lanes ──LaneMetrics──► Metrics ──► GET /metrics ──► Prometheus
//!    │                                GET /livez  ◄─┐
//!    └─────LaneHealth───► Health ──►  GET /readyz ◄─┴─ orchestrator
//!  SIGTERM ──► Shutdown ──► lanes drain ──► exit 0
//!                  └──watchdog: the drain took too long ──► exit 75
//! ```
//!
//! Nothing here ever sees a message's text, so nothing here can leak one.

pub mod health;
pub mod http;
pub mod metrics;
pub mod shutdown;
pub mod telemetry;
