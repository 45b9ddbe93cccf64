use std::{collections::VecDeque, future::IntoFuture as _, net::SocketAddr};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use serde_json::Value;
use tokio::net::TcpListener;

use super::*;
use crate::{config::SecretSource, drift::alert::ALERTS_MAX};

/// How a request is answered: after so long, with a status and a header.
#[derive(Clone, Copy)]
struct Answer(Duration, u16, Option<(&'static str, &'static str)>);

const OK: Answer = Answer(Duration::ZERO, 200, None);
const BROKEN: Answer = Answer(Duration::ZERO, 500, None);
const HANGS: Answer = Answer(Duration::from_secs(30), 200, None);

struct Call {
    head: HeaderMap,
    body: Value,
    at: Instant,
}

/// A receiver on this machine, gone with its runtime.
struct Receiver {
    address: SocketAddr,
    world: Arc<Mutex<World>>,
    _runtime: Runtime,
}

struct World {
    calls: Vec<Call>,
    /// The last one stays.
    answers: VecDeque<Answer>,
}

impl Receiver {
    fn start(answers: impl Into<VecDeque<Answer>>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let world = Arc::new(Mutex::new(World { calls: Vec::new(), answers: answers.into() }));
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&world));
        runtime.spawn(axum::serve(listener, router).into_future());
        Self { address, world, _runtime: runtime }
    }

    fn config(&self) -> config::Alert {
        config::Alert { webhook: Some(format!("http://{}/", self.address)), ..config::Alert::default() }
    }

    fn bench(&self) -> Bench {
        Bench::with(&self.config(), QUICK)
    }

    fn calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.world.lock().unwrap().calls)
    }

    fn keys(&self) -> Vec<String> {
        self.calls().iter().map(|call| call.head["idempotency-key"].to_str().unwrap().to_owned()).collect()
    }
}

async fn answer(
    State(world): State<Arc<Mutex<World>>>,
    head: HeaderMap,
    body: Bytes,
) -> (StatusCode, HeaderMap, String) {
    let Answer(pause, status, header) = {
        let mut world = world.lock().unwrap();
        let body = serde_json::from_slice(&body).unwrap();
        world.calls.push(Call { head, body, at: Instant::now() });
        if world.answers.len() > 1 { world.answers.pop_front().unwrap() } else { world.answers[0] }
    };
    tokio::time::sleep(pause).await;
    let headers = header.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
    (StatusCode::from_u16(status).unwrap(), headers.into_iter().collect(), "said".into())
}

#[test]
fn an_alert_arrives_once_with_its_id_and_is_done_once() {
    let receiver = Receiver::start([OK]);
    let bench = receiver.bench();
    let alert = raised("spam");
    bench.alerts().tell(alert.clone());
    assert_eq!(bench.done(1), std::slice::from_ref(&alert.id));
    assert!(bench.alerts().done().is_empty());
    let calls = receiver.calls();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].body, serde_json::to_value(&alert).unwrap());
    assert_eq!(calls[0].head["content-type"], "application/json");
    assert_eq!(calls[0].head["idempotency-key"], alert.id.as_str());
    assert_eq!(bench.count("assize_drift_alerts_total{result=\"delivered\"}"), 1);
}

#[test]
fn what_fails_is_tried_again_in_order_and_under_the_same_key() {
    let receiver = Receiver::start([BROKEN, Answer(Duration::ZERO, 429, None), OK]);
    let bench = receiver.bench();
    let [first, second] = [raised("spam"), raised("topic")];
    bench.alerts().tell(first.clone());
    bench.alerts().tell(second.clone());
    assert_eq!(bench.done(2), [first.id.clone(), second.id.clone()]);
    assert_eq!(receiver.keys(), [&first.id, &first.id, &first.id, &second.id].map(String::clone));
    assert_eq!(bench.count("assize_drift_alerts_total{result=\"retried\"}"), 2);
    assert_eq!(bench.count("assize_drift_alerts_total{result=\"delivered\"}"), 2);
}

#[test]
fn what_is_handed_over_again_is_delivered_again_under_the_same_key() {
    let receiver = Receiver::start([OK]);
    let alert = raised("spam");
    for _ in 0..2 {
        // As after a restart.
        let bench = receiver.bench();
        bench.alerts().tell(alert.clone());
        bench.done(1);
    }
    assert_eq!(receiver.keys(), [alert.id.clone(), alert.id]);
}

#[test]
fn the_receiver_may_ask_for_a_pause_up_to_a_limit() {
    let busy = |seconds| Answer(Duration::ZERO, 503, Some(("retry-after", seconds)));
    let receiver = Receiver::start([busy("1"), OK]);
    let bench = receiver.bench();
    bench.alerts().tell(raised("spam"));
    bench.done(1);
    let calls = receiver.calls();
    assert!(calls[1].at - calls[0].at >= Duration::from_millis(950));

    let receiver = Receiver::start([busy("3600"), OK]);
    let short = Pauses { longest: Duration::from_millis(50), ..QUICK };
    let bench = Bench::with(&receiver.config(), short);
    bench.alerts().tell(raised("spam"));
    bench.done(1);
    assert_eq!(receiver.calls().len(), 2);
}

#[test]
fn what_would_be_refused_again_is_given_up_at_once() {
    for refusal in [
        Answer(Duration::ZERO, 404, None),
        Answer(Duration::ZERO, 401, Some(("retry-after", "1"))),
        // Elsewhere: the token must not go there.
        Answer(Duration::ZERO, 307, Some(("location", "/elsewhere"))),
    ] {
        let receiver = Receiver::start([refusal, OK]);
        let bench = receiver.bench();
        bench.alerts().tell(raised("spam"));
        bench.done(1);
        assert_eq!(receiver.calls().len(), 1, "{}", refusal.1);
        assert_eq!(bench.count("assize_drift_alerts_total{result=\"given_up\"}"), 1);
    }
}

#[test]
fn a_dead_webhook_is_given_up_after_so_many_attempts() {
    let receiver = Receiver::start([BROKEN]);
    let bench = Bench::with(&config::Alert { webhook_attempts_max: 3, ..receiver.config() }, QUICK);
    bench.alerts().tell(raised("spam"));
    bench.done(1);
    assert_eq!(receiver.calls().len(), 3);
    assert_eq!(bench.count("assize_drift_alerts_total{result=\"retried\"}"), 2);
    assert_eq!(bench.count("assize_drift_alerts_total{result=\"given_up\"}"), 1);
}

#[test]
fn no_answer_in_time_is_none() {
    let receiver = Receiver::start([HANGS, OK]);
    let bench = Bench::with(&config::Alert { webhook_ms_max: 200, ..receiver.config() }, QUICK);
    bench.alerts().tell(raised("spam"));
    bench.done(1);
    assert_eq!(receiver.calls().len(), 2);
}

#[test]
fn a_webhook_that_hangs_holds_up_neither_the_caller_nor_the_log_nor_memory() {
    let receiver = Receiver::start([HANGS]);
    let config = config::Alert { webhook_ms_max: 60_000, ..receiver.config() };
    let log = logged(|runtime| {
        let alerts = Alerts::with_pauses(&config, runtime.handle(), &Metrics::new(), QUICK).unwrap();
        let start = Instant::now();
        for index in 0..ALERTS_MAX {
            alerts.tell(raised(&format!("task-{index}")));
        }
        // Twice, and with a full queue.
        alerts.tell(raised("task-0"));
        alerts.tell(raised("one-more"));
        alerts.tell(raised("one-more"));
        assert!(!alerts.has_room());
        assert!(start.elapsed() < Duration::from_secs(20));
        assert!(alerts.done().is_empty());
    });
    assert_eq!(log.matches("alarm raised: ").count(), ALERTS_MAX + 1);
    assert_eq!(log.matches("alarm raised: one-more ").count(), 1);
    assert_eq!(log.matches("too many alerts wait").count(), 1);
}

#[test]
fn nothing_goes_out_once_another_process_tells() {
    let receiver = Receiver::start([HANGS, OK]);
    let bench = receiver.bench();
    let [on_its_way, waits, later] = ["on its way", "waits", "later"].map(raised);
    bench.alerts().tell(on_its_way.clone());
    until("it is on its way", || !receiver.world.lock().unwrap().calls.is_empty());
    bench.alerts().tell(waits);
    bench.alerts().forget();
    bench.alerts().tell(later.clone());
    assert_eq!(bench.done(1), std::slice::from_ref(&later.id));
    assert_eq!(receiver.keys(), [on_its_way.id, later.id]);
}

#[test]
fn what_had_no_room_is_taken_later_without_a_second_log_line() {
    let log = logged(|runtime| {
        let alerts = Alerts::start(&config::Alert::default(), runtime.handle(), &Metrics::new()).unwrap();
        for index in 0..ALERTS_MAX {
            alerts.tell(raised(&format!("task-{index}")));
        }
        alerts.tell(raised("one-more"));
        assert!(!alerts.has_room());
        // Without a webhook the log line is all.
        assert_eq!(alerts.done().len(), ALERTS_MAX);
        // What comes later does not overtake it.
        alerts.tell(raised("later"));
        assert_eq!(alerts.done(), Vec::<String>::new());
        assert!(alerts.has_room() && !alerts.has_room());
        alerts.tell(raised("one-more"));
        assert_eq!(alerts.done(), [raised("one-more").id]);
        let cleared = Alert::of(&report("spam", AlarmChange::Cleared)).remove(0);
        alerts.tell(cleared);
    });
    assert_eq!(log.matches("alarm raised: one-more ").count(), 1);
    assert_eq!(log.lines().filter(|line| line.contains(" INFO ") && line.contains("alarm cleared: spam")).count(), 1);
}

#[test]
fn the_token_is_sent_and_never_logged() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "hunter2hunter2\n").unwrap();
    let receiver = Receiver::start([BROKEN, Answer(Duration::ZERO, 403, None)]);
    let webhook = Some(format!("http://{}/?key=sesame", receiver.address));
    let webhook_token = SecretSource { file: Some(file.clone()), env: None };
    let config = config::Alert { webhook, webhook_token, ..config::Alert::default() };
    let log = logged(|runtime| {
        let alerts = Alerts::with_pauses(&config, runtime.handle(), &Metrics::new(), QUICK).unwrap();
        alerts.tell(raised("spam"));
        until("it is given up", || {
            runtime.block_on(async { tokio::time::sleep(Duration::from_millis(5)).await });
            !alerts.done().is_empty()
        });
        assert!(!format!("{alerts:?}").contains("hunter2"));
    });
    let calls = receiver.calls();
    assert_eq!(calls.len(), 2);
    assert!(calls.iter().all(|call| call.head["authorization"] == "Bearer hunter2hunter2"));
    assert!(log.contains("an alert is given up") && log.contains("HTTP 403"), "{log}");
    let ours: Vec<&str> = log.lines().filter(|line| line.contains("assize")).collect();
    assert!(!log.contains("hunter2") && !ours.iter().any(|line| line.contains("sesame")), "{log}");

    std::fs::write(&file, "two\nlines").unwrap();
    let error = Alerts::start(&config, Bench::with(&config::Alert::default(), QUICK).runtime.handle(), &Metrics::new());
    let error = error.unwrap_err().to_string();
    assert!(error.starts_with("config key drift.alert.webhook_token: ") && !error.contains("lines"), "{error}");
}
