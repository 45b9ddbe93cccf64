//! The one clock of what is written down.

use std::time::{SystemTime, UNIX_EPOCH};

/// Now, milliseconds since the epoch.
pub fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}
