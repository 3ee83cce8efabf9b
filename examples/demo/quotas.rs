//! What registries tell of quotas.

use regcred_stand_ins::objects::{docker_config, pod};
use regcred_stand_ins::registry::{Behaviour, Registry};
use serde_json::Value;

use super::{Builder, Expected, step, with};

impl Builder {
    pub(super) async fn quotas(&mut self) {
        let hub = Registry::start(
            Behaviour::docker_hub()
                .user("bot", "right")
                .manifest("team/app", "1")
                .public("team/app"),
        )
        .await;
        hub.spend_quota("bot", 95);
        let host = hub.host().to_owned();
        self.registries.push(hub);
        let remaining = |account: &str, left: f64| {
            let labels = [("registry", host.as_str()), ("policy", "6h")];
            Expected {
                metric: "ratelimit_requests_remaining",
                labels: with("account", account.to_owned(), &labels),
                value: Some(left),
            }
        };
        let name = "quota-low";
        self.deploy(name, &host, &docker_config(&[(&host, "bot", "right")]));
        self.case(
            name,
            "an account that has five of Docker Hub's hundred pulls left",
            vec![
                step(name, "manifest", "ok"),
                remaining("quota-low/pull", 5.0),
            ],
        );
        let name = "quota-anonymous";
        let bare: Value = pod(name, "app", &format!("{host}/team/app:1"), &[]).into();
        self.api.apply(bare);
        self.case(
            name,
            "a pod without a pull secret: the quota of our own address",
            vec![remaining("anonymous", 100.0)],
        );
    }
}
