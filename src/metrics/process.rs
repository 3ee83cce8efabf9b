//! The process itself: what it was built from, what panicked in it, what it costs.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use procfs::process::{LimitValue, Process as Proc};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::series::{Family, Page, family};

const PANICS: Family = family(
    "panics",
    "Units of work that panicked; their object is set aside, the rest goes on",
);
const BUILD_INFO: Family = family("build_info", "What this program was built from");

// The names that every Prometheus client library uses, without our prefix
// (prometheus/docs, instrumenting/writing_clientlibs, "Process metrics").
const CPU: Family = family(
    "process_cpu_seconds",
    "Total user and system CPU time spent in seconds",
);
const OPEN_FDS: Family = family("process_open_fds", "Number of open file descriptors");
const MAX_FDS: Family = family("process_max_fds", "Maximum number of open file descriptors");
const VIRTUAL: Family = family(
    "process_virtual_memory_bytes",
    "Virtual memory size in bytes",
);
const RESIDENT: Family = family(
    "process_resident_memory_bytes",
    "Resident memory size in bytes",
);
const START: Family = family(
    "process_start_time_seconds",
    "Start time of the process since unix epoch in seconds",
);
const THREADS: Family = family("process_threads", "Number of OS threads in the process");

/// A kind of work whose single units may panic without ending the program, the `task` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Task {
    /// Reading one object of the cluster.
    Decode,
    /// One conversation with a registry.
    Conversation,
    /// Writing one exposition.
    Scrape,
    /// One connection of a listener.
    Connection,
    /// One look for what is told by Events.
    Notice,
}

impl Task {
    /// Every task.
    pub const ALL: [Self; 5] = [
        Self::Decode,
        Self::Conversation,
        Self::Scrape,
        Self::Connection,
        Self::Notice,
    ];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Conversation => "conversation",
            Self::Scrape => "scrape",
            Self::Connection => "connection",
            Self::Notice => "notice",
        }
    }
}

/// Counts panics; clones share the counts.
#[derive(Clone, Debug, Default)]
pub struct Panics(Arc<[AtomicU64; Task::ALL.len()]>);

impl Panics {
    /// A unit of this work panicked and was given up.
    pub fn caught(&self, task: Task) {
        if let Some(place) = Task::ALL.iter().position(|known| *known == task) {
            self.0[place].fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn encode(&self, page: &mut Page<'_>) -> fmt::Result {
        let counts = Task::ALL.iter().zip(self.0.iter());
        page.counters(
            PANICS,
            counts.map(|(task, count)| {
                let labels = [("task", task.as_str())];
                (labels, count.load(Ordering::Relaxed))
            }),
        )
    }
}

/// What this program was built from; `rust_version` is the compiler's (build.rs).
pub(super) fn build_info(page: &mut Page<'_>) -> fmt::Result {
    page.ones(
        BUILD_INFO,
        [[
            ("version", env!("CARGO_PKG_VERSION")),
            (
                "revision",
                option_env!("REGCRED_REVISION").unwrap_or("unknown"),
            ),
            ("rust_version", env!("REGCRED_RUST_VERSION")),
        ]],
    )
}

/// The `process_*` metrics, read from /proc at each scrape. What cannot be read is left out.
#[derive(Debug)]
pub(super) struct Process {
    /// Does not change, and costs a read of all of /proc/stat.
    booted: Option<u64>,
}

impl Process {
    pub(super) fn of_this_process() -> Self {
        Self {
            booted: procfs::boot_time_secs().ok(),
        }
    }
}

impl Collector for Process {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page::new(encoder);
        let Ok(proc) = Proc::myself() else {
            return Ok(());
        };
        if let Ok(stat) = proc.stat() {
            let ticks = procfs::ticks_per_second() as f64;
            page.counter(CPU, (stat.utime + stat.stime) as f64 / ticks)?;
            page.gauge(VIRTUAL, stat.vsize)?;
            page.gauge(RESIDENT, stat.rss * procfs::page_size())?;
            page.gauge(THREADS, stat.num_threads)?;
            if let Some(booted) = self.booted {
                page.gauge(START, booted as f64 + stat.starttime as f64 / ticks)?;
            }
        }
        if let Ok(open) = proc.fd_count() {
            page.gauge(OPEN_FDS, open as u64)?;
        }
        if let Ok(limits) = proc.limits() {
            match limits.max_open_files.soft_limit {
                LimitValue::Value(most) => page.gauge(MAX_FDS, most)?,
                LimitValue::Unlimited => page.gauge(MAX_FDS, f64::INFINITY)?,
            }
        }
        Ok(())
    }
}
