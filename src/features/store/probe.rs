//! The servers that a store would use, for whoever only looks at them: found and connected to as the store does it, and
//! asked what the store asks.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Pipeline, RedisError};
use tokio::runtime::Handle;

use super::RedisConfig;
use super::link::{Link, remedy};
use super::redis::Route;
use super::request::Keys;
use super::servers::address;

/// Most of an error's text that is passed on, characters.
const TEXT_CHARS_MAX: usize = 300;

/// One server that a store would use: the one, the master, or a node of the cluster.
pub(crate) struct Probe {
    link: Arc<Link>,
    request: Pipeline,
}

impl Probe {
    /// All of them. Errs, without any password, when the configuration cannot be used or nobody says which servers there
    /// are.
    pub(crate) async fn all(config: &RedisConfig, runtime: &Handle) -> Result<Vec<Self>, String> {
        let refused = |error| format!("{:#}", anyhow::Error::new(error));
        config.check().map_err(refused)?;
        let keys = Keys::new(config.key_prefix.clone());
        let links = match Route::new(config, keys.clone(), runtime).map_err(refused)? {
            Route::One(link) => vec![link],
            Route::Cluster(cluster) => cluster.nodes().await.map_err(|error| why(&error))?,
        };
        // Of any user: what counts is whether it may be asked for.
        Ok(links.into_iter().map(|link| Self { link, request: keys.request([0].into_iter(), false) }).collect())
    }

    /// Its address, or the name that Sentinels know it by.
    pub(crate) fn name(&self) -> String {
        self.link.place.name()
    }

    /// Connects and asks for a user's features. Gives the server's address, and the connection, on which further answers
    /// may take as long as `patience`.
    pub(crate) async fn connect(&self, patience: Duration) -> Result<(String, MultiplexedConnection), String> {
        let place = &self.link.place;
        let connected = place.connect(&self.link.options.connection).await;
        let (client, mut connection) = connected.map_err(|error| why(&error))?;
        connection.set_response_timeout(patience);
        let answers = connection.send_packed_commands(&self.request, 0, self.request.len()).await;
        match place.refusals(&answers.map_err(|error| why(&error))?).first() {
            Some(error) => Err(format!("{}: {}", error.code(), remedy(error.kind()))),
            None => Ok((address(&client), connection)),
        }
    }
}

/// Of what a server says only the code: some repeat what they do not understand, also a password.
fn why(error: &RedisError) -> String {
    match error.code() {
        Some(code) => format!("it answers {code}"),
        None => error.to_string().chars().take(TEXT_CHARS_MAX).collect(),
    }
}
