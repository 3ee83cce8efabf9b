//! Tells the owners of Secrets by Events, round after round.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use kube::Client;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::clock::Clock;
use crate::domain::notices::{Notice, Notices};
use crate::kubernetes::client::Reason;
use crate::kubernetes::notice;
use crate::metrics::{Panics, Task};
use crate::state::Shared;

/// Between two rounds. Each copies the rows, as a scrape does.
const PAUSE: Duration = Duration::from_secs(15);

/// Tells them.
pub(crate) struct Teller {
    pub(crate) client: Client,
    pub(crate) shared: Shared,
    pub(crate) clock: Clock,
    pub(crate) panics: Panics,
}

impl Teller {
    /// Goes on until shutdown.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let mut notices = Notices::default();
        let mut fails = false;
        let forever = async {
            loop {
                sleep(PAUSE).await;
                let failed = self.round(&mut notices).await;
                match (fails, failed) {
                    (false, Some((count, reason))) => {
                        warn!(count, %reason, "Failed to write Events of Secrets");
                    }
                    (true, None) => info!("Events of Secrets are written again"),
                    _ => {}
                }
                fails = failed.is_some();
            }
        };
        shutdown.run_until_cancelled(forever).await;
    }

    /// How many could not be told, and why the first of them. One that fails keeps no other from being
    /// told: its namespace may be about to go.
    async fn round(&self, notices: &mut Notices) -> Option<(usize, Reason)> {
        let mut failed = None;
        for notice in self.due(notices) {
            let told = notice::tell(&self.client, &notice, self.clock.now()).await;
            notices.told(&notice, told.is_ok(), self.clock.now());
            if let Err(reason) = told {
                let (count, first) = failed.unwrap_or((0, reason));
                failed = Some((count + 1, first));
            }
        }
        failed
    }

    fn due(&self, notices: &mut Notices) -> Vec<Notice> {
        let now = self.clock.now();
        // Before all lists have come in nobody knows whether a Secret is named.
        if !self.shared.read(|state| state.watches.is_ready()) {
            return Vec::new();
        }
        let look = AssertUnwindSafe(|| {
            let rows = self.shared.read(|state| state.rows(now)).in_order();
            notices.due(&rows, now)
        });
        catch_unwind(look).unwrap_or_else(|_| {
            self.panics.caught(Task::Notice);
            Vec::new()
        })
    }
}
