//! Notices as Events of core/v1 on the Secret.
//!
//! Each has a name of its own that is always the same, so that neither a restart nor a second replica
//! makes a second Event: one that is there is only said to go on. Nothing is read.

use chrono::{DateTime, SecondsFormat, Utc};
use http::Method;
use kube::Client;
use serde_json::{Value, json};

use super::client::{self, Reason};
use crate::domain::cluster::Uid;
use crate::domain::notices::Notice;

/// Who says it.
const COMPONENT: &str = "regcred-exporter";

/// The longest name of an object.
const NAME_MOST: usize = 253;

/// More than an Event is.
const MOST: usize = 64 * 1024;

/// Makes the Event, or says that it goes on.
pub async fn tell(client: &Client, notice: &Notice, now: DateTime<Utc>) -> Result<(), Reason> {
    let folder = format!("/api/v1/namespaces/{}/events", notice.namespace);
    let send = |method: Method, path: &str, body: &Value| {
        let (body, path) = (body.to_string().into_bytes(), path.to_owned());
        async move { client::send(client, method, &path, Some(body), MOST).await }
    };
    match send(Method::POST, &folder, &event(notice, now)).await {
        Ok(_) => Ok(()),
        Err(Reason::Status(409)) => {
            let path = format!("{folder}/{}", name(notice));
            let goes_on = json!({"lastTimestamp": time(now), "message": notice.message});
            send(Method::PATCH, &path, &goes_on).await.map(drop)
        }
        Err(reason) => Err(reason),
    }
}

fn event(notice: &Notice, now: DateTime<Utc>) -> Value {
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "namespace": &*notice.namespace,
        "name": &*notice.name,
        "uid": uuid(notice.uid),
    });
    json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"namespace": &*notice.namespace, "name": name(notice)},
        "involvedObject": secret,
        "type": "Warning",
        "reason": notice.matter.as_str(),
        "message": notice.message,
        "firstTimestamp": time(now),
        "lastTimestamp": time(now),
        "count": 1,
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "reportingInstance": "",
    })
}

/// `pull.credentialexpired.0123456789abcdef`: the Secret by name and uid, and what is told of it.
fn name(notice: &Notice) -> String {
    let uid = format!("{:032x}", notice.uid.0);
    let end = format!(".{}.{}", notice.matter.as_str().to_lowercase(), &uid[..16]);
    let room = NAME_MOST - end.len();
    let start = &notice.name[..notice.name.floor_char_boundary(room.min(notice.name.len()))];
    // A part of a name may not end so.
    let start = start.trim_end_matches(['.', '-']);
    format!("{start}{end}")
}

fn uuid(Uid(uid): Uid) -> String {
    let hex = format!("{uid:032x}");
    let parts = [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ];
    parts.join("-")
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::notices::Matter;

    #[test]
    fn a_name_is_one_of_kubernetes_and_of_this_secret_alone() {
        let notice = |name: &str, uid| Notice {
            namespace: "shop".into(),
            name: name.into(),
            uid: Uid(uid),
            matter: Matter::ExpiringSoon,
            message: String::new(),
        };
        let uid = 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef;
        let short = name(&notice("pull", uid));
        assert_eq!(short, "pull.credentialexpiringsoon.0123456789abcdef");
        assert_ne!(short, name(&notice("pull", uid << 4)));
        let long = name(&notice(
            &format!("{}.{}", "a".repeat(211), "b".repeat(40)),
            uid,
        ));
        assert!(long.len() <= 253, "{long}");
        assert!(
            long.split('.')
                .all(|part| !part.is_empty() && !part.ends_with('-'))
        );
        assert_eq!(uuid(Uid(uid)), "01234567-89ab-cdef-0123-456789abcdef");
    }
}
