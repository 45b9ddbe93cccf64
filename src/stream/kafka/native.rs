//! The three librdkafka calls that rust-rdkafka has no safe or fit wrapper for. All unsafe code of the crate is here.
#![allow(unsafe_code)]

use std::{
    ffi::{CStr, CString},
    ptr,
    time::Duration,
};

use rdkafka::{
    bindings as rd,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    message::BorrowedHeaders,
    producer::{Producer, ProducerContext, ThreadedProducer},
};

/// Waits until every message is delivered or failed; true when none is left.
///
/// rust-rdkafka's own `flush` sleeps inside `poll` for up to 100 ms; this one wakes at the last delivery.
pub(super) fn flush<C: ProducerContext + 'static>(producer: &ThreadedProducer<C>, wait_ms_max: Duration) -> bool {
    let wait_ms = i32::try_from(wait_ms_max.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: the handle lives as long as `producer`, and rd_kafka_flush may be called from any thread.
    let code = unsafe { rd::rd_kafka_flush(producer.client().native_ptr(), wait_ms) };
    code == rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
}

/// The high watermark that the last fetch of `partition` reported; none before the first. Asks nobody.
pub(super) fn cached_high_watermark<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &CString,
    partition: i32,
) -> Option<i64> {
    let (mut low, mut high) = (0, 0);
    // SAFETY: the handle lives as long as `consumer`, `topic` ends in NUL, and both results are live for the call.
    let code = unsafe {
        rd::rd_kafka_get_watermark_offsets(
            consumer.client().native_ptr(),
            topic.as_ptr(),
            partition,
            &raw mut low,
            &raw mut high,
        )
    };
    (code == rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0).then_some(high)
}

/// Calls `each` with every header. rust-rdkafka panics on a name that is not UTF-8; such a name is passed on with
/// replacement characters instead.
pub(crate) fn for_each_header(headers: &BorrowedHeaders, mut each: impl FnMut(&str, Option<&[u8]>)) {
    let native = ptr::from_ref(headers).cast_mut().cast::<rd::rd_kafka_headers_t>();
    for index in 0.. {
        let (mut name, mut value, mut size) = (ptr::null(), ptr::null(), 0);
        // SAFETY: a BorrowedHeaders is a borrowed rd_kafka_headers_t by construction in rust-rdkafka; the call only
        // reads it, and the results point into it for as long as it is borrowed.
        let code = unsafe { rd::rd_kafka_header_get_all(native, index, &raw mut name, &raw mut value, &raw mut size) };
        if code != rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return;
        }
        // SAFETY: librdkafka ends names in NUL, and `value` is null or points to `size` bytes.
        let (name, value) = unsafe {
            let value = (!value.is_null()).then(|| std::slice::from_raw_parts(value.cast::<u8>(), size));
            (CStr::from_ptr(name).to_string_lossy(), value)
        };
        each(&name, value);
    }
}
