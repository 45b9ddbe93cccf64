//! `assize watch`: records as they come.

use std::{
    io::{self, Write as _},
    ops::ControlFlow,
    time::Duration,
};

use super::{
    ConfigArg,
    dlq::{Format, unreadable},
    output::{buffered, written},
};
use crate::{
    codec::{Schemas, limit_allocations},
    config::Config,
    dlq::{CLIENT_HEADER, Letter},
    failure::Failure,
    fault::Exit,
    hash::Hasher,
    ops::shutdown::Shutdown,
    service,
    tail::{Decoder, Record, Start},
    watch::{self, Filter, Range, Unseen, View, WatchError, What, Where},
};

/// How long what is being written may take after Ctrl-C.
const STOP_SECONDS_MAX: Duration = Duration::from_secs(10);

/// What `assize watch` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// What to watch.
    #[arg(value_enum)]
    what: What,
    /// Where to start: beginning, end, a time ago such as -15m, RFC 3339, or an offset with --partition [default: end;
    /// beginning with --until-end].
    #[arg(long, value_name = "WHERE", allow_hyphen_values = true)]
    from: Option<Start>,
    /// Stop at the ends of the topic as they are now, instead of going on until Ctrl-C.
    #[arg(long)]
    until_end: bool,
    /// Only this partition; can be given more than once.
    #[arg(long = "partition", value_name = "P")]
    partitions: Vec<i32>,
    /// Records to show at most.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    #[command(flatten)]
    filter: FilterArgs,
    /// Show what authors wrote. Without it only its length is shown: terminals are recorded, and their contents pasted.
    #[arg(long)]
    show_text: bool,
    /// A line for people, or everything as JSON.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(Debug, clap::Args)]
struct FilterArgs {
    /// Of this author; for predictions it takes the hash key of the config.
    #[arg(long, value_name = "ID")]
    user: Option<i64>,
    /// With this key.
    #[arg(long, value_name = "TEXT")]
    key: Option<String>,
    /// With a decision of this task.
    #[arg(long, value_name = "NAME")]
    task: Option<String>,
    /// With this label, by the task of --task if there is one.
    #[arg(long, value_name = "LABEL")]
    label: Option<String>,
    /// With this action.
    #[arg(long, value_name = "ACTION", value_parser = ["allow", "review", "block"], ignore_case = true)]
    action: Option<String>,
    /// Judged without fresh user features.
    #[arg(long)]
    degraded: bool,
    /// With this field, such as language=en or decisions.model.version=1.0.0; can be given more than once.
    #[arg(long = "where", value_name = "FIELD=VALUE")]
    fields: Vec<Where>,
}

const EXAMPLES: &str = "\
Examples:
  assize watch verdicts                                        from now on, until Ctrl-C
  assize watch verdicts --from -15m --action block --format ndjson | jq .value.message_id
  assize watch predictions --from 2026-01-31T12:00:00Z --degraded
  assize watch messages --partition 3 --from 1042 --limit 1 --show-text
  assize watch labels --from -1h --where task=spam
  assize watch drift-reports --from -7d --where status=DRIFTED
  assize watch dead-letters --from beginning --until-end --where code=UNDECODABLE

Records are committed ones, decoded with the schemas of their writers; what does not decode is shown as such. The fields \
of --where are those of the value; of dead letters, those that NDJSON shows. No group is joined, nothing is committed.

Exit codes: 0 done, also on Ctrl-C; 2 wrong use; 64 config refused; 69 Kafka or the topic is not there.";

impl Args {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`] with [`Exit::Config`], [`Exit::Usage`], or [`Exit::Unavailable`] when the topic cannot be read.
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let start = self.start()?;
        let config = self.config.load()?;
        let filter = self.filter.filter(self.what, &config)?;
        limit_allocations();
        let runtime = service::runtime()?;
        let schemas =
            Schemas::try_new(&config.schemas, runtime.handle()).map_err(|error| Failure::new(Exit::Config, error))?;
        let stop = Shutdown::new(STOP_SECONDS_MAX);
        stop.on_signals(runtime.handle()).map_err(|error| Failure::new(Exit::Failed, error))?;

        let topic = self.what.topic(&config.topics);
        let range = Range { partitions: &self.partitions, start, until_end: self.until_end };
        let view = View { what: self.what, show_text: self.show_text };
        let unseen = Unseen::new(&filter.fields);
        let mut shown = Shown { view, topic, filter: &filter, unseen, decoder: Decoder(&schemas), format: self.format };
        let mut output = buffered();
        let head = if self.format == Format::Text { view.header() + "\n" } else { String::new() };
        let mut left = self.limit.unwrap_or(u64::MAX);
        let result = watch::watch(&config.kafka, topic, range, &stop, &mut output, &head, |record, output| {
            if let Some(line) = shown.line(record) {
                writeln!(output, "{line}")?;
                left -= 1;
            }
            Ok(if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        });
        stop.drained();
        if let (Ok(()), Some(complaint)) = (&result, shown.unseen.complaint()) {
            eprintln!("assize: {complaint}");
        }
        match result {
            Ok(()) => Ok(Exit::Done),
            Err(WatchError::Tail(error)) => Err(unreadable(error)),
            Err(WatchError::Write(error)) => written(Err::<(), io::Error>(error)).map(|()| Exit::Done),
        }
    }

    fn start(&self) -> Result<Start, Failure> {
        if matches!(self.from, Some(Start::Offset(_))) && self.partitions.len() != 1 {
            let problem = "--from OFFSET needs one --partition: every partition has offsets of its own";
            return Err(Failure::new(Exit::Usage, anyhow::Error::msg(problem)));
        }
        Ok(self.from.unwrap_or(if self.until_end { Start::Beginning } else { Start::End }))
    }
}

impl FilterArgs {
    fn filter(&self, what: What, config: &Config) -> Result<Filter, Failure> {
        let Self { user, key, task, label, action, degraded, fields } = self;
        let user_hash = match user {
            // Predictions hold no user ids.
            Some(user) if what == What::Predictions => {
                let hasher = Hasher::load(&config.hash_key).map_err(|error| Failure::new(Exit::Config, error))?;
                Some(hasher.user(*user).iter().map(|byte| format!("{byte:02x}")).collect())
            }
            _ => None,
        };
        let filter = Filter {
            user: *user,
            user_hash,
            key: key.clone(),
            task: task.clone(),
            label: label.clone(),
            action: action.as_ref().map(|action| action.to_uppercase()),
            degraded: *degraded,
            fields: fields.clone(),
        };
        match filter.misfit(what) {
            None => Ok(filter),
            Some(name) => {
                let problem = match name {
                    "--user" => "--user is not for drift reports: they are of nobody".to_owned(),
                    name => format!("{name} is for verdicts and predictions; nothing else is judged"),
                };
                Err(Failure::new(Exit::Usage, anyhow::Error::msg(problem)))
            }
        }
    }
}

/// What is shown of a record, and how.
struct Shown<'a> {
    view: View,
    topic: &'a str,
    filter: &'a Filter,
    unseen: Unseen<'a>,
    decoder: Decoder<'a>,
    format: Format,
}

impl Shown<'_> {
    /// None for a record that is not meant.
    fn line(&mut self, record: &Record<'_>) -> Option<String> {
        if self.view.what == What::DeadLetters {
            let letter = Letter::of(record.clone(), CLIENT_HEADER);
            // Most of the time goes into it.
            let needed = self.format == Format::Ndjson || !self.filter.fields.is_empty();
            let object = needed.then(|| serde_json::Value::Object(self.view.dead_letter(self.topic, &letter)));
            object.iter().for_each(|object| self.unseen.note(object));
            let shown = self.filter.matches(self.view.what, record, object.as_ref());
            return shown.then(|| match self.format {
                Format::Text => letter.line(),
                Format::Ndjson => object.unwrap_or_default().to_string(),
            });
        }
        let decoded = self.decoder.decode(record.value);
        decoded.json().into_iter().for_each(|fields| self.unseen.note(fields));
        let shown = self.filter.matches(self.view.what, record, decoded.json());
        shown.then(|| match self.format {
            Format::Text => self.view.line(record, &decoded),
            Format::Ndjson => serde_json::Value::Object(self.view.json(self.topic, record, decoded)).to_string(),
        })
    }
}
