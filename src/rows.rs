//! Files of messages: NDJSON, CSV and TSV, row by row, with the line of each.

use std::{
    cell::Cell,
    fmt,
    fs::File,
    io::{self, BufRead, BufReader, Read},
    marker::PhantomData,
    path::Path,
    rc::Rc,
};

use clap::ValueEnum;
use csv::{ReaderBuilder, StringRecord};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _, MapAccess, Visitor, value::MapAccessDeserializer},
};

/// A row larger than this is no message; nor is a file without line ends, or a quote that is never closed.
const ROW_BYTES_MAX: usize = 16 << 20;
/// Read at once, so a row may be larger by this much before it is noticed.
const READ_BYTES: usize = 256 << 10;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One JSON object a line.
    Ndjson,
    /// Comma-separated, with a header row.
    Csv,
    /// Tab-separated, with a header row.
    Tsv,
}

impl Format {
    /// The format that the file's name ends in; none for others.
    pub fn of(file: &Path) -> Option<Self> {
        match file.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "ndjson" | "jsonl" | "json" => Some(Self::Ndjson),
            "csv" => Some(Self::Csv),
            "tsv" | "tab" => Some(Self::Tsv),
            _ => None,
        }
    }
}

/// A row that cannot be read.
#[derive(Debug)]
pub(crate) enum BadRow {
    /// The file cannot be read on.
    Read(io::Error),
    /// This line is not what is read.
    Bad { line: u64, problem: String },
}

/// The rows of a file, each with its line number from 1.
pub(crate) enum Rows {
    Ndjson { source: BufReader<Limited>, limit: Limit, line: u64, buffer: Vec<u8> },
    Table { source: csv::Reader<Limited>, limit: Limit, header: StringRecord, record: StringRecord },
}

impl Rows {
    /// Opens `file`, or standard input where there is none.
    pub(crate) fn open(file: Option<&Path>, format: Format) -> io::Result<Self> {
        let source: Box<dyn Read> = match file {
            Some(file) => Box::new(File::open(file)?),
            None => Box::new(io::stdin()),
        };
        Self::read(source, format)
    }

    fn read(source: Box<dyn Read>, format: Format) -> io::Result<Self> {
        let limit = Limit::default();
        let source = Limited { source, limit: limit.clone() };
        let delimiter = match format {
            Format::Ndjson => {
                let source = BufReader::with_capacity(READ_BYTES, source);
                return Ok(Self::Ndjson { source, limit, line: 0, buffer: Vec::new() });
            }
            Format::Csv => b',',
            Format::Tsv => b'\t',
        };
        let mut source = ReaderBuilder::new().delimiter(delimiter).buffer_capacity(READ_BYTES).from_reader(source);
        let header = source.headers()?.clone();
        Ok(Self::Table { source, limit, header, record: StringRecord::new() })
    }

    /// The next row with its line; none at the end.
    pub(crate) fn next_row<R: DeserializeOwned>(&mut self) -> Option<Result<(u64, R), BadRow>> {
        match self {
            Self::Ndjson { source, limit, line, buffer } => loop {
                limit.start_row();
                buffer.clear();
                *line += 1;
                match source.read_until(b'\n', buffer) {
                    Ok(0) => return None,
                    Ok(_) => {}
                    Err(error) => return Some(Err(BadRow::Read(error))),
                }
                // As some editors write it before the first line; tables lose theirs in the csv crate.
                let mark = buffer.strip_prefix(BYTE_ORDER_MARK).filter(|_| *line == 1);
                let text = mark.unwrap_or(buffer);
                if !text.trim_ascii().is_empty() {
                    return Some(json_row(*line, text));
                }
            },
            Self::Table { source, limit, header, record } => {
                limit.start_row();
                let before = source.position().line();
                match source.read_record(record) {
                    Ok(false) => None,
                    Ok(true) => Some(table_row(header, record, before)),
                    Err(error) => Some(Err(bad_record(error, before, header))),
                }
            }
        }
    }
}

fn json_row<R: DeserializeOwned>(line: u64, text: &[u8]) -> Result<(u64, R), BadRow> {
    serde_json::from_slice(text).map(|row| (line, row)).map_err(|error| {
        // Each line is a document of its own.
        let problem = error.to_string().replacen(" at line 1 column ", " at column ", 1);
        BadRow::Bad { line, problem }
    })
}

fn table_row<R: DeserializeOwned>(
    header: &StringRecord,
    record: &StringRecord,
    before: u64,
) -> Result<(u64, R), BadRow> {
    let line = record.position().map_or(before, csv::Position::line);
    let row =
        record.deserialize(Some(header)).map_err(|error| BadRow::Bad { line, problem: problem(&error, header) })?;
    Ok((line, row))
}

fn bad_record(error: csv::Error, before: u64, header: &StringRecord) -> BadRow {
    let line = error.position().map_or(before, csv::Position::line);
    let problem = problem(&error, header);
    match error.into_kind() {
        csv::ErrorKind::Io(error) => BadRow::Read(error),
        _ => BadRow::Bad { line, problem },
    }
}

/// Without the position, which is told once.
fn problem(error: &csv::Error, header: &StringRecord) -> String {
    match error.kind() {
        csv::ErrorKind::Deserialize { err, .. } => match err.field().and_then(|field| header.get(field as usize)) {
            Some(name) => format!("{name}: {}", err.kind()),
            None => err.kind().to_string(),
        },
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} fields, but the header row has {expected_len}")
        }
        csv::ErrorKind::Utf8 { .. } => "not UTF-8".into(),
        _ => error.to_string(),
    }
}

/// An object in JSON, and the text of one in a table; nothing is an empty one.
pub(crate) fn object_or_its_text<'de, D, T>(source: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    struct Object<T>(PhantomData<T>);
    impl<'de, T: DeserializeOwned + Default> Visitor<'de> for Object<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a JSON object")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            Deserialize::deserialize(MapAccessDeserializer::new(map))
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
            match text.trim() {
                "" => Ok(T::default()),
                text => serde_json::from_str(text).map_err(E::custom),
            }
        }

        fn visit_unit<E>(self) -> Result<T, E> {
            Ok(T::default())
        }
    }
    source.deserialize_any(Object(PhantomData)).map_err(D::Error::custom)
}

/// Bytes read for the row at hand, shared with the source below its buffer.
#[derive(Clone, Default)]
pub(crate) struct Limit(Rc<Cell<usize>>);

impl Limit {
    fn start_row(&self) {
        self.0.set(0);
    }
}

/// A source that ends a row without end.
pub(crate) struct Limited {
    source: Box<dyn Read>,
    limit: Limit,
}

impl Read for Limited {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.source.read(buffer)?;
        let row = self.limit.0.get() + bytes;
        self.limit.0.set(row);
        if row > ROW_BYTES_MAX + READ_BYTES {
            let problem = format!("a row is longer than {ROW_BYTES_MAX} bytes; is a line end or a quote missing?");
            return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::send::Row;

    fn rows(text: &'static [u8], format: Format) -> Vec<Result<(u64, Row), String>> {
        let mut rows = Rows::read(Box::new(text), format).expect("a header");
        std::iter::from_fn(|| rows.next_row())
            .map(|row| {
                row.map_err(|bad| match bad {
                    BadRow::Bad { line, problem } => format!("{line}: {problem}"),
                    BadRow::Read(error) => error.to_string(),
                })
            })
            .collect()
    }

    fn row(user_id: i64, text: &str) -> Row {
        Row {
            message_id: None,
            user_id,
            text: text.into(),
            language: None,
            metadata: BTreeMap::new(),
            created_at: None,
            idempotency_key: None,
            revision: None,
        }
    }

    #[test]
    fn ndjson_rows_and_their_lines() {
        let text = br#"{"user_id": 7, "text": "one"}

{"message_id":"m","user_id":8,"text":"two","language":"de","metadata":{"a":"b"},"created_at":5,"idempotency_key":"k","revision":2}
"#;
        let full = Row {
            message_id: Some("m".into()),
            language: Some("de".into()),
            metadata: BTreeMap::from([("a".into(), "b".into())]),
            created_at: Some(5),
            idempotency_key: Some("k".into()),
            revision: Some(2),
            ..row(8, "two")
        };
        assert_eq!(rows(text, Format::Ndjson), [Ok((1, row(7, "one"))), Ok((3, full))]);
    }

    #[test]
    fn table_rows_and_their_lines() {
        let csv = b"text,user_id,metadata,language\n\"a, and\nb\",7,\"{\"\"k\"\":\"\"v\"\"}\",\nc,8,,fr\n";
        let first = Row { metadata: BTreeMap::from([("k".into(), "v".into())]), ..row(7, "a, and\nb") };
        let second = Row { language: Some("fr".into()), ..row(8, "c") };
        assert_eq!(rows(csv, Format::Csv), [Ok((2, first)), Ok((4, second))]);
        assert_eq!(rows(b"user_id\ttext\n7\t123\n", Format::Tsv), [Ok((2, row(7, "123")))]);
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_row() {
        let ndjson = "\u{feff}{\"user_id\":7,\"text\":\"a\"}\n".as_bytes();
        assert_eq!(rows(ndjson, Format::Ndjson), [Ok((1, row(7, "a")))]);
        assert_eq!(rows("\u{feff}user_id,text\n7,a\n".as_bytes(), Format::Csv), [Ok((2, row(7, "a")))]);
    }

    #[test]
    fn bad_lines_say_what_is_wrong_and_the_next_is_read() {
        for (text, format, problem) in [
            (&b"{\"text\":\"a\"}\n"[..], Format::Ndjson, "1: missing field `user_id` at column 12"),
            (
                b"{\"user_id\":7,\"text\":\"a\",\"lang\":\"en\"}\n",
                Format::Ndjson,
                "1: unknown field `lang`, expected one of `message_id`, `user_id`, `text`, `language`, `metadata`, \
                 `created_at`, `idempotency_key`, `revision` at column 30",
            ),
            (b"hello\n", Format::Ndjson, "1: expected value at column 1"),
            (b"user_id,text\nseven,a\n", Format::Csv, "2: user_id: invalid digit found in string"),
            (b"user_id,text\n7\n", Format::Csv, "2: 1 fields, but the header row has 2"),
            (b"user_id,text\n7,\xff\n", Format::Csv, "2: not UTF-8"),
        ] {
            let found = rows(text, format);
            assert_eq!(found[0], Err(problem.to_owned()), "{}", String::from_utf8_lossy(text));
        }
        let found = rows(b"nonsense\n{\"user_id\":7,\"text\":\"a\"}\n", Format::Ndjson);
        assert_eq!(found[1], Ok((2, row(7, "a"))));
    }

    #[test]
    fn a_row_without_end_is_refused() {
        for format in [Format::Ndjson, Format::Csv] {
            let head: &[u8] = if format == Format::Csv { b"user_id,text\n7,\"" } else { b"{\"text\":\"" };
            let source = Box::new(head.chain(io::repeat(b'x')));
            let mut rows = Rows::read(source, format).expect("a header");
            let Some(Err(BadRow::Read(error))) = rows.next_row::<Row>() else { panic!("not refused") };
            assert!(error.to_string().starts_with("a row is longer than 16777216 bytes"), "{error}");
        }
    }

    #[test]
    fn the_extension_names_the_format() {
        for (name, format) in [
            ("a.ndjson", Some(Format::Ndjson)),
            ("a.jsonl", Some(Format::Ndjson)),
            ("a.CSV", Some(Format::Csv)),
            ("a.tsv", Some(Format::Tsv)),
            ("a.txt", None),
            ("a", None),
        ] {
            assert_eq!(Format::of(Path::new(name)), format, "{name}");
        }
    }
}
