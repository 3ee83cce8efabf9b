//! An Event, as far as it speaks of a pull that failed.

use crate::domain::cluster::{EventSeen, Uid};

/// The recorder's words for more than ten distinct messages about one object within ten minutes
/// (client-go tools/record/events_cache.go).
const COMBINED: &str = "(combined from similar events): ";

/// The kubelet's words for an attempt that failed, and for nothing else: the same reason stands on
/// Events of back-offs and of containers that cannot be created.
const PULL: &str = "Failed to pull image ";

/// An Event that tells of attempts.
#[derive(Debug)]
pub(super) struct Spoken<'e> {
    pub(super) event: &'e EventSeen,
    /// Which container it is about; `None` for an image volume, and for several at once.
    pub(super) container: Option<&'e str>,
}

impl<'e> Spoken<'e> {
    pub(super) fn of(event: &'e EventSeen) -> Option<Self> {
        let message = event.message.strip_prefix(COMBINED);
        let is_combined = message.is_some();
        let is_pull = event.warning
            && event.reason == "Failed"
            && event.component == "kubelet"
            && message.unwrap_or(&event.message).starts_with(PULL);
        if !is_pull || event.pod == Uid::default() {
            return None;
        }
        let container = container(&event.field_path).filter(|_| !is_combined);
        Some(Self { event, container })
    }
}

/// Of `spec.containers{name}`, `spec.initContainers{name}` or `spec.ephemeralContainers{name}`.
fn container(path: &str) -> Option<&str> {
    let (list, name) = path.strip_suffix('}')?.split_once('{')?;
    let is_list = matches!(
        list,
        "spec.containers" | "spec.initContainers" | "spec.ephemeralContainers"
    );
    (is_list && !name.is_empty()).then_some(name)
}

/// Whether an Event tells of an attempt to pull that failed.
pub fn is_of_a_failed_pull(event: &EventSeen) -> bool {
    Spoken::of(event).is_some()
}
