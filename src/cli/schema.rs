//! `assize schema`: our schemas printed and registered, and a producer's held against what the pipeline reads.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use clap::{Subcommand, ValueEnum};
use serde_json::json;

use super::{ConfigArg, output::print, table::table};
use crate::{
    codec::{CodecError, Compatibility, Proposal, Schemas, Status, subject},
    config::Config,
    failure::Failure,
    fault::Exit,
    records::schema,
    service,
};

/// What `assize schema` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

const EXAMPLES: &str = "\
Examples:
  assize schema print                            which records there are
  assize schema print message > message.avsc     for a producer's code generator
  assize schema register --config assize.toml    before producers start; `run` and `send` do it too
  assize schema check proposed.avsc              before a producer deploys it; - reads standard input
  assize schema check proposed.avsc --format json

`check` tries the pipeline's own reader: it writes example messages with the proposed schema, one for each branch of a \
union, and reads them back. Where a registry is configured it is asked for its own rules too.

Exit codes: 0 done, compatible; 1 not compatible, or refused by the registry; 2 a file cannot be read; 64 config \
refused; 69 the registry does not answer, or none is configured to register in.";

const PRINT_EXAMPLES: &str = "\
Examples:
  assize schema print                            which records there are
  assize schema print message > message.avsc     for a producer's code generator

Exit codes: 0 done; 2 no such record.";

const REGISTER_EXAMPLES: &str = "\
Examples:
  assize schema register --config assize.toml

It prints each subject with its id, and whether the schema is new or was there.

Exit codes: 0 done; 1 refused by the registry; 64 config refused; 69 the registry does not answer, or none is \
configured.";

const CHECK_EXAMPLES: &str = "\
Examples:
  assize schema check proposed.avsc              before a producer deploys it
  assize schema check - < proposed.avsc
  assize schema check proposed.avsc --format json | jq .proposal.problems

What the pipeline's own reader says comes first, on stdout. Where a registry is configured and does not answer, that \
follows on stderr, with exit code 69, unless the schema is not compatible anyway.

Exit codes: 0 compatible; 1 not compatible; 2 the file cannot be read; 64 config refused; 69 the registry does not \
answer.";

#[derive(Debug, Subcommand)]
enum What {
    /// Print the schema of a record as it is published; without a record, the list of them.
    #[command(after_help = PRINT_EXAMPLES)]
    Print {
        /// The record.
        record: Option<Record>,
    },
    /// Register our schemas, each under the name of its topic and -value; those that are there already stay.
    #[command(after_help = REGISTER_EXAMPLES)]
    Register {
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Check whether messages written with a proposed schema can be read.
    #[command(after_help = CHECK_EXAMPLES)]
    Check {
        /// The schema, in Avro's JSON; - reads standard input.
        file: PathBuf,
        /// Subject in the registry [default: that of the input topic].
        #[arg(long, value_name = "SUBJECT")]
        subject: Option<String>,
        /// Text, or one JSON object.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
        #[command(flatten)]
        config: ConfigArg,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Record {
    Message,
    Verdict,
    Prediction,
    Label,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For machines.
    Json,
}

impl Record {
    fn schema(self) -> &'static str {
        match self {
            Self::Message => schema::MESSAGE,
            Self::Verdict => schema::VERDICT,
            Self::Prediction => schema::PREDICTION,
            Self::Label => schema::LABEL,
        }
    }

    fn what(self) -> &'static str {
        match self {
            Self::Message => "what producers write",
            Self::Verdict => "what moderation services read",
            Self::Prediction => "the prediction log: no text, no user id",
            Self::Label => "what a message truly was",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Verdict => "verdict",
            Self::Prediction => "prediction",
            Self::Label => "label",
        }
    }
}

impl Args {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`] with [`Exit::Config`], [`Exit::Usage`] for a file, [`Exit::Failed`] when the registry refuses, or
    /// [`Exit::Unavailable`] when it does not answer.
    pub(super) fn run(self) -> Result<Exit, Failure> {
        match self.what {
            What::Print { record: Some(record) } => print(record.schema())?,
            What::Print { record: None } => {
                let line = |record: &Record| format!("{:<11} {}\n", record.name(), record.what());
                print(&Record::value_variants().iter().map(line).collect::<String>())?;
            }
            What::Register { config } => print(&register(&config.load()?)?)?,
            What::Check { file, subject, format, config } => return check(&file, subject, format, &config.load()?),
        }
        Ok(Exit::Done)
    }
}

fn register(config: &Config) -> Result<String, Failure> {
    if config.schemas.registry.is_none() {
        let error = anyhow::anyhow!("there is no registry to register in; set schemas.registry");
        return Err(Failure::new(Exit::Unavailable, error));
    }
    let runtime = service::runtime()?;
    let schemas = Schemas::try_new(&config.schemas, runtime.handle()).map_err(failure)?;
    let topics = &config.topics;
    let mut rows = Vec::new();
    for (topic, schema) in [
        (&topics.messages, schema::MESSAGE),
        (&topics.verdicts, schema::VERDICT),
        (&topics.predictions, schema::PREDICTION),
    ] {
        let subject = subject(topic);
        if let Some((id, is_new)) = schemas.register(&subject, schema).map_err(failure)? {
            rows.push([subject, id.to_string(), if is_new { "new" } else { "there" }.to_owned()]);
        }
    }
    Ok(table(["SUBJECT", "ID", "STATE"], &rows))
}

fn check(file: &Path, subject: Option<String>, format: Format, config: &Config) -> Result<Exit, Failure> {
    let schema = read(file)?;
    let proposal = Proposal::check(&schema);
    let subject = subject.unwrap_or_else(|| crate::codec::subject(&config.topics.messages));
    // A schema that cannot be read at all is nothing to ask about.
    let asked = if proposal.fields.is_empty() { Ok(None) } else { ask(&schema, &subject, config) };
    let (registry, problem) = match asked {
        Ok(registry) => (registry, None),
        Err(failure) => (None, Some(failure)),
    };
    let compatible =
        proposal.is_compatible() && registry.as_ref().is_none_or(|registry: &Compatibility| registry.is_compatible);
    print(&match format {
        Format::Text => as_text(&proposal, &subject, registry.as_ref()),
        Format::Json => {
            let object = json!({"compatible": compatible && problem.is_none(), "proposal": proposal, "subject": subject,
                "registry": registry, "registry_problem": problem.as_ref().map(ToString::to_string)});
            format!("{object}\n")
        }
    })?;
    match problem {
        _ if !compatible => Ok(Exit::Failed),
        Some(failure) => Err(failure),
        None => Ok(Exit::Done),
    }
}

fn ask(schema: &str, subject: &str, config: &Config) -> Result<Option<Compatibility>, Failure> {
    if config.schemas.registry.is_none() {
        return Ok(None);
    }
    let runtime = service::runtime()?;
    let schemas = Schemas::try_new(&config.schemas, runtime.handle()).map_err(failure)?;
    schemas.compatibility(subject, schema).map_err(failure)
}

fn read(file: &Path) -> Result<String, Failure> {
    let text = if file.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(file)
    };
    text.map_err(|error| Failure::new(Exit::Usage, anyhow::anyhow!("{}: {error}", file.display())))
}

fn failure(error: CodecError) -> Failure {
    let exit = match &error {
        CodecError::Registry(_) => Exit::Unavailable,
        CodecError::Settings(_) => Exit::Config,
        _ => Exit::Failed,
    };
    Failure::new(exit, error)
}

fn as_text(proposal: &Proposal, subject: &str, registry: Option<&Compatibility>) -> String {
    let rows: Vec<_> = proposal
        .fields
        .iter()
        .map(|field| {
            let mark = if field.status.is_compatible() { "ok" } else { "NOT" };
            [field.name.clone(), mark.to_owned(), status(field.status).to_owned(), field.detail.clone()]
        })
        .collect();
    let widths: [usize; 3] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default());
    let mut text = String::new();
    for [name, mark, status, detail] in &rows {
        let [name_width, mark_width, status_width] = widths;
        text.push_str(&format!("{name:name_width$}  {mark:mark_width$}  {status:status_width$}  {detail}\n"));
    }
    proposal.problems.iter().for_each(|problem| text.push_str(&format!("NOT: {problem}\n")));
    match registry {
        None => {}
        Some(Compatibility { is_first: true, .. }) => text.push_str(&format!("ok: {subject} is new to the registry\n")),
        Some(Compatibility { is_compatible: true, .. }) => {
            text.push_str(&format!("ok: the registry takes it for {subject}\n"));
        }
        Some(Compatibility { messages, .. }) => {
            text.push_str(&format!("NOT: the registry does not take it for {subject}\n"));
            messages.iter().for_each(|message| text.push_str(&format!("  {message}\n")));
        }
    }
    text.push_str(&match proposal.is_compatible() {
        true => format!("the pipeline reads it: {} examples were written and read back\n", proposal.examples),
        false => "the pipeline does not read every message written with it: see NOT\n".to_owned(),
    });
    text
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Fine => "fine",
        Status::Default => "default",
        Status::Extra => "extra",
        Status::Missing => "missing",
        Status::Renamed => "renamed",
        Status::Type => "type",
    }
}
