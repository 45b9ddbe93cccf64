//! `assize dlq show`: one dead letter.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
};

use super::unreadable;
use crate::{
    cli::{
        ConfigArg,
        output::{print, written},
    },
    codec::{Schemas, limit_allocations},
    dlq::{CLIENT_HEADER, Letter},
    failure::Failure,
    fault::Exit,
    service,
    tail::{Decoded, Decoder, Log, Record, Span, Start, TopicReader, printable, rfc3339},
};

/// Characters of a key or of a header that are shown.
const CHARS_MAX: usize = 500;

/// What `assize dlq show` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  assize dlq show 3:1042
  assize dlq show 3:1042 --bytes 100000
  assize dlq show 3:1042 --raw >value.bin       the original value, byte for byte

What is shown holds the message's text.

Exit codes: 0 done; 1 there is no such dead letter, or --raw and it has no value; 2 wrong use; 64 config refused; 69 \
Kafka or the topic is not there.")]
pub(super) struct Args {
    /// Where it lies in the topic of the dead letters, as `dlq list` says under AT.
    #[arg(value_name = "PARTITION:OFFSET", value_parser = place)]
    at: (i32, i64),
    /// Write the original value to stdout, and nothing else.
    #[arg(long)]
    raw: bool,
    /// Bytes of the value that are shown.
    #[arg(long, value_name = "N", default_value_t = 512, conflicts_with = "raw")]
    bytes: usize,
    /// The header in which producers say who they are.
    #[arg(long, value_name = "HEADER", default_value = CLIENT_HEADER)]
    client_header: String,
    #[command(flatten)]
    config: ConfigArg,
}

fn place(text: &str) -> Result<(i32, i64), String> {
    let place =
        text.split_once(':').and_then(|(partition, offset)| Some((partition.parse().ok()?, offset.parse().ok()?)));
    place.filter(|place| *place >= (0, 0) && place.1 >= 0).ok_or_else(|| "say PARTITION:OFFSET, such as 3:1042".into())
}

impl Args {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let config = self.config.load()?;
        let (topic, (partition, offset)) = (&config.topics.dead_letters, self.at);
        let log = Log::connect(&config.kafka).map_err(unreadable)?;
        let spans = log.spans(topic, &[partition], Start::Beginning).map_err(unreadable)?;
        let there = spans.first().map_or(Span::default(), |(_, span)| *span);
        let this = Span { low: offset, end: offset.saturating_add(1) };
        let none = || {
            let Span { low, end } = there;
            let problem = format!(
                "there is no dead letter at {partition}:{offset}; committed offsets go from {low} to {end}, and transactions leave gaps"
            );
            Failure::new(Exit::Failed, anyhow::Error::msg(problem))
        };
        if offset < there.low || offset >= there.end {
            return Err(none());
        }
        let reader = TopicReader::connect(&config.kafka, topic).map_err(unreadable)?;
        let mut reading = reader.read(&[(partition, this)]).map_err(unreadable)?;
        let message = reading.next().map_err(unreadable)?.ok_or_else(none)?;
        let letter = Letter::of(Record::of(&message), &self.client_header);
        if self.raw {
            return raw(&letter);
        }
        limit_allocations();
        let runtime = service::runtime()?;
        let schemas =
            Schemas::try_new(&config.schemas, runtime.handle()).map_err(|error| Failure::new(Exit::Config, error))?;
        print(&whole(&letter, &Decoder(&schemas).decode(letter.record.value), self.bytes))?;
        Ok(Exit::Done)
    }
}

fn raw(letter: &Letter<'_>) -> Result<Exit, Failure> {
    let Some(value) = letter.record.value else {
        let Some(origin) = letter.omitted_bytes.and(letter.origin.as_ref()) else {
            return Err(Failure::new(Exit::Failed, anyhow::Error::msg("the value is null")));
        };
        let problem = format!("the value was larger than this topic takes; it may still lie in the input at {origin}");
        return Err(Failure::new(Exit::Failed, anyhow::Error::msg(problem)));
    };
    let mut output = io::stdout().lock();
    written(output.write_all(value).and_then(|()| output.flush()))?;
    Ok(Exit::Done)
}

fn whole(letter: &Letter<'_>, decoded: &Decoded, bytes_max: usize) -> String {
    let record = &letter.record;
    let shown = |bytes: Option<&[u8]>| bytes.map_or_else(|| "null".to_owned(), |bytes| printable(bytes, CHARS_MAX));
    let mut text = format!("at       {}:{}\nwritten  {}\n", record.partition, record.offset, rfc3339(record.time_ms));
    // Writing to a String cannot fail.
    if let Some(origin) = &letter.origin {
        let _ = writeln!(text, "origin   {origin}");
    }
    if let Some(client) = &letter.client {
        let _ = writeln!(text, "client   {client}");
    }
    let _ = writeln!(text, "key      {}\n\ncode     {}", shown(record.key), letter.code());
    if let Some(reject) = letter.reject {
        let (meaning, cause, remedy) = (reject.text(), reject.cause(), reject.remedy());
        let _ = writeln!(text, "stage    {}\nmeaning  {meaning}\ncause    {cause}\nto do    {remedy}", reject.stage());
    }
    text.push_str("\nheaders\n");
    for (name, value) in &record.headers {
        let _ = writeln!(text, "  {}: {}", printable(name, CHARS_MAX), shown(value.as_deref()));
    }
    match (record.value, letter.omitted_bytes) {
        (None, Some(bytes)) => {
            let _ = writeln!(text, "\nvalue: {bytes} bytes, left out: larger than this topic takes; see the origin");
        }
        (None, None) => text.push_str("\nvalue: null\n"),
        (Some(value), _) => {
            let _ = writeln!(text, "\nvalue: {} bytes", value.len());
            text.push_str(&hexdump(&value[..value.len().min(bytes_max)]));
            if value.len() > bytes_max {
                let _ = writeln!(text, "  ... {} bytes more; see --bytes and --raw", value.len() - bytes_max);
            }
        }
    }
    match decoded {
        Decoded::Json { id, value } => {
            // What came from JSON goes back to JSON.
            let json = serde_json::to_string_pretty(value).unwrap_or_default();
            let _ = writeln!(text, "\ndecoded with schema {id}\n{}", safe(&json));
        }
        Decoded::Null => {}
        other => {
            let _ = writeln!(text, "\nnot decoded: {}", other.problem().unwrap_or_default());
        }
    }
    text
}

/// JSON keeps control characters below a blank out of a terminal; this keeps out the others.
fn safe(json: &str) -> String {
    json.lines().map(|line| line.replace(is_unsafe, "\u{fffd}")).collect::<Vec<_>>().join("\n")
}

fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Sixteen bytes a line: offset, hex, and what is printable ASCII.
fn hexdump(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (line, bytes) in bytes.chunks(16).enumerate() {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x} ")).collect();
        let ascii: String =
            bytes.iter().map(|byte| if (0x20..0x7f).contains(byte) { char::from(*byte) } else { '.' }).collect();
        let _ = writeln!(text, "  {:08x}  {hex:<48} |{ascii}|", line * 16);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_dumps() {
        assert_eq!(place("3:1042"), Ok((3, 1042)));
        for wrong in ["3", "3:", ":4", "-1:4", "3:-4", "a:b", "3:4:5"] {
            assert!(place(wrong).is_err(), "{wrong}");
        }
        let dump = hexdump(b"\0\x01ABCDEFGHIJKLMN\xffz");
        assert_eq!(dump.lines().nth(1), Some("  00000010  ff 7a                                            |.z|"));
        assert_eq!(safe("{\n \"a\": \"\u{9b}\u{202e}ä\"\n}"), "{\n \"a\": \"\u{fffd}\u{fffd}ä\"\n}");
    }
}
