//! What a client accepts, by quality values: format and content coding of an exposition.

use http::header::{ACCEPT, ACCEPT_ENCODING, AsHeaderName, HeaderMap};

/// A text format of Prometheus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus text 0.0.4.
    Text,
}

/// A content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// As it is.
    Identity,
    /// gzip.
    Gzip,
}

impl Format {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// The one with the higher quality, OpenMetrics on a tie. A wildcard does not ask for
    /// OpenMetrics: it comes from curl and from browsers, which would save the page to a file. A
    /// client that accepts neither gets text, as from every Prometheus client library.
    pub(super) fn accepted(headers: &HeaderMap) -> Self {
        let (mut open, mut text) = (0.0, 0.0);
        for range in Preference::all(headers, ACCEPT) {
            let version = range.parameter("version");
            match range.name.as_str() {
                "application/openmetrics-text" if matches!(version, None | Some("1.0.0")) => {
                    open = range.quality.max(open);
                }
                "text/plain" if matches!(version, None | Some("0.0.4")) => {
                    text = range.quality.max(text);
                }
                "text/*" | "*/*" => text = range.quality.max(text),
                _ => {}
            }
        }
        if open > 0.0 && open >= text {
            Self::OpenMetrics
        } else {
            Self::Text
        }
    }
}

impl Coding {
    /// gzip where it is accepted and not liked less than none.
    pub(super) fn accepted(headers: &HeaderMap) -> Self {
        let of = |name: &str| {
            let mut all = Preference::all(headers, ACCEPT_ENCODING);
            all.find(|coding| coding.name == name)
                .map(|coding| coding.quality)
        };
        let any = of("*").unwrap_or(0.0);
        let gzip = of("gzip").or_else(|| of("x-gzip")).unwrap_or(any);
        let identity = of("identity").unwrap_or(0.0);
        if gzip > 0.0 && gzip >= identity {
            Self::Gzip
        } else {
            Self::Identity
        }
    }
}

/// One element of an `Accept` list.
#[derive(Debug)]
struct Preference<'h> {
    name: String,
    quality: f32,
    parameters: &'h str,
}

impl<'h> Preference<'h> {
    /// Every element that can be read; one that cannot is as if it were not there.
    fn all(headers: &'h HeaderMap, name: impl AsHeaderName) -> impl Iterator<Item = Self> {
        let values = headers.get_all(name).into_iter();
        values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(Self::parse)
    }

    fn parse(element: &'h str) -> Option<Self> {
        let (name, parameters) = element.split_once(';').unwrap_or((element, ""));
        let mut preference = Self {
            name: name.trim().to_ascii_lowercase(),
            quality: 1.0,
            parameters,
        };
        if let Some(quality) = preference.parameter("q") {
            preference.quality = quality.parse().ok()?;
        }
        (0.0..=1.0)
            .contains(&preference.quality)
            .then_some(preference)
    }

    fn parameter(&self, name: &str) -> Option<&'h str> {
        let mut parameters = self
            .parameters
            .split(';')
            .filter_map(|one| one.split_once('='));
        let (_, value) = parameters.find(|(key, _)| key.trim().eq_ignore_ascii_case(name))?;
        Some(value.trim().trim_matches('"'))
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(name: http::HeaderName, values: &[&str]) -> HeaderMap {
        let values = values
            .iter()
            .map(|value| HeaderValue::from_str(value).unwrap());
        values.map(|value| (name.clone(), value)).collect()
    }

    #[test]
    fn the_format_with_the_highest_quality_wins() {
        use Format::{OpenMetrics, Text};
        #[rustfmt::skip]
        let rows: &[(&[&str], Format)] = &[
            (&[], Text),
            (&["*/*"], Text),
            (&["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"], Text),
            (&["application/openmetrics-text"], OpenMetrics),
            (&["application/openmetrics-text; version=1.0.0; charset=utf-8"], OpenMetrics),
            (&["Application/OpenMetrics-Text;Version=\"1.0.0\""], OpenMetrics),
            (&["application/openmetrics-text;version=0.0.1,text/plain;version=0.0.4"], Text),
            (&["application/openmetrics-text;version=2.0.0"], Text),
            // Prometheus 2.42, and 3.x with protobuf on.
            (&["application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"], OpenMetrics),
            (&["application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"], OpenMetrics),
            (&["text/plain;version=0.0.4;q=0.5,application/openmetrics-text;version=1.0.0;q=0.4"], Text),
            (&["text/plain;q=0.5, application/openmetrics-text;q=0.5"], OpenMetrics),
            (&["application/openmetrics-text;q=0.1", "text/*;q=0.2"], Text),
            (&["application/openmetrics-text;q=0"], Text),
            (&["application/openmetrics-text;q=0.000, */*"], Text),
            (&["application/openmetrics-text ; Q=0.9 , */* ; q=1"], Text),
            // Not to be read: as if it were not there.
            (&["application/openmetrics-text;q=high"], Text),
            (&["application/openmetrics-text;q=NaN"], Text),
            (&["application/openmetrics-text;q=7"], Text),
            (&[",;,;q=1,/"], Text),
            (&["application/*"], Text),
            (&["application/openmetrics-text;q=0, application/openmetrics-text;version=1.0.0;q=0.3, */*;q=0.2"], OpenMetrics),
            // Neither: text is better than nothing.
            (&["application/json"], Text),
            (&["text/plain;q=0"], Text),
        ];
        for (accept, expected) in rows {
            let got = Format::accepted(&headers(ACCEPT, accept));
            assert_eq!(got, *expected, "{accept:?}");
        }
    }

    #[test]
    fn gzip_is_used_where_it_is_accepted_and_not_liked_less() {
        use Coding::{Gzip, Identity};
        #[rustfmt::skip]
        let rows: &[(&[&str], Coding)] = &[
            (&[], Identity),
            (&["gzip"], Gzip),
            (&["GZip;q=0.1"], Gzip),
            (&["gzip;q=0"], Identity),
            (&["*"], Gzip),
            (&["*;q=0.5, gzip;q=0"], Identity),
            (&["deflate, br"], Identity),
            (&["deflate", "br, x-gzip"], Gzip),
            (&["identity;q=1, gzip;q=0.5"], Identity),
            (&["identity;q=0.5, gzip;q=0.5"], Gzip),
            (&["identity;q=0, gzip;q=0.001"], Gzip),
            (&["identity;q=0, *"], Gzip),
            (&["*;q=0"], Identity),
            (&["gzip;q=0, x-gzip"], Identity),
            (&["gzip;q=2"], Identity),
            // Nothing that we have: as it is, which everybody can read.
            (&["identity;q=0"], Identity),
        ];
        for (accept, expected) in rows {
            let got = Coding::accepted(&headers(ACCEPT_ENCODING, accept));
            assert_eq!(got, *expected, "{accept:?}");
        }
    }
}
