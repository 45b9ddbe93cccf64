//! The user features, where a model reads any: whether each server that the store would use answers, has features, and
//! what time it has.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redis::{RedisError, aio::MultiplexedConnection, cmd};

use super::{Report, clock};
use crate::{
    config::Config,
    features::store::{Probe, RedisConfig},
    pipeline::union,
    service,
};

/// How long one answer may take.
const ASK_SECONDS_MAX: Duration = Duration::from_secs(5);
/// Keys of a server that are looked at.
const KEYS: usize = 1_000;

pub(super) fn check(config: &Config, report: &Report) {
    // A bundle that cannot be loaded is told elsewhere.
    let Ok(tasks) = service::load_tasks(&config.tasks) else { return };
    match union(&tasks) {
        Ok(contract) if contract.user_names().is_empty() => {
            return report.ok("redis", "not needed: no model reads user features");
        }
        Ok(_) => {}
        Err(error) => return report.fail("redis", error, "the bundles do not fit together"),
    }
    // So is a secret that cannot be read.
    let Ok(store) = service::redis(&config.features) else { return };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return report.fail("redis", "no runtime", "the system gives no more files or threads");
    };
    runtime.block_on(ask(&store, runtime.handle(), report));
}

async fn ask(store: &RedisConfig, runtime: &tokio::runtime::Handle, report: &Report) {
    let remedy = "verdicts will be degraded, each flagged: check features.* and that it runs";
    let probes = match Probe::all(store, runtime).await {
        Ok(probes) => probes,
        Err(why) => return report.fail("redis", why, remedy),
    };
    let mut samples = Vec::new();
    for probe in probes {
        match probe.connect(ASK_SECONDS_MAX).await {
            Ok((address, mut connection)) => {
                report.ok("redis", format!("{address} answers"));
                time(&mut connection, report).await;
                samples.push(sample(&mut connection, &store.key_prefix).await);
            }
            Err(why) => report.fail("redis", format!("{}: {why}", probe.name()), remedy),
        }
    }
    if !samples.is_empty() {
        tell(samples, &store.key_prefix, report);
    }
}

async fn time(connection: &mut MultiplexedConnection, report: &Report) {
    let asked = SystemTime::now();
    // Who may not ask for it need not: TIME is not what the store asks.
    if let Ok((seconds, micros)) = cmd("TIME").query_async::<(u64, u64)>(connection).await {
        let said = UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_micros(micros);
        clock::compare("redis", (asked, SystemTime::now()), (said, said), report);
    }
}

fn tell(samples: Vec<Result<usize, RedisError>>, prefix: &str, report: &Report) {
    let keys = KEYS * samples.len();
    match samples.into_iter().sum::<Result<usize, _>>() {
        Ok(0) => report.warn(
            "redis",
            format!("among some {keys} keys none starts with {prefix}"),
            "every user would be an unknown one: check features.key_prefix and whoever writes the features",
        ),
        Ok(found) => report.ok("redis", format!("{found} of some {keys} keys start with {prefix}")),
        Err(_) => report.warn("redis", "keys could not be listed", "right if this user may only GETRANGE"),
    }
}

/// One step of a scan: a sample, which does not hold up the server.
async fn sample(connection: &mut MultiplexedConnection, prefix: &str) -> Result<usize, RedisError> {
    let literal: String =
        prefix.chars().flat_map(|c| if "*?[]\\".contains(c) { vec!['\\', c] } else { vec![c] }).collect();
    let mut scan = cmd("SCAN");
    scan.arg(0).arg("MATCH").arg(format!("{literal}*")).arg("COUNT").arg(KEYS);
    let (_, keys): (u64, Vec<Vec<u8>>) = scan.query_async(connection).await?;
    Ok(keys.len())
}
