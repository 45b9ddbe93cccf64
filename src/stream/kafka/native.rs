//! The librdkafka calls that rust-rdkafka has no safe or fit wrapper for. All unsafe code of the crate is here.
#![allow(unsafe_code)]

use std::{
    ffi::{CStr, CString},
    ptr,
    time::Duration,
};

use rdkafka::{
    bindings as rd,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    message::{BorrowedHeaders, OwnedHeaders},
    producer::{Producer, ProducerContext, ThreadedProducer},
};

/// Waits until every message is delivered or failed; true when none is left.
///
/// rust-rdkafka's own `flush` sleeps inside `poll` for up to 100 ms; this one wakes at the last delivery.
pub(crate) fn flush<C: ProducerContext + 'static>(producer: &ThreadedProducer<C>, wait_ms_max: Duration) -> bool {
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

/// Calls `each` with every header. Names are bytes: rust-rdkafka panics on one that is not UTF-8. librdkafka shows a
/// name only up to its first NUL.
pub(crate) fn for_each_header(headers: &BorrowedHeaders, mut each: impl FnMut(&[u8], Option<&[u8]>)) {
    let native = native_headers(headers);
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
            (CStr::from_ptr(name).to_bytes(), value)
        };
        each(name, value);
    }
}

/// Headers of these names, which may be any bytes; rust-rdkafka takes only UTF-8.
pub(super) fn headers(all: &[(Vec<u8>, Option<Vec<u8>>)]) -> OwnedHeaders {
    let headers = OwnedHeaders::new_with_capacity(all.len());
    let native = native_headers(headers.as_borrowed());
    for (name, value) in all {
        let (name_size, value_size) = (name.len().cast_signed(), value.as_ref().map_or(0, Vec::len).cast_signed());
        let value = value.as_ref().map_or(ptr::null(), Vec::as_ptr);
        // SAFETY: `headers` owns what `native` points to and nothing else has it yet; the call copies both.
        let code =
            unsafe { rd::rd_kafka_header_add(native, name.as_ptr().cast(), name_size, value.cast(), value_size) };
        assert_eq!(
            code,
            rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR,
            "only headers of a message are read-only"
        );
    }
    headers
}

fn native_headers(headers: &BorrowedHeaders) -> *mut rd::rd_kafka_headers_t {
    ptr::from_ref(headers).cast_mut().cast()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_byte_for_byte() {
        let all = [
            (b"plain".to_vec(), Some(b"value".to_vec())),
            (b"\xff not \xc3 UTF-8".to_vec(), Some(b"\0\xff".to_vec())),
            (b"null".to_vec(), None),
            (b"empty".to_vec(), Some(Vec::new())),
            (Vec::new(), Some(b"no name".to_vec())),
            (b"plain".to_vec(), Some(b"again".to_vec())),
        ];
        let headers = headers(&all);
        let mut found = Vec::new();
        for_each_header(headers.as_borrowed(), |name, value| found.push((name.to_vec(), value.map(<[u8]>::to_vec))));
        assert_eq!(found, all);
    }
}
