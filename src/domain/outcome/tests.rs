//! Rows of answers, and what each means.

use std::time::Duration;

use super::super::exchange::{ChallengeFault, DnsFault, ErrorCode, Phrase, Stage, TlsFault};
use super::super::image::Registry;
use super::super::policy::Rule;
use super::*;

type Answer = Result<Response, NetworkFault>;

const BEARER: &str = r#"Bearer realm="https://auth.example/token",service="s""#;
const BASIC: &str = r#"Basic realm="r""#;

fn answer(status: u16) -> Response {
    Response {
        status,
        ..Response::default()
    }
}

fn registry(status: u16) -> Response {
    Response {
        speaks_registry: true,
        ..answer(status)
    }
}

fn page(status: u16) -> Response {
    Response {
        html: true,
        ..answer(status)
    }
}

fn saying(status: u16, phrase: Phrase) -> Response {
    Response {
        phrases: vec![phrase],
        ..registry(status)
    }
}

fn challenged(status: u16, header: &str) -> Response {
    Response {
        challenges: Challenge::parse_all([header]),
        ..answer(status)
    }
}

fn token() -> Response {
    Response {
        token: true,
        ..answer(200)
    }
}

fn manifest(number: usize) -> Manifest {
    Manifest {
        repository: format!("org/app{number}"),
        reference: "1.0".to_owned(),
    }
}

fn asked(purpose: Purpose, of: Option<usize>, answer: Answer) -> Asked {
    let step = match purpose {
        Purpose::AnonymousPing => Step::Ping,
        Purpose::Login => Step::Token,
        Purpose::ScopedToken
        | Purpose::Head
        | Purpose::Get
        | Purpose::AnonymousToken
        | Purpose::AnonymousHead => Step::Manifest,
    };
    Asked {
        step,
        manifest: of.map(manifest),
        purpose,
        answer,
    }
}

fn exchange(asked: Vec<Asked>) -> Exchange {
    Exchange {
        registry: Registry::from_domain("registry.example"),
        asked,
        certificates: Vec::new(),
        took: Duration::from_millis(120),
    }
}

/// `ping up login manifest`, with `-` for what was not asked.
fn render(judgement: &Judgement) -> String {
    let word = |outcome: Option<Outcome>| outcome.map_or("-", Outcome::as_str);
    let manifests: Vec<_> = judgement
        .manifests
        .iter()
        .map(|(_, meaning)| meaning.outcome.as_str())
        .collect();
    format!(
        "{} {} {} {}",
        judgement.ping.as_str(),
        if judgement.up { "up" } else { "down" },
        word(judgement.login.map(|login| login.outcome)),
        if manifests.is_empty() {
            "-".to_owned()
        } else {
            manifests.join(",")
        },
    )
}

#[test]
fn the_ping_tells_a_registry_from_anything_else() {
    let check = |answer: Answer, expected: &str| {
        let text = format!("{answer:?}");
        let asked = vec![asked(Purpose::AnonymousPing, None, answer)];
        let judgement = classify(&exchange(asked));
        assert_eq!(render(&judgement), format!("{expected} - -"), "{text}");
    };
    check(Ok(registry(200)), "ok up");
    check(Ok(challenged(401, BEARER)), "ok up");
    check(Ok(challenged(401, BASIC)), "ok up");
    check(Ok(challenged(401, "Negotiate")), "ok up");
    check(Ok(registry(401)), "ok up");
    check(Ok(answer(401)), "registry_error down");
    check(Ok(page(200)), "registry_error down");
    check(Ok(answer(200)), "registry_error down");
    check(Ok(registry(403)), "forbidden up");
    check(Ok(page(403)), "registry_error down");
    check(Ok(registry(404)), "not_found up");
    check(Ok(page(404)), "not_found down");
    check(Ok(registry(429)), "rate_limited up");
    check(Ok(page(429)), "rate_limited down");
    check(
        Ok(saying(429, Phrase::TooManyFailedLogins)),
        "locked_out up",
    );
    check(Ok(registry(503)), "registry_error up");
    check(Ok(page(502)), "registry_error down");
    check(Ok(answer(301)), "registry_error down");
    check(Ok(registry(307)), "registry_error up");
    check(Ok(answer(405)), "registry_error down");
}

#[test]
fn every_fault_has_its_outcome_at_every_step() {
    let check = |fault: NetworkFault, expected: &str| {
        let ping = vec![asked(Purpose::AnonymousPing, None, Err(fault))];
        let line = render(&classify(&exchange(ping)));
        assert_eq!(line, format!("{expected} down - -"), "{fault:?}");

        let pinged = || {
            let pinged = Ok(challenged(401, BEARER));
            asked(Purpose::AnonymousPing, None, pinged)
        };
        let login = vec![pinged(), asked(Purpose::Login, None, Err(fault))];
        let line = render(&classify(&exchange(login)));
        assert_eq!(line, format!("ok up {expected} -"), "{fault:?}");

        for purpose in [Purpose::ScopedToken, Purpose::Head] {
            let manifest = vec![
                pinged(),
                asked(Purpose::Login, None, Ok(token())),
                asked(purpose, Some(0), Err(fault)),
            ];
            let line = render(&classify(&exchange(manifest)));
            assert_eq!(line, format!("ok up ok {expected}"), "{fault:?}");
        }
    };
    for fault in DnsFault::ALL {
        check(NetworkFault::Dns(*fault), "dns");
    }
    for stage in Stage::ALL {
        check(NetworkFault::Timeout(*stage), "timeout");
    }
    for fault in TlsFault::ALL {
        check(NetworkFault::Tls(*fault), "tls");
    }
    for fault in ChallengeFault::ALL {
        check(NetworkFault::Challenge(*fault), "registry_error");
    }
    for rule in Rule::ALL {
        check(NetworkFault::Blocked(rule), "blocked");
    }
    check(NetworkFault::Refused, "connection");
    check(NetworkFault::Closed, "connection");
    check(NetworkFault::Unreachable, "connection");
    check(NetworkFault::Proxy, "connection");
    check(NetworkFault::Other, "connection");
    check(NetworkFault::NotHttp, "registry_error");
    check(NetworkFault::TooLarge, "registry_error");
}

#[test]
fn the_login_is_judged_by_its_own_answer() {
    let check = |ping: &str, answer: Response, expected: &str| {
        let text = format!("{ping} {answer:?}");
        let asked = vec![
            asked(Purpose::AnonymousPing, None, Ok(challenged(401, ping))),
            asked(Purpose::Login, None, Ok(answer)),
        ];
        let judgement = classify(&exchange(asked));
        assert_eq!(render(&judgement), format!("ok up {expected} -"), "{text}");
    };
    // Docker Hub: right; wrong password or expired PAT; lockout; quota
    check(BEARER, token(), "ok");
    check(
        BEARER,
        saying(401, Phrase::IncorrectPassword),
        "unauthorized",
    );
    check(
        BEARER,
        saying(429, Phrase::TooManyFailedLogins),
        "locked_out",
    );
    check(BEARER, saying(429, Phrase::PullLimit), "rate_limited");
    check(BEARER, page(429), "rate_limited");
    // distribution with token, Harbor (empty body), anything generic
    check(BEARER, answer(401), "unauthorized");
    check(BEARER, registry(401), "unauthorized");
    check(BEARER, saying(401, Phrase::TokenExpired), "expired");
    check(
        BEARER,
        saying(401, Phrase::TooManyFailedLogins),
        "locked_out",
    );
    check(BEARER, registry(403), "forbidden");
    check(BEARER, answer(403), "forbidden");
    check(BEARER, saying(403, Phrase::TokenExpired), "expired");
    check(BEARER, page(403), "registry_error");
    check(BEARER, answer(200), "registry_error");
    check(BEARER, page(200), "registry_error");
    check(BEARER, registry(200), "registry_error");
    check(BEARER, answer(400), "registry_error");
    check(BEARER, registry(404), "registry_error");
    check(BEARER, answer(302), "registry_error");
    check(BEARER, answer(500), "registry_error");
    check(BEARER, page(503), "registry_error");
    // distribution with htpasswd, also behind nginx, which answers with pages; ECR
    check(BASIC, registry(200), "ok");
    check(BASIC, page(200), "registry_error");
    check(BASIC, challenged(401, BASIC), "unauthorized");
    check(BASIC, page(401), "unauthorized");
    check(BASIC, saying(403, Phrase::TokenExpired), "expired");
    check(BASIC, registry(403), "forbidden");
    check(BASIC, page(403), "registry_error");
    check(BASIC, registry(429), "rate_limited");
    check(BASIC, page(502), "registry_error");
    check(BASIC, answer(301), "registry_error");
    // both offered: it was Bearer
    check(
        &format!("{BASIC}, {BEARER}"),
        registry(200),
        "registry_error",
    );
    check(&format!("{BASIC}, {BEARER}"), token(), "ok");
}

#[test]
fn a_manifest_is_judged_by_its_last_answer() {
    let check = |ping: &str, asked_for: &[(Purpose, Response)], expected: &str| {
        let text = format!("{ping} {asked_for:?}");
        let login = if ping == BEARER {
            token()
        } else {
            registry(200)
        };
        let mut all = vec![
            asked(Purpose::AnonymousPing, None, Ok(challenged(401, ping))),
            asked(Purpose::Login, None, Ok(login)),
        ];
        for (purpose, answer) in asked_for {
            all.push(asked(*purpose, Some(0), Ok(answer.clone())));
        }
        let judgement = classify(&exchange(all));
        assert_eq!(render(&judgement), format!("ok up ok {expected}"), "{text}");
    };
    let scoped = |answer| (Purpose::ScopedToken, answer);
    let head = |answer| (Purpose::Head, answer);
    let insufficient = challenged(401, r#"Bearer error="insufficient_scope""#);
    let invalid = challenged(401, r#"Bearer error="invalid_token""#);

    check(BEARER, &[scoped(token()), head(registry(200))], "ok");
    check(BEARER, &[scoped(token()), head(insufficient)], "forbidden");
    check(BEARER, &[scoped(token()), head(invalid)], "registry_error");
    check(BEARER, &[scoped(token()), head(answer(401))], "forbidden");
    // Harbor sends a Basic challenge here
    check(
        BEARER,
        &[scoped(token()), head(challenged(401, BASIC))],
        "forbidden",
    );
    check(BEARER, &[scoped(token()), head(answer(403))], "forbidden");
    check(
        BEARER,
        &[scoped(token()), head(page(403))],
        "registry_error",
    );
    check(BEARER, &[scoped(token()), head(answer(404))], "not_found");
    check(
        BEARER,
        &[scoped(token()), head(page(404))],
        "registry_error",
    );
    check(
        BEARER,
        &[scoped(token()), head(answer(429))],
        "rate_limited",
    );
    check(
        BEARER,
        &[scoped(token()), head(answer(307))],
        "registry_error",
    );
    check(
        BEARER,
        &[scoped(token()), head(answer(405))],
        "registry_error",
    );
    check(
        BEARER,
        &[scoped(token()), head(answer(500))],
        "registry_error",
    );
    // the scoped token is refused although the login works
    check(BEARER, &[scoped(answer(401))], "forbidden");
    check(BEARER, &[scoped(registry(403))], "forbidden");
    check(BEARER, &[scoped(page(403))], "registry_error");
    check(BEARER, &[scoped(registry(429))], "rate_limited");
    check(
        BEARER,
        &[scoped(saying(429, Phrase::TooManyFailedLogins))],
        "locked_out",
    );
    check(BEARER, &[scoped(answer(200))], "registry_error");
    check(BEARER, &[scoped(answer(404))], "registry_error");
    check(BEARER, &[scoped(page(503))], "registry_error");

    check(BASIC, &[head(registry(200))], "ok");
    check(BASIC, &[head(challenged(401, BASIC))], "forbidden");
    check(BASIC, &[head(answer(403))], "forbidden");
    check(BASIC, &[head(answer(404))], "not_found");
    check(BASIC, &[head(answer(429))], "rate_limited");
    check(BASIC, &[head(page(502))], "registry_error");
}

#[test]
fn what_anybody_is_given_is_believed_of_a_registry_alone() {
    let check = |asked_for: &[(Purpose, Response)], expected: &str| {
        let text = format!("{asked_for:?}");
        let ping = Ok(challenged(401, BEARER));
        let mut all = vec![asked(Purpose::AnonymousPing, None, ping)];
        for (purpose, answer) in asked_for {
            all.push(asked(*purpose, Some(0), Ok(answer.clone())));
        }
        let judgement = classify(&exchange(all));
        assert_eq!(render(&judgement), format!("ok up - {expected}"), "{text}");
    };
    let scoped = |answer| (Purpose::AnonymousToken, answer);
    let head = |answer| (Purpose::AnonymousHead, answer);
    check(&[scoped(token()), head(registry(200))], "ok");
    check(&[scoped(token()), head(answer(200))], "registry_error");
    check(&[scoped(token()), head(page(200))], "registry_error");
    check(&[scoped(token()), head(answer(401))], "unauthorized");
    check(&[scoped(token()), head(answer(403))], "forbidden");
    check(&[scoped(token()), head(answer(404))], "not_found");
    check(&[scoped(token()), head(answer(429))], "rate_limited");
    check(&[scoped(answer(401))], "unauthorized");
    check(&[scoped(registry(403))], "forbidden");
    check(&[scoped(page(403))], "registry_error");
}

#[test]
fn an_open_registry_tells_nothing_about_the_login() {
    let check = |asked_for: Vec<Asked>, expected: &str| {
        let mut all = vec![asked(Purpose::AnonymousPing, None, Ok(registry(200)))];
        all.extend(asked_for);
        let judgement = classify(&exchange(all));
        assert_eq!(render(&judgement), expected);
    };
    let head = |answer| asked(Purpose::Head, Some(0), Ok(answer));
    check(vec![], "ok up - -");
    check(vec![head(registry(200))], "ok up - ok");
    check(vec![head(answer(404))], "ok up - not_found");
    // its manifests are guarded: asked again with the credential
    check(
        vec![head(challenged(401, BASIC)), head(registry(200))],
        "ok up ok ok",
    );
    check(
        vec![head(challenged(401, BASIC)), head(answer(403))],
        "ok up - forbidden",
    );
    // without a credential nothing is asked again
    check(vec![head(challenged(401, BASIC))], "ok up - unauthorized");
    check(
        vec![head(challenged(401, BASIC)), head(challenged(401, BASIC))],
        "ok up unauthorized unauthorized",
    );
    check(
        vec![
            head(challenged(401, BEARER)),
            asked(Purpose::Login, None, Ok(answer(401))),
        ],
        "ok up unauthorized unauthorized",
    );
    check(
        vec![
            head(challenged(401, BEARER)),
            asked(Purpose::Login, None, Ok(token())),
            asked(Purpose::ScopedToken, Some(0), Ok(token())),
            head(registry(200)),
        ],
        "ok up ok ok",
    );
}

#[test]
fn the_last_ping_counts_and_the_worst_manifest_shows() {
    let later = "2026-11-23T08:02:00Z".parse().unwrap();
    let throttled = Response {
        retry_after: Some(later),
        ..answer(429)
    };
    let plain = NetworkFault::Tls(TlsFault::PlainHttp);
    let judgement = classify(&exchange(vec![
        asked(Purpose::AnonymousPing, None, Err(plain)),
        asked(Purpose::AnonymousPing, None, Ok(challenged(401, BASIC))),
        asked(Purpose::Login, None, Ok(registry(200))),
        asked(Purpose::Head, Some(0), Ok(registry(200))),
        asked(Purpose::Head, Some(1), Ok(answer(403))),
        asked(Purpose::Head, Some(2), Ok(throttled)),
    ]));
    assert_eq!(render(&judgement), "ok up ok ok,forbidden,rate_limited");
    assert_eq!(judgement.retry_after, Some(later));
    assert_eq!(
        judgement.steps,
        [
            (Step::Ping, Outcome::Ok, Some(401)),
            (Step::Token, Outcome::Ok, Some(200)),
            (Step::Manifest, Outcome::Forbidden, Some(403)),
        ]
    );
}

/// The recorded answers of tests/fixtures/exchanges hold every row; here stands what they have no
/// place for.
#[test]
fn a_status_means_what_its_registry_means() {
    let check = |host: &str, asked: Vec<Asked>, expected: &str| {
        let judgement = classify(&Exchange {
            registry: Registry::from_domain(host),
            ..exchange(asked)
        });
        assert_eq!(render(&judgement), expected, "{host}");
        judgement
    };
    let bearer = || asked(Purpose::AnonymousPing, None, Ok(challenged(401, BEARER)));
    let banned = || Response {
        phrases: vec![Phrase::BareForbidden],
        ..answer(403)
    };
    // a ban is told before anything else is asked; elsewhere the word means nothing
    let ping = |answer| vec![asked(Purpose::AnonymousPing, None, Ok(answer))];
    check("registry.gitlab.com", ping(banned()), "locked_out down - -");
    check(
        "registry.example",
        ping(banned()),
        "registry_error down - -",
    );
    // a page is a firewall's, whatever the registry means by its own 403
    let login = |answer| vec![bearer(), asked(Purpose::Login, None, Ok(answer))];
    check("ghcr.io", login(answer(403)), "ok up unauthorized -");
    check("ghcr.io", login(page(403)), "ok up registry_error -");
    check("team.jfrog.io", login(answer(403)), "ok up locked_out -");
    check("registry.example", login(answer(403)), "ok up forbidden -");
    // the GET has the last word, but not by falling silent
    let got = |answer| {
        vec![
            bearer(),
            asked(Purpose::Login, None, Ok(token())),
            asked(Purpose::Head, Some(0), Ok(registry(404))),
            asked(Purpose::Get, Some(0), answer),
        ]
    };
    let silent = Err(NetworkFault::Closed);
    check("ghcr.io", got(silent), "ok up ok not_found");
    let tag = Response {
        codes: vec![ErrorCode::ManifestUnknown],
        ..registry(404)
    };
    let judgement = check("ghcr.io", got(Ok(tag)), "ok up ok not_found");
    let (_, meaning) = &judgement.manifests[0];
    assert_eq!(meaning.may_mean, [Situation::TagAbsent]);
}

#[test]
fn outcomes_are_spelt_once() {
    let mut words: Vec<_> = Outcome::ALL.iter().map(|one| one.as_str()).collect();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), Outcome::ALL.len());
}
