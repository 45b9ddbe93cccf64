//! What a message costs, stage by stage and as a whole, without Kafka: the functions that the pipeline calls, on the
//! real messages of the SMS Spam Collection and the model `models/spam-sms`.
//!
//! ```text
//!                       ┌─► stages.rs (criterion) ─► target/criterion ─► table ─► nanoseconds, as Markdown
//!  Corpus ─► [Stage] ───┤
//!                       └─► instructions (callgrind) ─► instructions and allocations a message, held against
//!                                                       instructions.json
//! ```

mod corpus;
mod stage;
mod stages;

pub use corpus::Corpus;
pub use stage::Stage;
pub use stages::all;

/// As in the command, so that the same allocations cost the same.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
