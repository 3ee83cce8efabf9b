//! What it costs to take the login that is next, beside a thousand that wait and beside a hundred
//! thousand. The ratio of the two is what counts: the logarithms make 1.7 and the caches of a processor
//! some more (3.1 was measured); a scan would make 100.

use chrono::{DateTime, TimeDelta, Utc};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use regcred_exporter::domain::cluster::Group;
use regcred_exporter::domain::credential::{Credential, Credentials};
use regcred_exporter::domain::image::Registry;
use regcred_exporter::domain::schedule::{Job, Schedule};

/// The pace lets one login go in this time.
const STEP: TimeDelta = TimeDelta::milliseconds(200);

/// All due, at two hundred registries and in fifty namespaces, of which one has half of them.
fn waiting(count: usize, now: DateTime<Utc>) -> Schedule {
    let mut credentials = Credentials::default();
    let mut schedule = Schedule::new(4);
    for n in 0..count {
        let credential = Credential::basic(b"bot", n.to_string().as_bytes());
        let job = Job::Login(Group {
            registry: Registry::from_domain(&format!("r{}.example.com", n % 200)),
            credential: credentials.intern(credential),
        });
        let namespace = if n % 2 == 0 { 0 } else { n % 50 };
        schedule.belongs_to(&job, &format!("team-{namespace}").into());
        schedule.hasten(&job, now);
    }
    schedule
}

fn taking(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("take the next login");
    for count in [1_000, 100_000] {
        group.bench_with_input(BenchmarkId::new("waiting", count), &count, |bencher, _| {
            let mut now = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
            let mut schedule = waiting(count, now);
            bencher.iter(|| {
                now += STEP;
                let taken = schedule.take_due(now);
                for job in &taken {
                    // Due at once: as many wait as before.
                    schedule.finished(job, now, now);
                }
                taken.len()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, taking);
criterion_main!(benches);
