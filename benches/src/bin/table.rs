//! The times that criterion measured last, as a Markdown table, in the order in which they were measured. The only
//! argument is criterion's folder, `target/criterion` if there is none.

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::Context;
use serde::Deserialize;

/// `benchmark.json`
#[derive(Deserialize)]
struct Benchmark {
    function_id: String,
    throughput: Throughput,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Throughput {
    elements: f64,
}

/// `estimates.json`: nanoseconds of one run.
#[derive(Deserialize)]
struct Estimates {
    median: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    point_estimate: f64,
    confidence_interval: Interval,
}

#[derive(Deserialize)]
struct Interval {
    lower_bound: f64,
    upper_bound: f64,
}

fn main() -> anyhow::Result<()> {
    let folder = PathBuf::from(env::args().nth(1).unwrap_or_else(|| "target/criterion".to_owned())).join("stages");
    println!("| stage | ns a message | 95 % interval | messages/s |");
    println!("| --- | ---: | ---: | ---: |");
    for measured in measured(&folder)? {
        let Benchmark { function_id, throughput: Throughput { elements } } = read(&measured.join("benchmark.json"))?;
        let Estimates { median } = read(&measured.join("estimates.json"))?;
        let Interval { lower_bound, upper_bound } = median.confidence_interval;
        let [time, low, high] = [median.point_estimate, lower_bound, upper_bound].map(|time| time / elements);
        println!("| {function_id} | {time:.0} | {low:.0} to {high:.0} | {:.0} |", 1e9 / time);
    }
    Ok(())
}

/// The folder of the newest measurement of each stage, the one measured first before the others.
fn measured(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let missing = || format!("{}: run `cargo bench --package assize-benches` first", folder.display());
    let mut found: Vec<(SystemTime, PathBuf)> = Vec::new();
    for stage in fs::read_dir(folder).with_context(missing)? {
        let newest = stage?.path().join("new");
        if newest.is_dir() {
            found.push((fs::metadata(newest.join("estimates.json"))?.modified()?, newest));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, newest)| newest).collect())
}

fn read<T: for<'de> Deserialize<'de>>(file: &Path) -> anyhow::Result<T> {
    let text = fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not as criterion 0.8 writes it", file.display()))
}
