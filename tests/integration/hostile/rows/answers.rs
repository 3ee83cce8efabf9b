//! Registries that are hostile by what they answer, each at a public address of its own, and those
//! that are good.

use regcred_stand_ins::registry::{Answer, Behaviour, Step};

use super::{Row, THEIR_OWN, ip, lines};
use crate::hostile::dns::Zone;

/// Registries that the operator has spoken to in plain HTTP.
pub(in crate::hostile) const PLAIN: [&str; 4] = [
    "f1.evil.test:5050",
    "f2.evil.test:5050",
    "f3.evil.test:5050",
    "f4.evil.test:5050",
];

pub(super) fn rows() -> Vec<Row> {
    let redirects = lines(REDIRECTS).map(redirect);
    let realms = lines(REALMS).map(realm);
    good_ones()
        .into_iter()
        .chain(changing_names())
        .chain(redirects)
        .chain(realms)
        .chain(plain())
        .collect()
}

/// The user and password of every Secret are right there.
fn good() -> Behaviour {
    Behaviour::basic()
        .user("bot", "right")
        .manifest("team/app", "1")
}

fn good_ones() -> Vec<Row> {
    vec![
        Row::new("good.test", "ok").with(good()).used(),
        Row::new("unused.test", "ok").with(good()),
        // private, and in use
        Row::new("10.3.0.1:5000", "ok").with(good()).used(),
        // allowed by the operator: host and port
        Row::new("127.0.0.9:5001", "ok").with(good()),
    ]
}

/// Where two look-ups do not agree, nor two answers of one.
fn changing_names() -> Vec<Row> {
    let changing = |key: &str, expected, zone, behaviour: Behaviour| Row {
        zone: Some(zone),
        ..Row::new(key, expected).with(behaviour)
    };
    let in_turn = |inward| Zone::InTurn(THEIR_OWN, ip(inward));
    let to_metadata = "ok or blocked (metadata)";
    let to_loopback = "ok or blocked (loopback)";
    vec![
        // who vets one answer and connects to the next goes inward; ping and login each look up once,
        // in an order of their own
        changing(
            "b1.evil.test",
            to_metadata,
            in_turn("169.254.169.254"),
            good(),
        )
        .at("169.254.169.254:443"),
        changing("b2.evil.test", to_loopback, in_turn("127.0.0.1"), good())
            .at("127.0.0.1:443")
            .used(),
        // the realm has the same name: its other port takes another connection and look-up
        changing(
            "b3.evil.test",
            "metadata",
            Zone::UntilContacted(THEIR_OWN, ip("169.254.169.254")),
            behind_realm("https://b3.evil.test:5040/token"),
        )
        .at("169.254.169.254:5040"),
        // of several addresses those that are refused are left out; a proxy might take any
        Row {
            proxied: "blocked (loopback)".to_owned(),
            ..Row::new("b4.evil.test", "ok")
                .with(good())
                .resolving_to("127.0.0.1 10.2.0.9 ::1 fd00:ec2::254")
                .at("127.0.0.1:443 10.2.0.9:443 [::1]:443 [fd00:ec2::254]:443")
        },
    ]
}

/// No redirect is followed, wherever it leads: the answer is what it is. Where only the manifest is
/// redirected the login works, and is what the table shows.
const REDIRECTS: &str = "
    d1.evil.test  | ping 301     | registry_error | 127.0.0.1:443      | https://127.0.0.1/v2/
    d2.evil.test  | ping 302     | registry_error | 169.254.169.254:80 | http://169.254.169.254/latest/
    d3.evil.test  | ping 307     | registry_error | 10.2.0.50:443      | https://10.2.0.50/v2/
    d4.evil.test  | ping 308     | registry_error | 10.2.0.51:443      | //10.2.0.51/v2/
    d5.evil.test  | token 301    | registry_error | 10.2.0.53:443      | https://10.2.0.53/
    d6.evil.test  | token 302    | registry_error | 169.254.169.254:80 | http://169.254.169.254/latest/
    d7.evil.test  | token 307    | registry_error | 10.1.0.5:10250     | https://10.1.0.5:10250/pods
    d8.evil.test  | token 308    | registry_error | [::1]:5000         | https://[::1]:5000/
    d9.evil.test  | manifest 301 | ok             | 127.0.0.1:443      | https://127.0.0.1/v2/
    d10.evil.test | manifest 302 | ok             | 169.254.169.254:80 | http://169.254.169.254/latest/
    d11.evil.test | manifest 307 | ok             | 10.1.0.5:10250     | https://10.1.0.5:10250/pods
    d12.evil.test | manifest 308 | ok             | 10.2.0.52:443      | https://10.2.0.52/
";

fn redirect(line: &str) -> Row {
    let cells: Vec<_> = line.split('|').map(str::trim).collect();
    let [key, when, outcome, at, location] = cells[..] else {
        panic!("a redirect has five cells: {line}");
    };
    let (step, status) = when.split_once(' ').unwrap();
    let step = match step {
        "ping" => Step::Ping,
        "token" => Step::Token,
        "manifest" => Step::Manifest,
        _ => panic!("{step} is no step"),
    };
    let answer = Answer::status(status.parse().unwrap()).header("location", location);
    let behaviour = behind_realm(&format!("https://{key}/token"))
        .user("bot", "right")
        .manifest("team/app", "1")
        .answer(step, answer);
    Row::new(key, outcome).with(behaviour).at(at).used()
}

/// Token endpoints of public registries, in use or not.
const REALMS: &str = "
    e1.evil.test  |      | loopback     | 127.0.0.1:443       | https://127.0.0.1/token
    e2.evil.test  |      | loopback     | 127.0.0.1:5016      | https://localhost:5016/token
    e3.evil.test  |      | loopback     | 127.0.0.1:443       | https://[::ffff:127.0.0.1]/
    e4.evil.test  |      | loopback     | 127.0.0.1:443       | https://0x7f.1/token
    e5.evil.test  |      | private      | 10.2.0.60:443       | https://10.2.0.60/token
    e6.evil.test  | used | private      | 10.2.0.61:443       | https://10.2.0.61/token
    e7.evil.test  |      | metadata     | 169.254.169.254:443 | https://169.254.169.254/latest/
    e8.evil.test  |      | metadata     | 169.254.169.254:443 | https://metadata.google.internal/
    e9.evil.test  |      | loopback     | 127.0.0.1:443       | https://a1.evil.test/token
    e10.evil.test | used | private      | 10.2.1.1:443        | https://a13.evil.test/token
    e11.evil.test | used | cluster_port | 10.1.0.5:10250      | https://10.1.0.5:10250/pods
    e12.evil.test |      | cluster_port | 203.0.113.30:10250  | https://203.0.113.30:10250/
    e13.evil.test |      | api_server   |                     | https://api.cluster.test:8001/
    e14.evil.test | used | api_server   | 10.96.0.1:443       | https://10.96.0.1/api
    e15.evil.test |      | scheme       | 203.0.113.40:80     | http://203.0.113.40/token
    -- no absolute http(s) URL, or one with user info: nothing that can be followed
    e16.evil.test | | registry_error (invalid_realm) | 10.2.0.62:443 | https://good.test@10.2.0.62/token
    e17.evil.test | | registry_error (invalid_realm) | 10.2.0.63:443 | https://user:pw@10.2.0.63/token
    e18.evil.test | | registry_error (invalid_realm) | 10.2.0.64:443 | //10.2.0.64/token
    e19.evil.test | | registry_error (invalid_realm) | 10.2.0.65:443 | gopher://10.2.0.65:443/
    e20.evil.test | | registry_error (invalid_realm) | 127.0.0.1:443 | file:///proc/self/environ
    e21.evil.test | | registry_error (invalid_realm) | 10.2.0.66:443 | https://10.2.0.66\\\\@good.test/
";

fn realm(line: &str) -> Row {
    let (row, realm) = line.rsplit_once('|').unwrap();
    Row::parse(row).with(behind_realm(realm.trim()))
}

fn behind_realm(realm: &str) -> Behaviour {
    Behaviour::bearer().challenge(&[&format!(r#"Bearer realm="{realm}",service="s""#)])
}

/// Without TLS a proxy is asked for whole URLs instead of for tunnels.
fn plain() -> Vec<Row> {
    let [works, redirects, outward, inward] = PLAIN;
    let away = Answer::status(302).header("location", "http://10.2.0.70/v2/");
    vec![
        Row::new(works, "ok").with(good()),
        Row::new(redirects, "registry_error")
            .with(good().answer(Step::Ping, away))
            .at("10.2.0.70:80"),
        // plain HTTP is for those that are listed
        Row::new(outward, "scheme")
            .with(behind_realm("http://203.0.113.41:5051/token"))
            .at("203.0.113.41:5051"),
        Row::new(inward, "private")
            .with(behind_realm("https://10.2.0.71/token"))
            .at("10.2.0.71:443")
            .used(),
    ]
}
