//! A core/v1 Event about a Pod.

use chrono::{DateTime, Utc};
use serde::de::MapAccess;

use super::json::{Field, Record};
use super::meta::{self, Metadata};
use crate::domain::cluster::EventSeen;

const MESSAGE_MOST: usize = 64 * 1024;

#[derive(Default)]
pub(super) struct Event {
    meta: Metadata<'static>,
    seen: EventSeen,
    source: Source,
    series: Series,
    count: u32,
    first: Option<DateTime<Utc>>,
    last: Option<DateTime<Utc>>,
    event_time: Option<DateTime<Utc>>,
    reporting: Source,
}

impl Event {
    pub(super) fn seen(self) -> EventSeen {
        let either = |own: String, other: String| if own.is_empty() { other } else { own };
        EventSeen {
            object: self.meta.object,
            // Writers of events.k8s.io leave `count` at 0.
            count: self.count.max(self.series.count).max(1),
            first: self.first.or(self.event_time),
            last: self.last.or(self.series.last).or(self.event_time),
            component: either(self.source.component, self.reporting.component),
            node: either(self.source.host, self.reporting.host),
            ..self.seen
        }
    }
}

impl Record for Event {
    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Field<'_, A>,
    ) -> Result<(), A::Error> {
        match name {
            "metadata" => value.record(&mut self.meta),
            "involvedObject" => value.record(&mut Involved(&mut self.seen)),
            "type" => value.text_with(|text| {
                self.seen.warning = text == "Warning";
                true
            }),
            "reason" => value.text(&mut self.seen.reason),
            "message" => value.cut_text(MESSAGE_MOST, &mut self.seen.message),
            "count" => value.number(&mut self.count),
            "series" => value.record(&mut self.series),
            "firstTimestamp" => value.time(&mut self.first),
            "lastTimestamp" => value.time(&mut self.last),
            "eventTime" => value.time(&mut self.event_time),
            "source" => value.record(&mut self.source),
            "reportingComponent" => value.text(&mut self.reporting.component),
            "reportingInstance" => value.text(&mut self.reporting.host),
            _ => value.skip(),
        }
    }
}

struct Involved<'a>(&'a mut EventSeen);

impl Record for Involved<'_> {
    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Field<'_, A>,
    ) -> Result<(), A::Error> {
        match name {
            "uid" => value.text_with(|text| {
                self.0.pod = meta::uid(text);
                true
            }),
            "name" => value.text(&mut self.0.pod_name),
            "fieldPath" => value.text(&mut self.0.field_path),
            _ => value.skip(),
        }
    }
}

#[derive(Default)]
struct Source {
    component: String,
    host: String,
}

impl Record for Source {
    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Field<'_, A>,
    ) -> Result<(), A::Error> {
        match name {
            "component" => value.text(&mut self.component),
            "host" => value.text(&mut self.host),
            _ => value.skip(),
        }
    }
}

#[derive(Default)]
struct Series {
    count: u32,
    last: Option<DateTime<Utc>>,
}

impl Record for Series {
    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Field<'_, A>,
    ) -> Result<(), A::Error> {
        match name {
            "count" => value.number(&mut self.count),
            "lastObservedTime" => value.time(&mut self.last),
            _ => value.skip(),
        }
    }
}
