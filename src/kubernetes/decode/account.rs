//! ServiceAccounts and Namespaces.

use serde::de::MapAccess;

use super::json::{Field, Record};
use super::meta::{Keep, Metadata, Wanted};
use super::pod;
use crate::domain::cluster::{NamespaceSeen, ServiceAccountSeen};

pub(super) struct ServiceAccount<'w> {
    meta: Metadata<'w>,
    pull_secrets: Vec<String>,
}

impl<'w> ServiceAccount<'w> {
    pub(super) fn of(wanted: &'w Wanted) -> Self {
        Self {
            meta: Metadata::keeping(Keep::Other(wanted)),
            pull_secrets: Vec::new(),
        }
    }

    pub(super) fn seen(self) -> ServiceAccountSeen {
        ServiceAccountSeen {
            uid: self.meta.uid,
            object: self.meta.object,
            pull_secrets: self.pull_secrets,
            annotations: self.meta.annotations,
        }
    }
}

impl Record for ServiceAccount<'_> {
    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Field<'_, A>,
    ) -> Result<(), A::Error> {
        match name {
            "metadata" => value.record(&mut self.meta),
            "imagePullSecrets" => pod::pull_secrets(value, &mut self.pull_secrets),
            _ => value.skip(),
        }
    }
}

pub(super) struct Namespace<'w> {
    meta: Metadata<'w>,
    status: Status,
}

impl<'w> Namespace<'w> {
    pub(super) fn of(wanted: &'w Wanted) -> Self {
        Self {
            meta: Metadata::keeping(Keep::Other(wanted)),
            status: Status::default(),
        }
    }

    pub(super) fn seen(self) -> NamespaceSeen {
        NamespaceSeen {
            uid: self.meta.uid,
            name: self.meta.object.name,
            terminating: self.status.terminating,
            annotations: self.meta.annotations,
        }
    }
}

impl Record for Namespace<'_> {
    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Field<'_, A>,
    ) -> Result<(), A::Error> {
        match name {
            "metadata" => value.record(&mut self.meta),
            "status" => value.record(&mut self.status),
            _ => value.skip(),
        }
    }
}

#[derive(Default)]
struct Status {
    terminating: bool,
}

impl Record for Status {
    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Field<'_, A>,
    ) -> Result<(), A::Error> {
        match name {
            "phase" => value.text_with(|text| {
                self.terminating = text == "Terminating";
                true
            }),
            _ => value.skip(),
        }
    }
}
