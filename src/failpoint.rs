//! Steps of a transaction at which a test makes the process crash or lose a result, and bugs that a test puts back.
//!
//! `ASSIZE_FAILPOINT` is `crash:<step>:<n>`, `panic:<step>:<n>`, `lose:<step>:<n>` (the n-th time the step is reached) or
//! `sabotage:<bug>`.
//! Builds without debug assertions (`--release`) compile all of it away.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering},
};

/// Crashes the process, or panics, if the test asked for it at the n-th time `step` is reached.
pub fn reached(step: &str) {
    if triggers("crash", step) {
        std::process::abort();
    }
    assert!(!triggers("panic", step), "a test wants it at {step}");
}

/// Whether the test asked that the result of `step` be lost, at the n-th time it is reached.
pub fn loses_result(step: &str) -> bool {
    triggers("lose", step)
}

/// Whether the test put `bug` back.
pub fn sabotage(bug: &str) -> bool {
    cfg!(debug_assertions) && setting().is_some_and(|(kind, name, _)| kind == "sabotage" && name == bug)
}

fn triggers(kind: &str, step: &str) -> bool {
    static TIMES: AtomicU64 = AtomicU64::new(0);
    cfg!(debug_assertions)
        && setting().is_some_and(|(wanted, name, nth)| {
            wanted == kind && name == step && TIMES.fetch_add(1, Ordering::Relaxed) + 1 == *nth
        })
}

fn setting() -> Option<&'static (String, String, u64)> {
    static SETTING: OnceLock<Option<(String, String, u64)>> = OnceLock::new();
    SETTING
        .get_or_init(|| {
            let text = std::env::var("ASSIZE_FAILPOINT").ok()?;
            let mut parts = text.split(':');
            let (kind, name) = (parts.next()?.to_owned(), parts.next()?.to_owned());
            Some((kind, name, parts.next().and_then(|nth| nth.parse().ok()).unwrap_or(1)))
        })
        .as_ref()
}
