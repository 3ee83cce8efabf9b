//! What to do about the way to the registry, and about the registry.

use super::{Fix, Step, quote, run, say};
use crate::domain::diagnosis::{Detail, Word};

impl Fix<'_> {
    pub(super) fn limited(&self) -> Vec<Step> {
        let registry = self.case.image.registry();
        let mut steps = Vec::new();
        if self.case.candidates.is_empty() {
            steps.push(say(format!(
                "Pull with an account: without one, all that share this cluster's address share one small quota at {registry}."
            )));
        }
        steps.push(say("The node tries again by itself. Mirror the image, or pull less often (imagePullPolicy IfNotPresent with a fixed tag)."));
        steps
    }

    /// Whom the node asked in vain: a mirror, a token endpoint or a host of blobs may be somebody else than
    /// the image's registry.
    fn asked(&self) -> &str {
        let registry = self.case.image.registry();
        self.patient.asked.unwrap_or(registry).endpoint()
    }

    pub(super) fn network(&self) -> Vec<Step> {
        let host = self.asked();
        let node = self.patient.node.unwrap_or("the node");
        let text = match self.found.detail {
            Some(Detail::Word(Word::Dns)) => {
                format!("{node} cannot resolve {host}: look at its resolver, and at the name.")
            }
            Some(Detail::Word(Word::Proxy)) => format!(
                "The proxy of {node}'s runtime refuses {host}, or is not reached: look at HTTPS_PROXY and NO_PROXY of containerd or CRI-O."
            ),
            Some(Detail::Word(Word::Timeout)) => format!(
                "{node} has no answer from {host} in time: look at firewalls, routes and proxies between."
            ),
            _ => format!(
                "{node} does not reach {host}: look at firewalls, routes and proxies between, and whether the registry listens."
            ),
        };
        let mut steps = vec![say(text)];
        // What asks for us does not go by the proxy of the node's runtime.
        if self.found.detail != Some(Detail::Word(Word::Proxy)) {
            steps.extend(self.ask_from_node(&format!("https://{host}/v2/")));
        }
        steps
    }

    fn ask_from_node(&self, url: &str) -> Option<Step> {
        let node = self.patient.node?;
        Some(run(
            format!(
                "Ask from {node} itself, with an image that it has or can get; delete the debugging Pod afterwards:"
            ),
            format!(
                "kubectl debug {} -it --image=curlimages/curl -- curl -sSv -o /dev/null {}",
                quote(&format!("node/{node}")),
                quote(url)
            ),
        ))
    }

    pub(super) fn tls(&self) -> Vec<Step> {
        let host = self.asked();
        let text = match self.found.detail {
            Some(Detail::Word(Word::UnknownCa)) => format!(
                "Give the CA of {host} to the runtime of every node (containerd: certs.d/{host}/hosts.toml), or have the registry send its whole chain."
            ),
            Some(Detail::Word(Word::Expired)) => format!("Renew the certificate of {host}."),
            Some(Detail::Word(Word::NotYetValid)) => format!(
                "The certificate of {host} is not valid yet by the node's clock: look at that clock first."
            ),
            Some(Detail::Word(Word::WrongName)) => format!(
                "The certificate is not for {host}: name the registry as its certificate does, or have one made for this name."
            ),
            Some(Detail::Word(Word::PlainHttp)) => format!(
                "{host} speaks HTTP without TLS: put TLS before it, or have every node's runtime allow it (containerd: certs.d/{host}/hosts.toml with http://)."
            ),
            _ => format!(
                "Node and {host} do not agree on TLS: look at versions, ciphers, client certificates and proxies between."
            ),
        };
        vec![say(text)]
    }

    pub(super) fn unavailable(&self) -> Vec<Step> {
        vec![say(format!(
            "{} fails: see its status, and what stands before it. The node tries again by itself.",
            self.asked()
        ))]
    }
}
