//! The parameters of list and watch requests.

use std::time::Duration;

use super::resource::Resource;
use super::selector::Selector;
use super::status::Failure;
use crate::http;

/// What a list or watch request asks for.
#[derive(Debug, Default)]
pub(crate) struct Query {
    pub(crate) selector: Selector,
    pub(crate) selector_text: String,
    pub(crate) is_watch: bool,
    pub(crate) bookmarks: bool,
    /// None also for `0`.
    pub(crate) timeout: Option<Duration>,
    /// None also for `0`: whatever the server has.
    pub(crate) version: Option<u64>,
    /// 0 is no limit.
    pub(crate) limit: usize,
    pub(crate) continues: Option<String>,
    pub(crate) include: Option<String>,
}

impl Query {
    pub(crate) fn parse(query: &str, resource: Resource) -> Result<Self, Failure> {
        let mut parsed = Self::default();
        for (name, value) in http::query_pairs(query) {
            match name.as_str() {
                "fieldSelector" => {
                    parsed.selector =
                        Selector::parse(&value, resource).map_err(Failure::bad_request)?;
                    parsed.selector_text = value;
                }
                "labelSelector" if !value.is_empty() => {
                    return Err(Failure::bad_request(
                        "the stand-in does not know label selectors",
                    ));
                }
                "watch" => parsed.is_watch = flag(&value),
                "allowWatchBookmarks" => parsed.bookmarks = flag(&value),
                "timeoutSeconds" => {
                    let timeout = Duration::from_secs(number(&name, &value)?);
                    parsed.timeout = Some(timeout).filter(|timeout| !timeout.is_zero());
                }
                "resourceVersion" if !value.is_empty() => {
                    parsed.version = Some(number(&name, &value)?).filter(|version| *version != 0);
                }
                "limit" => {
                    parsed.limit = usize::try_from(number(&name, &value)?).unwrap_or(usize::MAX);
                }
                "continue" if !value.is_empty() => parsed.continues = Some(value),
                "includeObject" => parsed.include = Some(value),
                "sendInitialEvents" if flag(&value) => {
                    return Err(Failure::new(
                        422,
                        "Invalid",
                        "ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: \
                         sendInitialEvents is forbidden for watch unless the WatchList feature \
                         gate is enabled",
                    ));
                }
                _ => {}
            }
        }
        Ok(parsed)
    }
}

/// As apimachinery reads a boolean in a query.
fn flag(value: &str) -> bool {
    !matches!(value.to_ascii_lowercase().as_str(), "false" | "0")
}

fn number(name: &str, value: &str) -> Result<u64, Failure> {
    value
        .parse()
        .map_err(|_| Failure::bad_request(format!("invalid {name}: \"{value}\"")))
}
