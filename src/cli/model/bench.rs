//! `assize model bench`: what a row costs, in batches as small and as large as a lane has them.

use std::{
    fs,
    hint::black_box,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::Context;
use serde::Serialize;

use crate::{
    cli::{output::print, table::table},
    decision::Gives,
    failure::Failure,
    fault::Exit,
    features::vector::Rows,
    model::{
        Bundle, Scorer, Scores,
        isolate::{self, Limits},
    },
};

const BATCHES: [usize; 3] = [1, 64, 512];
/// Different rows, so that no branch of a tree is always the same.
const ROWS: usize = 512;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A bundle's folder or an ONNX file.
    #[arg(value_name = "BUNDLE_OR_ONNX")]
    model: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Numbers of a row that are not zero [default: all up to 64 columns, then 64].
    #[arg(long, value_name = "N")]
    filled: Option<usize>,
    /// How long to measure each size of batch, milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    milliseconds: u64,
}

#[derive(Serialize)]
struct Report {
    path: &'static str,
    columns: usize,
    filled: usize,
    costs: Vec<Cost>,
}

#[derive(Serialize)]
struct Cost {
    batch: usize,
    rows: u64,
    /// Mean of all rows.
    ns_per_row: f64,
}

impl Args {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let refused =
            |error: anyhow::Error| Failure::new(Exit::Bundle, error.context(self.model.display().to_string()));
        isolate::trial(None, &self.model, Limits::default()).map_err(|error| refused(error.into()))?;
        let report = self.measure().map_err(refused)?;
        let text =
            if self.json { serde_json::to_string(&report).map_err(anyhow::Error::new)? + "\n" } else { report.text() };
        print(&text)?;
        Ok(Exit::Done)
    }

    fn measure(&self) -> anyhow::Result<Report> {
        let bundle;
        let opened;
        let scorer = if self.model.is_dir() {
            bundle = Bundle::load(&self.model, None)?;
            bundle.scorer()
        } else {
            opened = Scorer::open(&fs::read(&self.model).context("it cannot be read")?, None, Gives::Scores)?;
            &opened
        };
        let columns = scorer.columns();
        let filled = self.filled.unwrap_or(64).min(columns);
        let duration = Duration::from_millis(self.milliseconds);
        let costs = BATCHES.map(|batch| cost(scorer, batch, filled, duration));
        let costs = costs.into_iter().collect::<Result<_, _>>()?;
        Ok(Report { path: scorer.path(), columns, filled, costs })
    }
}

fn cost(scorer: &Scorer, batch: usize, filled: usize, duration: Duration) -> anyhow::Result<Cost> {
    let batches = batches(scorer.columns(), filled, batch);
    let (mut state, mut scores) = (scorer.state()?, Scores::default());
    for rows in &batches {
        scorer.score(&mut state, rows, &mut scores)?;
    }
    let (start, mut rows) = (Instant::now(), 0);
    while start.elapsed() < duration {
        for batch in &batches {
            scorer.score(&mut state, black_box(batch), &mut scores)?;
            black_box(&scores);
            rows += batch.len() as u64;
        }
    }
    Ok(Cost { batch, rows, ns_per_row: start.elapsed().as_nanos() as f64 / rows as f64 })
}

/// [`ROWS`] rows, always the same: numbers in -2..2 (0..1 beyond 64 columns, as weights of terms are) in `filled` columns.
fn batches(columns: usize, filled: usize, batch: usize) -> Vec<Rows> {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        // xorshift64*
        random ^= random >> 12;
        random ^= random << 25;
        random ^= random >> 27;
        random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 40
    };
    let mut batches = Vec::new();
    let mut dense = vec![0.0; columns];
    for _ in 0..ROWS / batch {
        let mut rows = Rows::default();
        for _ in 0..batch {
            dense.fill(0.0);
            for column in 0..filled {
                let column = if filled == columns { column } else { next() as usize % columns };
                let unit = next() as f32 / (1 << 24) as f32;
                dense[column] = if columns <= 64 { 4.0 * unit - 2.0 } else { unit };
            }
            rows.push_dense(&dense);
        }
        batches.push(rows);
    }
    batches
}

impl Report {
    fn text(&self) -> String {
        let row = |cost: &Cost| [cost.batch.to_string(), cost.rows.to_string(), format!("{:.0}", cost.ns_per_row)];
        let rows: Vec<_> = self.costs.iter().map(row).collect();
        let Self { path, columns, filled, .. } = self;
        let header = format!("{path}; {columns} columns, {filled} of them filled\n");
        header + &table(["BATCH", "ROWS", "NS A ROW"], &rows)
    }
}
