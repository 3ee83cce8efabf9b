//! What stands between us and an answer: it says nothing about the credential.

use regcred_stand_ins::objects::docker_config;
use regcred_stand_ins::registry::{Answer, Behaviour, Registry, Step};
use regcred_stand_ins::tls::Ca;

use super::{Builder, step};

impl Builder {
    pub(super) async fn roads(&mut self) {
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
}
