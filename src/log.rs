//! The log: one line per change of state, on stderr, without a byte of anyone's secret.
//!
//! Libraries speak from INFO on, whatever the level says: what they say below is what they read
//! and write, Authorization headers and Secrets included. `kube_client::client` never speaks: at
//! WARN it logs the whole page of Secrets in which one item does not decode (kube 5.0.0,
//! client/mod.rs). Both only unless [`Log::unsafe_wire`] is set.

use std::panic::{self, PanicHookInfo};
use std::thread;

use tracing::level_filters::LevelFilter;
use tracing::{Level, Subscriber, error, warn};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// The targets of this crate: its library and its binary share the prefix.
const OURS: &str = "regcred_exporter";

/// How and how much is logged.
#[derive(Clone, Copy, Debug)]
pub struct Log {
    /// `--log.format`.
    pub format: Format,
    /// `--log.level`.
    pub level: Level,
    /// `--log.unsafe-wire`: libraries speak at the same level as we do, whatever they say.
    pub unsafe_wire: bool,
}

/// `--log.format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `ts=... level=info target=... message="..." key=value`.
    Logfmt,
    /// One JSON object per line.
    Json,
}

/// Something else logs in this process already.
#[derive(Debug, thiserror::Error)]
#[error("failed to start the log")]
pub struct LogError(#[from] TryInitError);

impl Log {
    /// Logs to stderr from here on, panics included.
    pub fn start(self) -> Result<(), LogError> {
        tracing_subscriber::registry()
            .with(self.lines(std::io::stderr))
            .with(self.filter())
            .try_init()?;
        panic::set_hook(Box::new(report));
        if self.unsafe_wire {
            warn!(
                "Everything that goes over the wire is logged, passwords and tokens included: \
                 for tests only, never where a real credential is"
            );
        }
        Ok(())
    }

    fn lines<S, W>(self, writer: W) -> Box<dyn Layer<S> + Send + Sync>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
        W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
    {
        match self.format {
            // Fields of spans are kept, their names are not: the target says where we are.
            Format::Logfmt => {
                let lines = tracing_logfmt::builder()
                    .with_span_name(false)
                    .with_span_path(false)
                    .layer();
                lines.with_writer(writer).boxed()
            }
            Format::Json => {
                let lines = fmt::layer().json().flatten_event(true);
                lines.with_span_list(false).with_writer(writer).boxed()
            }
        }
    }

    fn filter(self) -> Targets {
        let level = LevelFilter::from_level(self.level);
        if self.unsafe_wire {
            return Targets::new().with_default(level);
        }
        Targets::new()
            .with_default(level.min(LevelFilter::INFO))
            .with_target("kube_client::client", LevelFilter::OFF)
            .with_target(OURS, level)
    }
}

/// Says where a thread panicked, and not with what: a payload may quote what was being read.
fn report(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string);
    let location = location.as_deref().unwrap_or("unknown");
    let thread = thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    error!(location, thread, "Panicked");
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use tracing::{debug, info, info_span, trace};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What is written while `speak` runs.
    pub(crate) fn said(log: Log, speak: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::registry()
            .with(log.lines(move || writer.clone()))
            .with(log.filter());
        tracing::subscriber::with_default(subscriber, speak);
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    pub(crate) fn log(level: Level) -> Log {
        Log {
            format: Format::Logfmt,
            level,
            unsafe_wire: false,
        }
    }

    macro_rules! for_each_library {
        ($level:ident!($text:literal)) => {{
            $level!(target: "h2::codec", $text);
            $level!(target: "hyper::proto", $text);
            $level!(target: "hyper_util::client", $text);
            $level!(target: "kube_client::api", $text);
            $level!(target: "mio::poll", $text);
            $level!(target: "reqwest::connect", $text);
            $level!(target: "rustls::client", $text);
            $level!(target: "tower_http::trace", $text);
            $level!(target: "want", $text);
        }};
    }

    fn libraries_speak() {
        error!(target: "kube_client::client", "canary");
        warn!(target: "kube_client::client::auth", "canary");
        for_each_library!(debug!("canary"));
        for_each_library!(trace!("canary"));
    }

    #[test]
    fn libraries_never_speak_below_info_at_any_level() {
        for level in [Level::TRACE, Level::DEBUG, Level::INFO, Level::ERROR] {
            assert_eq!(said(log(level), libraries_speak), "");
        }
    }

    #[test]
    fn unsafe_wire_lets_every_library_speak() {
        let log = Log {
            unsafe_wire: true,
            ..log(Level::TRACE)
        };
        assert_eq!(said(log, libraries_speak).matches("canary").count(), 20);
    }

    #[test]
    fn libraries_warn_and_we_speak_at_the_level_asked_for() {
        let speak = || {
            warn!(target: "hyper::proto", "library");
            trace!(target: "regcred_exporter::prober", "ours");
        };
        let trace = said(log(Level::TRACE), speak);
        assert!(trace.contains("library") && trace.contains("ours"));
        let error = said(log(Level::ERROR), speak);
        assert_eq!(error, "");
    }

    #[test]
    fn a_logfmt_line_has_facts_in_fields_and_no_span_names() {
        let line = said(log(Level::INFO), || {
            let _span = info_span!("probe", registry = "ghcr.io").entered();
            info!(outcome = "ok", "Probe\noutcome changed");
        });
        assert!(line.starts_with("ts="), "{line}");
        let rest = " level=info target=regcred_exporter::log::tests \
                    message=\"Probe\\noutcome changed\" outcome=ok registry=ghcr.io\n";
        assert!(line.ends_with(rest), "{line}");
    }

    #[test]
    fn a_json_line_is_an_object() {
        let log = Log {
            format: Format::Json,
            ..log(Level::INFO)
        };
        let line = said(log, || {
            let _span = info_span!("probe", registry = "ghcr.io").entered();
            info!(outcome = "ok", "Probe outcome changed");
        });
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["message"], "Probe outcome changed");
        assert_eq!(line["outcome"], "ok");
        assert_eq!(line["span"]["registry"], "ghcr.io");
    }

    #[test]
    fn a_panic_is_told_without_its_payload() {
        let line = said(log(Level::INFO), || {
            let before = panic::take_hook();
            panic::set_hook(Box::new(report));
            let caught = panic::catch_unwind(|| panic!("S3CRET"));
            panic::set_hook(before);
            assert!(caught.is_err());
        });
        assert!(
            line.contains("message=Panicked location=src/log.rs:"),
            "{line}"
        );
        assert!(!line.contains("S3CRET"), "{line}");
    }
}
