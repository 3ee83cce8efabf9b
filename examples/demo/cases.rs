//! The world of the demo: a cluster and registries with one case of everything, and the series that
//! each case must show. The integration tests hold the program to the same list.

mod causes;
mod dates;
mod faults;
mod logins;
mod pulls;
mod quotas;
mod repositories;
mod roads;
mod wiring;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use regcred_stand_ins::api_server::ApiServer;
use regcred_stand_ins::objects::{pod, pull_secret};
use regcred_stand_ins::registry::{Behaviour, Registry};
use regcred_stand_ins::scrape::Page;
use serde_json::Value;
use tokio::task::JoinHandle;

/// One thing that can be wrong, or right, with a pull secret.
pub(crate) struct Case {
    /// Its namespace, which is all that it needs to be found on /metrics.
    pub(crate) namespace: Cow<'static, str>,
    /// What the case is, for a reader.
    pub(crate) title: Cow<'static, str>,
    /// The series it must show.
    pub(crate) shows: Vec<Expected>,
}

/// A series by its name and some of its labels.
pub(crate) struct Expected {
    /// Name without its `regcred_` prefix.
    pub(crate) metric: &'static str,
    /// Labels it has, among others.
    pub(crate) labels: Vec<(&'static str, String)>,
    /// Its value, or none when any will do.
    pub(crate) value: Option<f64>,
}

impl Expected {
    /// The page has it.
    pub(crate) fn is_shown(&self, page: &Page) -> bool {
        let name = format!("regcred_{}", self.metric);
        let labels: Vec<_> = self
            .labels
            .iter()
            .map(|(label, value)| (*label, &**value))
            .collect();
        page.series.iter().any(|series| {
            series.is(&name, &labels) && self.value.is_none_or(|value| series.value == value)
        })
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let labels: Vec<_> = self
            .labels
            .iter()
            .map(|(label, value)| format!("{label}=\"{value}\""))
            .collect();
        write!(f, "regcred_{}{{{}}}", self.metric, labels.join(","))?;
        self.value.map_or(Ok(()), |value| write!(f, " {value}"))
    }
}

/// Everything that must stay alive while the demo runs.
pub(crate) struct World {
    /// The API server stand-in.
    pub(crate) api: Arc<ApiServer>,
    /// Registries, kept alive.
    pub(crate) registries: Vec<Registry>,
    /// The cases, in the order in which they are worth a look.
    pub(crate) cases: Vec<Case>,
    /// The kubelet of the Pod that comes and goes.
    kubelet: Option<JoinHandle<()>>,
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(kubelet) = &self.kubelet {
            kubelet.abort();
        }
    }
}

/// Builds a world around `now`.
pub(crate) async fn world(now: DateTime<Utc>) -> World {
    let now = now.trunc_subsecs(0);
    let mut builder = Builder {
        api: Arc::new(ApiServer::start().await),
        registries: Vec::new(),
        cases: Vec::new(),
        kubelet: None,
        now,
    };
    builder.logins().await;
    builder.dates().await;
    builder.repositories().await;
    builder.quotas().await;
    builder.roads().await;
    builder.faults().await;
    builder.causes().await;
    builder.pulls().await;
    builder.wiring().await;
    World {
        api: builder.api,
        registries: builder.registries,
        cases: builder.cases,
        kubelet: builder.kubelet,
    }
}

struct Builder {
    api: Arc<ApiServer>,
    registries: Vec<Registry>,
    cases: Vec<Case>,
    kubelet: Option<JoinHandle<()>>,
    now: DateTime<Utc>,
}

impl Builder {
    async fn registry(&mut self, behaviour: Behaviour) -> String {
        let registry = Registry::start(behaviour).await;
        let host = registry.host().to_owned();
        self.registries.push(registry);
        host
    }

    /// A pull secret, and a pod that names it.
    fn deploy(&self, name: &str, host: &str, config: &str) {
        self.api.apply(pull_secret(name, "pull", config));
        let pod: Value = pod(name, "app", &format!("{host}/team/app:1"), &["pull"]).into();
        self.api.apply(pod);
    }

    fn case(
        &mut self,
        namespace: impl Into<Cow<'static, str>>,
        title: impl Into<Cow<'static, str>>,
        shows: Vec<Expected>,
    ) {
        self.cases.push(Case {
            namespace: namespace.into(),
            title: title.into(),
            shows,
        });
    }

    fn unix(&self, from_now: TimeDelta) -> i64 {
        (self.now + from_now).timestamp()
    }
}

/// A series of the Secret in this namespace.
fn series(
    metric: &'static str,
    namespace: &str,
    labels: &[(&'static str, &str)],
    value: Option<f64>,
) -> Expected {
    Expected {
        metric,
        labels: with("secret_namespace", namespace.to_owned(), labels),
        value,
    }
}

/// A series of the credential whose oldest holder is in this namespace.
fn group(metric: &'static str, namespace: &str, labels: &[(&'static str, &str)]) -> Expected {
    Expected {
        metric,
        labels: with("credential", format!("{namespace}/pull"), labels),
        value: Some(1.0),
    }
}

fn step(namespace: &str, step: &str, outcome: &str) -> Expected {
    group(
        "probe_outcome",
        namespace,
        &[("step", step), ("outcome", outcome)],
    )
}

fn with(
    first: &'static str,
    value: String,
    labels: &[(&'static str, &str)],
) -> Vec<(&'static str, String)> {
    let rest = labels
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()));
    std::iter::once((first, value)).chain(rest).collect()
}
