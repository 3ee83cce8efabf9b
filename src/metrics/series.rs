//! How a metric family is written: name, help, and each label set once.

use std::collections::HashSet;
use std::fmt;
use std::hash::Hash;

use chrono::{DateTime, Utc};
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeGaugeValue, EncodeLabelSet, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;

/// A label set; by value, so that a debug build can hold each against all before it.
pub(super) trait Labels: EncodeLabelSet + Copy + Eq + Hash + fmt::Debug {}
impl<T: EncodeLabelSet + Copy + Eq + Hash + fmt::Debug> Labels for T {}

/// One label.
pub(super) type Label<'a> = (&'static str, &'a str);

/// A family's name without prefix and suffix, and its help without the closing period.
#[derive(Clone, Copy, Debug)]
pub(super) struct Family {
    pub(super) name: &'static str,
    /// Neither backslash nor line break: prometheus-client 0.25.2 does not escape help.
    pub(super) help: &'static str,
}

/// Short for a [`Family`].
pub(super) const fn family(name: &'static str, help: &'static str) -> Family {
    Family { name, help }
}

/// Unix time as Prometheus has it.
pub(super) fn seconds(time: DateTime<Utc>) -> f64 {
    time.timestamp_millis() as f64 / 1000.0
}

/// The exposition that is being written.
#[derive(Debug)]
pub(super) struct Page<'e>(DescriptorEncoder<'e>);

impl<'e> Page<'e> {
    pub(super) fn new(encoder: DescriptorEncoder<'e>) -> Self {
        Self(encoder)
    }

    /// One gauge without labels.
    pub(super) fn gauge(&mut self, family: Family, value: impl EncodeGaugeValue) -> fmt::Result {
        self.open(family, MetricType::Gauge)?.encode_gauge(&value)
    }

    /// One counter without labels.
    pub(super) fn counter(&mut self, family: Family, value: f64) -> fmt::Result {
        self.open(family, MetricType::Counter)?
            .encode_counter::<NoLabelSet, f64, f64>(&value, None)
    }

    /// Gauges, one per label set.
    pub(super) fn gauges<L: Labels>(
        &mut self,
        family: Family,
        samples: impl IntoIterator<Item = (L, impl EncodeGaugeValue)>,
    ) -> fmt::Result {
        self.each(family, MetricType::Gauge, samples, |mut metric, value| {
            metric.encode_gauge(&value)
        })
    }

    /// Gauges that are always 1: their labels are what they say.
    pub(super) fn ones<L: Labels>(
        &mut self,
        family: Family,
        samples: impl IntoIterator<Item = L>,
    ) -> fmt::Result {
        self.gauges(family, samples.into_iter().map(|labels| (labels, 1_u64)))
    }

    /// Counters, one per label set.
    pub(super) fn counters<L: Labels>(
        &mut self,
        family: Family,
        samples: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        self.each(family, MetricType::Counter, samples, |mut metric, value| {
            metric.encode_counter::<NoLabelSet, u64, f64>(&value, None)
        })
    }

    /// Histograms, one per label set: sum, count, and the count within each bucket.
    pub(super) fn histograms<L: Labels, const N: usize>(
        &mut self,
        family: Family,
        samples: impl IntoIterator<Item = (L, (f64, u64, [(f64, u64); N]))>,
    ) -> fmt::Result {
        self.each(
            family,
            MetricType::Histogram,
            samples,
            |mut metric, (sum, count, buckets)| {
                metric.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
            },
        )
    }

    /// A family without samples is left out altogether, as the library does with its own.
    fn each<L: Labels, V>(
        &mut self,
        family: Family,
        kind: MetricType,
        samples: impl IntoIterator<Item = (L, V)>,
        encode: impl Fn(MetricEncoder<'_>, V) -> fmt::Result,
    ) -> fmt::Result {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return Ok(());
        }
        let mut metric = self.open(family, kind)?;
        let mut seen = HashSet::new();
        for (labels, value) in samples {
            debug_assert!(seen.insert(labels), "{}{labels:?} twice", family.name);
            encode(metric.encode_family(&labels)?, value)?;
        }
        Ok(())
    }

    fn open(
        &mut self,
        Family { name, help }: Family,
        kind: MetricType,
    ) -> Result<MetricEncoder<'_>, fmt::Error> {
        debug_assert!(!help.contains(['\\', '\n']) && !help.ends_with('.'));
        self.0
            .encode_descriptor(name, &format!("{help}."), None, kind)
    }
}
