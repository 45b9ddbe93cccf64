use std::ops::Range;

/// A record as it arrived.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Partition of the input topic.
    pub partition: i32,
    /// Offset in the partition.
    pub offset: i64,
    /// When it was written, milliseconds since the epoch, as its topic says: by its producer or by the broker. None of what
    /// came from elsewhere than Kafka.
    pub timestamp_ms: Option<i64>,
    /// The key; none when absent.
    pub key: Option<&'a [u8]>,
    /// The value; none when null.
    pub value: Option<&'a [u8]>,
    headers: &'a [Header],
    bytes: &'a [u8],
}

impl<'a> Record<'a> {
    /// All headers in order, their names as bytes; a value is none when null.
    pub fn headers(&self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> + use<'a> {
        let bytes = self.bytes;
        self.headers
            .iter()
            .map(move |header| (&bytes[header.name.clone()], header.value.clone().map(|range| &bytes[range])))
    }

    /// The value of the last header called `name`; null values do not count.
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers().filter(|(found, _)| *found == name.as_bytes()).filter_map(|(_, value)| value).last()
    }
}

/// At most 512 records that share one feature look-up and one inference; their bytes lie in one reused buffer.
#[derive(Debug, Default)]
pub struct Chunk {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    headers: Vec<Header>,
}

#[derive(Debug)]
struct Entry {
    partition: i32,
    offset: i64,
    timestamp_ms: Option<i64>,
    key: Option<Range<usize>>,
    value: Option<Range<usize>>,
    headers: Range<usize>,
}

impl Entry {
    fn record<'a>(&self, bytes: &'a [u8], headers: &'a [Header]) -> Record<'a> {
        Record {
            partition: self.partition,
            offset: self.offset,
            timestamp_ms: self.timestamp_ms,
            key: self.key.clone().map(|range| &bytes[range]),
            value: self.value.clone().map(|range| &bytes[range]),
            headers: &headers[self.headers.clone()],
            bytes,
        }
    }
}

#[derive(Debug)]
struct Header {
    name: Range<usize>,
    value: Option<Range<usize>>,
}

impl Chunk {
    /// Forgets the records, keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
        self.headers.clear();
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Size of keys, values and headers, bytes.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Appends a record without headers and timestamp; [`Chunk::push_header`] and [`Chunk::stamp`] add them.
    pub fn push(&mut self, partition: i32, offset: i64, key: Option<&[u8]>, value: Option<&[u8]>) {
        let key = key.map(|bytes| self.copy(bytes));
        let value = value.map(|bytes| self.copy(bytes));
        let headers = self.headers.len()..self.headers.len();
        self.entries.push(Entry { partition, offset, timestamp_ms: None, key, value, headers });
    }

    /// Says when the record pushed last was written, milliseconds since the epoch.
    pub fn stamp(&mut self, timestamp_ms: Option<i64>) {
        if let Some(entry) = self.entries.last_mut() {
            entry.timestamp_ms = timestamp_ms;
        }
    }

    /// Appends a header to the record pushed last.
    pub fn push_header(&mut self, name: &[u8], value: Option<&[u8]>) {
        let name = self.copy(name);
        let value = value.map(|bytes| self.copy(bytes));
        self.headers.push(Header { name, value });
        if let Some(entry) = self.entries.last_mut() {
            entry.headers.end = self.headers.len();
        }
    }

    /// Keeps the records that `keep` says so of; it is asked in order.
    pub fn retain(&mut self, mut keep: impl FnMut(&Record<'_>) -> bool) {
        let Self { bytes, entries, headers } = self;
        entries.retain(|entry| keep(&entry.record(bytes, headers)));
    }

    /// The records in the order in which they were polled.
    pub fn records(&self) -> impl ExactSizeIterator<Item = Record<'_>> {
        self.entries.iter().map(|entry| entry.record(&self.bytes, &self.headers))
    }

    fn copy(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start..self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_as_they_were_pushed() {
        let mut chunk = Chunk::default();
        chunk.push(0, 5, Some(b"k"), None);
        chunk.stamp(Some(7));
        chunk.push(1, 6, None, Some(b"v"));
        chunk.push_header(b"a", Some(b"1"));
        chunk.push_header(b"a", Some(b"2"));
        chunk.push_header(b"b", None);
        let records: Vec<_> = chunk.records().collect();
        assert_eq!((records[0].partition, records[0].offset), (0, 5));
        assert_eq!((records[0].timestamp_ms, records[1].timestamp_ms), (Some(7), None));
        assert_eq!((records[0].key, records[0].value), (Some(&b"k"[..]), None));
        assert_eq!(records[0].headers().count(), 0);
        assert_eq!(records[1].header("a"), Some(&b"2"[..]), "the last one counts");
        assert_eq!(records[1].header("b"), None);
        assert_eq!(records[1].headers().count(), 3);
    }

    #[test]
    fn what_is_not_kept_is_gone_and_the_rest_is_whole() {
        let mut chunk = Chunk::default();
        for offset in 0..4 {
            chunk.push(0, offset, None, Some(&[offset as u8]));
            chunk.push_header(b"offset", Some(&[offset as u8]));
        }
        chunk.retain(|record| record.offset % 2 == 1);
        let left: Vec<_> = chunk.records().map(|record| (record.offset, record.header("offset").unwrap()[0])).collect();
        assert_eq!(left, [(1, 1), (3, 3)]);
    }
}
