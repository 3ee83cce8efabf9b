//! Pulls that fail: what the nodes say of them, and one Pod that fails and recovers for ever.

use std::sync::Arc;
use std::time::Duration;

use regcred_stand_ins::api_server::ApiServer;
use regcred_stand_ins::kubelet::{Container, Kubelet};
use regcred_stand_ins::objects::{PodBuilder, pod};
use regcred_stand_ins::registry::Behaviour;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::{Builder, Expected};

/// How long the Pod that comes and goes stays as it is. A node's own pace would be minutes.
const STEP: Duration = Duration::from_millis(500);

const UID: &str = "33333333-3333-3333-3333-333333333333";

/// What a node says of an image that cannot be pulled, and the cause that this alone proves.
struct Said {
    namespace: &'static str,
    title: &'static str,
    cause: &'static str,
    reason: &'static str,
    message: &'static str,
}

const SAID: [Said; 12] = [
    Said {
        namespace: "pull-refused",
        title: "a Pod that waits, and a 401 that nine causes share",
        cause: "unknown",
        reason: "ErrImagePull",
        message: "failed to pull and unpack image: failed to resolve reference: failed to authorize: failed to fetch oauth token: unexpected status from GET request: 401 Unauthorized",
    },
    Said {
        namespace: "pull-dns",
        title: "a node that cannot resolve the registry's name",
        cause: "network",
        reason: "ErrImagePull",
        message: "failed to pull and unpack image: failed to resolve reference: failed to do request: dial tcp: lookup registry.example on 10.0.0.10:53: no such host",
    },
    Said {
        namespace: "pull-tls",
        title: "a node that does not know the registry's CA",
        cause: "tls",
        reason: "ErrImagePull",
        message: "failed to pull and unpack image: failed to resolve reference: failed to do request: tls: failed to verify certificate: x509: certificate signed by unknown authority",
    },
    Said {
        namespace: "pull-limited",
        title: "nodes that have used up their quota",
        cause: "rate_limited",
        reason: "ErrImagePull",
        message: "failed to pull and unpack image: failed to copy: 429 Too Many Requests - toomanyrequests: You have reached your pull rate limit.",
    },
    Said {
        namespace: "pull-unavailable",
        title: "a registry that fails",
        cause: "registry_unavailable",
        reason: "ErrImagePull",
        message: "failed to pull and unpack image: failed to resolve reference: unexpected status from HEAD request: 503 Service Unavailable",
    },
    Said {
        namespace: "pull-malformed",
        title: "a kubelet that cannot read a pull secret, by its own word",
        cause: "malformed_secret",
        reason: "illegal base64 data at input byte 4",
        message: "illegal base64 data at input byte 4",
    },
    Said {
        namespace: "pull-platform",
        title: "an image that is not for this kind of node",
        cause: "platform_mismatch",
        reason: "ErrImagePull",
        message: "failed to pull and unpack image: no match for platform in manifest: not found",
    },
    Said {
        namespace: "pull-disk",
        title: "a node without room",
        cause: "node",
        reason: "ErrImagePull",
        message: "failed to pull and unpack image: failed to extract layer: write /var/lib/containerd/layer: no space left on device",
    },
    Said {
        namespace: "pull-never",
        title: "an image that is not to be pulled, and is not there",
        cause: "image_never_pull",
        reason: "ErrImageNeverPull",
        message: "Container image is not present with pull policy of Never",
    },
    Said {
        namespace: "pull-name",
        title: "an image whose name is none",
        cause: "invalid_image_name",
        reason: "InvalidImageName",
        message: "Failed to apply default image tag: couldn't parse image name: invalid reference format",
    },
    Said {
        namespace: "pull-signature",
        title: "a signature that a policy of the node refuses",
        cause: "signature_rejected",
        reason: "SignatureValidationFailed",
        message: "SignatureValidationFailed: image pull failed because the signature validation failed: A signature was required, but no signature exists",
    },
    Said {
        namespace: "pull-corrupt",
        title: "an image that comes broken",
        cause: "corrupt_image",
        reason: "ErrImagePull",
        message: "failed to pull and unpack image: failed commit on ref: unexpected commit digest sha256:00, expected sha256:11: failed precondition",
    },
];

impl Builder {
    pub(super) async fn pulls(&mut self) {
        let host = self
            .registry(Behaviour::open().manifest("team/app", "1"))
            .await;
        let image = format!("{host}/team/app:1");
        for said in &SAID {
            let waiting =
                pod(said.namespace, "app", &image, &[]).waiting(said.reason, said.message);
            self.api.apply(waiting);
            self.case(
                said.namespace,
                said.title,
                vec![Expected {
                    metric: "pods_blocked",
                    labels: vec![
                        ("pod_namespace", said.namespace.to_owned()),
                        ("registry", host.clone()),
                        ("cause", said.cause.to_owned()),
                    ],
                    value: Some(1.0),
                }],
            );
        }
        self.case(
            "pull-flaky",
            "a Pod that fails, recovers and fails again, as fast as no node does",
            vec![Expected {
                metric: "namespace_pull_failures_total",
                labels: vec![
                    ("pod_namespace", "pull-flaky".to_owned()),
                    ("reason", "timeout".to_owned()),
                ],
                value: None,
            }],
        );
        self.kubelet = Some(flaky(Arc::clone(&self.api), image));
    }
}

/// The kubelet of a Pod that fails and recovers until it is aborted.
fn flaky(api: Arc<ApiServer>, image: String) -> JoinHandle<()> {
    let kubelet = Kubelet::V1_32;
    let cause = "failed to do request: context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
    let error = kubelet.error(&image, cause);
    let web = |image: &str| -> PodBuilder { pod("pull-flaky", "app", image, &[]).uid(UID) };
    tokio::spawn(async move {
        let container = Container {
            pod: ("pull-flaky", "app", UID),
            name: "app",
            image: &image,
        };
        loop {
            api.apply(kubelet.failed(web(&image), "app", &error));
            sleep(STEP).await;
            api.apply(kubelet.backing_off(web(&image), &container, &error));
            sleep(STEP).await;
            api.apply(web(&image).running());
            sleep(STEP).await;
        }
    })
}
