use std::ops::Range;

/// Where an output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    /// One verdict per message.
    Verdicts,
    /// The prediction log.
    Predictions,
    /// Rejected records.
    DeadLetters,
    /// What the drift job says of each window.
    DriftReports,
    /// What the drift job knows.
    DriftState,
}

/// A header of an output: its name, and its value, none when null.
pub type Header = (Vec<u8>, Option<Vec<u8>>);

/// One output record.
#[derive(Clone, Copy, Debug)]
pub struct Output<'a> {
    /// Its topic.
    pub topic: Topic,
    /// The partition number of its input.
    pub partition: i32,
    /// The key; none when absent.
    pub key: Option<&'a [u8]>,
    /// The value; none when null.
    pub value: Option<&'a [u8]>,
    /// Headers in order.
    pub headers: &'a [Header],
}

/// The outputs of one chunk; their bytes lie in one reused buffer.
#[derive(Debug, Default)]
pub struct Outputs {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    headers: Vec<Header>,
}

#[derive(Debug)]
struct Entry {
    topic: Topic,
    partition: i32,
    key: Option<Range<usize>>,
    value: Option<Range<usize>>,
    headers: Range<usize>,
}

impl Outputs {
    /// Forgets the outputs, keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
        self.headers.clear();
    }

    /// Number of outputs.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no output.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Size of keys and values, bytes.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Appends an output whose key and value `key` and `value` write into the shared buffer.
    pub fn write(
        &mut self,
        topic: Topic,
        partition: i32,
        key: impl FnOnce(&mut Vec<u8>),
        value: impl FnOnce(&mut Vec<u8>),
    ) {
        let start = self.bytes.len();
        key(&mut self.bytes);
        let middle = self.bytes.len();
        value(&mut self.bytes);
        let headers = self.headers.len()..self.headers.len();
        let (key, value) = (Some(start..middle), Some(middle..self.bytes.len()));
        self.entries.push(Entry { topic, partition, key, value, headers });
    }

    /// Appends an output with given bytes and headers.
    pub fn copy(
        &mut self,
        topic: Topic,
        partition: i32,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: impl IntoIterator<Item = Header>,
    ) {
        let first = self.headers.len();
        self.headers.extend(headers);
        let mut copy = |bytes: &[u8]| {
            let start = self.bytes.len();
            self.bytes.extend_from_slice(bytes);
            start..self.bytes.len()
        };
        let (key, value) = (key.map(&mut copy), value.map(&mut copy));
        self.entries.push(Entry { topic, partition, key, value, headers: first..self.headers.len() });
    }

    /// The outputs in order.
    pub fn iter(&self) -> impl Iterator<Item = Output<'_>> {
        self.entries.iter().map(|entry| Output {
            topic: entry.topic,
            partition: entry.partition,
            key: entry.key.clone().map(|range| &self.bytes[range]),
            value: entry.value.clone().map(|range| &self.bytes[range]),
            headers: &self.headers[entry.headers.clone()],
        })
    }
}
