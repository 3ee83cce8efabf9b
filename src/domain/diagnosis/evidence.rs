//! What the kubelet did, step by step, and what is known of each step: sentences for people.
//!
//! They hold names and texts that tenants chose. Whoever shows them makes them fit for where they are
//! shown.

use chrono::{DateTime, SecondsFormat, Utc};

use super::{Case, Diagnosis, Found, Named, PullSecret, Tried, Waiting};
use crate::domain::cause::Cause;
use crate::domain::docker_config::FaultSet;
use crate::domain::outcome::{Meaning, Outcome};

/// Where the Pod stands of which is told.
#[derive(Clone, Copy, Debug)]
pub enum Moment<'a> {
    /// It waits for the image.
    Waits(&'a Waiting<'a>),
    /// It runs, and needs the image when it comes to another node.
    Runs,
    /// It is not there yet.
    Planned,
}

/// The steps, in the order in which they happen.
pub fn evidence(case: &Case, moment: Moment<'_>, found: Option<&Diagnosis>) -> Vec<String> {
    let mut told = Vec::new();
    if let Moment::Waits(waiting) = moment {
        told.extend(node(waiting));
    }
    told.push(names(case, moment));
    let named = case.named.iter();
    told.extend(named.filter_map(|named| secret(case, named, found)));
    if !case.named.iter().any(is_poison) {
        told.push(matches(case));
    }
    told.extend(case.candidates.iter().map(|tried| answer(case, tried)));
    let tried = case.candidates.iter();
    told.extend(tried.filter_map(|tried| history(case, tried)));
    told.extend(around(case, found));
    told.extend(repository(case));
    if found.is_some_and(|found| found.cause == Cause::Unknown) {
        told.push(what_would_decide(case, moment).to_owned());
    }
    told
}

/// What the node says.
pub fn node(waiting: &Waiting<'_>) -> Option<String> {
    let reason = waiting.reason?;
    let text = waiting.text.trim();
    let word = reason.as_str();
    Some(match text.is_empty() {
        true => format!("The node says {word}."),
        false => format!("The node says {word}: {text}"),
    })
}

fn names(case: &Case, moment: Moment<'_>) -> String {
    if let Moment::Waits(Waiting {
        is_mirror: true, ..
    }) = moment
    {
        return "It is a static Pod: its node pulls with the credentials that it has itself."
            .to_owned();
    }
    let names: Vec<_> = case.named.iter().map(|named| &*named.name).collect();
    match (&names[..], moment) {
        ([], Moment::Planned) => {
            "Neither its Pods nor their ServiceAccount name a pull secret.".to_owned()
        }
        ([one], Moment::Planned) => format!("Its Pods would name the pull secret {one}."),
        (many, Moment::Planned) => {
            format!("Its Pods would name the pull secrets {}.", many.join(", "))
        }
        ([], _) => {
            "The Pod names no pull secret, nor did its ServiceAccount when it was made.".to_owned()
        }
        ([one], _) => format!("The Pod names the pull secret {one}."),
        (many, _) => format!("The Pod names the pull secrets {}.", many.join(", ")),
    }
}

fn secret(case: &Case, named: &Named, found: Option<&Diagnosis>) -> Option<String> {
    let name = &named.name;
    match &named.found {
        Found::Unseen if case.sees_secrets => Some(format!(
            "Whether there is a Secret {name} is not known yet: the API server was not asked, or did not answer."
        )),
        Found::Unseen => Some(format!(
            "Whether there is a Secret {name} is not known: Secrets cannot be read."
        )),
        Found::Absent => Some(format!("There is no Secret {name} in this namespace.")),
        Found::OtherType(kind) => Some(format!(
            "Secret {name} has the type {kind}, which no kubelet reads for pulling."
        )),
        Found::PullSecret(secret) if secret.is_ignored => Some(format!(
            "Secret {name} is there; its owner wants nothing told of it."
        )),
        Found::PullSecret(secret) => of_pull_secret(name, secret, found),
    }
}

fn of_pull_secret(name: &str, secret: &PullSecret, found: Option<&Diagnosis>) -> Option<String> {
    let worst = |faults: FaultSet| faults.iter().next();
    let mut text = if secret.poisons_all {
        let fault = worst(secret.faults)?;
        format!(
            "Secret {name} cannot be read ({}): {} For its sake the kubelet uses no pull secret of this Pod, and asks no registry.",
            fault.as_str(),
            fault.explanation()
        )
    } else if let Some((key, faults)) = &secret.useless {
        let fault = worst(*faults)?;
        format!(
            "Secret {name} has an entry {key} that the kubelet never sends ({}): {}",
            fault.as_str(),
            fault.explanation()
        )
    } else if secret.is_empty {
        match worst(secret.faults) {
            Some(fault) => format!(
                "The kubelet finds nothing in Secret {name} ({}): {}",
                fault.as_str(),
                fault.explanation()
            ),
            None => format!("The kubelet finds nothing in Secret {name}."),
        }
    } else {
        format!("Secret {name} is there, and the kubelet can read it.")
    };
    let about = found.and_then(|found| found.secret.as_ref());
    let is_it = about.is_some_and(|of| *of.name == *name);
    if let Some(owner) = secret.owner.as_ref().filter(|_| is_it) {
        text.push_str(&format!(" {owner} writes it."));
    }
    Some(text)
}

fn is_poison(named: &Named) -> bool {
    matches!(&named.found, Found::PullSecret(secret) if secret.poisons_all)
}

fn matches(case: &Case) -> String {
    let registry = case.image.registry();
    match case.candidates.len() {
        0 if !case.sees_secrets => {
            "Which keys match the image is not known: Secrets cannot be read.".to_owned()
        }
        0 => format!(
            "No key matches the image, so that the kubelet asks {registry} without a credential."
        ),
        1 => "One key matches the image.".to_owned(),
        many => format!("{many} keys match the image; the kubelet tries them in this order."),
    }
}

fn answer(case: &Case, tried: &Tried) -> String {
    let (secret, key, registry) = (&tried.secret, &tried.key, case.image.registry());
    let told = if let Some(at) = tried.expired_inside {
        format!("expired at {} by the date inside it", date(at))
    } else if tried.is_not_asked {
        "not asked: its owner, or a bound of ours, keeps us from it".to_owned()
    } else if let Some(manifest) = tried.manifest.filter(|_| is_login_good(tried)) {
        match manifest.outcome {
            Outcome::Ok => "the login works, and reads the image".to_owned(),
            _ => format!(
                "the login works; of the image {registry} says {}",
                meaning(manifest)
            ),
        }
    } else {
        match tried.login {
            None => "no answer yet".to_owned(),
            Some(login) if login.outcome == Outcome::Ok => {
                "the login works; the image was not asked for yet".to_owned()
            }
            Some(login) => {
                let again = match tried.is_confirmed {
                    true => ", confirmed by a second try",
                    false => "",
                };
                let (outcome, doubt) = (login.outcome.as_str(), doubt(login));
                let doubt = doubt.map(|words| format!("; that may mean {words}"));
                format!(
                    "{registry} answers its login with {outcome}{again}{}",
                    doubt.unwrap_or_default()
                )
            }
        }
    };
    let faults: Vec<_> = tried.faults.iter().map(|fault| fault.as_str()).collect();
    match &faults[..] {
        [] => format!("{secret}, key {key}: {told}."),
        faults => format!(
            "{secret}, key {key}: {told}. The entry has {}.",
            faults.join(", ")
        ),
    }
}

fn is_login_good(tried: &Tried) -> bool {
    tried.login.is_none_or(|login| login.outcome == Outcome::Ok)
}

/// `forbidden, which may mean a missing right, or no such repository`.
fn meaning(meaning: Meaning) -> String {
    let outcome = meaning.outcome.as_str();
    match doubt(meaning) {
        None => outcome.to_owned(),
        Some(words) => format!("{outcome}, which may mean {words}"),
    }
}

/// What an answer leaves open, in words.
fn doubt(meaning: Meaning) -> Option<String> {
    let words: Vec<_> = meaning.may_mean.iter().map(|one| one.in_words()).collect();
    (!words.is_empty()).then(|| words.join(", or "))
}

/// What changed, and when it was refused first.
fn history(case: &Case, tried: &Tried) -> Option<String> {
    let since = tried.first_refused?;
    let named = case
        .named
        .iter()
        .find(|named| named.name == tried.secret.name);
    let secret = named.and_then(|named| match &named.found {
        Found::PullSecret(secret) => Some(secret),
        _ => None,
    });
    let changed = secret.and_then(|secret| Some((secret.changed?, secret.manager.as_deref())));
    let (name, since) = (&tried.secret, date(since));
    Some(match changed {
        Some((at, Some(manager))) => format!(
            "{name} was written last at {} by {manager}, and is refused since {since}.",
            date(at)
        ),
        Some((at, None)) => format!(
            "{name} was written last at {}, and is refused since {since}.",
            date(at)
        ),
        None => format!("{name} is refused since {since}."),
    })
}

/// What is beside the Pod's own list.
fn around(case: &Case, found: Option<&Diagnosis>) -> Vec<String> {
    let mut told = Vec::new();
    for secret in case.unnamed.iter().take(3) {
        let listed = match secret.is_listed {
            true => "its ServiceAccount lists it",
            false => "neither the Pod nor its ServiceAccount names it",
        };
        let works = match secret.has_failed {
            true => "; its login does not work either",
            false => "",
        };
        told.push(format!(
            "Secret {} of this namespace has a key {} that matches: {listed}{works}.",
            secret.name, secret.key
        ));
    }
    let elsewhere = case.elsewhere.iter().take(3);
    told.extend(elsewhere.map(|secret| {
        format!("There is a Secret {secret} with a key that matches; a Pod sees those of its own namespace only.")
    }));
    if let Some(near) = case
        .near
        .as_ref()
        .filter(|_| found.is_some_and(|found| found.cause == Cause::RegistryMismatch))
    {
        told.push(format!(
            "{} has the key {}, which nearly matches. {}",
            near.secret,
            near.key,
            near.rule.explanation()
        ));
    }
    told
}

fn repository(case: &Case) -> Vec<String> {
    let (registry, repository) = (case.image.registry(), case.image.repository());
    let mut told = Vec::new();
    if let Some(proof) = case.proof {
        told.push(format!(
            "The repository {repository} exists: {}.",
            proof.as_str()
        ));
    }
    match case.anonymous.map(|answer| answer.meaning) {
        Some(answer) if answer.outcome == Outcome::Ok => {
            told.push(format!("{registry} gives the repository to anybody."));
        }
        Some(answer) => told.push(format!(
            "Without a login {registry} says {}.",
            meaning(answer)
        )),
        None if case.guards_all => {
            told.push(format!("{registry} wants a login for whatever is asked."))
        }
        None => {}
    }
    if case.has_node_credentials {
        told.push(
            "Nodes may have a credential of their own for it, which cannot be seen from here."
                .to_owned(),
        );
    }
    if let Some(nearest) = &case.nearest {
        told.push(format!(
            "A repository of nearly that name is in use: {nearest}."
        ));
    }
    if let Some((ping, fault)) = case.ping.filter(|(ping, _)| !ping.is_conclusive()) {
        let fault = fault
            .map(|fault| format!(" ({})", fault.as_str()))
            .unwrap_or_default();
        told.push(format!(
            "From here {registry} cannot be asked: {}{fault}.",
            ping.as_str()
        ));
    }
    told
}

fn what_would_decide(case: &Case, moment: Moment<'_>) -> &'static str {
    if let Moment::Waits(Waiting {
        is_settled: false, ..
    }) = moment
    {
        return "It has only just begun to wait: a Secret made with it may still be on its way.";
    }
    if case.sees_secrets
        && case
            .named
            .iter()
            .any(|named| matches!(named.found, Found::Unseen))
    {
        return "Whether the Secrets that it names are there would decide.";
    }
    if !case.sees_secrets {
        return "To see the Secrets of the namespace would decide.";
    }
    if case.candidates.iter().any(|tried| tried.is_not_asked) {
        return "Whether the login works is not asked for; that would decide.";
    }
    let works = |tried: &Tried| {
        is_login_good(tried) && tried.manifest.is_some_and(|one| one.outcome == Outcome::Ok)
    };
    if case.candidates.iter().any(works) {
        return "From here the image can be pulled with what the Pod names: its node tries again within five minutes.";
    }
    if !case.candidates.is_empty() {
        return "An answer of the registry to what the Pod names would decide.";
    }
    if case.has_node_credentials {
        return "The credential of the node would decide.";
    }
    match case.anonymous {
        None => "An answer of the registry to a request without a login would decide.",
        Some(answer) if answer.meaning.outcome == Outcome::Ok && !answer.is_of_this => {
            "An answer about this very tag or digest would decide: another one of the repository was asked for."
        }
        Some(answer) if answer.meaning.outcome == Outcome::Ok => {
            "From here anybody may pull it: its node tries again within five minutes."
        }
        Some(_) => {
            "A login that reads the repository, or a container from it, would prove that it exists."
        }
    }
}

fn date(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
