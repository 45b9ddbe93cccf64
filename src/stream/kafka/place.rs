//! Which process has this lane's identity, where two claim it or one is fenced by its own past.
//!
//! The transactional id decides. Whoever joins the group has initialised it first, which fences the one before, so of two
//! live processes the one that initialised it last stays, and the other ends. The group cannot decide: its coordinator
//! also fences a member by that member's own past, when the two lost sight of each other for longer than the session and
//! a join under the old member id arrives late; and it does not tell who holds an instance id.
//!
//! ```text
//!   fenced in the group ──► a call of the producer timed out? ── yes ─► nothing can be asked: take the identity back
//!                                    │ no
//!                             producer still the last one? ── yes ─► own past: join anew
//!                                    │ no
//!                                    ├─ the broker had time to end a transaction of ours ─► take the identity back
//!                                    └─ it had not ─► another process: exit 76
//! ```
//!
//! Taking it back costs a replacement of a process that was taken for dead (stopped, or cut off) its place once: started
//! again it is the last one, and stays.

use std::time::{Duration, Instant};

use rdkafka::{consumer::Consumer, error::KafkaError, types::RDKafkaErrorCode as Code};

use super::{Beside, KafkaStream, client, consumer};
use crate::{
    fault::{Action, Exit, Fault},
    stream::NextOffsets,
};

/// Heartbeats that a lane whose producer was fenced waits to hear whether it lost its place in the group too: a newer
/// process fences the producer first, and joins within a second or two.
const RIVAL_HEARTBEATS: u32 = 3;
const RIVAL_AGAIN_MS: Duration = Duration::from_millis(20);

impl<B: Beside> KafkaStream<B> {
    /// A newer process must not lose to a new producer of this one, built before this one heard that its place in the
    /// group is taken. A fenced producer alone says nothing: the broker also fences one whose transaction took too long,
    /// say behind a SIGSTOP.
    pub(super) fn give_way(&mut self) -> Result<(), Fault> {
        let wait_ms_max =
            if self.transactor.is_fenced() { client::HEARTBEAT_MS * RIVAL_HEARTBEATS } else { Duration::ZERO };
        let start = Instant::now();
        loop {
            client::serve(&self.consumer);
            if self.keep_place()? || start.elapsed() >= wait_ms_max {
                return Ok(());
            }
            std::thread::sleep(RIVAL_AGAIN_MS);
        }
    }

    /// A consumer that librdkafka has ended is replaced, and that is true, or the process must end. Looked at again and
    /// again, because the client tells the error only once, and whoever takes it may be waiting for something else.
    pub(super) fn keep_place(&mut self) -> Result<bool, Fault> {
        let Some((code, _)) = self.consumer.client().fatal_error() else { return Ok(false) };
        if code != Code::FencedInstanceId {
            return Err(Fault::kafka("reading the input", KafkaError::MessageConsumptionFatal(code)));
        }
        if self.transactor.is_doubtful() && !self.transactor.is_fenced() {
            // Nothing can be asked with it: its last call may still be under way.
            self.rebuild("fenced after a call that timed out")?;
        } else if self.is_last()? {
            tracing::warn!(lane = self.lane, "fenced by its own earlier membership: joining the group anew");
        } else if self.transactor.may_have_timed_out() {
            // Nobody can tell. Should another process live, it finds that it is not the last one any more, and ends.
            self.rebuild("fenced after a transaction that took too long")?;
        } else {
            let doing = "another process with this kafka.instance has taken this one's place: give each its own";
            return Err(Fault::new(Action::Exit(Exit::Fenced), doing));
        }
        self.join_anew()?;
        Ok(true)
    }

    /// Whether no other process has initialised this transactional id since.
    fn is_last(&mut self) -> Result<bool, Fault> {
        if self.transactor.is_fenced() {
            return Ok(false);
        }
        let group = self
            .consumer
            .group_metadata()
            .ok_or_else(|| Fault::new(Action::Wait(client::HEARTBEAT_MS), "the consumer has no group metadata"))?;
        // Never committed, so any partition does.
        let mut offsets = NextOffsets::default();
        offsets.set_next(0, 0);
        self.transactor.is_last(self.offsets(&offsets)?, group)
    }

    /// Replaces the consumer; all that the lane had or was about to get is revoked.
    fn join_anew(&mut self) -> Result<(), Fault> {
        let new = consumer::join(&self.kafka, self.lane, &self.input, !self.at_end.is_empty())?;
        let had = self.consumer.assignment().map_err(|error| Fault::kafka("reading the assignment", error))?;
        new.context().inherit(self.consumer.context(), had.elements().iter().map(|element| element.partition()));
        let old = std::mem::replace(&mut self.consumer, new);
        // Ending a client that was fenced while its coordinator was away can wait for ever (measured).
        std::thread::Builder::new()
            .name("fenced-consumer".into())
            .spawn(move || drop(old))
            .map_err(|error| Fault::caused(Action::Exit(Exit::Failed), "starting a thread", error))?;
        Ok(())
    }
}
