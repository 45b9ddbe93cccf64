//! Time of each stage and of the whole, by criterion: `cargo bench --package assize-benches`, then
//! `cargo run --release --package assize-benches --bin table`. An argument measures only the stages whose name holds it.

use std::time::{Duration, Instant};

use assize_benches::{Corpus, all};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// So many times the collection: 200,000 messages, more than fit into the processor's cache.
const PASSES: usize = 40;

fn stages(criterion: &mut Criterion) {
    let corpus = Corpus::load(PASSES).unwrap_or_else(|error| {
        eprintln!("stages: {error:#}");
        std::process::exit(1)
    });
    let mut group = criterion.benchmark_group("stages");
    for mut stage in all(&corpus) {
        group.throughput(Throughput::Elements(stage.messages));
        group.bench_function(stage.name, |bencher| {
            bencher.iter_custom(|runs| {
                let mut elapsed = Duration::ZERO;
                for _ in 0..runs {
                    stage.prepare();
                    let start = Instant::now();
                    stage.run();
                    elapsed += start.elapsed();
                }
                elapsed
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(4));
    targets = stages
}
criterion_main!(benches);
