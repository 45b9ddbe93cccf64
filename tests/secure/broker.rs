//! One Kafka for the whole test program.
//!
//! ```text
//! sasl_ssl   SCRAM-SHA-512 and PLAIN, over TLS      ─┐
//! ssl        a client certificate, over TLS          ├─► StandardAuthorizer: nothing is allowed without a rule
//! plaintext  nobody in particular, who may do all   ─┘
//! ```

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{certificates, common::jars};

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(90);

/// Users of SCRAM-SHA-512; `admin` may do everything, the others what rules say.
pub const USERS: [&str; 14] = [
    "admin", "judge", "auditor", "lacks-0", "lacks-1", "lacks-2", "lacks-3", "lacks-4", "lacks-5", "lacks-6",
    "lacks-7", "lacks-8", "lacks-9", "lacks-10",
];

/// The password of a user.
pub fn password(user: &str) -> String {
    format!("password-of-{user}")
}

pub struct Broker {
    pub folder: PathBuf,
    pub sasl_ssl: u16,
    pub ssl: u16,
    pub plaintext: u16,
}

impl Broker {
    /// The running broker; the first caller starts it.
    pub fn get() -> &'static Self {
        static BROKER: OnceLock<Broker> = OnceLock::new();
        BROKER.get_or_init(Self::start)
    }

    fn start() -> Self {
        // Nothing drops a static: whoever ends the broker removes its folder.
        let folder = TempDir::with_prefix("assize-secure-").unwrap().keep();
        certificates::make(&folder);
        let [sasl_ssl, ssl, plaintext, controller] = free_ports();
        let broker = Self { folder, sasl_ssl, ssl, plaintext };
        broker.write_settings(controller);
        broker.format();
        broker.spawn();
        let start = Instant::now();
        while !broker.answers() {
            let log = || fs::read_to_string(broker.folder.join("log")).unwrap_or_default();
            assert!(start.elapsed() < PATIENCE, "the broker does not answer:\n{}", log());
            std::thread::sleep(Duration::from_millis(200));
        }
        broker
    }

    fn write_settings(&self, controller: u16) {
        let (folder, [sasl_ssl, ssl, plaintext]) = (self.folder.display(), [self.sasl_ssl, self.ssl, self.plaintext]);
        let common = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/local/kafka.properties"));
        let common: String = common
            .unwrap()
            .lines()
            .filter(|line| !line.starts_with("listener.security"))
            .map(|line| format!("{line}\n"))
            .collect();
        let settings = format!(
            "{common}
listeners=SASL_SSL://127.0.0.1:{sasl_ssl},SSL://127.0.0.1:{ssl},PLAINTEXT://127.0.0.1:{plaintext},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=SASL_SSL://localhost:{sasl_ssl},SSL://localhost:{ssl},PLAINTEXT://127.0.0.1:{plaintext}
listener.security.protocol.map=SASL_SSL:SASL_SSL,SSL:SSL,PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
controller.quorum.voters=1@127.0.0.1:{controller}
log.dirs={folder}/data
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_upstream=\"{upstream}\";
ssl.keystore.type=PEM
ssl.keystore.location={folder}/keystore.pem
ssl.truststore.type=PEM
ssl.truststore.location={folder}/ca.pem
listener.name.ssl.ssl.client.auth=required
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:admin;User:CN=client
",
            upstream = password("upstream"),
        );
        fs::write(self.folder.join("server.properties"), settings).unwrap();
    }

    fn java(&self, heap_mib: u32) -> Vec<String> {
        let log4j = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/local/log4j2.properties");
        vec![
            "java".into(),
            "-cp".into(),
            format!("{}/*", jars().display()),
            format!("-Dlog4j2.configurationFile={}", log4j.display()),
            format!("-Xmx{heap_mib}m"),
            "-XX:+UseSerialGC".into(),
            "-XX:TieredStopAtLevel=1".into(),
        ]
    }

    fn format(&self) {
        let java = self.java(128);
        let mut format = Command::new(&java[0]);
        format.args(&java[1..]).args(["kafka.tools.StorageTool", "format", "--cluster-id", "assize-secure-tests-AA"]);
        format.arg("--config").arg(self.folder.join("server.properties"));
        for user in USERS {
            format.arg("--add-scram").arg(format!("SCRAM-SHA-512=[name={user},password={}]", password(user)));
        }
        let output = format.output().expect("Java is needed: see ./dev test");
        assert!(output.status.success(), "{output:?}");
    }

    /// A shell waits for the end of this program, however it ends, and then ends the broker and removes its folder.
    fn spawn(&self) {
        let script = "folder=$1; shift; cd \"$folder\"; \"$@\" >log 2>&1 </dev/null & broker=$!; cat >/dev/null; \
                      kill -9 $broker; wait $broker 2>/dev/null; cd /; rm -rf \"$folder\"";
        let shell = Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(&self.folder)
            .args(self.java(320))
            .arg("kafka.Kafka")
            .arg(self.folder.join("server.properties"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Its standard input is closed by the kernel when this program is gone, and not before.
        std::mem::forget(shell);
    }

    fn answers(&self) -> bool {
        let answer = TcpStream::connect(("127.0.0.1", self.plaintext)).is_ok();
        answer && self.log().contains("Kafka Server started")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Adds access rules. No client here can, so the request is written by hand: `CreateAcls`, version 1.
    pub fn allow(&self, rules: &[Rule]) {
        let mut request = Vec::new();
        // Key, version, correlation id, client id.
        request.extend([0, 30, 0, 1, 0, 0, 0, 7, 0, 1, b't']);
        request.extend((rules.len() as u32).to_be_bytes());
        for rule in rules {
            let text = |request: &mut Vec<u8>, text: &str| {
                request.extend((text.len() as u16).to_be_bytes());
                request.extend(text.as_bytes());
            };
            request.push(rule.resource as u8);
            text(&mut request, &rule.name);
            request.push(if rule.prefixed { 4 } else { 3 });
            text(&mut request, &format!("User:{}", rule.user));
            text(&mut request, "*");
            request.push(rule.operation as u8);
            // Allow.
            request.push(3);
        }
        let mut stream = TcpStream::connect(("127.0.0.1", self.plaintext)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.write_all(&(request.len() as u32).to_be_bytes()).unwrap();
        stream.write_all(&request).unwrap();
        let mut length = [0; 4];
        stream.read_exact(&mut length).unwrap();
        let mut answer = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut answer).unwrap();
        // Correlation id, throttle time, number of results; then an error code and an empty text for each.
        assert_eq!(answer[12..], [0; 4].repeat(rules.len()), "{answer:?}");
    }
}

/// `user` may do `operation` to `name`.
#[derive(Clone, Debug)]
pub struct Rule {
    pub user: String,
    pub resource: Resource,
    pub name: String,
    /// `name` is how its name begins.
    pub prefixed: bool,
    pub operation: Operation,
}

/// Numbers of the protocol.
#[derive(Clone, Copy, Debug)]
pub enum Resource {
    Topic = 2,
    Group = 3,
    TransactionalId = 5,
}

/// Numbers of the protocol.
#[derive(Clone, Copy, Debug)]
pub enum Operation {
    Read = 3,
    Write = 4,
    Describe = 8,
    DescribeConfigs = 10,
}

fn free_ports<const N: usize>() -> [u16; N] {
    // All at once, so that no two are the same.
    let listeners: [TcpListener; N] = std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}
