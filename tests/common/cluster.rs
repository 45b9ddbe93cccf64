//! A Kafka of the test's own, whose brokers it may stop and kill: KRaft, each broker also a controller.
//!
//! ```text
//!  Cluster::start(1)    one broker, one copy of everything
//!  Cluster::start(3)    three: replication 3, min.insync.replicas 2, also of the internal topics
//! ```
#![allow(dead_code, reason = "each test uses a part of it")]

use std::{
    fs::{self, File},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::common::jars;

/// How long a broker may take to start, and the cluster to know all of its brokers.
const PATIENCE: Duration = Duration::from_secs(120);
const HEAP_MIB: u32 = 512;

/// Brokers under one temporary folder; killed when it is dropped.
pub struct Cluster {
    pub brokers: Vec<Broker>,
    folder: TempDir,
}

/// One of them.
pub struct Broker {
    pub port: u16,
    folder: PathBuf,
    process: Option<Child>,
}

impl Cluster {
    /// Starts so many brokers and waits until they are one cluster.
    pub fn start(brokers: usize) -> Self {
        let folder = TempDir::with_prefix("assize-kafka-").unwrap();
        // All at once, so that no two are the same.
        let listeners: Vec<_> = (0..2 * brokers).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let ports: Vec<u16> = listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
        drop(listeners);
        let (ports, controllers) = ports.split_at(brokers);
        let voters: Vec<_> =
            controllers.iter().enumerate().map(|(node, port)| format!("{}@127.0.0.1:{port}", node + 1)).collect();
        let start = |node: usize| {
            let folder = folder.path().join(node.to_string());
            let listeners =
                format!("PLAINTEXT://127.0.0.1:{},CONTROLLER://127.0.0.1:{}", ports[node], controllers[node]);
            Broker::format(folder, ports[node], &settings(node + 1, brokers, &listeners, &voters.join(",")))
        };
        let mut cluster = Self { brokers: (0..brokers).map(start).collect(), folder };
        cluster.brokers.iter_mut().for_each(Broker::spawn);
        cluster.wait_until_whole();
        cluster
    }

    /// `bootstrap.servers`.
    pub fn address(&self) -> String {
        Vec::from_iter(self.brokers.iter().map(|broker| format!("127.0.0.1:{}", broker.port))).join(",")
    }

    /// Waits until every broker answers and all know each other.
    pub fn wait_until_whole(&self) {
        use rdkafka::consumer::{BaseConsumer, Consumer};
        let start = Instant::now();
        let client: BaseConsumer =
            rdkafka::ClientConfig::new().set("bootstrap.servers", self.address()).create().unwrap();
        let is_whole = || {
            let metadata = client.fetch_metadata(None, Duration::from_secs(5));
            self.brokers.iter().all(Broker::answers)
                && metadata.is_ok_and(|metadata| metadata.brokers().len() == self.brokers.len())
        };
        while !is_whole() {
            let log = || fs::read_to_string(self.folder.path().join("0/log")).unwrap_or_default();
            assert!(start.elapsed() < PATIENCE, "the brokers do not come up:\n{}", log());
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Broker {
    fn format(folder: PathBuf, port: u16, settings: &str) -> Self {
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("server.properties"), format!("{settings}log.dirs={}/data\n", folder.display())).unwrap();
        let broker = Self { port, folder, process: None };
        let mut format = java(128);
        format.args(["kafka.tools.StorageTool", "format", "--cluster-id", "assize-own-cluster-AAA", "--config"]);
        let output = format.arg(broker.folder.join("server.properties")).output().expect("Java is needed: ./dev test");
        assert!(output.status.success(), "{output:?}");
        broker
    }

    /// Starts it; [`Self::answers`] tells when it is there.
    pub fn spawn(&mut self) {
        let log = File::options().create(true).append(true).open(self.folder.join("log")).unwrap();
        let mut kafka = java(HEAP_MIB);
        kafka.arg("kafka.Kafka").arg(self.folder.join("server.properties")).current_dir(&self.folder);
        self.process = Some(kafka.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap());
    }

    /// A broker listens when it has read its log and the controller lets it serve.
    pub fn answers(&self) -> bool {
        TcpStream::connect(("127.0.0.1", self.port)).is_ok()
    }

    /// Asks it to stop in good order; [`Self::has_ended`] tells when it has.
    pub fn ask_to_stop(&self) {
        let Some(process) = &self.process else { return };
        assert!(Command::new("kill").args(["-TERM", &process.id().to_string()]).status().unwrap().success());
    }

    pub fn has_ended(&mut self) -> bool {
        self.process.as_mut().is_none_or(|process| process.try_wait().unwrap().is_some())
    }

    /// kill -9. What it acknowledged is in the kernel's page cache and not lost.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

fn settings(node: usize, brokers: usize, listeners: &str, voters: &str) -> String {
    let common = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/local/kafka.properties");
    let mut settings = fs::read_to_string(common).unwrap();
    // The last value of a key counts.
    settings += &format!("\nnode.id={node}\nlisteners={listeners}\ncontroller.quorum.voters={voters}\n");
    if brokers >= 3 {
        settings += "offsets.topic.replication.factor=3\ntransaction.state.log.replication.factor=3\n\
                     transaction.state.log.min.isr=2\nshare.coordinator.state.topic.replication.factor=3\n\
                     share.coordinator.state.topic.min.isr=2\ndefault.replication.factor=3\nmin.insync.replicas=2\n";
    }
    settings
}

fn java(heap_mib: u32) -> Command {
    let log4j = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/local/log4j2.properties");
    let mut java = Command::new("java");
    java.arg("-cp").arg(format!("{}/*", jars().display()));
    java.arg(format!("-Dlog4j2.configurationFile={}", log4j.display())).arg(format!("-Xmx{heap_mib}m"));
    java.args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
    java
}
