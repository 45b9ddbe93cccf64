//! The one connection to Redis: multiplexed over the lanes, given up when it is dead, replaced in the background.
//!
//! ```text
//!  query ─► connection ─ answered ─────────────────────► the run of timeouts ends
//!             │  └────── timeouts_max in a row ─► given up ─┐
//!             │  └────── broke ─────────────────► given up ─┤
//!             none ─► Disconnected, at once                 └─► one background task: connect, back off, connect, ...
//!                                                                  └─► connected ─► the breaker may probe
//! ```
//!
//! A connection whose peer silently vanished never breaks, it only times out, and redis-rs's own `ConnectionManager`
//! keeps it for ever. Hence the count of timeouts here, over a plain connection.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, Client, Cmd, IntoConnectionInfo, RedisResult, Value};
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};

use super::Failure;
use super::breaker::Breaker;

/// One attempt to connect, with its handshake, takes at most so long, milliseconds.
const CONNECT_MS_MAX: u64 = 1000;
/// The first pause between attempts, milliseconds; doubles.
const RECONNECT_PAUSE_MS_MIN: u64 = 100;
/// The longest pause between attempts, milliseconds: a store that comes back is found within this and one attempt.
const RECONNECT_PAUSE_MS_MAX: u64 = 1000;

pub(super) struct Link {
    client: Client,
    options: AsyncConnectionConfig,
    deadline: Duration,
    timeouts_max: u32,
    breaker: Arc<Breaker>,
    runtime: Handle,
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
    /// Tries once to connect; failing that, goes on in the background. Errs only for a URL that cannot be meant.
    pub(super) fn open(
        url: &str,
        deadline: Duration,
        timeouts_max: u32,
        breaker: Arc<Breaker>,
        runtime: Handle,
    ) -> RedisResult<Arc<Self>> {
        let settings = TcpSettings::default().set_nodelay(true);
        let client = Client::open(url.into_connection_info()?.set_tcp_settings(settings))?;
        let options = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(Duration::from_millis(CONNECT_MS_MAX)))
            .set_response_timeout(Some(deadline));
        let state = Mutex::new(State { connecting: true, ..State::default() });
        let link = Arc::new(Self { client, options, deadline, timeouts_max, breaker, runtime, state });
        if let Err(error) = link.runtime.block_on(link.connect()) {
            warn_disconnected(&error);
            link.runtime.spawn(reconnect(Arc::downgrade(&link)));
        }
        Ok(link)
    }

    /// Sends one command and waits for its answer, at most the deadline.
    pub(super) async fn query(self: &Arc<Self>, command: &Cmd) -> Result<Value, Failure> {
        let (mut connection, generation) = self.current().ok_or(Failure::Disconnected)?;
        match timeout(self.deadline, command.query_async(&mut connection)).await {
            Ok(Ok(value)) => {
                self.answered(generation);
                Ok(value)
            }
            Ok(Err(error)) if error.is_timeout() => Err(self.timed_out(generation)),
            Ok(Err(error)) if error.is_io_error() || error.is_unrecoverable_error() => {
                self.give_up(generation, &error);
                Err(Failure::Connection)
            }
            Ok(Err(error)) => {
                // Not a flood: the breaker lets few requests pass.
                tracing::warn!(%error, "the feature store answered with an error");
                self.answered(generation);
                Err(Failure::Server)
            }
            Err(_elapsed) => Err(self.timed_out(generation)),
        }
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
            if state.timeouts >= self.timeouts_max {
                drop(state);
                self.give_up(generation, &"no answer within the deadline, several times in a row");
            }
        }
        Failure::Deadline
    }

    /// Drops the connection and has another one made, unless that is under way.
    fn give_up(self: &Arc<Self>, generation: u64, cause: &dyn std::fmt::Display) {
        let mut state = self.lock();
        if state.generation != generation || std::mem::replace(&mut state.connecting, true) {
            return;
        }
        state.connection = None;
        drop(state);
        warn_disconnected(cause);
        self.runtime.spawn(reconnect(Arc::downgrade(self)));
    }

    /// One attempt to connect.
    async fn connect(&self) -> RedisResult<()> {
        let connection = self.client.get_multiplexed_async_connection_with_config(&self.options).await?;
        let mut state = self.lock();
        *state =
            State { connection: Some(connection), generation: state.generation + 1, timeouts: 0, connecting: false };
        drop(state);
        self.breaker.reconnected(Instant::now());
        tracing::info!("connected to the feature store");
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change is a few assignments that cannot panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Connects, however long it takes, with bounded attempts and pauses; ends with the link.
async fn reconnect(link: Weak<Link>) {
    let mut pause = Duration::from_millis(RECONNECT_PAUSE_MS_MIN);
    loop {
        let Some(link) = link.upgrade() else { return };
        let Err(error) = link.connect().await else { return };
        drop(link);
        tracing::debug!(%error, "cannot connect to the feature store yet");
        sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(RECONNECT_PAUSE_MS_MAX));
    }
}

fn warn_disconnected(cause: &dyn std::fmt::Display) {
    tracing::warn!(%cause, "no connection to the feature store: user features degrade until it is back");
}
