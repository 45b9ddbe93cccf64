//! The schema registry: whether it answers, and under which ids it has the schemas of the topics. Nothing is
//! registered: the stream does that when it writes first.

use std::time::{Duration, SystemTime};

use super::{Report, clock, here};
use crate::{
    codec::{Probe, RecordReader, Silence, subject},
    config::Config,
};

pub(super) fn check(config: &Config, report: &Report) {
    if config.schemas.registry.is_none() {
        let ids = &config.schemas.ids;
        let found = format!("none: values carry ids {}, {} and {}", ids.message, ids.verdict, ids.prediction);
        return report.ok("registry", found);
    }
    // A secret that cannot be read is told elsewhere.
    if !here::has_secrets(config, "schemas.") {
        return;
    }
    let probe = match Probe::try_new(&config.schemas, &config.topics) {
        Ok(probe) => probe,
        Err(error) => return report.fail("registry", error, "`assize run` does not start"),
    };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return report.fail("registry", "no runtime", "the system gives no more files or threads");
    };
    if let Err(Silence { why, starts }) = runtime.block_on(ask(config, &probe, report)) {
        match starts {
            true => report.warn(
                "registry",
                why,
                "`assize run` would start from what is kept in schemas.cache_folder; records with ids that are not \
                 kept wait",
            ),
            false => report.fail("registry", why, "`assize run` does not start"),
        }
    }
}

async fn ask(config: &Config, probe: &Probe, report: &Report) -> Result<(), Silence> {
    let asked = SystemTime::now();
    let said = probe.time().await?;
    report.ok("registry", "it answers");
    if let Some(said) = said {
        let answered = SystemTime::now();
        clock::compare("the registry", (asked, answered), (said, said + Duration::from_secs(1)), report);
    }
    let topics = &config.topics;
    for (topic, writer) in [
        (&topics.messages, "producers register it before they send; `assize send` does"),
        (&topics.verdicts, "`assize run` registers it at its first start"),
        (&topics.predictions, "`assize run` registers it at its first start"),
    ] {
        let subject = subject(topic);
        match probe.latest(topic).await? {
            Some((id, schema)) => readable(&subject, id, &schema, report),
            None => report.warn("registry", format!("subject {subject} is not registered"), writer),
        }
    }
    Ok(())
}

fn readable(subject: &str, id: u32, schema: &str, report: &Report) {
    match RecordReader::for_parts(schema) {
        Ok(_) => report.ok("registry", format!("subject {subject} has id {id}")),
        Err(error) => report.fail(
            "registry",
            format!("subject {subject}, id {id}: {error}"),
            "its records would be dead letters: register a schema that this one can be read with",
        ),
    }
}
