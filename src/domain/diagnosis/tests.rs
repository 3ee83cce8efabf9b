//! The order of causes, each case a few facts.

use std::sync::Arc;

use super::*;
use crate::domain::docker_config::{FaultKind, FaultSet, SecretKind};
use crate::domain::image::Reference;
use crate::domain::keyring::Rule;
use crate::domain::outcome::{Meaning, Outcome, Situation};
use crate::domain::pull_failure::Reason;

fn name(text: &str) -> Arc<str> {
    text.into()
}

fn id(text: &str) -> SecretId {
    let (namespace, of) = text.split_once('/').unwrap();
    SecretId {
        namespace: name(namespace),
        name: name(of),
    }
}

const PRIVATE_OR_ABSENT: &[Situation] = &[Situation::NoRight, Situation::RepositoryAbsent];
const NEEDED_OR_ABSENT: &[Situation] = &[Situation::CredentialNeeded, Situation::RepositoryAbsent];

fn meaning(outcome: Outcome, may_mean: &'static [Situation]) -> Meaning {
    Meaning {
        may_mean,
        ..Meaning::plain(outcome)
    }
}

/// What anybody is told about this very tag.
fn told(outcome: Outcome, may_mean: &'static [Situation]) -> Option<Anonymous> {
    Some(Anonymous {
        meaning: meaning(outcome, may_mean),
        is_of_this: true,
    })
}

/// A Pod without pull secrets before a registry of which nothing is known.
fn case() -> Case {
    Case {
        namespace: name("shop"),
        image: Reference::parse("r.example.com/team/app:1").unwrap(),
        named: Vec::new(),
        candidates: Vec::new(),
        unnamed: Vec::new(),
        elsewhere: Vec::new(),
        near: None,
        sees_secrets: true,
        proof: None,
        anonymous: None,
        guards_all: false,
        has_node_credentials: false,
        is_up: Some(true),
        ping: None,
        nearest: None,
    }
}

/// The same before one that wants a login for everything.
fn guarded() -> Case {
    Case {
        guards_all: true,
        ..case()
    }
}

fn secret(faults: &[FaultKind]) -> Found {
    Found::PullSecret(PullSecret {
        kind: SecretKind::DockerConfigJson,
        faults: faults.iter().copied().collect(),
        poisons_all: false,
        is_empty: false,
        useless: None,
        registries: Vec::new(),
        is_ignored: false,
        owner: None,
        changed: None,
        manager: None,
    })
}

fn named(of: &str, found: Found) -> Named {
    Named {
        name: name(of),
        found,
    }
}

fn unnamed(of: &str, is_listed: bool) -> Unnamed {
    Unnamed {
        name: name(of),
        key: name("r.example.com"),
        is_listed,
        is_meant: false,
        has_failed: false,
    }
}

fn tried(login: Option<Meaning>, manifest: Option<Meaning>) -> Tried {
    Tried {
        secret: id("shop/pull"),
        key: name("r.example.com"),
        faults: FaultSet::default(),
        expired_inside: None,
        login,
        is_believed: false,
        is_confirmed: false,
        first_refused: None,
        manifest,
        is_fresh: true,
        is_not_asked: false,
    }
}

fn candidate(one: Tried) -> Case {
    Case {
        named: vec![named("pull", secret(&[]))],
        candidates: vec![one],
        ..case()
    }
}

const OK: Meaning = Meaning::plain(Outcome::Ok);
const REFUSED: Meaning = Meaning::plain(Outcome::Unauthorized);

fn waiting(reason: Reason) -> Waiting<'static> {
    Waiting {
        reason: Some(reason),
        text: "",
        is_settled: true,
        is_mirror: false,
    }
}

/// Of a Pod whose node was told 401.
#[track_caller]
fn check(case: &Case, cause: &str) {
    let found = judge(case, &waiting(Reason::Unauthorized));
    assert_eq!(found.cause.as_str(), cause, "{found:?}");
}

#[test]
fn without_a_pull_secret_it_matters_who_has_one() {
    check(&case(), "unknown");
    check(&guarded(), "missing_pull_secret");
    let listed = Case {
        unnamed: vec![unnamed("pull", true)],
        ..guarded()
    };
    check(&listed, "stale_pod");
    let present = Case {
        unnamed: vec![unnamed("pull", false)],
        ..guarded()
    };
    check(&present, "service_account_not_configured");
    let mirror = Waiting {
        is_mirror: true,
        ..waiting(Reason::Unauthorized)
    };
    assert_eq!(judge(&listed, &mirror).cause.as_str(), "unknown");
}

#[test]
fn a_pod_that_names_another_may_have_meant_one_that_is_there() {
    let check = |absent: &str, there: Unnamed, detail: &str| {
        let case = Case {
            named: vec![named(absent, Found::Absent)],
            unnamed: vec![there],
            elsewhere: vec![id("ci/pull")],
            ..guarded()
        };
        let found = judge(&case, &waiting(Reason::Unauthorized));
        assert_eq!(found.cause.as_str(), "secret_not_referenced");
        assert_eq!(found.detail.map(Detail::as_str), Some(detail));
    };
    let meant = Unnamed {
        is_meant: true,
        ..unnamed("regcred", false)
    };
    check("regcerd", meant, "name_typo");
    check(
        "other",
        unnamed("regcred", true),
        "pod_list_hides_service_account",
    );
    check("other", unnamed("regcred", false), "not_listed");
}

#[test]
fn what_is_absent_here_may_be_elsewhere() {
    let absent = Case {
        named: vec![named("pull", Found::Absent)],
        ..guarded()
    };
    check(&absent, "missing_pull_secret");
    let elsewhere = Case {
        elsewhere: vec![id("ci/pull")],
        ..absent
    };
    check(&elsewhere, "secret_in_other_namespace");
}

#[test]
fn a_secret_that_is_passed_over_is_malformed() {
    let other = named("pull", Found::OtherType(name("Opaque")));
    check(
        &Case {
            named: vec![other],
            ..guarded()
        },
        "malformed_secret",
    );
    let Found::PullSecret(sound) = secret(&[FaultKind::KeyScheme]) else {
        unreachable!()
    };
    let faults = [FaultKind::KeyScheme].into_iter().collect();
    let useless = PullSecret {
        useless: Some((name("oci://r.example.com"), faults)),
        ..sound
    };
    let case = Case {
        named: vec![named("pull", Found::PullSecret(useless))],
        ..guarded()
    };
    let found = judge(&case, &waiting(Reason::Unauthorized));
    assert_eq!(found.cause.as_str(), "malformed_secret");
    assert_eq!(found.detail.map(Detail::as_str), Some("key_scheme"));
}

#[test]
fn one_that_cannot_be_read_comes_before_what_is_beside_it() {
    let Found::PullSecret(sound) = secret(&[FaultKind::InvalidJson]) else {
        unreachable!()
    };
    let poison = PullSecret {
        poisons_all: true,
        ..sound
    };
    let case = Case {
        named: vec![named("pull", Found::PullSecret(poison))],
        unnamed: vec![unnamed("other", true)],
        ..guarded()
    };
    check(&case, "malformed_secret");
}

#[test]
fn a_key_for_another_image_is_a_mismatch() {
    let sound = Case {
        named: vec![named("pull", secret(&[]))],
        ..case()
    };
    check(&sound, "unknown");
    let near = Near {
        secret: id("shop/pull"),
        key: name("example.com"),
        rule: Rule::Host,
    };
    check(
        &Case {
            near: Some(near),
            ..sound.clone()
        },
        "registry_mismatch",
    );
    check(
        &Case {
            guards_all: true,
            ..sound.clone()
        },
        "registry_mismatch",
    );
    let mut beside = Case {
        guards_all: true,
        ..sound
    };
    beside.named.push(named("gone", Found::Absent));
    check(&beside, "missing_pull_secret");
}

#[test]
fn what_may_be_absent_is_not_called_missing() {
    let doubtful = Case {
        anonymous: told(Outcome::Unauthorized, NEEDED_OR_ABSENT),
        ..case()
    };
    check(&doubtful, "denied_or_absent");
    let exists = Case {
        proof: Some(Proof::Container),
        ..doubtful.clone()
    };
    check(&exists, "missing_pull_secret");
    let private = Case {
        anonymous: told(Outcome::Unauthorized, &[Situation::CredentialNeeded]),
        ..case()
    };
    check(&private, "missing_pull_secret");
    let absent = Case {
        anonymous: told(Outcome::NotFound, &[Situation::TagAbsent]),
        ..case()
    };
    check(&absent, "image_not_found");
    let public = Case {
        anonymous: told(Outcome::Ok, &[]),
        ..case()
    };
    check(&public, "unknown");
    let of_node = |case: &Case| judge(case, &waiting(Reason::NotFound)).cause.as_str();
    assert_eq!(
        of_node(&public),
        "unknown",
        "anybody can read this very tag"
    );
    let mut other_tag = public.clone();
    if let Some(answer) = &mut other_tag.anonymous {
        answer.is_of_this = false;
    }
    assert_eq!(of_node(&other_tag), "image_not_found");
}

#[test]
fn a_node_with_a_credential_of_its_own_is_in_want_of_none_until_it_is_refused() {
    let own = Case {
        has_node_credentials: true,
        unnamed: vec![unnamed("ecr-login", false)],
        ..guarded()
    };
    let of_node = |reason| judge(&own, &waiting(reason)).cause.as_str();
    assert_eq!(of_node(Reason::NotFound), "unknown");
    assert_eq!(
        of_node(Reason::Unauthorized),
        "service_account_not_configured"
    );
}

#[test]
fn of_what_is_planned_nothing_is_claimed_that_nobody_asked() {
    let cause = |case: &Case| would_not_pull(case).map_or("pulls", |found| found.cause.as_str());
    let beside = Case {
        unnamed: vec![unnamed("pull", false)],
        ..case()
    };
    assert_eq!(cause(&beside), "unknown", "it may be public");
    let refused = Case {
        anonymous: told(Outcome::Unauthorized, NEEDED_OR_ABSENT),
        ..beside.clone()
    };
    assert_eq!(cause(&refused), "service_account_not_configured");
    let limited = Case {
        anonymous: None,
        ..beside.clone()
    };
    assert_eq!(cause(&limited), "unknown");
    let public = Case {
        anonymous: told(Outcome::Ok, &[]),
        ..beside
    };
    assert_eq!(cause(&public), "pulls");
    let wrong = candidate(Tried {
        is_believed: true,
        ..tried(Some(REFUSED), None)
    });
    assert_eq!(cause(&wrong), "invalid_credentials");
    let own = Case {
        has_node_credentials: true,
        ..wrong
    };
    assert_eq!(cause(&own), "unknown", "its node may have one that works");
}

#[test]
fn what_nodes_have_themselves_is_never_missing() {
    check(
        &Case {
            has_node_credentials: true,
            ..guarded()
        },
        "unknown",
    );
    let named = vec![named("pull", secret(&[]))];
    check(
        &Case {
            has_node_credentials: true,
            named,
            ..guarded()
        },
        "unknown",
    );
}

#[test]
fn what_got_furthest_decides() {
    check(
        &candidate(tried(Some(REFUSED), None)),
        "invalid_credentials",
    );
    let denied = || {
        tried(
            Some(OK),
            Some(meaning(Outcome::Forbidden, PRIVATE_OR_ABSENT)),
        )
    };
    check(&candidate(denied()), "denied_or_absent");
    let exists = Case {
        proof: Some(Proof::Container),
        ..candidate(denied())
    };
    check(&exists, "permission_denied");
    let both = |a, b| Case {
        candidates: vec![a, b],
        proof: Some(Proof::Container),
        ..candidate(denied())
    };
    check(
        &both(tried(Some(REFUSED), None), denied()),
        "permission_denied",
    );
    check(&both(denied(), tried(Some(OK), Some(OK))), "unknown");
    check(
        &both(tried(Some(REFUSED), None), tried(None, None)),
        "unknown",
    );
    let tag = meaning(Outcome::NotFound, &[Situation::TagAbsent]);
    check(&candidate(tried(Some(OK), Some(tag))), "image_not_found");
    let hidden = meaning(
        Outcome::NotFound,
        &[Situation::NoRight, Situation::TagAbsent],
    );
    check(
        &candidate(tried(Some(OK), Some(hidden))),
        "denied_or_absent",
    );
    let read = Case {
        proof: Some(Proof::Manifest),
        ..candidate(tried(Some(OK), Some(hidden)))
    };
    check(&read, "permission_denied");
}

#[test]
fn a_refused_login_has_its_kind() {
    let refused = |one: Tried| {
        candidate(Tried {
            login: Some(REFUSED),
            ..one
        })
    };
    let faults = [FaultKind::Whitespace].into_iter().collect();
    check(
        &refused(Tried {
            faults,
            ..tried(None, None)
        }),
        "malformed_secret",
    );
    let expired = meaning(Outcome::Unauthorized, &[Situation::ExpiredCredential]);
    check(
        &candidate(tried(Some(expired), None)),
        "expired_credentials",
    );
    let inside = Some(chrono::DateTime::UNIX_EPOCH);
    check(
        &candidate(Tried {
            expired_inside: inside,
            ..tried(None, None)
        }),
        "expired_credentials",
    );
    check(
        &candidate(tried(Some(Meaning::plain(Outcome::LockedOut)), None)),
        "locked_out",
    );
    check(
        &candidate(Tried {
            is_not_asked: true,
            ..tried(Some(REFUSED), None)
        }),
        "unknown",
    );
}

#[test]
fn one_refusal_of_our_own_is_no_proof_without_the_nodes() {
    let once = candidate(tried(Some(REFUSED), None));
    let silent = waiting(Reason::Other);
    assert_eq!(judge(&once, &silent).cause.as_str(), "unknown");
    let confirmed = Tried {
        is_believed: true,
        is_confirmed: true,
        ..tried(Some(REFUSED), None)
    };
    assert_eq!(
        judge(&candidate(confirmed), &silent).cause.as_str(),
        "invalid_credentials"
    );
}

#[test]
fn the_way_comes_before_what_was_never_asked() {
    for (reason, cause) in [
        (Reason::Dns, "network"),
        (Reason::Tls, "tls"),
        (Reason::RegistryError, "registry_unavailable"),
        (Reason::RateLimited, "rate_limited"),
        (Reason::PlatformMismatch, "platform_mismatch"),
        (Reason::NodeDiskFull, "node"),
        (Reason::MalformedSecret, "malformed_secret"),
    ] {
        assert_eq!(judge(&guarded(), &waiting(reason)).cause.as_str(), cause);
    }
    let locked = candidate(tried(Some(Meaning::plain(Outcome::LockedOut)), None));
    assert_eq!(
        judge(&locked, &waiting(Reason::RateLimited)).cause.as_str(),
        "locked_out"
    );
}

#[test]
fn nothing_is_concluded_before_it_has_settled() {
    let fresh = Waiting {
        is_settled: false,
        ..waiting(Reason::Unauthorized)
    };
    assert_eq!(judge(&guarded(), &fresh).cause.as_str(), "unknown");
    let fresh = Waiting {
        is_settled: false,
        ..waiting(Reason::Dns)
    };
    assert_eq!(judge(&guarded(), &fresh).cause.as_str(), "network");
}

#[test]
fn only_what_is_certain_is_at_risk() {
    let check = |case: &Case, cause: Option<&str>| {
        let found = would_fail(case).map(|found| found.cause.as_str());
        assert_eq!(found, cause);
    };
    let confirmed = || Tried {
        is_believed: true,
        is_confirmed: true,
        ..tried(Some(REFUSED), None)
    };
    check(&candidate(confirmed()), Some("invalid_credentials"));
    check(&candidate(tried(Some(REFUSED), None)), None);
    check(&candidate(tried(Some(OK), Some(OK))), None);
    check(
        &candidate(Tried {
            is_fresh: false,
            ..confirmed()
        }),
        None,
    );
    check(
        &Case {
            is_up: Some(false),
            ..candidate(confirmed())
        },
        None,
    );
    check(
        &Case {
            has_node_credentials: true,
            ..candidate(confirmed())
        },
        None,
    );
    check(&guarded(), None);
    let absent = || vec![named("pull", Found::Absent)];
    check(
        &Case {
            named: absent(),
            ..guarded()
        },
        Some("missing_pull_secret"),
    );
    check(
        &Case {
            named: absent(),
            ..case()
        },
        None,
    );
    let unseen = vec![named("pull", Found::Unseen)];
    check(
        &Case {
            named: unseen,
            ..guarded()
        },
        None,
    );
}
