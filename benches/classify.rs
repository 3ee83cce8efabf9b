//! How many messages are classified a second, on one core.
//!
//! The messages are the fixtures, in turn; beside them one that is as long and as awkward as may be.

use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use regcred_exporter::domain::pull_failure::{LONGEST_MESSAGE, classify};

fn messages() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pull_messages");
    let mut messages = Vec::new();
    for file in std::fs::read_dir(folder).expect("the fixtures are there") {
        let path = file.expect("the fixtures can be listed").path();
        if path.extension().is_none_or(|name| name != "jsonl") {
            continue;
        }
        let text = std::fs::read_to_string(path).expect("a fixture can be read");
        for line in text.lines() {
            let row: serde_json::Value = serde_json::from_str(line).expect("a fixture is JSON");
            messages.extend(row["message"].as_str().map(str::to_owned));
        }
    }
    messages
}

fn throughput(criterion: &mut Criterion) {
    let messages = messages();
    let mut group = criterion.benchmark_group("classify");
    group.throughput(Throughput::Elements(messages.len() as u64));
    group.bench_function("fixtures", |bencher| {
        bencher.iter(|| {
            for message in &messages {
                black_box(classify(black_box(message)));
            }
        });
    });
    let hostile = "status code 40 ".repeat(LONGEST_MESSAGE / 15);
    group.throughput(Throughput::Elements(1));
    group.bench_function("64 KiB of near misses", |bencher| {
        bencher.iter(|| classify(black_box(&hostile)));
    });
    group.finish();
}

criterion_group!(benches, throughput);
criterion_main!(benches);
