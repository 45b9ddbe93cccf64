//! Redis is stopped and started under load: verdicts go on, each says what it rests on, and they recover.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Write,
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use assize::records::{Prediction, UserFeatures, Verdict, schema};

use super::{bench::Bench, readers, traffic};

const USERS: i64 = 300;
/// An author whom nobody looked up while Redis was there.
const NEW_USER: i64 = 9_999;

pub(super) struct Redis {
    port: u16,
    child: Child,
}

impl Redis {
    pub(super) fn start(port: u16) -> Self {
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed; ./dev test does it");
        Self { port, child }
    }

    /// With all users in it.
    fn start_full(port: u16) -> Self {
        let redis = Self::start(port);
        redis.fill(10);
        redis
    }

    pub(super) fn url(port: u16) -> String {
        format!("redis://127.0.0.1:{port}")
    }

    /// Writes all users, each with so many followers.
    pub(super) fn fill(&self, followers: i64) {
        let mut connection = self.connection();
        for user in 1..=USERS {
            let value = format!(r#"{{"account_age_days":{user},"follower_count":{followers},"messages_sent_7d":3}}"#);
            redis::cmd("SET").arg(format!("features:user:{user}")).arg(value).exec(&mut connection).unwrap();
        }
    }

    /// A connection, when the server listens.
    pub(super) fn connection(&self) -> redis::Connection {
        let client = redis::Client::open(Self::url(self.port)).unwrap();
        let start = Instant::now();
        loop {
            match client.get_connection() {
                Ok(connection) => return connection,
                Err(error) => {
                    assert!(start.elapsed() < Duration::from_secs(10), "redis-server does not answer: {error}")
                }
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub(super) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    pub(super) fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
#[ignore = "needs Kafka and redis-server; run ./dev test"]
fn verdicts_go_on_without_redis_and_say_so() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = Redis::url(port);
    let extra = format!(
        r#"
[features]
redis = "{url}"
ttl_seconds = 1
[[task]]
name = "risk"
bundle = "tests/bundles/user-risk"
"#
    );
    let bench = Bench::new("degrade", 2, &extra);
    let mut redis = Redis::start_full(port);
    let (file, _) = traffic::write(&bench.folder, "m", 12_000, 5);
    let mut process = bench.start("a", None);
    bench.wait_for_log("a", "window restored");
    let mut sender = bench.send(&file, &["--rate", "1000"]);

    std::thread::sleep(Duration::from_secs(4));
    redis.stop();
    std::thread::sleep(Duration::from_secs(3));
    let stranger = bench.folder.join("stranger.ndjson");
    let line = format!(r#"{{"message_id":"stranger","user_id":{NEW_USER},"text":"hello"}}"#);
    writeln!(File::create(&stranger).unwrap(), "{line}").unwrap();
    assert_eq!(bench.send(&stranger, &[]).wait(), Some(0));
    std::thread::sleep(Duration::from_secs(1));
    let redis = Redis::start_full(port);
    assert_eq!(sender.wait(), Some(0));
    bench.wait_until_drained();
    assert!(process.is_running(), "losing Redis ends no process");
    assert_eq!(process.stop(), Some(0));
    bench.assert_clean();
    drop(redis);

    let mut predictions: Vec<Prediction<'_>> =
        readers::read_all(&bench, &bench.topics().predictions, schema::PREDICTION);
    predictions.sort_by_key(|prediction| prediction.decided_at);
    let mut origins = BTreeMap::<&str, usize>::new();
    for prediction in &predictions {
        *origins.entry(name(prediction.user_features)).or_default() += 1;
        let flag: Vec<_> = prediction.user_features.degraded().into_iter().collect();
        assert_eq!(prediction.degraded, flag, "flags say where the features came from");
        assert_eq!(
            prediction.features[0].is_some(),
            !matches!(prediction.user_features, UserFeatures::Default | UserFeatures::Unknown)
        );
    }
    println!("{origins:?}");
    for origin in ["FRESH", "CACHED", "STALE", "DEFAULT"] {
        assert!(origins.contains_key(origin), "no {origin} in {origins:?}");
    }
    let verdicts: Vec<Verdict<'_>> = readers::read_all(&bench, &bench.topics().verdicts, schema::VERDICT);
    let stranger = verdicts.iter().find(|verdict| verdict.user_id == NEW_USER).unwrap();
    assert_eq!(stranger.degraded, ["user:default"]);
    let last = predictions.last().unwrap();
    assert!(last.degraded.is_empty(), "recovered by itself: {:?}", last.user_features);
}

fn name(origin: UserFeatures) -> &'static str {
    match origin {
        UserFeatures::Fresh => "FRESH",
        UserFeatures::Cached => "CACHED",
        UserFeatures::Stale => "STALE",
        UserFeatures::Default => "DEFAULT",
        UserFeatures::Unknown => "UNKNOWN",
        UserFeatures::Unused => "UNUSED",
    }
}
