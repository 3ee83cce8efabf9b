//! `--kubernetes-events` on a real API server: what it takes of us, and what an owner gets to see.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use http::Method;
use regcred_exporter::clock::Clock;
use regcred_stand_ins::objects::{annotated, docker_config, ecr_password, pull_secret};
use regcred_stand_ins::registry::{Behaviour, Registry};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::end_to_end::Namespace;
use super::exporter::Exporter;
use super::real_api_server::{Admin, RealApiServer};

const PASSWORD: &str = "c4n4ry-pa55word";

/// Two rounds, a confirmed refusal, and a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

async fn events(admin: &Admin) -> Vec<Value> {
    let path = "/api/v1/namespaces/notices/events?fieldSelector=involvedObject.kind%3DSecret";
    let list = admin.send(Method::GET, path, &Value::Null).await;
    list["items"].as_array().unwrap().clone()
}

async fn until(admin: &Admin, what: &str, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = events(admin).await;
        if wanted(&found) {
            return found;
        }
        assert!(Instant::now() < deadline, "in vain for {what}: {found:#?}");
        sleep(Duration::from_millis(200)).await;
    }
}

fn told(events: &[Value]) -> BTreeSet<(&str, &str)> {
    events
        .iter()
        .map(|event| {
            let name = event["involvedObject"]["name"].as_str().unwrap();
            (name, event["reason"].as_str().unwrap())
        })
        .collect()
}

#[tokio::test]
async fn an_owner_sees_what_is_wrong_once_and_for_as_long_as_it_is_so() {
    let server = RealApiServer::shared().await;
    let admin = server.admin().await;
    let registry = Registry::start(Behaviour::basic().user("good", PASSWORD)).await;
    let host = registry.host();
    let ns = Namespace::new(server, "notices").await;
    let config = |user: &str, password: &str| docker_config(&[(host, user, password)]);
    let now: DateTime<Utc> = Clock::system().now();
    let in_six_days = (now + TimeDelta::days(6)).to_rfc3339();
    ns.secret("good", &config("good", PASSWORD)).await;
    ns.secret("refused", &config("gone", PASSWORD)).await;
    let over = ecr_password((now - TimeDelta::days(1)).timestamp());
    ns.secret("expired", &config("AWS", &over)).await;
    ns.secret("broken", &format!("{{\"auths\":[\"{PASSWORD}\"]}}"))
        .await;
    let soon = pull_secret("notices", "soon", &config("good", PASSWORD));
    let soon = annotated(soon, "regcred-exporter.io/expires-at", &in_six_days);
    ns.send(Method::POST, "/api/v1/namespaces/notices/secrets", &soon)
        .await;
    let names = ["good", "refused", "expired", "broken", "soon"].map(str::to_owned);
    ns.list_on_service_account(&names).await;

    let flags = [
        "--namespaces=notices",
        "--kubernetes-events",
        "--probe.confirm-after=1s",
    ];
    let exporter = Exporter::start(&ns.kubeconfig(), &flags).await;
    let expected: BTreeSet<_> = [
        ("broken", "MalformedPullSecret"),
        ("expired", "CredentialExpired"),
        ("refused", "CredentialRejected"),
        ("soon", "CredentialExpiringSoon"),
    ]
    .into();
    let first = until(&admin, "all four", |found| told(found) == expected).await;
    assert_eq!(first.len(), 4, "{first:#?}");
    for event in &first {
        let about = &event["involvedObject"];
        let name = about["name"].as_str().unwrap();
        let path = format!("/api/v1/namespaces/notices/secrets/{name}");
        let secret = admin.send(Method::GET, &path, &Value::Null).await;
        assert_eq!(about["uid"], secret["metadata"]["uid"], "{event:#?}");
        assert_eq!(event["type"], "Warning");
        assert!(!event.to_string().contains(PASSWORD), "{event:#?}");
    }
    assert!(exporter.terminate().await.success());

    // It starts again: those that are there go on.
    let exporter = Exporter::start(&ns.kubeconfig(), &flags).await;
    let last = |events: &[Value]| -> BTreeMap<String, String> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        events
            .iter()
            .map(|one| (text(&one["metadata"]["name"]), text(&one["lastTimestamp"])))
            .collect()
    };
    let before = last(&first);
    let second = until(&admin, "all four to go on", |found| {
        let found = last(found);
        before.iter().all(|(name, at)| found.get(name) > Some(at))
    })
    .await;
    assert_eq!(second.len(), 4, "{second:#?}");
    assert!(!exporter.log().contains("WARN"), "{}", exporter.log());
}
