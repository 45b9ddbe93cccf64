//! A Redis Cluster: each user asked of the node that has the user's slot, each node over a link of its own.
//!
//! ```text
//!  users ─► slots ─► nodes ─┬─► link a ─┐ all at once, one deadline ─► answers
//!                           ├─► link b ─┤    │ MOVED, ASK ─► once more, of the node that they name
//!                           └─► link c ─┘    └ moved, or a node does not answer ─► the map is read again, in the background
//! ```
//!
//! A node that is lost degrades its own users and opens its own breaker; the others are answered. A replica that takes
//! over is in the next map.

use std::collections::{BTreeSet, HashMap};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use redis::{Client, ErrorKind, Pipeline, RedisError, RedisResult, Value, cmd};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::Failure;
use super::breaker::BreakerState;
use super::link::{CONNECT_MS_MAX, Link, Options, Place, is_redirect, within};
use super::request::{Answers, Keys, SLOTS, refusal};
use super::servers::{Servers, address};

/// The map is not read again sooner than this after the last time, milliseconds.
const REFRESH_PAUSE_MS: u64 = 500;

pub(super) struct Cluster {
    servers: Servers,
    keys: Keys,
    options: Options,
    map: ArcSwap<Map>,
    /// Wakes the task that reads the map again.
    stale: Arc<Notify>,
    /// Which server is asked for the map next: not always the same, which may be cut off from the others.
    turn: AtomicUsize,
}

/// Who has which slot.
#[derive(Default)]
struct Map {
    /// By slot, the address of its master; empty before the first answer.
    slots: Vec<Option<Arc<str>>>,
    links: HashMap<Arc<str>, Arc<Link>>,
}

/// The places among the users of those that one node is asked for.
type Groups = HashMap<Arc<str>, Vec<usize>>;

/// A request under way, with the places of what it asks for.
type Sent = (Arc<str>, Vec<usize>, JoinHandle<Option<Result<Vec<Value>, Failure>>>);

impl Cluster {
    /// A cluster that is not connected yet.
    pub(super) fn new(servers: Servers, keys: Keys, options: Options) -> Arc<Self> {
        let (map, stale) = (ArcSwap::default(), Arc::new(Notify::new()));
        Arc::new(Self { servers, keys, options, map, stale, turn: AtomicUsize::new(0) })
    }

    /// Tries once to read the map and to connect to all nodes; failing that, goes on in the background.
    pub(super) async fn start(self: Arc<Self>) {
        if let Err(error) = within(CONNECT_MS_MAX, self.refresh()).await {
            tracing::warn!(%error, "no node of the feature store's cluster answers: user features degrade until one does");
            self.stale.notify_one();
        }
        self.options.runtime.spawn(keep_fresh(Arc::downgrade(&self), Arc::clone(&self.stale)));
    }

    /// A link to each node that has slots, not connected yet.
    pub(super) async fn nodes(&self) -> RedisResult<Vec<Arc<Link>>> {
        let ranges = self.read_ranges(&Map::default()).await?;
        let places: BTreeSet<(String, u16)> = ranges.into_iter().map(|range| (range.host, range.port)).collect();
        let link = |client| Link::new(Place::Node(client), self.options.clone());
        places.iter().map(|(host, port)| self.servers.at(host, *port).map(link)).collect()
    }

    /// Asks the nodes of the users and waits until `deadline`.
    pub(super) async fn look_up(&self, users: &[i64], deadline: Instant) -> Answers {
        let map = self.map.load_full();
        let mut answers = Answers { values: vec![None; users.len()], ..Answers::default() };
        let mut groups = Groups::new();
        for (place, &user) in users.iter().enumerate() {
            match map.slots.get(self.keys.slot(user)) {
                Some(Some(node)) => groups.entry(Arc::clone(node)).or_default().push(place),
                _ => answers.fail(Failure::Disconnected),
            }
        }
        let moved = self.ask(&map, groups, users, false, deadline, &mut answers).await;
        if !moved.is_empty() {
            self.ask(&map, moved, users, true, deadline, &mut answers).await;
        }
        if answers.values.iter().any(Option::is_none) {
            // Perhaps a node is lost, and another has taken over.
            self.stale.notify_one();
        }
        answers
    }

    /// The worst of the nodes' breakers.
    pub(super) fn breaker_state(&self) -> BreakerState {
        self.map.load().links.values().map(|link| link.breaker_state()).max().unwrap_or_default()
    }

    /// One round: all nodes at once. Gives what they say lies elsewhere, by where.
    async fn ask(
        &self,
        map: &Map,
        groups: Groups,
        users: &[i64],
        asking: bool,
        deadline: Instant,
        answers: &mut Answers,
    ) -> Groups {
        let sent: Vec<Sent> = groups
            .into_iter()
            .filter_map(|(node, places)| {
                let link = Arc::clone(map.links.get(&node)?);
                let request: Pipeline = self.keys.request(places.iter().map(|&place| users[place]), asking);
                let answer = self.options.runtime.spawn(async move { link.ask(&request, deadline).await });
                Some((node, places, answer))
            })
            .collect();
        let mut moved = Groups::new();
        for (node, places, answer) in sent {
            // A task that panicked or was cut off by the end of the runtime gave no answer.
            match answer.await.unwrap_or(Some(Err(Failure::Connection))) {
                None => {}
                Some(Err(failure)) => answers.fail(failure),
                Some(Ok(values)) => {
                    answers.asked = true;
                    // Behind each ASKING comes the answer.
                    let values = values.into_iter().skip(usize::from(asking)).step_by(1 + usize::from(asking));
                    for (place, value) in places.into_iter().zip(values) {
                        match redirect(&value, &node) {
                            Some(to) => moved.entry(to).or_default().push(place),
                            None => answers.values[place] = Some(value),
                        }
                    }
                }
            }
        }
        if !moved.is_empty() {
            self.stale.notify_one();
        }
        moved
    }

    /// Reads the map and connects to the nodes that are new in it.
    async fn refresh(&self) -> RedisResult<()> {
        let known = self.map.load_full();
        let mut map = Map { slots: vec![None; SLOTS], links: HashMap::new() };
        let mut starting = Vec::new();
        for Range { slots, host, port } in self.read_ranges(&known).await? {
            let client = self.servers.at(&host, port)?;
            let node: Arc<str> = address(&client).into();
            if !map.links.contains_key(&node) {
                let link = known.links.get(&node).cloned().unwrap_or_else(|| {
                    let link = Link::new(Place::Node(client), self.options.clone());
                    starting.push(self.options.runtime.spawn(Arc::clone(&link).start()));
                    link
                });
                map.links.insert(Arc::clone(&node), link);
            }
            map.slots[slots].fill(Some(node));
        }
        for start in starting {
            // A start that panicked leaves a link that does not answer, which is no worse.
            let _ = start.await;
        }
        let missing = map.missing();
        if missing > 0 && missing != known.missing() {
            tracing::warn!(missing, "slots of the feature store's cluster have no node: their users degrade");
        }
        self.map.store(Arc::new(map));
        Ok(())
    }

    /// Who has which slots, of whichever server says so first: those of the url and those of the last map.
    async fn read_ranges(&self, known: &Map) -> RedisResult<Vec<Range>> {
        let nodes = known.links.keys().filter_map(|node| {
            let (host, port) = node.rsplit_once(':')?;
            self.servers.at(host, port.parse().ok()?).ok()
        });
        let mut servers: Vec<Client> = self.servers.listed.iter().cloned().chain(nodes).collect();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % servers.len();
        servers.rotate_left(turn);
        let mut last = RedisError::from((ErrorKind::InvalidClientConfig, "no server to ask for the slots"));
        for server in servers {
            match within(CONNECT_MS_MAX, self.ask_ranges(&server)).await {
                Ok(ranges) => return Ok(ranges),
                Err(error) => {
                    tracing::debug!(server = address(&server), %error, "no slots from this node");
                    last = error;
                }
            }
        }
        Err(last)
    }

    async fn ask_ranges(&self, server: &Client) -> RedisResult<Vec<Range>> {
        // The deadline of look-ups is not for this.
        let config = self.options.connection.clone().set_response_timeout(None);
        let mut connection = server.get_multiplexed_async_connection_with_config(&config).await?;
        let answer: Vec<Value> = cmd("CLUSTER").arg("SLOTS").query_async(&mut connection).await?;
        let asked = host_of(&address(server)).to_owned();
        let ranges: Option<Vec<Range>> = answer.iter().map(|range| Range::parse(range, &asked)).collect();
        ranges
            .filter(|ranges| !ranges.is_empty())
            .ok_or_else(|| RedisError::from((ErrorKind::UnexpectedReturnType, "CLUSTER SLOTS names no node")))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Its task wakes, finds it gone and ends.
        self.stale.notify_one();
    }
}

/// Reads the map again whenever it is said to be stale, with a pause between; ends with the cluster.
async fn keep_fresh(cluster: Weak<Cluster>, stale: Arc<Notify>) {
    loop {
        stale.notified().await;
        let Some(cluster) = cluster.upgrade() else { return };
        if let Err(error) = cluster.refresh().await {
            tracing::debug!(%error, "no node of the feature store's cluster answers yet");
            stale.notify_one();
        }
        drop(cluster);
        sleep(Duration::from_millis(REFRESH_PAUSE_MS)).await;
    }
}

impl Map {
    /// How many slots have no node.
    fn missing(&self) -> usize {
        self.slots.iter().filter(|slot| slot.is_none()).count()
    }
}

/// Slots in a row with their master.
#[derive(Debug, PartialEq)]
struct Range {
    slots: RangeInclusive<usize>,
    host: String,
    port: u16,
}

impl Range {
    /// One item of CLUSTER SLOTS: first, last, master (host, port, ...), replicas. A master without a host is at the
    /// host that was asked.
    fn parse(range: &Value, asked: &str) -> Option<Self> {
        let Value::Array(range) = range else { return None };
        let [Value::Int(first), Value::Int(last), Value::Array(master), ..] = range.as_slice() else { return None };
        let (host, port) = match master.as_slice() {
            [Value::BulkString(host), Value::Int(port), ..] => (std::str::from_utf8(host).ok()?, port),
            [Value::Nil, Value::Int(port), ..] => ("", port),
            _ => return None,
        };
        let (first, last) = (usize::try_from(*first).ok()?, usize::try_from(*last).ok()?);
        let host = if host.is_empty() { asked } else { host }.to_owned();
        let port = u16::try_from(*port).ok()?;
        (first <= last && last < SLOTS).then_some(Self { slots: first..=last, host, port })
    }
}

/// Where `MOVED <slot> <host>:<port>` or `ASK ...` leads; without a host, to that of the node that said it.
fn redirect(answer: &Value, node: &str) -> Option<Arc<str>> {
    let error = refusal(answer).filter(|error| is_redirect(error.kind()))?;
    let to = error.details()?.split_once(' ')?.1;
    Some(if to.starts_with(':') { format!("{}{to}", host_of(node)).into() } else { to.into() })
}

fn host_of(address: &str) -> &str {
    address.rsplit_once(':').map_or(address, |(host, _)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: i64, last: i64, host: Value) -> Value {
        let master = Value::Array(vec![host, Value::Int(7), Value::BulkString(b"id".to_vec())]);
        Value::Array(vec![Value::Int(first), Value::Int(last), master.clone(), master])
    }

    #[test]
    fn ranges_name_their_master() {
        let host = || Value::BulkString(b"h".to_vec());
        let expected = |host: &str| Some(Range { slots: 0..=5, host: host.into(), port: 7 });
        assert_eq!(Range::parse(&range(0, 5, host()), "asked"), expected("h"));
        assert_eq!(Range::parse(&range(0, 5, Value::Nil), "asked"), expected("asked"));
        assert_eq!(Range::parse(&range(0, 5, Value::BulkString(Vec::new())), "asked"), expected("asked"));
        for bad in [range(0, 16_384, host()), range(-1, 5, host()), range(5, 0, host()), Value::Nil] {
            assert_eq!(Range::parse(&bad, "asked"), None, "{bad:?}");
        }
    }

    #[test]
    fn redirects_say_where_to() {
        let said = |line: &str| redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap();
        assert_eq!(redirect(&said("MOVED 5 b:2"), "a:1").as_deref(), Some("b:2"));
        assert_eq!(redirect(&said("ASK 5 :2"), "a:1").as_deref(), Some("a:2"));
        assert_eq!(redirect(&said("CLUSTERDOWN Hash slot not served"), "a:1"), None);
        assert_eq!(redirect(&Value::Nil, "a:1"), None);
    }
}
