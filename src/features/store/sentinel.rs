//! Who the master is, as Sentinels say, asked anew for each connection: a master that was demoted, and whose clients
//! Sentinel therefore disconnects, is not found again.

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ErrorKind, RedisError, RedisResult, Value, cmd};

use super::link::within;
use super::servers::{Servers, address};

/// One Sentinel has so long to answer before the next is asked, with connecting, milliseconds.
const SENTINEL_MS_MAX: u64 = 250;

pub(super) struct Sentinels {
    servers: Servers,
    master: String,
}

impl Sentinels {
    pub(super) fn new(servers: Servers, master: String) -> Self {
        Self { servers, master }
    }

    /// Name of the monitored master.
    pub(super) fn master(&self) -> &str {
        &self.master
    }

    /// A connection to the server that a Sentinel says is the master and that says so itself.
    pub(super) async fn connect(&self, config: &AsyncConnectionConfig) -> RedisResult<(Client, MultiplexedConnection)> {
        let client = self.find(config).await?;
        let mut connection = client.get_multiplexed_async_connection_with_config(config).await?;
        let role: Vec<Value> = cmd("ROLE").query_async(&mut connection).await?;
        match role.first() {
            Some(Value::BulkString(role)) if role == b"master" => Ok((client, connection)),
            _ => Err(error("the server that Sentinel names is not a master now", address(&client))),
        }
    }

    /// The first Sentinel that knows decides.
    async fn find(&self, config: &AsyncConnectionConfig) -> RedisResult<Client> {
        let mut last = error("no Sentinel monitors a master of this name", self.master.clone());
        for sentinel in &self.servers.listed {
            match within(SENTINEL_MS_MAX, self.ask(sentinel, config)).await {
                Ok(Some((host, port))) => return self.servers.at(&host, port),
                Ok(None) => {}
                Err(failed) => {
                    tracing::debug!(sentinel = address(sentinel), error = %failed, "a Sentinel does not answer");
                    last = failed;
                }
            }
        }
        Err(last)
    }

    async fn ask(&self, sentinel: &Client, config: &AsyncConnectionConfig) -> RedisResult<Option<(String, u16)>> {
        // The deadline of look-ups is not for this.
        let config = config.clone().set_response_timeout(None);
        let mut connection = sentinel.get_multiplexed_async_connection_with_config(&config).await?;
        cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(&self.master).query_async(&mut connection).await
    }
}

fn error(what: &'static str, detail: String) -> RedisError {
    RedisError::from((ErrorKind::InvalidClientConfig, what, detail))
}
