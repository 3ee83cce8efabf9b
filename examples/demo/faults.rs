//! Secrets that a kubelet cannot use, or uses otherwise than meant.

use regcred_stand_ins::objects::{
    base64, docker_config, dockercfg, dockercfg_secret, service_account,
};
use regcred_stand_ins::registry::Behaviour;

use super::{Builder, series};

impl Builder {
    pub(super) async fn faults(&mut self) {
        let host = self
            .registry(
                Behaviour::basic()
                    .user("bot", "right")
                    .manifest("team/app", "1"),
            )
            .await;
        let h = host.as_str();
        let entry = |fields: &str| format!(r#"{{"auths":{{"{h}":{{{fields}}}}}}}"#);
        let auth = |text: &str| entry(&format!(r#""auth":"{}""#, base64(text)));
        for (name, title, config, fault, effect) in [
            (
                "bad-base64",
                "auth is no base64",
                entry(r#""auth":"bot:right""#),
                "auth_not_encoded",
                "poisons_all",
            ),
            (
                "no-colon",
                "auth is a bare token",
                auth("token"),
                "auth_without_colon",
                "poisons_all",
            ),
            (
                "twice-encoded",
                "auth was encoded twice",
                auth(&base64("bot:right")),
                "auth_encoded_twice",
                "poisons_all",
            ),
            (
                "template",
                "a template that nobody rendered",
                entry(r#""auth":"{{ .auth }}""#),
                "auth_placeholder",
                "poisons_all",
            ),
            (
                "auths-list",
                "auths is a list",
                r#"{"auths":[]}"#.to_owned(),
                "auths_not_an_object",
                "poisons_all",
            ),
            (
                "no-auths",
                "no auths at all",
                "{}".to_owned(),
                "no_auths",
                "secret_ignored",
            ),
            (
                "wrong-shape",
                "the legacy shape in the new type",
                dockercfg(&[(h, "bot", "right")]),
                "dockercfg_shape",
                "secret_ignored",
            ),
            (
                "helper-only",
                "copied from a desktop with a credential helper",
                r#"{"auths":{},"credsStore":"desktop"}"#.to_owned(),
                "credential_helpers_only",
                "secret_ignored",
            ),
            (
                "identity-token",
                "an identity token, which kubelets ignore",
                entry(r#""identitytoken":"abc""#),
                "identity_token_only",
                "entry_useless",
            ),
            (
                "empty-password",
                "an empty password",
                auth("bot:"),
                "empty_password",
                "entry_useless",
            ),
            (
                "upper-case",
                "a key in capitals",
                docker_config(&[("GHCR.io", "bot", "right")]),
                "key_upper_case_host",
                "entry_useless",
            ),
            (
                "hub-alias",
                "a name of Docker Hub that kubelets do not know",
                docker_config(&[("registry-1.docker.io", "bot", "right")]),
                "key_docker_hub_alias",
                "entry_useless",
            ),
            (
                "v1-no-slash",
                "a key that ends in /v1",
                docker_config(&[("https://index.docker.io/v1", "bot", "right")]),
                "key_v1_without_slash",
                "entry_useless",
            ),
            (
                "newline",
                "a password from echo, with its newline",
                auth("bot:right\n"),
                "whitespace",
                "suspicious",
            ),
            (
                "contradiction",
                "auth says something else than username and password",
                entry(&format!(
                    r#""username":"bot","password":"left","auth":"{}""#,
                    base64("bot:right")
                )),
                "auth_contradicts",
                "suspicious",
            ),
            (
                "duplicate-key",
                "two spellings of one key",
                docker_config(&[
                    (h, "bot", "right"),
                    (&format!("https://{h}/v1/"), "bot", "wrong"),
                ]),
                "duplicate_key",
                "suspicious",
            ),
        ] {
            self.deploy(name, h, &config);
            self.case(
                name,
                title,
                vec![series(
                    "secret_fault",
                    name,
                    &[("fault", fault), ("effect", effect)],
                    Some(1.0),
                )],
            );
        }
        let legacy = dockercfg_secret("legacy", "pull", &dockercfg(&[(h, "bot", "right")]));
        self.api.apply(legacy);
        self.api
            .apply(service_account("legacy", "default", &["pull"]));
        self.case(
            "legacy",
            "the legacy type, used rightly",
            vec![series("credential_valid", "legacy", &[], Some(1.0))],
        );
    }
}
