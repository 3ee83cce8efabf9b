//! The files of a scenario as objects of an API server.

use chrono::DateTime;
use serde_json::{Value, json};

use super::{ClusterFile, PodFile, SecretFile, WaitsFile, words};
use crate::kubelet::{Container, Kubelet, Recorded};
use crate::objects::{
    PodBuilder, annotated, base64, labelled, namespace, owned_by, pod, secret, service_account,
};
use crate::registry::sha256;

pub(super) fn of(cluster: &ClusterFile, home: &str, registry: &str) -> Vec<Value> {
    let fill = |text: &str| text.replace("{registry}", registry).replace("{ns}", home);
    let mut objects = vec![namespace(home)];
    for file in &cluster.secrets {
        let there = namespace_of(file, home);
        if there != home {
            objects.push(namespace(&there));
        }
        objects.push(of_secret(file, &there, &fill));
    }
    if !cluster
        .accounts
        .iter()
        .any(|account| account.name == "default")
    {
        objects.push(service_account(home, "default", &[]));
    }
    for account in &cluster.accounts {
        let names: Vec<_> = account.pull_secrets.iter().map(String::as_str).collect();
        objects.push(service_account(home, &account.name, &names));
    }
    for file in &cluster.pods {
        objects.extend(of_pod(file, home, registry, &fill));
    }
    objects
}

pub(super) fn namespace_of(file: &SecretFile, home: &str) -> String {
    match &*file.elsewhere {
        "" => home.to_owned(),
        suffix => format!("{home}-{suffix}"),
    }
}

fn of_secret(file: &SecretFile, there: &str, fill: &impl Fn(&str) -> String) -> Value {
    let auths = file.auths.iter().map(|(key, login)| {
        let (user, password) = login.split_once(':').expect("a login is user:password");
        let entry = json!({ "username": user, "password": password, "auth": base64(login) });
        (fill(key), entry)
    });
    let config = match &file.text {
        Some(text) => fill(text),
        None => json!({ "auths": Value::Object(auths.collect()) }).to_string(),
    };
    let key = match (&file.key, &*file.kind) {
        (Some(key), _) => key,
        (None, "kubernetes.io/dockercfg") => ".dockercfg",
        (None, _) => ".dockerconfigjson",
    };
    let mut object = secret(there, &file.name, &file.kind, &[(key, &config)]);
    for (name, value) in &file.annotations {
        object = annotated(object, name, &fill(value));
    }
    for (name, value) in &file.labels {
        object = labelled(object, name, &fill(value));
    }
    match file
        .owner
        .as_deref()
        .and_then(|owner| owner.split_once('/'))
    {
        Some((kind, name)) => owned_by(object, "external-secrets.io/v1", kind, name),
        None => object,
    }
}

fn of_pod(
    file: &PodFile,
    home: &str,
    registry: &str,
    fill: &impl Fn(&str) -> String,
) -> Vec<Value> {
    let names: Vec<_> = file.pull_secrets.iter().map(String::as_str).collect();
    let uid = uid(home, &file.name);
    let mut built = pod(home, &file.name, &fill(&file.image), &names)
        .service_account(&file.account)
        .node(&file.node)
        .uid(&uid);
    for (name, image) in &file.init {
        built = built.init_container(name, &fill(image));
    }
    for (name, image) in &file.beside {
        built = built.container(name, &fill(image));
    }
    for (name, image) in &file.volumes {
        built = built.image_volume(name, &fill(image));
    }
    if let Some((kind, name)) = file
        .owner
        .as_deref()
        .and_then(|owner| owner.split_once('/'))
    {
        built = built.owner(kind, name);
    }
    if let Some(hash) = &file.template_hash {
        built = built.label("pod-template-hash", hash);
    }
    if let Some(policy) = &file.policy {
        built = built.pull_policy(policy);
    }
    if file.mirror {
        built = built.mirror();
    }
    match &file.waits {
        None => vec![built.running().build()],
        Some(waits) => {
            let volume = waits.volume.as_ref().map(|name| fill(&file.volumes[name]));
            let image = volume.unwrap_or_else(|| image_of(file, &waits.container, fill));
            waiting(built, waits, (home, &file.name, &uid), &image, registry)
        }
    }
}

fn image_of(file: &PodFile, container: &str, fill: &impl Fn(&str) -> String) -> String {
    let more = file
        .init
        .get(container)
        .or_else(|| file.beside.get(container));
    fill(more.unwrap_or(&file.image))
}

/// As its kubelet wrote it: the status, and for what a runtime said the Event.
fn waiting(
    pod: PodBuilder,
    waits: &WaitsFile,
    of: (&str, &str, &str),
    image: &str,
    registry: &str,
) -> Vec<Value> {
    let Some(word) = &waits.says else {
        let reason = waits.reason.as_deref().unwrap_or("ErrImagePull");
        return vec![
            pod.waiting_in(&waits.container, reason, &waits.message)
                .build(),
        ];
    };
    let kubelet = match &*waits.kubelet {
        "1.20" => Kubelet::V1_20,
        "1.28" => Kubelet::V1_28,
        "1.32" => Kubelet::V1_32,
        "1.37" => Kubelet::V1_37,
        other => panic!("no kubelet {other} was recorded"),
    };
    let error = kubelet.error(image, &words::cause(word, registry, image));
    let container = Container {
        pod: of,
        name: &waits.container,
        image,
    };
    let event_name = format!("{}.17c0", of.1);
    let at = DateTime::from_timestamp(1_800_000_000, 0).expect("a time of this century");
    let recorded = Recorded {
        name: &event_name,
        count: 1,
        seen: (at, at),
    };
    let built = match waits.backing_off {
        true => kubelet.backing_off(pod, &container, &error),
        false => kubelet.failed(pod, &waits.container, &error),
    };
    // The Event of a volume is about no container.
    match waits.volume {
        Some(_) => vec![built.build()],
        None => vec![built.build(), kubelet.event(&container, &error, recorded)],
    }
}

/// The same for the same Pod.
fn uid(namespace: &str, name: &str) -> String {
    let digest = sha256(format!("{namespace}/{name}").as_bytes());
    let hex = &digest["sha256:".len()..];
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..32]
    )
}
