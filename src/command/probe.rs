//! The daemon's prober, stepped until all that was wanted has been asked.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::app::ledger::Keeper;
use crate::clock::Clock;
use crate::command::Progress;
use crate::config::Settings;
use crate::lifecycle::always_leading;
use crate::metrics::Metrics;
use crate::prober::Prober;
use crate::registry::{Client, TrustError};
use crate::state::Shared;

/// Waits between steps are those of the login pace, fractions of a second. A registry that wants a
/// longer one (`Retry-After`) is not waited for: its credentials are left without an answer.
const PATIENCE: TimeDelta = TimeDelta::seconds(30);

/// How often the progress line is written.
const PROGRESS: Duration = Duration::from_millis(300);

/// Asks until nothing is due.
pub(super) async fn probe(
    settings: &Settings,
    shared: &Shared,
    clock: &Clock,
    progress: &Progress,
) -> Result<(), TrustError> {
    let client = Client::new(&settings.probe)?;
    let (_handout, receiver) = watch::channel(Arc::new(settings.clone()));
    let metrics = {
        let clock = clock.clone();
        Metrics::new(shared.clone(), move || clock.now(), settings.probe.interval)
    };
    let wake = Arc::default();
    let mut prober = Prober::new(
        shared.clone(),
        receiver,
        always_leading(),
        client,
        clock.clone(),
        metrics,
        wake,
    )
    .for_one_run();
    let over = CancellationToken::new();
    let _ends_with_us = over.clone().drop_guard();
    if let Some(keeper) = Keeper::of(&settings.ledger, None) {
        let (asks, questions) = Keeper::channel();
        prober = prober.with_ledger(asks);
        tokio::spawn(keeper.run(questions, over));
    }
    let asking = async {
        loop {
            let now = clock.now();
            let Some(next) = prober.step(now).await.filter(|next| *next - now < PATIENCE) else {
                return;
            };
            clock.sleep_until(next).await;
            if clock.now() < next {
                // A clock that stands: nothing will ever be due.
                return;
            }
        }
    };
    tokio::select! {
        () = asking => {}
        () = show(shared, clock, progress) => {}
    }
    Ok(())
}

/// Shows how far it is, and never ends.
async fn show(shared: &Shared, clock: &Clock, progress: &Progress) {
    let mut ticks = tokio::time::interval(PROGRESS);
    loop {
        ticks.tick().await;
        if !progress.is_shown() {
            std::future::pending::<()>().await;
        }
        let rows = shared.read(|state| state.rows(clock.now())).in_order();
        let wanted = rows.credentials.iter().filter(|row| row.skipped.is_none());
        let done = wanted.clone().filter(|row| row.outcome.is_some()).count();
        progress.show(done, wanted.count());
    }
}
