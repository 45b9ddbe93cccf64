//! The run: a steady sender, two witnesses, and a plan of what breaks.
//!
//! ```text
//!  feeder ─► assize send ─► messages ─► a, b, c and at times d ─► verdicts ─► committed, everything
//!                              ▲               ▲      ▲
//!                           broker(s)        Redis  registry      a Step every few seconds breaks one of them
//! ```

use std::{
    io::{BufWriter, Write},
    process::ChildStdin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use crate::{
    bench::{Bench, Running, SPAM},
    plan::{Action, GUEST, Step, plan},
    report::{Done, Report},
    servers::Servers,
    slot::{Record, Slot},
    traffic::{Counts, Traffic},
    witness::Witness,
};

const PARTITIONS: i32 = 8;
const TICK_MS: Duration = Duration::from_millis(10);
const PROGRESS_MS: Duration = Duration::from_millis(10_000);
/// After the last step everything must be well again within this.
const HEAL_MS_MAX: Duration = Duration::from_secs(180);

/// What a run is asked to be.
#[derive(Clone, Debug)]
pub struct Settings {
    pub seed: u64,
    pub seconds: u64,
    pub brokers: usize,
    /// Messages a second.
    pub rate: u64,
    /// A failpoint of every process: a bug that the run must find.
    pub failpoint: Option<String>,
}

/// A run under way.
struct Storm<'a> {
    bench: &'a Bench,
    servers: Servers,
    slots: Vec<Slot>,
    record: Record,
    done: Vec<Done>,
    skipped: usize,
}

/// Runs it to its end: healed, drained, stopped and audited.
pub fn run(settings: &Settings) -> Report {
    let servers = Servers::start(settings.brokers);
    let bench = Bench::on(&servers.cluster.address(), "chaos", PARTITIONS, &config(&servers));
    eprintln!("chaos: logs in {}", bench.folder.display());
    let (committed, everything) =
        (Witness::start(&bench, "read_committed"), Witness::start(&bench, "read_uncommitted"));
    let (mut sender, stdin) = bench.send_piped(&["--rate", &settings.rate.to_string()]);
    let feeder = Feeder::start(stdin, settings.seed);
    let mut slots: Vec<_> = ["a", "b", "c", "d"].map(|name| Slot::new(name, settings.failpoint.clone())).into();
    slots[..GUEST].iter_mut().for_each(|slot| slot.start(&bench));

    let mut storm = Storm { bench: &bench, servers, slots, record: Record::default(), done: Vec::new(), skipped: 0 };
    wait_for_first(&mut storm, &committed);
    let start = Instant::now();
    storm.blow(plan(settings.seed, Duration::from_secs(settings.seconds)), settings, &committed);
    storm.heal();
    let load = start.elapsed();
    let counts = feeder.stop();
    storm.finish(&mut sender);
    let (committed, everything) = (committed.finish(), everything.finish());
    let Storm { record, done, skipped, .. } = &storm;
    Report::new(settings, &bench, load, &counts, committed, &everything, record, done, *skipped)
}

/// Both kinds of models: one that reads texts only, one that asks Redis too.
fn config(servers: &Servers) -> String {
    format!(
        "[schemas]\nregistry = \"{}\"\n[features]\nredis = \"{}\"\nttl_seconds = 2\n{SPAM}\n[[task]]\nname = \"risk\"\n\
         bundle = \"tests/bundles/user-risk\"\n",
        servers.registry.url(),
        servers.redis_url()
    )
}

fn wait_for_first(storm: &mut Storm<'_>, committed: &Witness) {
    let start = Instant::now();
    while committed.verdicts() == 0 {
        assert!(start.elapsed() < HEAL_MS_MAX, "no verdict comes; logs: {}", storm.bench.folder.display());
        storm.tick();
    }
}

impl Storm<'_> {
    fn blow(&mut self, plan: Vec<Step>, settings: &Settings, committed: &Witness) {
        let (start, mut told, mut plan) = (Instant::now(), Instant::now(), plan.into_iter().peekable());
        while start.elapsed().as_secs() < settings.seconds {
            if let Some(step) = plan.next_if(|step| step.at <= start.elapsed()) {
                self.take(&step, start);
            }
            self.tick();
            if told.elapsed() >= PROGRESS_MS {
                told = Instant::now();
                let (seconds, verdicts, findings) =
                    (start.elapsed().as_secs(), committed.verdicts(), self.record.findings.len());
                eprintln!("chaos: {seconds} s, {verdicts} verdicts, {} actions, {findings} findings", self.done.len());
            }
        }
    }

    fn take(&mut self, step: &Step, start: Instant) {
        let Step { action, lasts, victim, .. } = *step;
        let (is_done, whom) = match action {
            Action::BrokerRestart | Action::BrokerKill | Action::RedisKill | Action::RegistryKill => {
                (self.servers.suffer(action, lasts, victim), String::new())
            }
            Action::JoinOrLeave => (self.slots[GUEST].suffer(action, lasts, self.bench), "d".to_owned()),
            _ => {
                let slot = &mut self.slots[victim % GUEST];
                (slot.suffer(action, lasts, self.bench), slot.instance.clone())
            }
        };
        if is_done {
            eprintln!("chaos: {:>5.1} s  {} {whom} {:?}", start.elapsed().as_secs_f64(), action.name(), lasts);
            self.done.push(Done { action, at: Instant::now() });
        } else {
            self.skipped += 1;
        }
    }

    fn tick(&mut self) {
        self.servers.tick();
        let troubled = self.servers.are_troubled();
        for slot in &mut self.slots {
            slot.tick(self.bench, troubled, &mut self.record);
        }
        std::thread::sleep(TICK_MS);
    }

    /// Until nothing is broken any more and every process has committed.
    fn heal(&mut self) {
        let start = Instant::now();
        self.slots.iter_mut().for_each(Slot::heal);
        while !self.servers.are_whole() || !self.slots.iter().all(|slot| slot.is_empty() || slot.is_calm()) {
            if start.elapsed() > HEAL_MS_MAX {
                self.record.findings.push("not everything was well again after the last step".to_owned());
                return;
            }
            self.tick();
        }
    }

    /// The sender has everything delivered, everything is judged, and every process drains.
    fn finish(&mut self, sender: &mut Running) {
        let code = sender.wait();
        if code != Some(0) {
            self.record.findings.push(format!("the sender ended with {code:?}"));
        }
        self.bench.wait_until_drained();
        for slot in &mut self.slots {
            if let Some(code) = slot.stop().filter(|code| *code != Some(0)) {
                self.record.findings.push(format!("the drain of {} ended with {code:?}", slot.instance));
            }
        }
    }
}

/// Writes messages into the sender's standard input, as fast as it takes them.
struct Feeder {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Counts>,
}

impl Feeder {
    fn start(stdin: ChildStdin, seed: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let feed = move || {
            let (mut stdin, mut traffic) = (BufWriter::new(stdin), Traffic::new("m", seed));
            while !asked.load(Ordering::Relaxed) {
                writeln!(stdin, "{}", traffic.next_line()).expect("the sender reads");
            }
            stdin.flush().expect("the sender reads");
            traffic.counts
        };
        Self { stop, thread: std::thread::spawn(feed) }
    }

    fn stop(self) -> Counts {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}
