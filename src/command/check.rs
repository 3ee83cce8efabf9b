//! `check`: one pass over the cluster or over files, and what came of it.
//!
//! An image is asked about by a pod that does not exist: it names the Secrets that a new pod would
//! have, so that graph and prober do for it what they do for any pod.

mod gather;
mod intake;
mod manifest;

use std::io::IsTerminal;

use super::{Progress, StartError, probe};
use crate::clock::Clock;
use crate::config::{Check, Output, Settings};
use crate::domain::cluster::Holding;
use crate::report::table::Colours;
use crate::report::{Asked, ImageReport, Report, json, junit, table};
use gather::Gathered;

/// Reads everything once, asks until nothing is due, and says what came of it.
pub async fn check(asked: &Check, clock: &Clock) -> Result<Report, StartError> {
    let progress = Progress::on_stderr();
    let gathered = gather::gather(asked, &progress).await?;
    let asking = if asked.offline {
        Asked::Nobody
    } else {
        let settings = Settings {
            probe: asked
                .settings
                .probe
                .apart_from(gathered.api_servers.clone()),
            ..asked.settings.clone()
        };
        probe::probe(&settings, &gathered.shared, clock, &progress).await?;
        Asked::Registries
    };
    progress.clear();
    Ok(report(asked, asking, gathered, clock))
}

/// The report as `--output` wants it, for stdout.
pub fn written(report: &Report, output: Output) -> String {
    match output {
        Output::Json => json::write(report),
        Output::Junit => junit::write(report),
        Output::Table => table::write(report, colours()),
    }
}

fn report(asked: &Check, asking: Asked, gathered: Gathered, clock: &Clock) -> Report {
    let now = clock.now();
    let holdings = told(&gathered);
    // In a namespace that is not there no pod can pull.
    let images = if gathered.is_nowhere {
        &[]
    } else {
        &asked.images[..]
    };
    let mut report = if !asked.manifests.is_empty() {
        let prospects = gathered.shared.read(|state| {
            let mut examination = state.examine(now);
            let planned = gathered.planned.iter();
            planned.flat_map(|pod| examination.prospects(pod)).collect()
        });
        Report::of_workloads(prospects, asking, now)
    } else if asked.images.is_empty() {
        gathered.shared.read(|state| {
            let (cluster, verdicts) = (&state.cluster, &state.verdicts);
            let rows = state.rows(now).in_order();
            Report::of_credentials(&holdings, &rows, cluster, verdicts, asking, now)
        })
    } else {
        let images = gathered.shared.read(|state| {
            let of = |image| {
                let (cluster, verdicts) = (&state.cluster, &state.verdicts);
                ImageReport::of(image, &holdings, cluster, verdicts, asking, now)
            };
            images.iter().map(of).collect()
        });
        Report::of_images(images, &holdings, now)
    };
    report.notes = gathered.notes;
    report.unreadable = gathered.unreadable;
    report.expires_within = asked.fail_on.expires_within();
    report
}

/// What is held, as far as annotations let it be told. A pod that is asked about needs it all: what
/// wants the pod left alone is about all that it names.
fn told(gathered: &Gathered) -> Vec<Holding> {
    gathered.shared.read(|state| {
        let cluster = &state.cluster;
        let of_pod = cluster.mark_of_pod(intake::OUR_POD);
        let told = |held: &Holding| held.told(cluster.mark_on(&held.object).max(of_pod));
        gathered.holdings.iter().map(told).collect()
    })
}

/// `NO_COLOR` as in no-color.org.
fn colours() -> Colours {
    let is_refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if std::io::stdout().is_terminal() && !is_refused {
        Colours::Shown
    } else {
        Colours::None
    }
}
