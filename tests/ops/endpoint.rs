use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use assize::config::Config;
use assize::ops::health::Health;
use assize::ops::http::{Access, HttpServer};
use assize::ops::metrics::Metrics;
use tokio::runtime::Runtime;

use crate::exposition::Exposition;

struct Endpoint {
    server: HttpServer,
    health: Arc<Health>,
    runtime: Runtime,
}

impl Endpoint {
    fn start() -> Self {
        Self::with_access(Access::default())
    }

    fn with_access(access: Access) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let health = Health::new(1);
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = HttpServer::start(any, access, Metrics::new(), Arc::clone(&health), runtime.handle()).unwrap();
        Self { server, health, runtime }
    }

    fn get(&self, path: &str) -> (u16, String, String) {
        let (status, head, body) = self.ask("GET", path, "");
        let content_type = head.lines().find_map(|line| line.strip_prefix("content-type: ")).unwrap_or_default();
        (status, content_type.into(), body)
    }

    /// Status, head and body of the answer; `headers` is whole lines.
    fn ask(&self, method: &str, path: &str, headers: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(self.server.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Connection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.into(), body.into())
    }
}

#[test]
fn metrics_are_openmetrics() {
    let (status, content_type, body) = Endpoint::start().get("/metrics");
    assert_eq!(status, 200);
    assert_eq!(content_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(Exposition::read(&body).families.contains_key("assize_records"));
}

#[test]
fn readiness_says_what_is_missing() {
    let endpoint = Endpoint::start();
    let (status, content_type, body) = endpoint.get("/readyz");
    assert_eq!((status, content_type.as_str()), (503, "application/json"));
    assert_eq!(Exposition::read(&endpoint.get("/metrics").2).value("assize_ready"), 0.0);
    assert_eq!(
        body,
        "{\"not_ready\":[\"model: not loaded\",\"lane 0: no assignment from the group yet\"],\"ready\":false}\n"
    );
    endpoint.health.set_model_loaded(true);
    endpoint.health.lane(0).set_assigned(true);
    endpoint.health.lane(0).set_restored();
    let (status, _, body) = endpoint.get("/readyz");
    assert_eq!((status, body.as_str()), (200, "{\"not_ready\":[],\"ready\":true}\n"));
    assert_eq!(Exposition::read(&endpoint.get("/metrics").2).value("assize_ready"), 1.0);
    endpoint.health.set_drift_down(true);
    let (status, _, body) = endpoint.get("/readyz");
    let expected = "{\"down\":[\"drift job: ended, see the log\"],\"not_ready\":[],\"ready\":true}\n";
    assert_eq!((status, body.as_str()), (200, expected));
}

#[test]
fn liveness_is_there_from_the_start() {
    let (status, _, body) = Endpoint::start().get("/livez");
    assert_eq!((status, body.as_str()), (200, "{\"live\":true,\"stuck\":[]}\n"));
}

#[test]
fn another_path_is_not_found() {
    assert_eq!(Endpoint::start().get("/").0, 404);
}

#[test]
fn a_token_opens_everything_but_probes() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "sesame\n").unwrap();
    let text = format!("[admin]\ntoken = {{ file = {:?} }}", file.path());
    let config = Config::parse(&text, std::iter::empty()).unwrap();
    let endpoint = Endpoint::with_access(Access::load(&config.admin).unwrap());

    assert_eq!(endpoint.get("/livez").0, 200);
    assert_eq!(endpoint.get("/readyz").0, 503, "not ready, and said without a token");
    let (status, head, body) = endpoint.ask("GET", "/metrics", "");
    assert_eq!(status, 401);
    assert!(
        head.contains("www-authenticate: Bearer realm=\"assize\"") && body.contains("admin.token"),
        "{head} {body}"
    );
    assert_eq!(endpoint.ask("GET", "/metrics", "Authorization: Bearer sesam\r\n").0, 401);
    assert_eq!(endpoint.ask("GET", "/metrics", "Authorization: Bearer sesame\r\n").0, 200);
    assert_eq!(endpoint.ask("POST", "/nothing", "").0, 401, "what is there is not told either");
    assert_eq!(endpoint.ask("POST", "/nothing", "Authorization: Bearer sesame\r\n").0, 404);
}

#[test]
fn without_a_token_a_browser_changes_nothing() {
    let endpoint = Endpoint::start();
    assert_eq!(endpoint.ask("POST", "/nothing", "").0, 404, "let through: there is only nothing there");
    assert_eq!(endpoint.ask("POST", "/nothing", "Origin: http://localhost\r\n").0, 403);
}

#[test]
fn a_taken_port_is_named() {
    let endpoint = Endpoint::start();
    let taken = endpoint.server.address();
    let error = HttpServer::start(taken, Access::default(), Metrics::new(), Health::new(1), endpoint.runtime.handle())
        .unwrap_err();
    assert_eq!(error.to_string(), format!("listen on {taken} for /metrics, /livez and /readyz: is the port taken?"));
}

#[test]
fn idle_connections_do_not_take_more_than_their_share() {
    let endpoint = Endpoint::start();
    let idle: Vec<TcpStream> = (0..64).map(|_| TcpStream::connect(endpoint.server.address()).unwrap()).collect();
    let mut one_more = TcpStream::connect(endpoint.server.address()).unwrap();
    one_more.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    write!(one_more, "GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    assert!(one_more.read_to_string(&mut String::new()).is_err(), "the 65th waits for a place");
    drop(idle);
    one_more.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut answer = String::new();
    one_more.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn dropping_it_closes_the_port() {
    let endpoint = Endpoint::start();
    let address = endpoint.server.address();
    drop(endpoint.server);
    let closed = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        TcpStream::connect(address).is_err()
    });
    assert!(closed);
}
