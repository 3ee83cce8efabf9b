//! Findings: Pods that cannot start, and Pods that could not be started again, each with its cause.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::cluster::{ObjectName, Uid};
use super::diagnosis::Diagnosis;
use super::fix::Step;
use super::image::Registry;
use super::owner::Workload;

closed! {
    /// How a Pod stands.
    State {
        /// It cannot start now.
        Blocked => "blocked",
        /// It runs, and could not be pulled again.
        AtRisk => "at_risk",
        /// It is not applied yet, and could not start.
        Planned => "planned",
    }
}

/// What somebody may want explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// One Pod.
    Pod(ObjectName),
    /// Every Pod that waits.
    All,
    /// Pods that run and could not be pulled again.
    AtRisk {
        /// On this node only.
        node: Option<String>,
    },
}

/// One image of one Pod that cannot be pulled.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Whether it waits, or would.
    pub state: State,
    /// `metadata.uid` of the Pod.
    pub uid: Uid,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub pod: Box<str>,
    /// The container.
    pub container: Box<str>,
    /// The image as written.
    pub image: Box<str>,
    /// That of the image; `None` where its name is none.
    pub registry: Option<Registry>,
    /// The Pod's node, once it has one.
    pub node: Option<Arc<str>>,
    /// What the Pod belongs to.
    pub workload: Workload,
    /// Its ServiceAccount.
    pub service_account: Arc<str>,
    /// Why.
    pub diagnosis: Diagnosis,
    /// Since when it waits, as far as we know.
    pub since: Option<DateTime<Utc>>,
    /// The first of the Pod's images that waits, by which the Pod is counted.
    pub is_first: bool,
    /// It waits for long enough that what is not there is absent.
    pub is_settled: bool,
    /// It has lasted for long enough to be told of: before that it may pass by itself, and is only
    /// counted.
    pub is_told: bool,
    /// Of a login that fails, whether the image could be pulled without it.
    pub anonymous_would_work: Option<bool>,
}

impl Finding {
    /// Findings of one cause stand together, and in it those that are alike.
    pub fn order(&self) -> impl Ord + '_ {
        let diagnosis = &self.diagnosis;
        (
            (self.state, diagnosis.cause),
            (&self.namespace, &self.workload),
            (diagnosis.detail, &diagnosis.secret),
            (&self.image, &self.container, &self.pod),
        )
    }
}

/// What is to be expected of one image of a workload that is not applied yet.
#[derive(Clone, Debug)]
pub struct Prospect {
    /// Its namespace.
    pub namespace: Arc<str>,
    /// The workload.
    pub workload: Workload,
    /// The container, or the volume, that needs the image.
    pub container: Box<str>,
    /// The image as written.
    pub image: Box<str>,
    /// Its Pods would name a Secret that is not there.
    pub names_absent: bool,
    /// What would come of it.
    pub outlook: Outlook,
}

/// What would come of a pull.
#[derive(Clone, Debug)]
pub enum Outlook {
    /// It would succeed, by these steps.
    Pulls(Vec<String>),
    /// Nothing would be pulled: `imagePullPolicy: Never`.
    NeverPulled,
    /// Somebody wants it left alone by an annotation.
    Ignored,
    /// It would fail, or nobody can tell: then the cause is `unknown`.
    Told(Box<Explained>),
}

/// The same with the reasons, for people.
#[derive(Clone, Debug)]
pub struct Explained {
    /// What was found.
    pub finding: Finding,
    /// The host whose answer decided, as far as the node told.
    pub answered_by: Option<Registry>,
    /// Who would write the Secret anew.
    pub owner: Option<String>,
    /// What the kubelet tried, and what each step came to.
    pub evidence: Vec<String>,
    /// What to do.
    pub fix: Vec<Step>,
}

impl Explained {
    /// As its finding.
    pub fn order(&self) -> impl Ord + '_ {
        self.finding.order()
    }
}
