//! Logins that work, and repositories that do not.

use regcred_stand_ins::objects::docker_config;
use regcred_stand_ins::registry::Behaviour;

use super::{Builder, group, step};

impl Builder {
    pub(super) async fn repositories(&mut self) {
        let host = self
            .registry(
                Behaviour::bearer()
                    .user_for("bot", "right", &["other/app"])
                    .manifest("team/app", "1")
                    .manifest("other/app", "1"),
            )
            .await;
        self.deploy(
            "forbidden",
            &host,
            &docker_config(&[(&host, "bot", "right")]),
        );
        self.case(
            "forbidden",
            "a login that works, without right to the repository",
            vec![
                step("forbidden", "token", "ok"),
                step("forbidden", "manifest", "forbidden"),
                group(
                    "credential_repositories",
                    "forbidden",
                    &[("outcome", "forbidden")],
                ),
            ],
        );
        let host = self
            .registry(
                Behaviour::basic()
                    .user("bot", "right")
                    .manifest("team/app", "2"),
            )
            .await;
        self.deploy(
            "not-found",
            &host,
            &docker_config(&[(&host, "bot", "right")]),
        );
        self.case(
            "not-found",
            "a tag that is gone",
            vec![step("not-found", "manifest", "not_found")],
        );
    }
}
