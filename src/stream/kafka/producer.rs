//! The transactional producer: begin, send, offsets, commit, abort, each repeated while librdkafka asks for it and
//! within a deadline shorter than the transaction timeout.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext, TopicPartitionList,
    consumer::ConsumerGroupMetadata,
    error::KafkaError,
    message::DeliveryResult,
    producer::{BaseRecord, NoCustomPartitioner, Producer, ProducerContext, ThreadedProducer},
    types::RDKafkaErrorCode as Code,
};

use super::{client, native};
use crate::{
    config::{Kafka, Topics},
    fault::{Action, Fault, classify},
    stream::{Output, Topic},
};

/// How long one attempt of a call may take; a call is repeated until the deadline of its transaction.
const ATTEMPT_MS_MAX: Duration = Duration::from_millis(5_000);
/// Pause between two attempts.
const AGAIN_MS: Duration = Duration::from_millis(5);
/// Pause before a coordinator that did not answer is asked again.
const AGAIN_LATER_MS: Duration = Duration::from_millis(500);
/// Pause while the local queue is full.
const QUEUE_FULL_MS: Duration = Duration::from_millis(2);

/// The first failed delivery of a transaction is logged; its commit fails by itself.
#[derive(Default)]
struct Deliveries {
    failed: AtomicBool,
}

impl ClientContext for Deliveries {}

impl ProducerContext<NoCustomPartitioner> for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            // Purged messages are those of an aborted transaction.
            let purged = error.rdkafka_error_code() == Some(Code::PurgeQueue);
            if !purged && !self.failed.swap(true, Ordering::Relaxed) {
                tracing::warn!(%error, "a delivery failed: its transaction will be aborted");
            }
        }
    }
}

/// One `transactional.id`. `new` fences its predecessor and ends what that left open.
pub(super) struct Transactor {
    producer: Arc<ThreadedProducer<Deliveries>>,
    call_ms_max: Duration,
    timeout_ms: Duration,
    /// When the open transaction was begun.
    opened: Option<Instant>,
    /// Whether the open transaction was older than the broker lets one be, when the producer was seen to be fenced.
    fenced_late: Option<bool>,
    /// A call timed out in this producer's life: its late effects could hit the next transaction, because librdkafka
    /// does not bump the epoch with each transaction (KIP-890 part 2). A new producer is built before the next one.
    doubtful: bool,
}

impl Transactor {
    /// Builds the producer of `lane` and waits for `init_transactions`.
    pub(super) fn new(kafka: &Kafka, lane: usize) -> Result<Self, Fault> {
        let producer: ThreadedProducer<Deliveries> = client::producer(kafka, lane)
            .create_with_context(Deliveries::default())
            .map_err(|error| Fault::caused(Action::Exit(crate::fault::Exit::Config), "building the producer", error))?;
        let timeout_ms = Duration::from_millis(kafka.transaction_timeout_ms);
        let mut transactor = Self {
            producer: Arc::new(producer),
            call_ms_max: timeout_ms * 4 / 5,
            timeout_ms,
            opened: None,
            fenced_late: None,
            doubtful: false,
        };
        let init = |transactor: &Self| Some(transactor.producer.init_transactions(ATTEMPT_MS_MAX));
        transactor.repeat("initialising transactions", init)?;
        transactor.doubtful = false;
        Ok(transactor)
    }

    pub(super) fn is_open(&self) -> bool {
        self.opened.is_some()
    }

    /// This producer is not to be used again.
    pub(super) fn doubt(&mut self) {
        self.doubtful = true;
    }

    pub(super) fn is_doubtful(&self) -> bool {
        self.doubtful
    }

    /// A newer producer has its id, or the broker ended its transaction by the timeout: librdkafka tells no difference.
    pub(super) fn is_fenced(&self) -> bool {
        self.producer.client().fatal_error().is_some_and(|(code, _)| code == Code::Fenced)
    }

    /// Whether the broker may have fenced it by ending a transaction that took too long.
    pub(super) fn may_have_timed_out(&mut self) -> bool {
        // A fence may also come while no call is made.
        self.note_fence();
        self.fenced_late == Some(true)
    }

    /// Asks the broker whether this is still the last producer with its id, by giving `offsets` to a transaction that is
    /// then aborted; an open one is aborted too.
    ///
    /// # Errors
    /// [`Fault`] that asks to wait: the coordinator does not answer.
    pub(super) fn is_last(&mut self, offsets: TopicPartitionList, group: ConsumerGroupMetadata) -> Result<bool, Fault> {
        let asked = self.ask(offsets, group);
        if self.is_fenced() {
            return Ok(false);
        }
        match asked {
            Ok(()) => Ok(true),
            // Lost for another reason: nobody has taken the id, and the next transaction gets a new producer.
            Err(_) if self.producer.client().fatal_error().is_some() => {
                self.doubt();
                Ok(true)
            }
            Err(fault) => Err(fault.with_action(Action::Wait(AGAIN_LATER_MS))),
        }
    }

    fn ask(&mut self, offsets: TopicPartitionList, group: ConsumerGroupMetadata) -> Result<(), Fault> {
        if self.is_open() {
            self.abort()?;
        }
        self.begin()?;
        match self.send_offsets(offsets, group) {
            // The producer passed, the group's member did not.
            Err(fault) if fault.action != Action::Abort => Err(fault),
            _ => self.abort(),
        }
    }

    pub(super) fn begin(&mut self) -> Result<(), Fault> {
        // Asks no broker.
        self.repeat("beginning a transaction", |transactor| Some(transactor.producer.begin_transaction()))?;
        self.opened = Some(Instant::now());
        self.producer.client().context().failed.store(false, Ordering::Relaxed);
        Ok(())
    }

    pub(super) fn send(&mut self, topics: &Topics, output: &Output<'_>) -> Result<(), Fault> {
        let topic = match output.topic {
            Topic::Verdicts => &topics.verdicts,
            Topic::Predictions => &topics.predictions,
            Topic::DeadLetters => &topics.dead_letters,
            Topic::DriftReports => &topics.drift_reports,
            Topic::DriftState => &topics.drift_state,
        };
        let mut record = BaseRecord::<[u8], [u8]>::to(topic).partition(output.partition);
        record.key = output.key;
        record.payload = output.value;
        if !output.headers.is_empty() {
            record.headers = Some(native::headers(output.headers));
        }
        let start = Instant::now();
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((error, again)) => {
                    if classify(&error) != Action::Retry || start.elapsed() > self.call_ms_max {
                        self.note_fence();
                        return Err(Fault::kafka("writing an output", error));
                    }
                    record = again;
                    std::thread::sleep(QUEUE_FULL_MS);
                }
            }
        }
    }

    /// Waits for the deliveries, so that the commit finds nothing in flight.
    pub(super) fn drain(&self) -> Result<(), Fault> {
        if native::flush(&self.producer, self.call_ms_max) {
            return Ok(());
        }
        Err(Fault::new(Action::Abort, "waiting for deliveries took longer than the transaction may"))
    }

    pub(super) fn send_offsets(
        &mut self,
        offsets: TopicPartitionList,
        group: ConsumerGroupMetadata,
    ) -> Result<(), Fault> {
        let asked = Arc::new((offsets, group));
        self.repeat("adding the offsets to the transaction", |transactor| {
            let asked = Arc::clone(&asked);
            transactor.answer(move |producer| producer.send_offsets_to_transaction(&asked.0, &asked.1, ATTEMPT_MS_MAX))
        })
    }

    pub(super) fn commit(&mut self) -> Result<(), Fault> {
        // Without a limit of ours, as librdkafka asks: it stops at the transaction timeout by itself.
        let committed = self.repeat("committing the transaction", |transactor| {
            transactor.answer(|producer| producer.commit_transaction(None))
        });
        match committed {
            Ok(()) => {
                self.opened = None;
                Ok(())
            }
            // librdkafka asks for an abort only when it knows that the broker did not commit.
            Err(fault) if fault.action == Action::Abort => Err(fault),
            Err(fault) => Err(fault.with_outcome_unknown()),
        }
    }

    pub(super) fn abort(&mut self) -> Result<(), Fault> {
        self.repeat("aborting the transaction", |transactor| {
            transactor.answer(|producer| producer.abort_transaction(ATTEMPT_MS_MAX))
        })?;
        self.opened = None;
        Ok(())
    }

    /// The answer of a call that asks the coordinator; none when it takes longer than any limit that it was given. Measured:
    /// `send_offsets_to_transaction` never came back, whatever its timeout, when the broker that has the group had been
    /// killed. So it is made on a thread of its own, which then keeps the producer, and a new producer fences that one.
    fn answer(
        &self,
        call: impl FnOnce(&ThreadedProducer<Deliveries>) -> Result<(), KafkaError> + Send + 'static,
    ) -> Option<Result<(), KafkaError>> {
        let (tell, told) = mpsc::sync_channel(1);
        let producer = Arc::clone(&self.producer);
        let ask = move || {
            let answer = call(&producer);
            // Before the answer: the last one to hold a producer waits for its thread.
            drop(producer);
            let _ = tell.send(answer);
        };
        // Without a thread there is no answer either.
        thread::Builder::new().name("transaction".into()).spawn(ask).ok()?;
        told.recv_timeout(self.timeout_ms + ATTEMPT_MS_MAX).ok()
    }

    /// Remembers, the first time that the producer is seen to be fenced, how old its transaction was then.
    fn note_fence(&mut self) {
        if self.fenced_late.is_none() && self.is_fenced() {
            self.fenced_late = Some(self.opened.is_some_and(|opened| opened.elapsed() >= self.timeout_ms));
        }
    }

    /// The same call again while librdkafka asks for it, within the deadline; past it the state of this producer is
    /// unknown, so a new one is asked for.
    fn repeat(
        &mut self,
        doing: &'static str,
        call: impl Fn(&Self) -> Option<Result<(), KafkaError>>,
    ) -> Result<(), Fault> {
        let start = Instant::now();
        loop {
            let Some(answer) = call(self) else {
                self.doubtful = true;
                let error = io::Error::new(io::ErrorKind::TimedOut, "librdkafka does not answer");
                return Err(Fault::caused(Action::Rebuild, doing, error));
            };
            let Err(error) = answer else { return Ok(()) };
            self.doubtful |= timed_out(&error);
            self.note_fence();
            match classify(&error) {
                Action::Retry if start.elapsed() < self.call_ms_max => {
                    tracing::debug!(%error, doing, "again");
                    std::thread::sleep(AGAIN_MS);
                }
                Action::Retry => return Err(Fault::caused(Action::Rebuild, doing, error)),
                action => return Err(Fault::caused(action, doing, error)),
            }
        }
    }
}

fn timed_out(error: &KafkaError) -> bool {
    matches!(error.rdkafka_error_code(), Some(Code::OperationTimedOut | Code::RequestTimedOut | Code::MessageTimedOut))
}
