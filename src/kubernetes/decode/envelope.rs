//! What objects come in: the head of a list, a line of a watch, a Status, a Table.

use serde::de::MapAccess;

use super::json::{Field, Record};
use super::meta::Metadata;

/// The head of a list: everything but its items.
#[derive(Debug, Default)]
pub(crate) struct ListHead {
    /// `SecretList`, or `Status` when something went wrong after the status line.
    pub(crate) kind: String,
    /// Where a watch goes on from here.
    pub(crate) resource_version: String,
    /// The token of the next page.
    pub(crate) more: Option<String>,
}

impl Record for ListHead {
    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Field<'_, A>,
    ) -> Result<(), A::Error> {
        match name {
            "kind" => value.text(&mut self.kind),
            "metadata" => value.record(&mut ListMeta(self)),
            _ => value.skip(),
        }
    }
}

struct ListMeta<'a>(&'a mut ListHead);

impl Record for ListMeta<'_> {
    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Field<'_, A>,
    ) -> Result<(), A::Error> {
        match name {
            "resourceVersion" => value.text(&mut self.0.resource_version),
            "continue" => value.some_text(&mut self.0.more),
            _ => value.skip(),
        }
    }
}

/// `type` of a watch line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum EventKind {
    /// ADDED.
    Added,
    /// MODIFIED.
    Modified,
    /// DELETED, or no longer selected.
    Deleted,
    /// BOOKMARK: a resource version and nothing else.
    Bookmark,
    /// ERROR: a Status.
    Error,
    /// Not one of these.
    #[default]
    Other,
}

/// A line of a watch: what happened, and to whom.
#[derive(Default)]
pub(crate) struct WatchLine {
    /// What happened.
    pub(crate) kind: EventKind,
    /// To whom, or why.
    pub(crate) object: Header,
}

impl Record for WatchLine {
    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Field<'_, A>,
    ) -> Result<(), A::Error> {
        match name {
            "type" => value.text_with(|text| {
                self.kind = match text {
                    "ADDED" => EventKind::Added,
                    "MODIFIED" => EventKind::Modified,
                    "DELETED" => EventKind::Deleted,
                    "BOOKMARK" => EventKind::Bookmark,
                    "ERROR" => EventKind::Error,
                    _ => EventKind::Other,
                };
                self.kind != EventKind::Other
            }),
            "object" => value.record(&mut self.object),
            _ => value.skip(),
        }
    }
}

/// What every object and every Status has.
#[derive(Default)]
pub(crate) struct Header {
    pub(super) meta: Metadata<'static>,
    /// `code` of a Status.
    pub(crate) code: u32,
}

impl Record for Header {
    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Field<'_, A>,
    ) -> Result<(), A::Error> {
        match name {
            "metadata" => value.record(&mut self.meta),
            "code" => value.number(&mut self.code),
            _ => value.skip(),
        }
    }
}

/// `object` of a watch line, read as what it is.
#[derive(Default)]
pub(super) struct InLine<R>(pub(super) R);

impl<R: Record> Record for InLine<R> {
    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Field<'_, A>,
    ) -> Result<(), A::Error> {
        match name {
            "object" => value.record(&mut self.0),
            _ => value.skip(),
        }
    }
}

/// A Table of Secrets without objects.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(super) kind: String,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// The `Type` cell of the row of this name.
    pub(crate) fn type_of(&self, name: &str) -> Option<String> {
        let column = |title: &str| self.columns.iter().position(|column| column == title);
        let (names, types) = (column("Name")?, column("Type")?);
        let row = self
            .rows
            .iter()
            .find(|row| row.get(names).is_some_and(|cell| cell == name))?;
        row.get(types).cloned()
    }

    pub(super) fn has_columns(&self) -> bool {
        ["Name", "Type"]
            .iter()
            .all(|title| self.columns.iter().any(|column| column == title))
    }
}

impl Record for Table {
    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Field<'_, A>,
    ) -> Result<(), A::Error> {
        match name {
            "kind" => value.text(&mut self.kind),
            "columnDefinitions" => value.records(|column: Column| self.columns.push(column.name)),
            "rows" => value.records(|row: Row| self.rows.push(row.cells)),
            _ => value.skip(),
        }
    }
}

#[derive(Default)]
struct Column {
    name: String,
}

impl Record for Column {
    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Field<'_, A>,
    ) -> Result<(), A::Error> {
        match name {
            "name" => value.text(&mut self.name),
            _ => value.skip(),
        }
    }
}

#[derive(Default)]
struct Row {
    cells: Vec<String>,
}

impl Record for Row {
    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Field<'_, A>,
    ) -> Result<(), A::Error> {
        match name {
            "cells" => value.texts(&mut self.cells),
            _ => value.skip(),
        }
    }
}
