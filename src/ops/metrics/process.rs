//! What the process costs, under the names that every Prometheus client library gives them (no `assize_` before them),
//! so that dashboards made for any process show it. Read when somebody asks, from `/proc`; where there is none, left out.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

/// Ticks a second of the CPU times in `/proc`: fixed for programs, whatever the kernel's own clock does (`man 5 proc`,
/// `man 7 time`).
const TICKS_PER_SECOND: f64 = 100.0;

/// The metrics of the process that started about now.
pub(super) fn registry() -> Registry {
    let mut registry = Registry::default();
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    registry.register_collector(Box::new(Process { started_seconds: started }));
    registry
}

#[derive(Debug)]
struct Process {
    /// Since the epoch.
    started_seconds: f64,
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut add = |name: &str, help: &str, unit: &Unit, metric: &dyn EncodeMetric| {
            metric.encode(encoder.encode_descriptor(name, help, Some(unit), metric.metric_type())?)
        };
        add("process_start_time", "Start, since the epoch", &Unit::Seconds, &ConstGauge::new(self.started_seconds))?;
        if let Some(seconds) = read("/proc/self/stat").as_deref().and_then(cpu_seconds) {
            add("process_cpu", "CPU time of all threads", &Unit::Seconds, &ConstCounter::new(seconds))?;
        }
        if let Some(bytes) = read("/proc/self/status").as_deref().and_then(resident_bytes) {
            add("process_resident_memory", "Memory that is not swapped out", &Unit::Bytes, &ConstGauge::new(bytes))?;
        }
        Ok(())
    }
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// The 14th and 15th field of `/proc/self/stat`: time in user mode and in the kernel. The second is the program's name,
/// which may hold blanks and parentheses, so counting begins behind the last of these.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let mut fields = stat[stat.rfind(')')? + 1..].split_ascii_whitespace().skip(11);
    let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(ticks as f64 / TICKS_PER_SECOND)
}

/// The line `VmRSS:  1234 kB` of `/proc/self/status`.
fn resident_bytes(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes as f64 * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_behind_the_name() {
        let stat = "71 (a) b (c) S 1 71 71 0 -1 4194560 900 0 0 0 1234 66 7 8 20 0 9 0 5 1000 200 18446744073709551615";
        assert_eq!(cpu_seconds(stat), Some(13.0));
        assert_eq!(cpu_seconds("71 (a) S 1"), None);
    }

    #[test]
    fn memory_is_told_in_kibibytes() {
        assert_eq!(resident_bytes("Name:\tassize\nVmRSS:\t    2048 kB\nVmSwap: 1 kB\n"), Some(2_097_152.0));
        assert_eq!(resident_bytes("Name:\tkthread\n"), None);
    }
}
