//! The one connection to a Redis server: multiplexed over the lanes, given up when it is dead, replaced in the
//! background.
//!
//! ```text
//!  ask ─► breaker ─► connection ─ answered ─────────────────► the run of timeouts ends
//!                      │  └────── timeouts_max in a row ─► given up ─┐
//!                      │  └────── broke, or no longer the master ──► ┤
//!                      none ─► Disconnected, at once                 └─► one background task: find, connect, back off
//!                                                                       └─► connected ─► the breaker may probe
//! ```
//!
//! A connection whose peer silently vanished never breaks, it only times out, and redis-rs's own `ConnectionManager`
//! keeps it for ever. Hence the count of timeouts here, over a plain connection.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, Pipeline, RedisResult, ServerError, ServerErrorKind, Value,
};
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout, timeout_at};

use super::breaker::{self, Breaker, BreakerState};
use super::request::refusal;
use super::sentinel::Sentinels;
use super::servers::address;
use super::{Failure, RedisConfig};

/// One attempt to connect, with finding the server and the handshake, takes at most so long, milliseconds.
pub(super) const CONNECT_MS_MAX: u64 = 1000;
/// The first pause between attempts, milliseconds; doubles.
const RECONNECT_PAUSE_MS_MIN: u64 = 100;
/// The longest pause between attempts, milliseconds: a store that comes back is found within this and one attempt.
const RECONNECT_PAUSE_MS_MAX: u64 = 1000;

/// Where the server of a link is.
pub(super) enum Place {
    /// At the address of the configuration.
    Single(Client),
    /// Wherever Sentinels say that the master is.
    Master(Sentinels),
    /// A node of a cluster. That a key has moved is its answer, not a refusal.
    Node(Client),
}

/// What all links of a store have in common.
#[derive(Clone)]
pub(super) struct Options {
    breaker: breaker::Limits,
    timeouts_max: u32,
    pub(super) connection: AsyncConnectionConfig,
    pub(super) runtime: Handle,
}

pub(super) struct Link {
    pub(super) place: Place,
    pub(super) options: Options,
    breaker: Breaker,
    // std Mutex: never held across an await.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    connection: Option<MultiplexedConnection>,
    /// Which connection it is, so that a late failure of an older one does not end it.
    generation: u64,
    /// Timeouts in a row on this connection.
    timeouts: u32,
    /// The background task runs: there is at most one.
    connecting: bool,
}

impl Link {
    /// A link that is not connected yet.
    pub(super) fn new(place: Place, options: Options) -> Arc<Self> {
        let breaker = Breaker::new(place.name(), options.breaker);
        let state = Mutex::new(State { connecting: true, ..State::default() });
        Arc::new(Self { place, options, breaker, state })
    }

    /// Tries once to connect; failing that, goes on in the background.
    pub(super) async fn start(self: Arc<Self>) {
        if let Err(error) = self.connect().await {
            self.warn_disconnected(&error);
            self.options.runtime.spawn(reconnect(Arc::downgrade(&self), Duration::ZERO));
        }
    }

    /// Sends the commands, if the breaker lets them pass, and waits until `deadline` for their answers, one each.
    pub(super) async fn ask(
        self: &Arc<Self>,
        request: &Pipeline,
        deadline: Instant,
    ) -> Option<Result<Vec<Value>, Failure>> {
        let permit = self.breaker.permit(Instant::now())?;
        let answers = self.send(request, deadline).await;
        match answers {
            Ok(_) => permit.succeeded(),
            Err(_) => permit.failed(Instant::now()),
        }
        Some(answers)
    }

    pub(super) fn breaker_state(&self) -> BreakerState {
        self.breaker.state()
    }

    async fn send(self: &Arc<Self>, request: &Pipeline, deadline: Instant) -> Result<Vec<Value>, Failure> {
        let (mut connection, generation) = self.current().ok_or(Failure::Disconnected)?;
        let commands = request.len();
        match timeout_at(deadline.into(), connection.send_packed_commands(request, 0, commands)).await {
            Ok(Ok(answers)) => {
                self.answered(generation);
                self.check(answers, commands, generation)
            }
            Ok(Err(error)) if error.is_timeout() => Err(self.timed_out(generation)),
            Ok(Err(error)) if error.is_io_error() || error.is_unrecoverable_error() => {
                self.give_up(generation, &error, Duration::ZERO);
                Err(Failure::Connection)
            }
            Ok(Err(error)) => {
                tracing::warn!(server = self.place.name(), kind = ?error.kind(), "the feature store answered with an error");
                Err(Failure::Server)
            }
            Err(_elapsed) => Err(self.timed_out(generation)),
        }
    }

    /// Errs when the server refuses to answer whatever it is asked.
    fn check(self: &Arc<Self>, answers: Vec<Value>, commands: usize, generation: u64) -> Result<Vec<Value>, Failure> {
        let refusals = self.place.refusals(&answers);
        if answers.len() == commands && refusals.len() < commands {
            return Ok(answers);
        }
        let (code, kind) = refusals.first().map_or(("", None), |error| (error.code(), error.kind()));
        // Not a flood: the breaker lets few requests pass. The code alone: details may name keys.
        tracing::warn!(server = self.place.name(), code, "{}", remedy(kind));
        if matches!(self.place, Place::Master(_)) && is_no_master(kind) {
            let pause = Duration::from_millis(RECONNECT_PAUSE_MS_MAX);
            self.give_up(generation, &"it does not serve as master", pause);
        }
        Err(Failure::Server)
    }

    fn current(&self) -> Option<(MultiplexedConnection, u64)> {
        let state = self.lock();
        state.connection.clone().map(|connection| (connection, state.generation))
    }

    fn answered(&self, generation: u64) {
        let mut state = self.lock();
        if state.generation == generation {
            state.timeouts = 0;
        }
    }

    fn timed_out(self: &Arc<Self>, generation: u64) -> Failure {
        let mut state = self.lock();
        if state.generation == generation {
            state.timeouts += 1;
            if state.timeouts >= self.options.timeouts_max {
                drop(state);
                self.give_up(generation, &"no answer within the deadline, several times in a row", Duration::ZERO);
            }
        }
        Failure::Deadline
    }

    /// Drops the connection and has another one made after `pause`, unless that is under way.
    fn give_up(self: &Arc<Self>, generation: u64, cause: &dyn std::fmt::Display, pause: Duration) {
        let mut state = self.lock();
        if state.generation != generation || std::mem::replace(&mut state.connecting, true) {
            return;
        }
        state.connection = None;
        drop(state);
        self.warn_disconnected(cause);
        self.options.runtime.spawn(reconnect(Arc::downgrade(self), pause));
    }

    /// One attempt to connect.
    async fn connect(&self) -> RedisResult<()> {
        let (client, connection) = self.place.connect(&self.options.connection).await?;
        let mut state = self.lock();
        *state =
            State { connection: Some(connection), generation: state.generation + 1, timeouts: 0, connecting: false };
        drop(state);
        self.breaker.reconnected(Instant::now());
        let tls = matches!(client.get_connection_info().addr(), ConnectionAddr::TcpTls { .. });
        let (topology, server) = (self.place.topology(), address(&client));
        tracing::info!(topology, server, tls, "connected to the feature store");
        Ok(())
    }

    fn warn_disconnected(&self, cause: &dyn std::fmt::Display) {
        let server = self.place.name();
        tracing::warn!(server, %cause, "no connection to the feature store: user features degrade until it is back");
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change is a few assignments that cannot panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Finds the server and connects to it, within [`CONNECT_MS_MAX`].
    pub(super) async fn connect(&self, config: &AsyncConnectionConfig) -> RedisResult<(Client, MultiplexedConnection)> {
        let attempt = async {
            match self {
                Self::Single(client) | Self::Node(client) => {
                    Ok((client.clone(), client.get_multiplexed_async_connection_with_config(config).await?))
                }
                Self::Master(sentinels) => sentinels.connect(config).await,
            }
        };
        within(CONNECT_MS_MAX, attempt).await
    }

    /// Those of the answers with which the server refuses.
    pub(super) fn refusals<'a>(&self, answers: &'a [Value]) -> Vec<&'a ServerError> {
        let in_cluster = matches!(self, Self::Node(_));
        let refusals = answers.iter().filter_map(refusal);
        refusals.filter(|error| !(in_cluster && is_redirect(error.kind()))).collect()
    }

    /// How the log calls the server.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Single(client) | Self::Node(client) => address(client),
            Self::Master(sentinels) => sentinels.master().to_owned(),
        }
    }

    fn topology(&self) -> &'static str {
        match self {
            Self::Single(_) => "single",
            Self::Master(_) => "sentinel",
            Self::Node(_) => "cluster",
        }
    }
}

impl Options {
    pub(super) fn new(config: &RedisConfig, runtime: Handle) -> Self {
        Self {
            breaker: config.breaker_limits(),
            timeouts_max: config.timeouts_max,
            connection: AsyncConnectionConfig::new()
                .set_connection_timeout(Some(Duration::from_millis(CONNECT_MS_MAX)))
                .set_response_timeout(Some(config.deadline)),
            runtime,
        }
    }
}

/// Connects, however long it takes, with bounded attempts and pauses; ends with the link.
async fn reconnect(link: Weak<Link>, pause: Duration) {
    sleep(pause).await;
    let mut pause = Duration::from_millis(RECONNECT_PAUSE_MS_MIN);
    loop {
        let Some(link) = link.upgrade() else { return };
        let Err(error) = link.connect().await else { return };
        tracing::debug!(server = link.place.name(), %error, "cannot connect to the feature store yet");
        drop(link);
        sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(RECONNECT_PAUSE_MS_MAX));
    }
}

/// The work, or a timeout after so many milliseconds.
pub(super) async fn within<T>(milliseconds: u64, work: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    let late = |_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into());
    timeout(Duration::from_millis(milliseconds), work).await.unwrap_or_else(late)
}

/// The key is at another node of the cluster.
pub(super) fn is_redirect(kind: Option<ServerErrorKind>) -> bool {
    matches!(kind, Some(ServerErrorKind::Moved | ServerErrorKind::Ask))
}

/// The server was demoted, or has just begun.
fn is_no_master(kind: Option<ServerErrorKind>) -> bool {
    matches!(kind, Some(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown | ServerErrorKind::BusyLoading))
}

/// What happened and what to do.
pub(super) fn remedy(kind: Option<ServerErrorKind>) -> &'static str {
    match kind {
        Some(ServerErrorKind::Moved | ServerErrorKind::Ask) => {
            "the feature store is a node of a cluster: set features.topology to \"cluster\""
        }
        Some(ServerErrorKind::NoPerm) => {
            "the feature store refuses: its ACL user needs GETRANGE on the keys that begin with features.key_prefix"
        }
        _ => "the feature store answers with errors only",
    }
}
