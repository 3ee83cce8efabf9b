//! What is to be expected of workloads that are not applied yet.

use serde::Serialize;

use super::Asked;
use super::explanation::of_cause;
use super::findings::{FindingJson, Workload, finding_json};
use super::printable::printable;
use crate::domain::cause::Cause;
use crate::domain::findings::{Explained, Outlook, Prospect};
use crate::domain::shortcoming::Shortcoming;

/// A prospect as an object.
#[derive(Debug, Serialize)]
pub(super) struct ProspectJson<'a> {
    namespace: &'a str,
    workload: Workload<'a>,
    container: &'a str,
    image: &'a str,
    /// Null where it would not be pulled at all, or nobody can tell.
    pulls: Option<bool>,
    finding: Option<FindingJson<'a>>,
}

pub(super) fn prospect_json(prospect: &Prospect) -> ProspectJson<'_> {
    let (pulls, finding) = match &prospect.outlook {
        Outlook::Pulls(_) => (Some(true), None),
        Outlook::NeverPulled | Outlook::Ignored => (None, None),
        Outlook::Told(told) => (is_proven(told).then_some(false), Some(finding_json(told))),
    };
    ProspectJson {
        namespace: &prospect.namespace,
        workload: Workload::of(&prospect.workload),
        container: &prospect.container,
        image: &prospect.image,
        pulls,
        finding,
    }
}

fn is_proven(told: &Explained) -> bool {
    told.finding.diagnosis.cause != Cause::Unknown
}

/// `Deployment shop/web`.
pub(super) fn name(prospect: &Prospect) -> String {
    let Prospect {
        namespace,
        workload,
        ..
    } = prospect;
    format!("{} {namespace}/{}", workload.kind, workload.name)
}

/// What would come of it, in a word: `pulls`, or the cause for which it would not.
pub(super) fn outlook(prospect: &Prospect) -> String {
    match &prospect.outlook {
        Outlook::Pulls(_) => "pulls".to_owned(),
        Outlook::NeverPulled => "never pulled".to_owned(),
        Outlook::Ignored => "left alone".to_owned(),
        Outlook::Told(told) => {
            let diagnosis = &told.finding.diagnosis;
            let cause = diagnosis.cause.as_str();
            match diagnosis.detail {
                Some(detail) => format!("{cause} ({})", detail.as_str()),
                None => cause.to_owned(),
            }
        }
    }
}

/// What is wrong with it. Where nobody was asked, that nobody can tell is no shortcoming.
pub(super) fn shortcoming(prospect: &Prospect, asked: Asked) -> Option<Shortcoming> {
    let Outlook::Told(told) = &prospect.outlook else {
        return None;
    };
    Some(match told.finding.diagnosis.cause {
        Cause::Unknown if prospect.names_absent => Shortcoming::Missing,
        Cause::Unknown if asked == Asked::Nobody => return None,
        Cause::MissingPullSecret | Cause::SecretInOtherNamespace => Shortcoming::Missing,
        Cause::SecretNotReferenced
        | Cause::ServiceAccountNotConfigured
        | Cause::StalePod
        | Cause::RegistryMismatch => Shortcoming::NoCandidate,
        Cause::MalformedSecret => Shortcoming::Fault,
        Cause::ExpiredCredentials
        | Cause::InvalidCredentials
        | Cause::LockedOut
        | Cause::PermissionDenied
        | Cause::DeniedOrAbsent
        | Cause::ImageNotFound
        | Cause::InvalidImageName => Shortcoming::Refused,
        // A node's own: none is there to say it.
        Cause::RateLimited
        | Cause::Network
        | Cause::Tls
        | Cause::RegistryUnavailable
        | Cause::PlatformMismatch
        | Cause::ImageNeverPull
        | Cause::SignatureRejected
        | Cause::CorruptImage
        | Cause::Node
        | Cause::Unknown => Shortcoming::Inconclusive,
    })
}

/// Those that would not be pulled, one after the other, with what was found and what to do.
pub(super) fn details(prospects: &[Prospect]) -> String {
    let mut texts = Vec::new();
    for prospect in prospects {
        if let Outlook::Told(told) = &prospect.outlook {
            let container = format!("{}, container {}", name(prospect), prospect.container);
            let mut text = format!("{}\n\n", printable(&container));
            of_cause(&mut text, told);
            texts.push(text);
        }
    }
    texts.concat()
}
