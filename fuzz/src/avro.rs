//! Datum of a message, and what intake and the text features make of it. The first byte chooses the writer's schema:
//! ours, or that of a producer who changed what may be changed.
#![no_main]

use std::sync::LazyLock;

use assize::{
    codec::{RecordReader, RecordWriter, limit_allocations, wire},
    features::text,
    intake::{METADATA_CHARS_MAX, TEXT_CHARS_MAX, hear},
    records::{Message, schema::MESSAGE},
};
use libfuzzer_sys::fuzz_target;

const EVOLVED: &str = include_str!("evolved.avsc");

static READERS: LazyLock<[RecordReader; 2]> = LazyLock::new(|| {
    limit_allocations();
    [MESSAGE, EVOLVED].map(|schema| RecordReader::for_parts(schema).expect("a schema that can be read"))
});

fuzz_target!(|input: &[u8]| {
    let Some((choice, datum)) = input.split_first() else { return };
    let reader = &READERS[usize::from(choice % 2)];
    let message = reader.read::<Message>(datum);
    assert_eq!(reader.read_message(datum), message, "both ways of reading agree");
    let Ok(message) = message else { return };
    assert!(message.text.len() + message.message_id.len() <= datum.len());
    comes_back(&message);
    let Ok(heard) = hear(message) else { return };
    assert!((1..=TEXT_CHARS_MAX).contains(&heard.text.chars().count()));
    let metadata = heard.metadata.iter().map(|(key, value)| key.chars().count() + value.chars().count());
    assert!(metadata.sum::<usize>() <= METADATA_CHARS_MAX);
    let features = text::extract(&heard.text, &mut text::Scratch::default());
    assert!(features.iter().all(|feature| feature.is_finite()), "{features:?}");
});

/// What was read is written, and read again, as it was.
fn comes_back(message: &Message) {
    let mut value = Vec::new();
    RecordWriter::new(1).write(message, &mut value);
    let (_, datum) = wire::split(&value).expect("a header was written");
    assert_eq!(READERS[0].read::<Message>(datum).as_ref(), Ok(message));
}
