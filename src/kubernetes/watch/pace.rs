//! How long to wait between two requests of one watch, and how long a watch may last.

use std::ops::RangeInclusive;
use std::time::Duration;

/// The times of the list/watch loop; tests shorten them.
#[derive(Clone, Debug)]
pub struct Cadence {
    /// `timeoutSeconds` of a watch, drawn anew for each so that watches do not end together.
    pub watch: RangeInclusive<Duration>,
    /// How long past `timeoutSeconds`, and past the last byte, a stream may be silent.
    pub silence: Duration,
    /// The back-off's first and last ceiling.
    pub backoff: RangeInclusive<Duration>,
    /// A watch that lived so long starts the back-off anew, and is followed at once.
    pub lived: Duration,
    /// A stream that brought a Secret is begun anew within this: the buffers of its connection hold
    /// what they read until they are freed, and a deleted password is to be gone.
    pub renew: Duration,
    /// `timeoutSeconds` of a watch of Events. They are not in the API server's watch cache, so that
    /// they have no bookmarks, and each of their watches that is resumed after a compaction (five
    /// minutes) is answered with 410 and needs a list: an hour is a list an hour.
    pub events_watch: Duration,
    /// From one list of Events to the next, whatever happens.
    pub events_pause: Duration,
    /// Two watches in a row that end within this mean that something is wrong: list again.
    pub at_once: Duration,
}

impl Default for Cadence {
    fn default() -> Self {
        Self {
            watch: Duration::from_secs(60)..=Duration::from_secs(120),
            silence: Duration::from_secs(10),
            // client-go's reflector.
            backoff: Duration::from_millis(800)..=Duration::from_secs(30),
            lived: Duration::from_secs(10),
            renew: Duration::from_secs(15),
            events_watch: Duration::from_secs(60 * 60),
            events_pause: Duration::from_secs(60),
            at_once: Duration::from_secs(1),
        }
    }
}

impl Cadence {
    /// How long the next watch may last, in whole seconds.
    pub(super) fn watch_for(&self) -> Duration {
        let seconds = self.watch.start().as_secs()..=self.watch.end().as_secs();
        Duration::from_secs(fastrand::u64(seconds).max(1))
    }
}

/// Doubling ceilings with full jitter.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    steps: u32,
}

impl Backoff {
    /// All went well for long enough.
    pub(super) fn reset(&mut self) {
        self.steps = 0;
    }

    /// Anywhere below the next ceiling.
    pub(super) fn next(&mut self, cadence: &Cadence) -> Duration {
        let ceiling = self.ceiling(cadence);
        self.steps = self.steps.saturating_add(1);
        ceiling.mul_f64(fastrand::f64())
    }

    /// The upper half below the last ceiling: rights do not come by the second.
    pub(super) fn slow(cadence: &Cadence) -> Duration {
        cadence.backoff.end().mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    /// Waits since it began.
    #[cfg(test)]
    pub(super) fn steps(&self) -> u32 {
        self.steps
    }

    fn ceiling(&self, cadence: &Cadence) -> Duration {
        let factor = 2_u32.saturating_pow(self.steps);
        let ceiling = cadence.backoff.start().saturating_mul(factor);
        ceiling.min(*cadence.backoff.end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ceilings_double_up_to_the_last() {
        let cadence = Cadence::default();
        let mut backoff = Backoff::default();
        let ceilings: Vec<u128> = (0..8)
            .map(|_| {
                let ceiling = backoff.ceiling(&cadence);
                assert!(backoff.next(&cadence) <= ceiling);
                ceiling.as_millis()
            })
            .collect();
        assert_eq!(
            ceilings,
            [800, 1600, 3200, 6400, 12800, 25600, 30000, 30000]
        );
        for _ in 0..100 {
            backoff.next(&cadence);
        }
        backoff.reset();
        assert_eq!(backoff.ceiling(&cadence).as_millis(), 800);
    }

    #[test]
    fn a_watch_lasts_one_to_two_minutes() {
        let cadence = Cadence::default();
        for _ in 0..1000 {
            let seconds = cadence.watch_for().as_secs();
            assert!((60..=120).contains(&seconds), "{seconds}");
            let slow = Backoff::slow(&cadence).as_secs_f64();
            assert!((15.0..=30.0).contains(&slow), "{slow}");
        }
    }
}
