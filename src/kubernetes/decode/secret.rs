//! A Secret of one of the two pull-secret types: the type's data key, dates, what was asked for; no other data.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::MapAccess;

use super::json::{Field, Record};
use super::meta::{Keep, Metadata, Wanted};
use crate::domain::cluster::SecretSeen;
use crate::domain::docker_config::{self, SecretKind};

/// A Secret holds at most 1 MiB; what is longer is none, and is cut.
const CONFIG_MOST: usize = 1024 * 1024;

/// A date.
const DATE_MOST: usize = 64;

pub(super) struct Secret<'w> {
    kind: SecretKind,
    meta: Metadata<'w>,
    data: Data<'w>,
    /// `type` says something else than its watch asked for.
    is_other_type: bool,
}

impl<'w> Secret<'w> {
    pub(super) fn of(kind: SecretKind, wanted: &'w Wanted) -> Self {
        Self {
            kind,
            meta: Metadata::keeping(Keep::Secret(wanted)),
            data: Data {
                key: kind.data_key(),
                wanted,
                config: None,
                dates: BTreeMap::new(),
            },
            is_other_type: false,
        }
    }

    /// `None` when the server sent a Secret of a type that was not asked for.
    pub(super) fn seen(self) -> Option<SecretSeen> {
        if self.is_other_type {
            return None;
        }
        Some(SecretSeen {
            uid: self.meta.uid,
            object: self.meta.object,
            created: self.meta.created,
            changed: self.meta.changed,
            kind: self.kind,
            docker_config: docker_config::parse(self.kind, self.data.config.as_deref()),
            expiry_data: self.data.dates,
            annotations: self.meta.annotations,
            labels: self.meta.labels,
            owner: self.meta.owner,
        })
    }
}

impl Record for Secret<'_> {
    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Field<'_, A>,
    ) -> Result<(), A::Error> {
        match name {
            "metadata" => value.record(&mut self.meta),
            "data" => value.record(&mut self.data),
            "type" => value.text_with(|text| {
                self.is_other_type = text != self.kind.type_name();
                true
            }),
            _ => value.skip(),
        }
    }
}

struct Data<'w> {
    key: &'static str,
    wanted: &'w Wanted,
    config: Option<Vec<u8>>,
    dates: BTreeMap<String, String>,
}

impl Record for Data<'_> {
    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Field<'_, A>,
    ) -> Result<(), A::Error> {
        if name == self.key {
            return value.text_with(|text| {
                self.config = config(text);
                self.config.is_some()
            });
        }
        if !self.wanted.wants_data_key(name) {
            return value.skip();
        }
        value.text_with(|text| {
            let date = date(text);
            let makes_sense = date.is_some();
            self.dates.extend(date.map(|date| (name.to_owned(), date)));
            makes_sense
        })
    }
}

fn config(text: &str) -> Option<Vec<u8>> {
    let mut bytes = STANDARD.decode(text).ok()?;
    bytes.truncate(CONFIG_MOST);
    Some(bytes)
}

fn date(text: &str) -> Option<String> {
    if text.len() > DATE_MOST.div_ceil(3) * 4 {
        return None;
    }
    let bytes = STANDARD.decode(text).ok()?;
    String::from_utf8(bytes)
        .ok()
        .filter(|date| date.len() <= DATE_MOST)
}
