//! Slim and total decoders: an object's JSON in, the few fields we use out.
//!
//! A field that is null, missing or of another type has its default, and only JSON that is broken
//! stops a decoder, so that no tenant's object can stop a list. Nothing else of an object is
//! allocated (k8s-openapi would take 97 KB of heap for a pod of 10 KB). What goes wrong is told by
//! kind, namespace, name and JSON path, never by value.

mod account;
mod envelope;
mod event;
mod json;
mod meta;
mod pod;
mod secret;
mod split;

use std::fmt;

pub(crate) use self::envelope::{EventKind, ListHead, Table};
use self::envelope::{Header, InLine, WatchLine};
use self::json::Record;
pub use self::meta::{Wanted, uid};
pub(crate) use self::split::{Items, Lines, NoList, Piece};
use crate::domain::cluster::{
    EventSeen, NamespaceSeen, ObjectName, PodSeen, SecretSeen, ServiceAccountSeen, Uid,
};
use crate::domain::docker_config::SecretKind;

/// What was read of an object.
#[derive(Debug)]
pub struct Decoded<T> {
    /// The slim record.
    pub record: T,
    /// How many fields were of another type than Kubernetes gives them.
    pub faults: u32,
    /// The JSON path of the first of them.
    pub first_fault: Option<String>,
}

impl<T> Decoded<T> {
    /// The same about another record.
    pub fn map<U>(self, map: impl FnOnce(T) -> U) -> Decoded<U> {
        Decoded {
            record: map(self.record),
            faults: self.faults,
            first_fault: self.first_fault,
        }
    }
}

/// An object that is no JSON. Names the object as far as it could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Namespace and name, empty where they were not reached.
    pub object: ObjectName,
    /// Where the JSON breaks; empty for the object itself.
    pub path: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { object, path } = self;
        write!(
            f,
            "failed to decode `{}/{}` at `{path}`",
            object.namespace, object.name
        )
    }
}

impl std::error::Error for Broken {}

/// Where an object stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On its own, as an item of a list does.
    Item,
    /// In the `object` field of a line of a watch.
    Line,
}

/// Decodes a Pod.
pub fn pod(json: &[u8], place: Place) -> Result<Decoded<PodSeen>, Broken> {
    decode(json, place, pod::Pod::default(), pod::Pod::seen)
}

/// Decodes a Secret of a kind; the record is `None` when the object is of another type.
pub fn secret(
    json: &[u8],
    place: Place,
    kind: SecretKind,
    wanted: &Wanted,
) -> Result<Decoded<Option<SecretSeen>>, Broken> {
    let secret = secret::Secret::of(kind, wanted);
    decode(json, place, secret, secret::Secret::seen)
}

/// Decodes a ServiceAccount.
pub fn service_account(
    json: &[u8],
    place: Place,
    wanted: &Wanted,
) -> Result<Decoded<ServiceAccountSeen>, Broken> {
    let account = account::ServiceAccount::of(wanted);
    decode(json, place, account, account::ServiceAccount::seen)
}

/// Decodes a Namespace.
pub fn namespace(
    json: &[u8],
    place: Place,
    wanted: &Wanted,
) -> Result<Decoded<NamespaceSeen>, Broken> {
    let namespace = account::Namespace::of(wanted);
    decode(json, place, namespace, account::Namespace::seen)
}

/// Decodes a core/v1 Event.
pub fn event(json: &[u8], place: Place) -> Result<Decoded<EventSeen>, Broken> {
    decode(json, place, event::Event::default(), event::Event::seen)
}

/// Decodes the head of a list.
pub(crate) fn list_head(json: &[u8]) -> Option<ListHead> {
    let mut head = ListHead::default();
    json::read(json, &mut head).ok().map(|_| head)
}

/// Decodes a Table of Secrets; `None` when it is none.
pub(crate) fn table(json: &[u8]) -> Option<Table> {
    let mut table = Table::default();
    json::read(json, &mut table).ok()?;
    (table.kind == "Table" && table.has_columns()).then_some(table)
}

/// What a line of a watch says before its object is read.
#[derive(Debug)]
pub(crate) struct Line {
    /// What happened.
    pub(crate) kind: EventKind,
    /// To whom.
    pub(crate) object: ObjectName,
    /// To whom exactly.
    pub(crate) uid: Uid,
    /// Where the watch stands after it.
    pub(crate) resource_version: String,
    /// Of an error: its status code, 0 when it has none.
    pub(crate) code: u32,
}

/// Decodes the envelope of a watch line; `None` when it is no JSON object.
pub(crate) fn line(json: &[u8]) -> Option<Line> {
    let mut line = WatchLine::default();
    json::read(json, &mut line).ok()?;
    let WatchLine { kind, object } = line;
    Some(Line {
        kind,
        object: object.meta.object,
        uid: object.meta.uid,
        resource_version: object.meta.resource_version,
        code: object.code,
    })
}

/// The name of an object of which only the beginning is there, as far as it goes.
pub(crate) fn name_of(beginning: &[u8], place: Place) -> ObjectName {
    let header = match place {
        Place::Item => {
            let mut header = Header::default();
            let _ = json::read(beginning, &mut header);
            header
        }
        Place::Line => {
            let mut line = WatchLine::default();
            let _ = json::read(beginning, &mut line);
            line.object
        }
    };
    header.meta.object
}

fn decode<R: Record, T>(
    json: &[u8],
    place: Place,
    record: R,
    seen: impl FnOnce(R) -> T,
) -> Result<Decoded<T>, Broken> {
    let mut in_line = InLine(record);
    let outcome = match place {
        Place::Item => json::read(json, &mut in_line.0),
        Place::Line => json::read(json, &mut in_line),
    };
    // Paths are the object's, wherever it stands.
    let own = |path: String| match path.strip_prefix(".object") {
        Some(own) if place == Place::Line => own.to_owned(),
        _ => path,
    };
    let faults = outcome.map_err(|path| Broken {
        object: name_of(json, place),
        path: own(path),
    })?;
    Ok(Decoded {
        record: seen(in_line.0),
        faults: faults.count,
        first_fault: faults.first.map(own),
    })
}
