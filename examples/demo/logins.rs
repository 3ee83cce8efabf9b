//! What registries say to a login.

use regcred_stand_ins::objects::docker_config;
use regcred_stand_ins::registry::{Answer, Behaviour, Step};

use super::{Builder, Expected, series, step, with};

impl Builder {
    pub(super) async fn logins(&mut self) {
        let basic = self
            .registry(
                Behaviour::basic()
                    .user("bot", "right")
                    .manifest("team/app", "1"),
            )
            .await;
        let bearer = self
            .registry(
                Behaviour::bearer()
                    .user("bot", "right")
                    .user("copied", "right")
                    .manifest("team/app", "1"),
            )
            .await;
        let locked =
            Answer::status(429).text("too many failed login attempts for username or IP address");
        let hub = self
            .registry(Behaviour::docker_hub().answer(Step::Token, locked))
            .await;
        for (name, title, host, password, outcome, valid) in [
            (
                "ok-basic",
                "a login that works, htpasswd",
                &basic,
                "right",
                "ok",
                1.0,
            ),
            (
                "ok-token",
                "a login that works, token server",
                &bearer,
                "right",
                "ok",
                1.0,
            ),
            (
                "unauthorized-basic",
                "a wrong password, htpasswd",
                &basic,
                "wrong",
                "unauthorized",
                0.0,
            ),
            (
                "unauthorized-token",
                "a revoked token, token server",
                &bearer,
                "revoked",
                "unauthorized",
                0.0,
            ),
            (
                "locked-out",
                "an account locked after too many logins",
                &hub,
                "right",
                "locked_out",
                0.0,
            ),
        ] {
            self.deploy(name, host, &docker_config(&[(host, "bot", password)]));
            self.case(
                name,
                title,
                vec![
                    step(name, "token", outcome),
                    series("credential_valid", name, &[], Some(valid)),
                ],
            );
        }
        let public = self
            .registry(
                Behaviour::bearer()
                    .user("bot", "right")
                    .manifest("team/app", "1")
                    .public("team/app"),
            )
            .await;
        let name = "public-image";
        self.deploy(
            name,
            &public,
            &docker_config(&[(&public, "bot", "revoked")]),
        );
        self.case(
            name,
            "a revoked token in front of a public image: no kubelet pulls it without",
            vec![
                step(name, "token", "unauthorized"),
                series("credential_valid", name, &[], Some(0.0)),
                Expected {
                    metric: "registry_requests_total",
                    labels: with("registry", public, &[("step", "manifest"), ("code", "200")]),
                    value: None,
                },
            ],
        );
        for name in ["copy-a", "copy-b", "copy-c"] {
            self.deploy(
                name,
                &bearer,
                &docker_config(&[(&bearer, "copied", "right")]),
            );
        }
        self.case(
            "copy-a",
            "one credential in three namespaces: asked once, shown three times",
            vec![series(
                "credential_info",
                "copy-c",
                &[("credential", "copy-a/pull")],
                Some(1.0),
            )],
        );
    }
}
