//! `assize features`: what training needs of the engine. The numbers come from the code that serves, so a model learns
//! on the features that it will be given.
//!
//! ```text
//!  messages.tsv | .ndjson ─► intake ─► ten text features ─► NDJSON on stdout
//! ```

use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use clap::{Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::output::reader_left;
use crate::{
    failure::Failure,
    fault::Exit,
    features::{
        contract::{Contract, Feature},
        store::user_values,
        text,
    },
    intake,
    model::Bundle,
};

/// Longest line of an input file, bytes.
const LINE_BYTES_MAX: u64 = 1024 * 1024;

/// Features for training, and the contract that names them.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write the ten text features of each text in a file.
    Export(Export),
    /// Print a feature contract.
    Contract {
        /// The bundle whose contract to print, instead of the default one.
        #[arg(long, value_name = "DIR")]
        bundle: Option<PathBuf>,
    },
}

#[derive(Debug, clap::Args)]
struct Export {
    /// The texts: label, tab, text per line in a .tsv, or {"text", "label", "user"} objects in an .ndjson.
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// How to write them.
    #[arg(long, value_enum, default_value_t = Format::Ndjson)]
    format: Format,
    /// Write the sanitized text too.
    #[arg(long)]
    with_text: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// One JSON object per line.
    Ndjson,
}

/// One text of the input.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sample {
    text: String,
    #[serde(default)]
    label: Option<String>,
    #[serde(default)]
    user: Map<String, Value>,
}

/// What is written of it.
#[derive(Debug, Serialize)]
struct Exported {
    /// Line of the input, from 1.
    line: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    /// In the order of [`text::NAMES`].
    features: [f64; text::NAMES.len()],
    /// As numbers; null is missing.
    #[serde(skip_serializing_if = "Map::is_empty")]
    user: Map<String, Value>,
    /// Sanitized.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// [`Failure`] with [`Exit::Failed`].
pub(super) fn run(args: Args) -> Result<Exit, Failure> {
    match written_by(args) {
        Err(error) if !reader_left(&error) => Err(error.into()),
        _ => Ok(Exit::Done),
    }
}

fn written_by(args: Args) -> Result<()> {
    match args.command {
        Command::Export(Export { input, format: Format::Ndjson, with_text }) => {
            let file = File::open(&input).with_context(|| format!("{} cannot be opened", input.display()))?;
            let parse = parser(&input)?;
            let mut output = BufWriter::new(io::stdout().lock());
            let refused = export(BufReader::new(file), parse, with_text, &mut output)?;
            output.flush()?;
            if refused > 0 {
                tracing::warn!(refused, "intake refuses some texts; they have no features");
            }
            Ok(())
        }
        Command::Contract { bundle: None } => print_contract(&Contract::default(), &mut io::stdout().lock()),
        Command::Contract { bundle: Some(folder) } => {
            let bundle = Bundle::load(&folder, None).with_context(|| format!("bundle {}", folder.display()))?;
            print_contract(bundle.transformer().contract(), &mut io::stdout().lock())
        }
    }
}

type Parse = fn(&str) -> Result<Sample>;

/// By the file's name.
fn parser(input: &Path) -> Result<Parse> {
    match input.extension().and_then(|extension| extension.to_str()) {
        Some("tsv") => Ok(parse_tsv),
        Some("ndjson" | "jsonl") => Ok(|line| Ok(serde_json::from_str(line)?)),
        _ => bail!("{} is neither .tsv nor .ndjson; name it after what is in it", input.display()),
    }
}

fn parse_tsv(line: &str) -> Result<Sample> {
    let (label, text) = line.split_once('\t').context("there is no tab; give label, tab, text")?;
    Ok(Sample { text: text.into(), label: Some(label.into()), user: Map::new() })
}

/// Writes one line per text that intake lets through; returns how many it refused.
fn export(mut input: impl BufRead, parse: Parse, with_text: bool, output: &mut impl Write) -> Result<u64> {
    let mut scratch = text::Scratch::default();
    let (mut buffer, mut refused) = (String::new(), 0);
    for line in 1.. {
        buffer.clear();
        let read = input.by_ref().take(LINE_BYTES_MAX).read_line(&mut buffer);
        if read.with_context(|| format!("line {line}"))? == 0 {
            break;
        }
        if buffer.len() as u64 == LINE_BYTES_MAX {
            bail!("line {line} is longer than {LINE_BYTES_MAX} bytes");
        }
        let sample = parse(buffer.trim_end_matches(['\n', '\r'])).with_context(|| format!("line {line}"))?;
        let user = numbers(&sample.user).with_context(|| format!("line {line}"))?;
        let Ok((text, _)) = intake::hear_text(sample.text) else {
            refused += 1;
            continue;
        };
        let features = text::extract(&text, &mut scratch);
        let exported = Exported { line, label: sample.label, features, user, text: with_text.then_some(text) };
        serde_json::to_writer(&mut *output, &exported)?;
        output.write_all(b"\n")?;
    }
    Ok(refused)
}

/// The user's record as the serving code reads it.
fn numbers(user: &Map<String, Value>) -> Result<Map<String, Value>> {
    let names: Vec<String> = user.keys().cloned().collect();
    let values = user_values(&names, user)?;
    // NaN becomes null.
    Ok(names.into_iter().zip(values.into_iter().map(Value::from)).collect())
}

fn print_contract(contract: &Contract, output: &mut impl Write) -> Result<()> {
    #[derive(Serialize)]
    struct Printed<'a> {
        id: String,
        features: &'a [Feature],
    }
    serde_json::to_writer_pretty(&mut *output, &Printed { id: contract.id(), features: contract.features() })?;
    writeln!(output)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exported(name: &str, input: &str, with_text: bool) -> Result<(Vec<Value>, u64)> {
        let mut output = Vec::new();
        let refused = export(input.as_bytes(), parser(Path::new(name))?, with_text, &mut output)?;
        let lines = String::from_utf8(output)?;
        Ok((lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?, refused))
    }

    #[test]
    fn a_line_has_the_features_of_the_sanitized_text() {
        let (lines, refused) = exported("a.tsv", "ham\tHi &amp; bye!\r\nspam\t \nspam\tWIN", true).unwrap();
        assert_eq!(refused, 1);
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["text"], "Hi & bye!");
        assert_eq!(lines[0]["label"], "ham");
        assert_eq!(lines[0]["features"][0], 9.0);
        assert_eq!(lines[1]["line"], 3);
    }

    #[test]
    fn the_text_stays_out_unless_asked_for() {
        let (lines, _) = exported("a.tsv", "ham\tsecret", false).unwrap();
        assert!(!lines[0].to_string().contains("secret"));
    }

    #[test]
    fn user_features_are_the_numbers_that_serving_reads() {
        let input = r#"{"text": "hi", "user": {"verified": true, "age": 3, "karma": null}}"#;
        let (lines, _) = exported("a.ndjson", input, false).unwrap();
        assert_eq!(lines[0]["user"], serde_json::json!({"verified": 1.0, "age": 3.0, "karma": null}));
    }

    #[track_caller]
    fn bad(name: &str, input: &str, expected: &str) {
        let error = format!("{:#}", exported(name, input, false).unwrap_err());
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn bad_input_is_named_by_its_line() {
        bad("a.csv", "", "neither .tsv nor .ndjson");
        bad("a.tsv", "ham\tok\nham", "line 2: there is no tab");
        bad("a.ndjson", "{\"text\": \"hi\", \"usr\": {}}", "line 1: unknown field `usr`");
        bad("a.ndjson", r#"{"text": "hi", "user": {"age": "3"}}"#, "user feature \"age\" is no number");
        bad("a.tsv", &format!("ham\t{}", "x".repeat(1 << 20)), "line 1 is longer than 1048576 bytes");
    }

    #[test]
    fn the_contract_is_printed_with_its_id() {
        let mut output = Vec::new();
        print_contract(&Contract::default(), &mut output).unwrap();
        let printed: Value = serde_json::from_slice(&output).unwrap();
        assert_eq!(printed["id"], Contract::default().id());
        assert_eq!(printed["features"][3]["name"], "char_count");
        assert_eq!(printed["features"][3]["unit"], "code points");
    }
}
