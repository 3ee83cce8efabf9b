//! What one-shot commands say: every entry that was looked at, how its login fared, and what is
//! wrong with it; for an image, the entries that the kubelet would try.
//!
//! A [`Report`] is a value, made from what was held and what was answered; `table`, `json` and
//! `junit` write it, in the same `words`. It holds names, closed words and dates: nothing of a
//! credential.

mod doubt;
pub mod explanation;
pub mod findings;
mod html;
mod image;
pub mod json;
pub mod junit;
mod lines;
pub mod page;
mod printable;
pub mod probes;
mod prospects;
mod public;
pub mod table;
mod words;
mod xml;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::cluster::{Cluster, Holding, ObjectName};
use crate::domain::docker_config::{Effect, FaultKind, FaultSet};
use crate::domain::exchange::NetworkFault;
use crate::domain::expiry::Expiry;
use crate::domain::findings::Prospect;
use crate::domain::image::Registry;
use crate::domain::keyring::Key;
use crate::domain::outcome::{Outcome, Situation};
use crate::domain::rows::{ReferenceRow, Rows, Skipped};
use crate::domain::shortcoming::{FailOn, Shortcoming, Upshot};
use crate::domain::verdict::Verdicts;
pub use image::{Candidate, ImageReport, Near};
use printable::printable;

/// Everything that is said.
#[derive(Clone, Debug)]
pub struct Report {
    /// When it was true.
    pub at: DateTime<Utc>,
    /// What was asked about.
    pub about: About,
    /// Names that pods and ServiceAccounts list and that no kubelet can use; none for images, whose
    /// notes tell.
    pub references: Vec<ReferenceRow>,
    /// Secrets and files that spoil all others of a pod that names them, with the fault.
    pub poisonous: Vec<(String, FaultKind)>,
    /// What a reader should know, a line each.
    pub notes: Vec<String>,
    /// What could not be read, a line each; told beside the report, whatever its form.
    pub unreadable: Vec<String>,
    /// Within which time a date is a shortcoming; none where nobody asked.
    pub expires_within: Option<TimeDelta>,
}

/// What a report is about.
#[derive(Clone, Debug)]
pub enum About {
    /// Every entry, in the order of its Secret.
    Credentials(Vec<Line>),
    /// Images, in the order asked.
    Images(Vec<ImageReport>),
    /// Workloads that are not applied yet, in the order of their manifests, and whether registries
    /// were asked.
    Workloads(Vec<Prospect>, Asked),
}

/// One entry, at one registry.
#[derive(Clone, Debug)]
pub struct Line {
    /// `namespace/name`, or the file.
    pub source: String,
    /// Where its login goes; none for a glob that no image needs, or a key that cannot be read.
    pub registry: Option<String>,
    /// Normalised key, or as written where the kubelet drops it or entries of one Secret share it;
    /// none for a Secret as a whole.
    pub key: Option<String>,
    /// What was answered.
    pub answer: Answer,
    /// What exactly, where there was no answer.
    pub fault: Option<NetworkFault>,
    /// All that its refusal may mean.
    pub may_mean: &'static [Situation],
    /// What is wrong with it, the worst first.
    pub faults: FaultSet,
    /// Until when it works.
    pub expiry: Expiry,
    /// Manifests in use that it was refused for, its login working.
    pub refused_manifests: u64,
    /// Of a refused login, whether each repository in use can be pulled from without it, as far as
    /// anybody can tell.
    pub anonymous: BTreeMap<String, bool>,
}

/// What came of asking, or why nothing was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The outcome of the login, or of what kept it from happening.
    Given(Outcome),
    /// The registry asks for no login, so that it accepts any.
    NotNeeded,
    /// It was left out for a reason.
    Skipped(Skipped),
    /// Nothing was asked: `--offline`.
    NotAsked,
    /// No registry to ask: a glob that no image in use matches.
    NoRegistry,
    /// The kubelet does not send it; its fault says why.
    Useless,
    /// It was asked and nothing came.
    Missing,
}

impl Answer {
    /// The outcome, where there is one.
    pub fn outcome(self) -> Option<Outcome> {
        match self {
            Self::Given(outcome) => Some(outcome),
            Self::NotNeeded
            | Self::Skipped(_)
            | Self::NotAsked
            | Self::NoRegistry
            | Self::Useless
            | Self::Missing => None,
        }
    }
}

/// Whether registries were asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// They were.
    Registries,
    /// Nobody was: `--offline`.
    Nobody,
}

impl Report {
    /// About every entry that is held, as far as it is told.
    pub fn of_credentials(
        holdings: &[Holding],
        rows: &Rows,
        cluster: &Cluster,
        verdicts: &Verdicts,
        asked: Asked,
        at: DateTime<Utc>,
    ) -> Self {
        let logins = |object: &ObjectName, key: &Key, registry: &Registry| {
            cluster.logins(verdicts, object, key, registry, at)
        };
        let index = lines::Index::of(rows, asked, logins);
        let mut lines: Vec<Line> = holdings
            .iter()
            .flat_map(|holding| index.lines(holding))
            .collect();
        lines.extend(lines::of_other_types(holdings, rows));
        Self {
            at,
            about: About::Credentials(lines),
            references: rows.references.clone(),
            poisonous: poisonous(holdings),
            notes: Vec::new(),
            unreadable: Vec::new(),
            expires_within: None,
        }
    }

    /// About images, of the same holdings as these.
    pub fn of_images(images: Vec<ImageReport>, holdings: &[Holding], at: DateTime<Utc>) -> Self {
        Self {
            at,
            about: About::Images(images),
            references: Vec::new(),
            poisonous: poisonous(holdings),
            notes: Vec::new(),
            unreadable: Vec::new(),
            expires_within: None,
        }
    }

    /// About workloads that are not applied yet.
    pub fn of_workloads(prospects: Vec<Prospect>, asked: Asked, at: DateTime<Utc>) -> Self {
        Self {
            at,
            about: About::Workloads(prospects, asked),
            references: Vec::new(),
            poisonous: Vec::new(),
            notes: Vec::new(),
            unreadable: Vec::new(),
            expires_within: None,
        }
    }

    /// Everything that was found wrong, each kind once.
    pub fn shortcomings(&self) -> BTreeSet<Shortcoming> {
        let mut found: BTreeSet<Shortcoming> = match &self.about {
            About::Credentials(lines) => lines
                .iter()
                .flat_map(|line| line.shortcomings(self.soon()))
                .collect(),
            About::Images(images) => images
                .iter()
                .flat_map(|image| image.shortcomings(self.soon()))
                .collect(),
            About::Workloads(prospects, asked) => prospects
                .iter()
                .filter_map(|prospect| prospects::shortcoming(prospect, *asked))
                .collect(),
        };
        let whole = [
            (Shortcoming::Fault, !self.poisonous.is_empty()),
            (Shortcoming::Missing, !self.references.is_empty()),
            (Shortcoming::Unreadable, !self.unreadable.is_empty()),
        ];
        found.extend(
            whole
                .into_iter()
                .filter_map(|(shortcoming, is_so)| is_so.then_some(shortcoming)),
        );
        found
    }

    /// What the shortcomings come to for somebody who fails on these.
    pub fn upshot(&self, fail_on: &FailOn) -> Upshot {
        fail_on.upshot(&self.shortcomings())
    }

    fn soon(&self) -> Soon {
        Soon {
            now: self.at,
            within: self.expires_within,
        }
    }

    /// What could not be read, fit to be shown.
    pub fn failures(&self) -> impl Iterator<Item = String> {
        self.unreadable.iter().map(|line| printable(line))
    }

    /// Every kind of fault that a line shows, the worst first.
    pub fn fault_kinds(&self) -> FaultSet {
        let poisonous = self.poisonous.iter().map(|(_, kind)| *kind);
        let lines = match &self.about {
            About::Credentials(lines) => &lines[..],
            About::Images(_) | About::Workloads(..) => &[],
        };
        let shown = lines.iter().flat_map(|line| line.faults.iter());
        poisonous.chain(shown).collect()
    }
}

impl Line {
    /// Whether any image in use behind a refused login could be pulled without it; `None` where
    /// nobody can tell, or the login is not refused.
    fn anonymous_would_work(&self) -> Option<bool> {
        self.anonymous.values().copied().max()
    }

    /// What is wrong with it.
    fn shortcomings(&self, soon: Soon) -> BTreeSet<Shortcoming> {
        let given = self.answer.outcome().map(upshot_of);
        let is_useless = is_useless(self.faults);
        let is_silent = match self.answer {
            Answer::Missing | Answer::NoRegistry | Answer::Skipped(Skipped::Budget) => true,
            // What was not read was not looked at.
            Answer::Skipped(_) | Answer::NotAsked | Answer::NotNeeded | Answer::Useless => {
                self.faults.contains(FaultKind::TooLarge)
            }
            Answer::Given(_) => given == Some(Upshot::Unclear),
        };
        let works = self.answer == Answer::NotNeeded || given == Some(Upshot::Works);
        let is_refused = given == Some(Upshot::Broken) || self.refused_manifests > 0;
        [
            (Shortcoming::Refused, is_refused),
            (Shortcoming::Fault, is_useless),
            (Shortcoming::Inconclusive, is_silent && !is_useless),
            (Shortcoming::Expires, soon.has(&self.expiry, works)),
        ]
        .into_iter()
        .filter_map(|(shortcoming, is_so)| is_so.then_some(shortcoming))
        .collect()
    }
}

/// Until when a date is soon.
#[derive(Clone, Copy, Debug)]
struct Soon {
    now: DateTime<Utc>,
    within: Option<TimeDelta>,
}

impl Soon {
    /// The date comes soon, or has passed; one that has passed while the login works is wrong, as
    /// the alerts have it too.
    fn has(self, expiry: &Expiry, works: bool) -> bool {
        let Some((within, date)) = self.within.zip(expiry.expires) else {
            return false;
        };
        let left = date - self.now;
        left <= within && !(works && left <= TimeDelta::zero())
    }
}

/// What one outcome proves.
fn upshot_of(outcome: Outcome) -> Upshot {
    match (outcome, outcome.is_conclusive()) {
        (Outcome::Ok, _) => Upshot::Works,
        (_, true) => Upshot::Broken,
        (_, false) => Upshot::Unclear,
    }
}

/// `namespace/name`; a file is its path.
fn source(object: &ObjectName) -> String {
    if object.namespace.is_empty() {
        object.name.clone()
    } else {
        format!("{}/{}", object.namespace, object.name)
    }
}

/// The fault of each Secret for which the kubelet drops them all.
fn poisonous(holdings: &[Holding]) -> Vec<(String, FaultKind)> {
    let is_poison = |kind: &FaultKind| kind.effect() == Effect::PoisonsAll;
    holdings
        .iter()
        .filter(|holding| holding.poisons_all)
        .filter_map(|holding| {
            let kind = holding
                .faults
                .iter()
                .map(|fault| fault.kind)
                .find(is_poison)?;
            Some((source(&holding.object), kind))
        })
        .collect()
}

fn is_useless(faults: FaultSet) -> bool {
    faults
        .worst()
        .is_some_and(|effect| effect > Effect::Suspicious)
}
