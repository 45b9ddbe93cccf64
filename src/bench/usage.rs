//! What processes of this machine cost: CPU time and memory, as Linux tells. Elsewhere nothing is told.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

/// CPU time so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    engine: Option<Duration>,
    broker: Option<Duration>,
    bench: Option<Duration>,
}

/// CPU time a message, microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Spent {
    /// The processes that are measured.
    pub engine_us: Option<f64>,
    /// The broker, where it runs on this machine.
    pub broker_us: Option<f64>,
    /// Load and reader.
    pub bench_us: Option<f64>,
}

impl Usage {
    pub(super) fn now(engine: &[i32], broker: &[i32]) -> Self {
        let own = i32::try_from(std::process::id()).unwrap_or_default();
        Self { engine: system::cpu(engine), broker: system::cpu(broker), bench: system::cpu(&[own]) }
    }
}

impl Spent {
    pub(super) fn between(before: &Usage, after: &Usage, messages: u64) -> Self {
        let each = |before: Option<Duration>, after: Option<Duration>| {
            Some(after?.saturating_sub(before?).as_secs_f64() * 1e6 / messages.max(1) as f64)
        };
        Self {
            engine_us: each(before.engine, after.engine),
            broker_us: each(before.broker, after.broker),
            bench_us: each(before.bench, after.bench),
        }
    }
}

/// CPU time of `processes` by kind of thread, microseconds a message.
pub(super) fn by_thread(processes: &[i32], messages: u64) -> BTreeMap<String, f64> {
    let mut kinds = BTreeMap::new();
    for (name, time) in processes.iter().flat_map(|&process| system::threads(process)) {
        *kinds.entry(kind(&name)).or_default() += time.as_secs_f64() * 1e6 / messages.max(1) as f64;
    }
    kinds
}

/// Numbers are left out: lanes are one kind, connections to brokers another.
fn kind(thread: &str) -> String {
    thread.trim_end_matches(|last: char| last.is_ascii_digit() || "-:".contains(last)).to_owned()
}

pub(super) use system::{listeners, machine, memory_bytes_max, terminate};

#[cfg(target_os = "linux")]
mod system {
    use std::{io, time::Duration};

    use procfs::{
        Current,
        process::{FDTarget, Process},
    };
    use rustix::process::{Pid, Signal, kill_process};

    /// CPU time of `processes`, user and system; none if one of them is gone or there is none.
    pub(in crate::bench) fn cpu(processes: &[i32]) -> Option<Duration> {
        let ticks = processes.iter().try_fold(0, |sum, &process| {
            let stat = Process::new(process).ok()?.stat().ok()?;
            Some(sum + stat.utime + stat.stime)
        })?;
        (!processes.is_empty()).then(|| Duration::from_secs_f64(ticks as f64 / procfs::ticks_per_second() as f64))
    }

    /// Name and CPU time so far of each thread.
    pub(in crate::bench) fn threads(process: i32) -> Vec<(String, Duration)> {
        let Ok(tasks) = Process::new(process).and_then(|process| process.tasks()) else { return Vec::new() };
        let time = |ticks: u64| Duration::from_secs_f64(ticks as f64 / procfs::ticks_per_second() as f64);
        tasks.flatten().flat_map(|task| task.stat()).map(|stat| (stat.comm, time(stat.utime + stat.stime))).collect()
    }

    /// Largest resident memory so far, bytes.
    pub(in crate::bench) fn memory_bytes_max(process: i32) -> Option<u64> {
        Some(Process::new(process).ok()?.status().ok()?.vmhwm? * 1024)
    }

    /// Processes of this machine that listen on the ports of `servers`, `host:port` parted by commas, where a host is
    /// this machine.
    pub(in crate::bench) fn listeners(servers: &str) -> Vec<i32> {
        let ports: Vec<u16> = servers
            .split(',')
            .filter_map(|server| server.trim().rsplit_once(':'))
            .filter(|(host, _)| ["127.0.0.1", "localhost", "[::1]"].contains(host))
            .filter_map(|(_, port)| port.parse().ok())
            .collect();
        let Ok(sockets) = procfs::net::tcp().map(|tcp| tcp.into_iter().chain(procfs::net::tcp6().unwrap_or_default()))
        else {
            return Vec::new();
        };
        let listens = |socket: &procfs::net::TcpNetEntry| {
            socket.state == procfs::net::TcpState::Listen && ports.contains(&socket.local_address.port())
        };
        let inodes: Vec<u64> = sockets.filter(listens).map(|socket| socket.inode).collect();
        let Ok(processes) = procfs::process::all_processes() else { return Vec::new() };
        let holds = |process: &Process| {
            process.fd().is_ok_and(|mut files| {
                files.any(|file| matches!(file, Ok(file) if matches!(file.target, FDTarget::Socket(inode) if inodes.contains(&inode))))
            })
        };
        processes.flatten().filter(holds).map(|process| process.pid).collect()
    }

    /// SIGTERM.
    pub(in crate::bench) fn terminate(process: u32) -> io::Result<()> {
        let pid = Pid::from_raw(process.cast_signed()).ok_or(io::ErrorKind::InvalidInput)?;
        Ok(kill_process(pid, Signal::TERM)?)
    }

    /// Name of the processor, memory in bytes, and the kernel.
    pub(in crate::bench) fn machine() -> (Option<String>, Option<u64>, Option<String>) {
        let processor = procfs::CpuInfo::current().ok().and_then(|cpu| cpu.model_name(0).map(str::to_owned));
        let memory = procfs::Meminfo::current().ok().map(|memory| memory.mem_total);
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").ok().map(|text| text.trim().to_owned());
        (processor, memory, kernel)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_process_is_found_by_the_port_it_listens_on_and_has_cost_something() {
            let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let own = std::process::id() as i32;
            let port = socket.local_addr().unwrap().port();
            assert_eq!(listeners(&format!("elsewhere:9092, localhost:{port}")), [own]);
            assert!(listeners(&format!("elsewhere:{port}")).is_empty());
            assert!(memory_bytes_max(own).unwrap() > 1 << 20);
            let start = std::time::Instant::now();
            while cpu(&[own]).unwrap().is_zero() {
                assert!(start.elapsed() < Duration::from_secs(10));
            }
            assert_eq!(cpu(&[]), None);
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::{io, process::Command, time::Duration};

    pub(in crate::bench) fn cpu(_: &[i32]) -> Option<Duration> {
        None
    }

    pub(in crate::bench) fn threads(_: i32) -> Vec<(String, Duration)> {
        Vec::new()
    }

    pub(in crate::bench) fn memory_bytes_max(_: i32) -> Option<u64> {
        None
    }

    pub(in crate::bench) fn listeners(_: &str) -> Vec<i32> {
        Vec::new()
    }

    pub(in crate::bench) fn terminate(process: u32) -> io::Result<()> {
        Command::new("kill").arg(process.to_string()).status().map(drop)
    }

    pub(in crate::bench) fn machine() -> (Option<String>, Option<u64>, Option<String>) {
        (None, None, None)
    }
}

#[cfg(test)]
mod tests {
    use super::kind;

    #[test]
    fn threads_are_told_by_their_kind() {
        assert_eq!(
            ["lane-0", "lane-12", "rdk:broker1", "waiting"].map(kind),
            ["lane", "lane", "rdk:broker", "waiting"]
        );
    }
}
