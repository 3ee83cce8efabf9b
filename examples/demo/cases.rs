//! The world of the demo: a cluster and registries with one case of everything, and the series that
//! each case must show. The integration tests hold the program to the same list.

use std::fmt;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use regcred_stand_ins::api_server::ApiServer;
use regcred_stand_ins::objects::{
    annotated, base64, docker_config, dockercfg, dockercfg_secret, ecr_password, jwt, namespace,
    opaque_secret, pod, pull_secret, service_account,
};
use regcred_stand_ins::registry::{Answer, Behaviour, Registry, Step};
use regcred_stand_ins::scrape::Page;
use regcred_stand_ins::tls::Ca;
use serde_json::Value;

/// One thing that can be wrong, or right, with a pull secret.
pub(crate) struct Case {
    /// Its namespace, which is all that it needs to be found on /metrics.
    pub(crate) namespace: &'static str,
    /// What the case is, for a reader.
    pub(crate) title: &'static str,
    /// The series it must show.
    pub(crate) shows: Vec<Expected>,
}

/// A series by its name and some of its labels.
pub(crate) struct Expected {
    /// Name without its `regcred_` prefix.
    pub(crate) metric: &'static str,
    /// Labels it has, among others.
    pub(crate) labels: Vec<(&'static str, String)>,
    /// Its value, or none when any will do.
    pub(crate) value: Option<f64>,
}

impl Expected {
    /// The page has it.
    pub(crate) fn is_shown(&self, page: &Page) -> bool {
        let name = format!("regcred_{}", self.metric);
        let labels: Vec<_> = self
            .labels
            .iter()
            .map(|(label, value)| (*label, &**value))
            .collect();
        page.series.iter().any(|series| {
            series.is(&name, &labels) && self.value.is_none_or(|value| series.value == value)
        })
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let labels: Vec<_> = self
            .labels
            .iter()
            .map(|(label, value)| format!("{label}=\"{value}\""))
            .collect();
        write!(f, "regcred_{}{{{}}}", self.metric, labels.join(","))?;
        self.value.map_or(Ok(()), |value| write!(f, " {value}"))
    }
}

/// Everything that must stay alive while the demo runs.
pub(crate) struct World {
    /// The API server stand-in.
    pub(crate) api: ApiServer,
    /// Registries, kept alive.
    pub(crate) registries: Vec<Registry>,
    /// The cases, in the order in which they are worth a look.
    pub(crate) cases: Vec<Case>,
}

/// Builds a world around `now`.
pub(crate) async fn world(now: DateTime<Utc>) -> World {
    let now = now.trunc_subsecs(0);
    let mut builder = Builder {
        api: ApiServer::start().await,
        registries: Vec::new(),
        cases: Vec::new(),
        now,
    };
    builder.logins().await;
    builder.dates().await;
    builder.repositories().await;
    builder.roads().await;
    builder.faults().await;
    builder.wiring().await;
    World {
        api: builder.api,
        registries: builder.registries,
        cases: builder.cases,
    }
}

struct Builder {
    api: ApiServer,
    registries: Vec<Registry>,
    cases: Vec<Case>,
    now: DateTime<Utc>,
}

impl Builder {
    /// What registries say to a login.
    async fn logins(&mut self) {
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

    /// Dates, without asking anybody.
    async fn dates(&mut self) {
        let host = self
            .registry(
                Behaviour::basic()
                    .user("AWS", "unused")
                    .manifest("team/app", "1"),
            )
            .await;
        let (past, soon) = (
            self.unix(TimeDelta::hours(-7)),
            self.unix(TimeDelta::days(3)),
        );
        let issued = self.unix(TimeDelta::days(-57));

        let expired = ecr_password(past);
        self.deploy(
            "expired",
            &host,
            &docker_config(&[(&host, "AWS", &expired)]),
        );
        self.case(
            "expired",
            "an ECR token past its date, never sent",
            vec![
                step("expired", "token", "expired"),
                series("credential_valid", "expired", &[], Some(0.0)),
                series(
                    "credential_expiry_timestamp_seconds",
                    "expired",
                    &[],
                    Some(past as f64),
                ),
                series(
                    "credential_skipped",
                    "expired",
                    &[("why", "expired_inside")],
                    Some(1.0),
                ),
            ],
        );

        let token = jwt(Some(soon), Some(issued));
        let jwt_host = self
            .registry(
                Behaviour::bearer()
                    .user("bot", &token)
                    .manifest("team/app", "1"),
            )
            .await;
        self.deploy(
            "expires-soon",
            &jwt_host,
            &docker_config(&[(&jwt_host, "bot", &token)]),
        );
        self.case(
            "expires-soon",
            "a JWT that works for three days more",
            vec![
                series("credential_valid", "expires-soon", &[], Some(1.0)),
                series(
                    "credential_expiry_timestamp_seconds",
                    "expires-soon",
                    &[],
                    Some(soon as f64),
                ),
                series(
                    "credential_issued_timestamp_seconds",
                    "expires-soon",
                    &[],
                    Some(issued as f64),
                ),
                group(
                    "credential_expiry_info",
                    "expires-soon",
                    &[("source", "jwt"), ("confidence", "exact")],
                ),
            ],
        );

        let next_year = self.now + TimeDelta::days(365);
        let declared = docker_config(&[(&jwt_host, "declared", "secret")]);
        let secret = pull_secret("declared-date", "pull", &declared);
        let date = next_year.to_rfc3339();
        self.api
            .apply(annotated(secret, "regcred-exporter.io/expires-at", &date));
        self.api
            .apply(service_account("declared-date", "default", &["pull"]));
        self.case(
            "declared-date",
            "a date declared by annotation, on a wrong password",
            vec![
                series(
                    "credential_expiry_timestamp_seconds",
                    "declared-date",
                    &[],
                    Some(next_year.timestamp() as f64),
                ),
                group(
                    "credential_expiry_info",
                    "declared-date",
                    &[("source", "annotation"), ("confidence", "declared")],
                ),
            ],
        );
    }

    /// Logins that work, and repositories that do not.
    async fn repositories(&mut self) {
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

    /// What stands between us and an answer: says nothing about the credential.
    async fn roads(&mut self) {
        let limited = Behaviour::bearer()
            .user("bot", "right")
            .answer(Step::Token, Answer::too_many_requests(60));
        let broken = Behaviour::basic().answer(
            Step::Ping,
            Answer::status(502).html("<html>Bad Gateway</html>"),
        );
        let silent = Behaviour::basic().answer(Step::Ping, Answer::never());
        let tls = Behaviour::basic().tls(Ca::new().server_config(&["127.0.0.1"]));
        for (name, title, behaviour, at, outcome) in [
            (
                "rate-limited",
                "429 from the token server",
                limited,
                "token",
                "rate_limited",
            ),
            (
                "registry-error",
                "a 502 page from a proxy",
                broken,
                "ping",
                "registry_error",
            ),
            (
                "timeout",
                "a registry that never answers",
                silent,
                "ping",
                "timeout",
            ),
            (
                "tls",
                "a certificate of an unknown authority",
                tls,
                "ping",
                "tls",
            ),
        ] {
            let host = self.registry(behaviour).await;
            self.inconclusive(name, title, &host, at, outcome);
        }
        let gone = Registry::start(Behaviour::basic()).await;
        let host = gone.host().to_owned();
        drop(gone);
        self.inconclusive(
            "connection",
            "nobody listens on the port",
            &host,
            "ping",
            "connection",
        );
        self.inconclusive(
            "dns",
            "a name that does not exist",
            "registry.invalid",
            "ping",
            "dns",
        );
        self.inconclusive(
            "blocked",
            "a Secret that points at the cloud's metadata service",
            "169.254.169.254",
            "ping",
            "blocked",
        );
    }

    fn inconclusive(
        &mut self,
        name: &'static str,
        title: &'static str,
        host: &str,
        at: &str,
        outcome: &str,
    ) {
        self.deploy(name, host, &docker_config(&[(host, "bot", "right")]));
        self.case(name, title, vec![step(name, at, outcome)]);
    }

    /// Secrets that a kubelet cannot use, or uses otherwise than meant.
    async fn faults(&mut self) {
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

    /// Names that lead nowhere, and Secrets that nobody names.
    async fn wiring(&mut self) {
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
            .map(|case| namespace(case.namespace))
            .collect();
        self.api.apply_all(names);
    }

    async fn registry(&mut self, behaviour: Behaviour) -> String {
        let registry = Registry::start(behaviour).await;
        let host = registry.host().to_owned();
        self.registries.push(registry);
        host
    }

    /// A pull secret, and a pod that names it.
    fn deploy(&self, name: &str, host: &str, config: &str) {
        self.api.apply(pull_secret(name, "pull", config));
        let pod: Value = pod(name, "app", &format!("{host}/team/app:1"), &["pull"]).into();
        self.api.apply(pod);
    }

    fn case(&mut self, namespace: &'static str, title: &'static str, shows: Vec<Expected>) {
        self.cases.push(Case {
            namespace,
            title,
            shows,
        });
    }

    fn unix(&self, from_now: TimeDelta) -> i64 {
        (self.now + from_now).timestamp()
    }
}

/// A series of the Secret in this namespace.
fn series(
    metric: &'static str,
    namespace: &str,
    labels: &[(&'static str, &str)],
    value: Option<f64>,
) -> Expected {
    Expected {
        metric,
        labels: with("secret_namespace", namespace.to_owned(), labels),
        value,
    }
}

/// A series of the credential whose oldest holder is in this namespace.
fn group(metric: &'static str, namespace: &str, labels: &[(&'static str, &str)]) -> Expected {
    Expected {
        metric,
        labels: with("credential", format!("{namespace}/pull"), labels),
        value: Some(1.0),
    }
}

fn step(namespace: &str, step: &str, outcome: &str) -> Expected {
    group(
        "probe_outcome",
        namespace,
        &[("step", step), ("outcome", outcome)],
    )
}

fn with(
    first: &'static str,
    value: String,
    labels: &[(&'static str, &str)],
) -> Vec<(&'static str, String)> {
    let rest = labels
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()));
    std::iter::once((first, value)).chain(rest).collect()
}
