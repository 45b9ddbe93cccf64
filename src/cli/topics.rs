//! `assize topics`: the topics, made and checked.

use clap::Subcommand;

use super::{ConfigArg, output::print, table::table};
use crate::{
    config::Config,
    failure::Failure,
    fault::Exit,
    stream::kafka::topics::{self, Finding, Role, Settings, TopicsError, Wanted},
};

/// What `assize topics` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

const EXAMPLES: &str = "\
Examples:
  assize topics create                          make messages, verdicts, predictions and dead-letters
  assize topics create --partitions 32 --replication-factor 3
  assize topics create --drift                  labels, drift-reports and drift-state too
  assize topics check --config assize.toml      what `assize run` checks before it starts

Exit codes: 0 all topics are as needed; 69 they are not, or Kafka does not answer.";

#[derive(Debug, Subcommand)]
enum What {
    /// Make the topics that do not exist; topics that exist are checked, never changed.
    Create {
        /// Partitions of each topic [default: those of the input topic if it exists, else 8].
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=100_000))]
        partitions: Option<i32>,
        /// Copies of each partition [default: 3, or the number of brokers where that is less].
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=15))]
        replication_factor: Option<i32>,
        #[command(flatten)]
        drift: DriftArg,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Check that the topics are as `assize run` needs them; every finding says what to do.
    Check {
        #[command(flatten)]
        drift: DriftArg,
        #[command(flatten)]
        config: ConfigArg,
    },
}

#[derive(Debug, clap::Args)]
struct DriftArg {
    /// The topics of the drift job too; they are included without it when drift.enabled is set.
    #[arg(long)]
    drift: bool,
}

impl DriftArg {
    fn roles(&self, config: &Config) -> Vec<Role> {
        match self.drift {
            true => Role::STREAM.into_iter().chain(Role::DRIFT).collect(),
            false => Role::of_run(config),
        }
    }
}

impl Args {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`] with [`Exit::Config`], or [`Exit::Unavailable`] when Kafka does not answer or refuses.
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let unavailable = |error: TopicsError| Failure::new(Exit::Unavailable, error);
        let (config, roles, made, wanted) = match self.what {
            What::Check { drift, config } => {
                let config = config.load()?;
                (config.clone(), drift.roles(&config), Vec::new(), None)
            }
            What::Create { partitions, replication_factor, drift, config } => {
                let config = config.load()?;
                let (roles, wanted) = (drift.roles(&config), Wanted { partitions, replicas: replication_factor });
                let made = topics::create(&config, &roles, wanted).map_err(unavailable)?;
                (config, roles, made, partitions)
            }
        };
        let found = topics::describe(&config, &roles).map_err(unavailable)?;
        let mut findings = topics::findings(&config, &roles, &found);
        findings.extend(other_partitions(&found, wanted));
        let findings_text: String = findings.iter().map(|finding| format!("{finding}\n")).collect();
        print(&(show(&found, &made) + &findings_text))?;
        Ok(if findings.is_empty() { Exit::Done } else { Exit::Unavailable })
    }
}

/// Topics that exist are not changed, so they may have another number of partitions than was asked for.
fn other_partitions(found: &[Settings], wanted: Option<i32>) -> Option<Finding> {
    let messages = found.first()?;
    let wanted = wanted.filter(|wanted| *wanted != messages.partitions)?;
    Some(Finding {
        problem: format!("topic {} exists with {} partitions, not {wanted}", messages.name, messages.partitions),
        remedy: "leave --partitions out to keep them; more would send a user's next messages elsewhere".into(),
    })
}

fn show(found: &[Settings], made: &[String]) -> String {
    let rows: Vec<_> = found
        .iter()
        .map(|topic| {
            [
                topic.name.clone(),
                topic.partitions.to_string(),
                topic.replicas.to_string(),
                topic.cleanup_policy.clone(),
                duration(topic.retention_ms),
                topic.message_bytes_max.to_string(),
                if made.contains(&topic.name) { "made" } else { "there" }.to_owned(),
            ]
        })
        .collect();
    table(["TOPIC", "PARTITIONS", "REPLICAS", "CLEANUP", "RETENTION", "MESSAGE BYTES", "STATE"], &rows)
}

fn duration(ms: i64) -> String {
    match ms {
        ..0 => "for ever".into(),
        ms if ms % 86_400_000 == 0 => format!("{} d", ms / 86_400_000),
        ms if ms % 3_600_000 == 0 => format!("{} h", ms / 3_600_000),
        ms => format!("{ms} ms"),
    }
}
