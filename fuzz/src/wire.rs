//! Header of the Confluent wire format: whatever splits is put together again.
#![no_main]

use assize::codec::wire;

libfuzzer_sys::fuzz_target!(|value: &[u8]| {
    if let Ok((id, datum)) = wire::split(value) {
        let mut again = Vec::new();
        wire::write_header(id, &mut again);
        again.extend_from_slice(datum);
        assert_eq!(again, value);
    }
});
