//! The stream in memory, for tests and for what runs without a broker: the same calls, the same all-or-nothing.

use std::time::Duration;

use super::{Assignment, Chunk, NextOffsets, Outputs, Polled, Restore, Stream, Topic};
use crate::{
    dedup::{Window, WindowLimits},
    fault::Fault,
};

/// One input record.
#[derive(Clone, Debug, Default)]
pub struct Input {
    /// Key; none when absent.
    pub key: Option<Vec<u8>>,
    /// Value; none when null.
    pub value: Option<Vec<u8>>,
    /// Headers in order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// One committed output record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its topic.
    pub topic: Topic,
    /// Key; none when absent.
    pub key: Option<Vec<u8>>,
    /// Value; none when null.
    pub value: Option<Vec<u8>>,
    /// Headers in order; names that are not UTF-8 with replacement characters.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// One partition, 0, of records in memory.
#[derive(Debug, Default)]
pub struct MemoryStream {
    inputs: Vec<Input>,
    assigned: bool,
    position: usize,
    committed: usize,
    staged: Vec<Written>,
    written: Vec<Written>,
    forgetful: bool,
    held: bool,
}

impl MemoryStream {
    /// A stream over `inputs`, whose offsets are their indices.
    pub fn new(inputs: Vec<Input>) -> Self {
        Self { inputs, ..Self::default() }
    }

    /// The same, but outputs are dropped when they are sent: for measuring what is before them.
    pub fn forgetful(inputs: Vec<Input>) -> Self {
        Self { inputs, forgetful: true, ..Self::default() }
    }

    /// Number of inputs whose answers are committed.
    pub fn committed(&self) -> usize {
        self.committed
    }

    /// Takes what was committed since the last call, in order.
    pub fn take_written(&mut self) -> Vec<Written> {
        std::mem::take(&mut self.written)
    }
}

impl Stream for MemoryStream {
    fn poll(&mut self, chunk: &mut Chunk, records_max: usize, _: Duration) -> Result<Polled, Fault> {
        chunk.clear();
        if !self.assigned {
            self.assigned = true;
            return Ok(Polled::Assignment(Assignment { assigned: vec![0], revoked: Vec::new() }));
        }
        if self.held {
            return Ok(Polled::Idle);
        }
        let end = self.inputs.len().min(self.position + records_max);
        for (offset, input) in self.inputs.iter().enumerate().take(end).skip(self.position) {
            chunk.push(0, offset as i64, input.key.as_deref(), input.value.as_deref());
            input.headers.iter().for_each(|(name, value)| chunk.push_header(name.as_bytes(), value.as_deref()));
        }
        self.position = end;
        Ok(if chunk.is_empty() { Polled::Ended } else { Polled::Records })
    }

    fn begin(&mut self) -> Result<(), Fault> {
        self.staged.clear();
        Ok(())
    }

    fn send(&mut self, outputs: &Outputs) -> Result<(), Fault> {
        if self.forgetful {
            return Ok(());
        }
        self.staged.extend(outputs.iter().map(|output| {
            Written {
                topic: output.topic,
                key: output.key.map(<[u8]>::to_vec),
                value: output.value.map(<[u8]>::to_vec),
                headers: output
                    .headers
                    .iter()
                    .map(|(name, value)| (String::from_utf8_lossy(name).into_owned(), value.clone()))
                    .collect(),
            }
        }));
        Ok(())
    }

    fn commit(&mut self, offsets: &NextOffsets) -> Result<(), Fault> {
        if let Some(next) = offsets.next(0) {
            self.committed = usize::try_from(next).unwrap_or(self.committed);
        }
        self.written.append(&mut self.staged);
        Ok(())
    }

    fn recover(&mut self, _: &Fault) -> Result<NextOffsets, Fault> {
        self.staged.clear();
        self.position = self.committed;
        let mut committed = NextOffsets::default();
        committed.set_next(0, self.committed as i64);
        Ok(committed)
    }

    fn hold(&mut self, _: i32) -> Result<(), Fault> {
        self.held = true;
        Ok(())
    }

    fn release(&mut self, _: i32) -> Result<(), Fault> {
        self.held = false;
        self.position = self.committed;
        Ok(())
    }

    fn rebuilds(&self) -> u64 {
        0
    }

    fn input(&self) -> &str {
        "memory"
    }

    fn lag(&self, _: i32) -> Option<i64> {
        Some((self.inputs.len() - self.committed) as i64)
    }
}

impl Restore for MemoryStream {
    fn restore(&mut self, _: i32, limits: WindowLimits, _: &dyn Fn() -> bool) -> Result<Window, Fault> {
        Ok(Window::new(limits))
    }
}
