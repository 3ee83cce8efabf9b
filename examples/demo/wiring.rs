//! Names that lead nowhere, and Secrets that nobody names.

use regcred_stand_ins::objects::{docker_config, namespace, opaque_secret, pod, pull_secret};
use regcred_stand_ins::registry::Behaviour;

use super::{Builder, Expected, series};

impl Builder {
    pub(super) async fn wiring(&mut self) {
        let host = self
            .registry(
                Behaviour::basic()
                    .user("bot", "right")
                    .manifest("team/app", "1"),
            )
            .await;
        let config = docker_config(&[(&host, "bot", "right")]);
        self.api.apply(opaque_secret(
            "wrong-type",
            "pull",
            &[(".dockerconfigjson", &config)],
        ));
        self.api.apply(pod(
            "wrong-type",
            "app",
            &format!("{host}/team/app:1"),
            &["pull"],
        ));
        self.case(
            "wrong-type",
            "the right data in an Opaque Secret",
            vec![series(
                "secret_fault",
                "wrong-type",
                &[("fault", "wrong_secret_type"), ("effect", "secret_ignored")],
                Some(1.0),
            )],
        );
        self.api.apply(pod(
            "missing",
            "app",
            &format!("{host}/team/app:1"),
            &["pul"],
        ));
        self.case(
            "missing",
            "a pod that names a Secret that does not exist",
            vec![Expected {
                metric: "reference_missing",
                labels: vec![
                    ("pod_namespace", "missing".to_owned()),
                    ("kind", "Pod".to_owned()),
                    ("name", "pul".to_owned()),
                ],
                value: Some(1.0),
            }],
        );
        self.api.apply(pull_secret(
            "not-referenced",
            "pull",
            &docker_config(&[(&host, "nobody", "right")]),
        ));
        self.case(
            "not-referenced",
            "a Secret that nothing names",
            vec![series(
                "credential_skipped",
                "not-referenced",
                &[("why", "not_referenced")],
                Some(1.0),
            )],
        );
        self.deploy(
            "glob",
            &host,
            &docker_config(&[(&host.replacen("127", "*", 1), "bot", "right")]),
        );
        self.case(
            "glob",
            "a key with a star",
            vec![series(
                "credential_valid",
                "glob",
                &[("registry", &host)],
                Some(1.0),
            )],
        );
        let names: Vec<_> = self
            .cases
            .iter()
            .map(|case| namespace(&case.namespace))
            .collect();
        self.api.apply_all(names);
    }
}
