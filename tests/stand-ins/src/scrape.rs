//! A scraper: gets a page over HTTP/1.1 and reads Prometheus text.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time;

/// One series of a page.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The metric's name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
}

impl Series {
    /// It has this name and at least these labels.
    pub fn is(&self, name: &str, labels: &[(&str, &str)]) -> bool {
        self.name == name
            && labels
                .iter()
                .all(|(label, value)| self.labels.get(*label).is_some_and(|has| has == value))
    }
}

/// A page of metrics.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Its series, in order.
    pub series: Vec<Series>,
}

impl Page {
    /// Reads the text format 0.0.4 or OpenMetrics; lines that are no series are left out.
    pub fn parse(text: &str) -> Self {
        Self {
            series: text.lines().filter_map(series).collect(),
        }
    }

    /// Scrapes once.
    ///
    /// # Errors
    /// When nobody answers within ten seconds, or with another status than 200.
    pub async fn scrape(address: &str, path: &str) -> io::Result<Self> {
        let (status, body) = get(address, path).await?;
        if status != 200 {
            return Err(io::Error::other(format!(
                "{path} is answered with {status}"
            )));
        }
        Ok(Self::parse(&body))
    }

    /// The value of the one series with this name and at least these labels; `None` when there is
    /// none.
    ///
    /// # Panics
    /// When several fit.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let mut fitting = self.series.iter().filter(|series| series.is(name, labels));
        let first = fitting.next()?;
        let second = fitting.next();
        assert!(
            second.is_none(),
            "{name}{labels:?} fits {first:?} and {second:?}"
        );
        Some(first.value)
    }

    /// How many series have this name and at least these labels.
    pub fn count(&self, name: &str, labels: &[(&str, &str)]) -> usize {
        self.series
            .iter()
            .filter(|series| series.is(name, labels))
            .count()
    }

    /// Label sets that are there twice; a page with one is refused by Prometheus.
    pub fn duplicates(&self) -> Vec<String> {
        let mut seen = std::collections::BTreeSet::new();
        self.series
            .iter()
            .map(|series| format!("{}{:?}", series.name, series.labels))
            .filter(|key| !seen.insert(key.clone()))
            .collect()
    }
}

/// Gets a page; returns status and body.
///
/// # Errors
/// When nobody answers within ten seconds.
pub async fn get(address: &str, path: &str) -> io::Result<(u16, String)> {
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\nAccept: text/plain\r\n\r\n");
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        io::Result::Ok(answer)
    };
    let answer = time::timeout(Duration::from_secs(10), exchange)
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or(0);
    Ok((status, body.to_owned()))
}

fn series(line: &str) -> Option<Series> {
    if line.starts_with('#') {
        return None;
    }
    let (key, rest) = match line.find('{') {
        None => line.split_once(' ')?,
        Some(_) => {
            let end = line.rfind("} ")?;
            (&line[..=end], &line[end + 2..])
        }
    };
    let value = rest.split(' ').next()?.parse().ok()?;
    let (name, labels) = key.split_once('{').unwrap_or((key, "}"));
    Some(Series {
        name: name.to_owned(),
        labels: labels_of(labels.strip_suffix('}')?),
        value,
    })
}

/// `a="x",b="y \"z\""`.
fn labels_of(mut text: &str) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    while let Some((name, rest)) = text.split_once("=\"") {
        let mut value = String::new();
        let mut characters = rest.char_indices();
        let mut end = rest.len();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    end = at + 1;
                    break;
                }
                '\\' => match characters.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, escaped)) => value.push(escaped),
                    None => {}
                },
                plain => value.push(plain),
            }
        }
        labels.insert(name.trim_start_matches(',').to_owned(), value);
        text = &rest[end..];
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_read_with_its_escapes() {
        let page = Page::parse("# TYPE a gauge\na{x=\"1\",y=\"q\\\"\\\\\\n} 2\"} 3.5\nb 4\n");
        assert_eq!(page.value("a", &[("y", "q\"\\\n} 2")]), Some(3.5));
        assert_eq!(page.value("b", &[]), Some(4.0));
        assert_eq!(page.count("a", &[("x", "2")]), 0);
    }

    #[test]
    fn a_label_set_that_is_there_twice_is_found() {
        let page = Page::parse("a{x=\"1\",y=\"2\"} 1\na{y=\"2\",x=\"1\"} 1\na{x=\"1\"} 1\n");
        assert_eq!(page.duplicates().len(), 1);
    }
}
