//! What headers say, and for how long it is believed.

use super::*;
use crate::domain::exchange::{Asked, Exchange, Phrase, Purpose, Response, Step};
use crate::domain::image::Registry;

fn now() -> DateTime<Utc> {
    "2026-11-25T08:00:00Z".parse().unwrap()
}

/// `limit/remaining/window` of each policy under its label, `-` for what is untold.
fn shown(quotas: &[Quota]) -> String {
    let one = |quota: &Quota| {
        let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |n| n.to_string());
        let window = quota.window.map(|window| window.as_secs());
        format!(
            "{} {}/{}/{}",
            quota.policy().as_str(),
            number(quota.limit),
            number(quota.remaining),
            number(window)
        )
    };
    quotas.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn sent<'a>(headers: &[(&str, &'a str)]) -> Sent<'a> {
    let mut sent = Sent::default();
    for (name, value) in headers {
        match *name {
            "RateLimit" => sent.fields.push(value),
            "RateLimit-Policy" => sent.policies.push(value),
            "RateLimit-Limit" => sent.limit.push(value),
            "RateLimit-Remaining" => sent.remaining.push(value),
            "RateLimit-Reset" => sent.reset.push(value),
            "X-RateLimit-Limit" => sent.x_limit.push(value),
            "X-RateLimit-Remaining" => sent.x_remaining.push(value),
            "X-RateLimit-Reset" => sent.x_reset.push(value),
            "x-ms" => sent.calls_per_second.push(value),
            "body" => sent.refusal = Some(value),
            other => panic!("{other} is no header of these"),
        }
    }
    sent
}

fn check(headers: &[(&str, &str)], expected: &str) {
    let quotas = read(&sent(headers), now());
    assert_eq!(shown(&quotas), expected, "{headers:?}");
}

#[test]
fn docker_hubs_forms_give_its_quota() {
    let hub = |limit, remaining, expected| {
        check(
            &[
                ("RateLimit-Limit", limit),
                ("RateLimit-Remaining", remaining),
            ],
            expected,
        );
    };
    hub("100;w=21600", "76;w=21600", "6h 100/76/21600");
    hub("200;w=21600", "0;w=21600", "6h 200/0/21600");
    hub(" 100 ; w=21600 ", "76", "6h 100/76/21600");
    hub("100", "76", "unknown 100/76/-");
    hub("100;w=60", "76;w=60", "1m 100/76/60");
    hub("100;w=61", "76;w=61", "other 100/76/61");
    hub(
        "100;w=21600, 5000;w=86400",
        "76;w=21600, 4000;w=86400",
        "6h 100/76/21600, 1d 5000/4000/86400",
    );
    // viadee/docker-hub-rate-limit-exporter#15
    hub(";w=21600", ";w=21600", "");
    hub(";w=21600", "76;w=21600", "6h -/76/21600");
    hub("", "", "");
    check(&[], "");
    check(&[("RateLimit-Limit", "100;w=21600")], "6h 100/-/21600");
    check(
        &[
            ("RateLimit-Limit", "100;w=21600"),
            ("RateLimit-Limit", "5000;w=86400"),
            ("RateLimit-Remaining", "76;w=21600"),
            ("RateLimit-Remaining", "4000;w=86400"),
        ],
        "6h 100/76/21600, 1d 5000/4000/86400",
    );
}

#[test]
fn the_drafts_of_the_ietf_are_read_each_in_its_way() {
    // draft 03: the limit in force first, then all policies
    check(
        &[
            ("RateLimit-Limit", "100, 100;w=60, 1000;w=3600"),
            ("RateLimit-Remaining", "50"),
            ("RateLimit-Reset", "30"),
        ],
        "1m 100/50/60, 1h 1000/-/3600",
    );
    check(
        &[
            ("RateLimit-Limit", "100;w=60, 1000;w=3600"),
            ("RateLimit-Remaining", "50"),
        ],
        "1m 100/50/60, 1h 1000/-/3600",
    );
    // draft 06: policies apart
    check(
        &[
            ("RateLimit-Limit", "10"),
            ("RateLimit-Policy", "10;w=1, 50;w=60"),
            ("RateLimit-Remaining", "9"),
        ],
        "1s 10/9/1, 1m 50/-/60",
    );
    // draft 07: one field
    check(
        &[
            ("RateLimit", "limit=100, remaining=50, reset=5"),
            ("RateLimit-Policy", "100;w=60"),
        ],
        "1m 100/50/60",
    );
    check(
        &[("RateLimit", "limit=100, remaining=50, reset=5")],
        "unknown 100/50/-",
    );
    // draft 08 and later: names
    check(
        &[
            (
                "RateLimit-Policy",
                r#""burst";q=100;w=60,"daily";q=1000;w=86400"#,
            ),
            ("RateLimit", r#""burst";r=50;t=30, "daily";r=900;t=4000"#),
        ],
        "1m 100/50/60, 1d 1000/900/86400",
    );
    check(
        &[
            ("RateLimit-Policy", r#""a,b;c=\"d";q=100;w=60"#),
            ("RateLimit", r#""a,b;c=\"d";r=50;t=30"#),
        ],
        "1m 100/50/60",
    );
    check(&[("RateLimit", r#""burst";r=50;t=30"#)], "unknown -/50/-");
    check(
        &[
            (
                "RateLimit-Policy",
                r#""burst";q=100;w=60;qu="content-bytes""#,
            ),
            ("RateLimit", r#""burst";r=50;t=30"#),
        ],
        "",
    );
    check(
        &[
            (
                "RateLimit-Policy",
                r#""burst";q=100;w=60;qu="requests";pk=:dXNlcg==:"#,
            ),
            ("RateLimit", r#""burst";r=50"#),
        ],
        "1m 100/50/60",
    );
}

#[test]
fn other_products_are_read_too() {
    let reset = (now().timestamp() + 45).to_string();
    let gitlab = [
        ("RateLimit-Limit", "60"),
        ("RateLimit-Remaining", "59"),
        ("RateLimit-Reset", &*reset),
    ];
    check(&gitlab, "unknown 60/59/-");
    assert_eq!(
        read(&sent(&gitlab), now())[0].resets_after,
        Some(Duration::from_secs(45))
    );
    check(
        &[
            ("X-RateLimit-Limit", "5000"),
            ("X-RateLimit-Remaining", "4999"),
        ],
        "unknown 5000/4999/-",
    );
    check(&[("x-ms", "166.6")], "1s -/166/1");
    check(&[("x-ms", "0")], "1s -/0/1");
    check(
        &[(
            "body",
            "toomanyrequests: retry-after: 985.86us, allowed: 44000/minute",
        )],
        "1m 44000/0/60",
    );
    check(
        &[(
            "body",
            r#"{"errors":[{"code":"toomanyrequests","message":"retry-after: 1.16ms, allowed: 44000/minute"}]}"#,
        )],
        "1m 44000/0/60",
    );
    check(&[("body", "too many failed login attempts")], "");
    check(&[("body", "toomanyrequests: allowed: many/minute")], "");
    check(&[("body", "toomanyrequests: allowed: 10/lightyear")], "");
}

#[test]
fn nonsense_is_no_quota() {
    let limit = |text: &str, expected| check(&[("RateLimit-Limit", text)], expected);
    for text in [
        "-1",
        "-1;w=60",
        "+5",
        "1.5",
        "1e3",
        "NaN",
        "inf",
        "0x10",
        "0",
        "0;w=60",
        "ten",
        "\"",
        ";",
        ",,,",
        "100;w=",
        "100;w=0",
        "100;w=-60",
        "100;w=1.5",
        "100;w=485009h",
        "100;w=99999999",
        "9007199254740993",
        "99999999999999999999999999",
        "\u{663}\u{663}",
    ] {
        limit(text, "");
    }
    limit(&["100;w=60"; 9].join(","), "");
    limit(&["100;w=60"; 8].join(","), "1m 100/-/60");
    limit("100;w=60;w=3600", "1m 100/-/60");
    limit("100;W", "unknown 100/-/-");
    check(&[("RateLimit-Remaining", "-5;w=60")], "");
    check(&[("x-ms", "NaN")], "");
    check(&[("x-ms", "1.x")], "");
    check(&[("RateLimit", r#""burst;r=50"#)], "");
    check(&[("RateLimit", r#""burst";r=-50"#)], "");
}

#[test]
fn of_two_policies_with_one_label_the_tighter_one_counts() {
    check(
        &[
            ("RateLimit-Policy", r#""a";q=100;w=60, "b";q=10;w=60"#),
            ("RateLimit", r#""a";r=90, "b";r=1"#),
        ],
        "1m 10/1/60",
    );
}

#[test]
fn labels_are_of_a_closed_list() {
    let mut labels: Vec<_> = QuotaPolicy::all().map(QuotaPolicy::as_str).collect();
    assert_eq!(labels.len(), 16);
    labels.sort_unstable();
    labels.dedup();
    assert_eq!(labels.len(), 16);
}

#[test]
fn the_source_says_who_is_counted_and_nothing_else() {
    let check = |text, expected| assert_eq!(Payer::from_source(text), expected, "{text}");
    check("192.0.2.1", Payer::Address);
    check("2001:db8::1", Payer::Address);
    check("2001:db8::/64", Payer::Address);
    check("a9c2bcf0-6d0e-4d0a-8f3e-0f7b8a1f2c3d", Payer::Login);
    check("", Payer::Login);
}

// === conversations ===

fn asked(purpose: Purpose, payer: Payer, status: u16, quotas: &[Quota]) -> Asked {
    Asked {
        step: Step::Manifest,
        manifest: None,
        purpose,
        answer: Ok(Response {
            status,
            rate_limit: RateLimit {
                quotas: quotas.to_vec(),
                payer,
            },
            ..Response::default()
        }),
    }
}

/// `address` and `login` with what each was told.
fn told_by(asked: Vec<Asked>) -> String {
    let exchange = Exchange {
        registry: Registry::from_domain("r.example.com"),
        asked,
        took: Duration::ZERO,
        certificates: Vec::new(),
    };
    let is_lockout = |answer: &Response| answer.phrases.contains(&Phrase::TooManyFailedLogins);
    let one = |news: &QuotaNews| {
        let payer = match news.payer {
            Payer::Address => "address",
            Payer::Login => "login",
        };
        let limited = news.limited.map_or("", |_| " limited");
        format!("{payer}: {}{limited}", shown(&news.quotas))
    };
    let news: Vec<_> = news(&exchange, is_lockout).iter().map(one).collect();
    news.join("; ")
}

#[test]
fn what_a_manifest_says_counts_for_who_paid_for_it() {
    use Payer::{Address, Login};
    let (few, many) = (quota(100, 7, 21_600), quota(1000, 999, 60));
    let ping = || asked(Purpose::AnonymousPing, Address, 401, &[many]);
    let check = |asked: Vec<Asked>, expected: &str| assert_eq!(told_by(asked), expected);
    check(vec![ping()], "address: ");
    check(
        vec![
            ping(),
            asked(Purpose::Login, Login, 200, &[many]),
            asked(Purpose::ScopedToken, Login, 200, &[many]),
            asked(Purpose::Head, Login, 200, &[few]),
        ],
        "address: ; login: 6h 100/7/21600",
    );
    // the newest that tells anything: images of some publishers are not counted
    check(
        vec![
            asked(Purpose::Head, Login, 200, &[many]),
            asked(Purpose::Head, Login, 200, &[few]),
            asked(Purpose::Head, Login, 404, &[]),
            asked(Purpose::Login, Login, 200, &[many]),
        ],
        "login: 6h 100/7/21600",
    );
    check(
        vec![ping(), asked(Purpose::Head, Address, 200, &[few])],
        "address: 6h 100/7/21600",
    );
    check(
        vec![ping(), asked(Purpose::Head, Login, 429, &[])],
        "address: ; login:  limited",
    );
    let mut locked = asked(Purpose::Login, Login, 429, &[few]);
    if let Ok(answer) = &mut locked.answer {
        answer.phrases.push(Phrase::TooManyFailedLogins);
    }
    check(vec![ping(), locked], "address: ");
}

#[test]
fn whatever_is_sent_is_bounded_and_ends() {
    const PIECES: [&str; 25] = [
        "100",
        "0",
        "999999999999999",
        "-1",
        "1e9",
        "\"a\";r=1;t=",
        "\"a\";q=2;w=",
        "\"",
        "\\",
        ",",
        ";",
        "=",
        "w=",
        "q=",
        "r=",
        "t=",
        "limit=",
        "remaining=",
        "reset=",
        "60",
        "21600",
        " ",
        "\u{fffd}",
        "allowed: ",
        "/minute",
    ];
    let mut seed: u64 = 1;
    let mut pick = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(seed >> 33).unwrap() % below
    };
    for _ in 0..20_000 {
        let texts: Vec<String> = (0..10)
            .map(|_| (0..pick(9)).map(|_| PIECES[pick(PIECES.len())]).collect())
            .collect();
        let refusal = format!("toomanyrequests {}", texts[9]);
        let sent = Sent {
            fields: vec![&texts[0]],
            policies: vec![&texts[1]],
            limit: vec![&texts[2]],
            remaining: vec![&texts[3]],
            reset: vec![&texts[4]],
            x_limit: vec![&texts[5]],
            x_remaining: vec![&texts[6]],
            x_reset: vec![&texts[7]],
            calls_per_second: vec![&texts[8]],
            refusal: Some(&refusal),
        };
        let quotas = read(&sent, now());
        assert!(quotas.len() <= MOST_QUOTAS, "{sent:?}");
        let mut standing = QuotaStanding::default();
        standing.record(&told(&quotas), now());
        let month = chrono::TimeDelta::days(31);
        assert_eq!(standing.at(now() + month).count(), 0, "{sent:?}");
    }
}

// === what is kept ===

fn quota(limit: u64, remaining: u64, window: u64) -> Quota {
    Quota {
        limit: Some(limit),
        remaining: Some(remaining),
        window: (window > 0).then(|| Duration::from_secs(window)),
        resets_after: None,
    }
}

fn told(quotas: &[Quota]) -> QuotaNews {
    QuotaNews {
        quotas: quotas.to_vec(),
        ..QuotaNews::default()
    }
}

fn limited(names_quota: bool, retry_after: Option<i64>) -> QuotaNews {
    QuotaNews {
        limited: Some(Limited {
            names_quota,
            retry_after: retry_after.map(after),
        }),
        ..QuotaNews::default()
    }
}

fn after(seconds: i64) -> DateTime<Utc> {
    now() + chrono::TimeDelta::seconds(seconds)
}

/// With the seconds until a `Retry-After`.
fn standing_at(standing: &QuotaStanding, at: i64) -> String {
    let one = |(policy, told): (QuotaPolicy, Told)| {
        let wait = told.retry_after.map(|until| (until - now()).num_seconds());
        let wait = wait.map_or(String::new(), |wait| format!(" wait {wait}"));
        match told.quota.is_told() {
            true => shown(&[told.quota]) + &wait,
            false => policy.as_str().to_owned() + &wait,
        }
    };
    standing
        .at(after(at))
        .map(one)
        .collect::<Vec<_>>()
        .join(", ")
}

#[test]
fn a_quota_is_gone_one_window_after_it_was_told() {
    let check = |quota: Quota, believed: i64| {
        let mut standing = QuotaStanding::default();
        standing.record(&told(&[quota]), now());
        assert_ne!(standing_at(&standing, believed - 1), "", "{quota:?}");
        assert_eq!(standing_at(&standing, believed), "", "{quota:?}");
    };
    check(quota(100, 76, 21_600), 21_600);
    check(quota(100, 76, 60), 60);
    check(quota(100, 76, 0), 3600);
    let resets = Quota {
        resets_after: Some(Duration::from_secs(45)),
        ..quota(100, 76, 0)
    };
    check(resets, 45);
}

#[test]
fn an_answer_without_quotas_leaves_what_is_known_and_one_with_replaces_it() {
    let mut standing = QuotaStanding::default();
    standing.record(&told(&[quota(100, 76, 21_600), quota(10, 9, 60)]), now());
    standing.record(&told(&[]), after(10));
    assert_eq!(standing_at(&standing, 10), "1m 10/9/60, 6h 100/76/21600");
    standing.record(&told(&[quota(100, 75, 21_600)]), after(20));
    assert_eq!(standing_at(&standing, 20), "6h 100/75/21600");
}

#[test]
fn a_429_is_a_quota_of_0_only_if_it_names_one() {
    let check = |before: &[Quota], news: &QuotaNews, expected: &str| {
        let mut standing = QuotaStanding::default();
        if !before.is_empty() {
            standing.record(&told(before), now());
        }
        standing.record(news, after(10));
        assert_eq!(standing_at(&standing, 10), expected, "{before:?} {news:?}");
    };
    let hub = [quota(100, 3, 21_600)];
    check(&[], &limited(false, None), "");
    check(&hub, &limited(false, None), "6h 100/3/21600");
    check(&hub, &limited(true, None), "6h 100/0/21600");
    check(&[], &limited(true, None), "unknown -/0/-");
    check(&hub, &limited(true, Some(130)), "6h 100/0/21600 wait 130");
    check(
        &hub,
        &limited(false, Some(130)),
        "6h 100/3/21600, unknown wait 130",
    );
    check(&[], &limited(false, Some(130)), "unknown wait 130");
    let told_0 = QuotaNews {
        quotas: vec![quota(100, 0, 21_600)],
        ..limited(false, Some(130))
    };
    check(&hub, &told_0, "6h 100/0/21600 wait 130");
}

#[test]
fn retry_after_is_an_hour_at_most_and_ends_with_the_next_answer() {
    let mut standing = QuotaStanding::default();
    standing.record(&limited(false, Some(1_000_000_000)), now());
    assert_eq!(standing_at(&standing, 0), "unknown wait 3600");
    standing.record(&limited(false, Some(-1_000_000)), now());
    assert_eq!(standing_at(&standing, 0), "unknown wait 0");
    assert_eq!(standing_at(&standing, 3600), "");
    standing.record(&told(&[]), after(5));
    assert_eq!(standing_at(&standing, 5), "");
    // a ping is no pull
    let ping = QuotaNews {
        only_ping: true,
        ..QuotaNews::default()
    };
    standing.record(&limited(false, Some(60)), now());
    standing.record(&ping, after(5));
    assert_eq!(standing_at(&standing, 5), "");
    let spent = QuotaNews {
        quotas: vec![quota(100, 0, 3600)],
        ..limited(true, Some(600))
    };
    standing.record(&spent, now());
    standing.record(&ping, after(5));
    assert_eq!(standing_at(&standing, 5), "1h 100/0/3600 wait 600");
    // a long wait outlives a short window, of which nothing else is left
    let spent = QuotaNews {
        quotas: vec![quota(100, 0, 60)],
        ..limited(true, Some(600))
    };
    standing.record(&spent, now());
    assert_eq!(standing_at(&standing, 60), "1m wait 600");
    assert_eq!(standing_at(&standing, 600), "");
}
