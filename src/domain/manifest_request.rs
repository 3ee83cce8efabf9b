//! By which method a manifest is asked for: `HEAD`, which costs nobody a pull, and `GET` where that
//! is just as free and `HEAD` told nothing.
//!
//! Judged from what was asked so far, by [`next`] before a manifest and [`is_get_due`] after
//! its `HEAD`; the conversation only obeys. A conversation has at most three requests more than it
//! would have had by `HEAD`, and none where pulls are counted or a 429 was seen.

use super::exchange::{Asked, Purpose, Response, Sign};
use super::image::Registry;
use super::outcome;
use super::provider::Provider;

/// `HEAD`s that one conversation repeats as `GET`. Where the method itself is refused, the second
/// manifest is asked for by `GET` at once.
const MOST_REPEATED: usize = 3;

/// How to ask for the next manifest.
pub fn next(registry: &Registry, asked: &[Asked]) -> Purpose {
    let is_refused = |one: &Asked| one.purpose == Purpose::Head && is_method_refused(status(one));
    match asked.iter().any(is_refused) && is_free(registry, asked) {
        true => Purpose::Get,
        false => Purpose::Head,
    }
}

/// Whether the last request, the `HEAD` of a manifest, is to be repeated as `GET`.
pub fn is_get_due(registry: &Registry, asked: &[Asked]) -> bool {
    let Some((last, before)) = asked.split_last() else {
        return false;
    };
    let Ok(answer) = &last.answer else {
        return false;
    };
    let repeated = before.iter().filter(|one| one.purpose == Purpose::Get);
    last.purpose == Purpose::Head
        && told_nothing(registry, asked, answer)
        && repeated.count() < MOST_REPEATED
        && is_free(registry, asked)
}

/// The method is refused; a 404 may be that of a proxy that passes no `HEAD` on; or several things
/// have this status and only the body, which a `HEAD` has none of, tells them apart.
fn told_nothing(registry: &Registry, asked: &[Asked], answer: &Response) -> bool {
    match answer.status {
        405 | 501 => true,
        404 => !answer.speaks_registry,
        401 | 403 => outcome::body_decides(Provider::of(registry, asked), answer.status),
        _ => false,
    }
}

/// Of the login it is enough that it was followed by more: a refused one ends the conversation.
fn is_good_login(one: &Asked) -> bool {
    one.purpose == Purpose::Login && status(one) == Some(200)
}

/// A `GET` is no pull, and asked for by somebody whom the registry knows.
fn is_free(registry: &Registry, asked: &[Asked]) -> bool {
    let counts = |one: &Asked| match &one.answer {
        Ok(answer) => {
            answer.status == 429
                || answer.signs.contains(&Sign::PullsCounted)
                || !answer.rate_limit.quotas.is_empty()
        }
        Err(_) => false,
    };
    asked.iter().any(is_good_login)
        && Provider::of(registry, asked).gives_manifests_free()
        && !asked.iter().any(counts)
}

fn is_method_refused(status: Option<u16>) -> bool {
    matches!(status, Some(405 | 501))
}

fn status(one: &Asked) -> Option<u16> {
    one.answer.as_ref().ok().map(|answer| answer.status)
}

#[cfg(test)]
mod tests {
    use super::super::exchange::{Manifest, Step};
    use super::super::rate_limit::Quota;
    use super::*;

    fn asked(purpose: Purpose, answer: Response) -> Asked {
        Asked {
            step: Step::Manifest,
            manifest: Some(Manifest {
                repository: "org/app".to_owned(),
                reference: "1.0".to_owned(),
            }),
            purpose,
            answer: Ok(answer),
        }
    }

    fn of_status(status: u16) -> Response {
        Response {
            status,
            ..Response::default()
        }
    }

    fn by_registry(status: u16) -> Response {
        Response {
            speaks_registry: true,
            ..of_status(status)
        }
    }

    fn logged_in() -> Asked {
        asked(Purpose::Login, of_status(200))
    }

    fn is_due(host: &str, before: &[Asked], head: Response) -> bool {
        let mut all = before.to_vec();
        all.push(asked(Purpose::Head, head));
        is_get_due(&Registry::from_domain(host), &all)
    }

    #[test]
    fn a_get_is_due_where_a_head_told_nothing() {
        let check = |host: &str, head: Response, expected: bool| {
            let text = format!("{host} {head:?}");
            assert_eq!(is_due(host, &[logged_in()], head), expected, "{text}");
        };
        check("ghcr.io", of_status(405), true);
        check("ghcr.io", of_status(501), true);
        check("ghcr.io", of_status(404), true);
        check("ghcr.io", by_registry(404), false);
        check("ghcr.io", of_status(200), false);
        check("ghcr.io", of_status(429), false);
        check("ghcr.io", of_status(500), false);
        // one thing only has this status there
        check("ghcr.io", of_status(403), false);
        // no right here, or a ban, as the body says
        check("registry.gitlab.com", of_status(403), true);
        // counts pulls, or may pull from where they are counted
        check("docker.io", of_status(405), false);
        check("registry.example", of_status(405), false);
        check("team.jfrog.io", of_status(403), false);
    }

    #[test]
    fn no_get_where_pulls_are_counted_or_after_too_many_requests() {
        let counted = Response {
            signs: vec![Sign::PullsCounted],
            ..by_registry(200)
        };
        let counted = asked(Purpose::Head, counted);
        let mut told = by_registry(200);
        told.rate_limit.quotas.push(Quota::default());
        let told = asked(Purpose::Head, told);
        let limited = asked(Purpose::Head, of_status(429));
        assert!(is_due("ghcr.io", &[logged_in()], of_status(405)));
        assert!(!is_due("ghcr.io", &[logged_in(), counted], of_status(405)));
        assert!(!is_due("ghcr.io", &[logged_in(), told], of_status(405)));
        assert!(!is_due("ghcr.io", &[logged_in(), limited], of_status(405)));
    }

    #[test]
    fn without_a_good_login_nothing_is_got() {
        assert!(!is_due("registry.gitlab.com", &[], of_status(403)));
        assert!(!is_due("ghcr.io", &[], of_status(405)));
        assert!(!is_get_due(&Registry::from_domain("ghcr.io"), &[]));
        let got = [asked(Purpose::Get, of_status(405))];
        assert!(!is_get_due(&Registry::from_domain("ghcr.io"), &got));
    }

    #[test]
    fn three_are_repeated_in_one_conversation() {
        let get = || asked(Purpose::Get, of_status(404));
        let two = [logged_in(), get(), get()];
        let three = [logged_in(), get(), get(), get()];
        assert!(is_due("ghcr.io", &two, of_status(404)));
        assert!(!is_due("ghcr.io", &three, of_status(404)));
    }

    #[test]
    fn where_the_method_is_refused_it_is_not_tried_again() {
        let check = |host: &str, head: Response, expected: Purpose| {
            let all = [logged_in(), asked(Purpose::Head, head)];
            assert_eq!(next(&Registry::from_domain(host), &all), expected, "{host}");
        };
        check("ghcr.io", of_status(405), Purpose::Get);
        check("ghcr.io", of_status(404), Purpose::Head);
        check("ghcr.io", of_status(200), Purpose::Head);
        check("docker.io", of_status(405), Purpose::Head);
        assert_eq!(next(&Registry::from_domain("ghcr.io"), &[]), Purpose::Head);
    }
}
