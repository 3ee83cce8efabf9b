//! One Pod that fails and recovers for ever.

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

impl Builder {
    pub(super) async fn pulls(&mut self) {
        let host = self
            .registry(Behaviour::open().manifest("team/app", "1"))
            .await;
        let image = format!("{host}/team/app:1");
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
