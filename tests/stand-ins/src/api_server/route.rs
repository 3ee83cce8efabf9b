//! Request line -> what is asked for.

use hyper::Method;

use super::resource::Resource;
use crate::http;

/// What a request does to a resource, as RBAC names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// POST.
    Create,
    /// DELETE of one object.
    Delete,
    /// GET of one object.
    Get,
    /// GET of a collection, each page one request.
    List,
    /// PATCH of one object.
    Patch,
    /// PUT of one object.
    Update,
    /// GET of a collection with `watch`.
    Watch,
}

impl Verb {
    /// As RBAC spells it: `list`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Delete => "delete",
            Self::Get => "get",
            Self::List => "list",
            Self::Patch => "patch",
            Self::Update => "update",
            Self::Watch => "watch",
        }
    }
}

/// One resource, or one object of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) resource: Resource,
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
}

impl Route {
    /// None for a path that is not served.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let path: Vec<String> = path
            .trim_start_matches('/')
            .split('/')
            .map(http::decode)
            .collect();
        let words: Vec<&str> = path.iter().map(String::as_str).collect();
        let (group, rest) = match words.as_slice() {
            ["api", "v1", rest @ ..] => ("", rest),
            ["apis", "coordination.k8s.io", "v1", rest @ ..] => ("coordination.k8s.io", rest),
            _ => return None,
        };
        let (namespace, plural, name) = match rest {
            ["namespaces", namespace, plural] => (Some(*namespace), *plural, None),
            ["namespaces", namespace, plural, name] => (Some(*namespace), *plural, Some(*name)),
            [plural] => (None, *plural, None),
            [plural, name] => (None, *plural, Some(*name)),
            _ => return None,
        };
        let resource = Resource::of_plural(group, plural)?;
        let scope_fits = match (&namespace, resource.is_namespaced()) {
            (Some(_), namespaced) => namespaced,
            (None, true) => name.is_none(),
            (None, false) => true,
        };
        scope_fits.then(|| Self {
            resource,
            namespace: namespace.map(str::to_owned),
            name: name.map(str::to_owned),
        })
    }

    /// None for a method that the path does not take.
    pub(crate) fn verb(&self, method: &Method, is_watch: bool) -> Option<Verb> {
        match (method.as_str(), self.name.is_some()) {
            ("GET", false) if is_watch => Some(Verb::Watch),
            ("GET", false) => Some(Verb::List),
            ("GET", true) => Some(Verb::Get),
            ("POST", false) => Some(Verb::Create),
            ("PUT", true) => Some(Verb::Update),
            ("PATCH", true) => Some(Verb::Patch),
            ("DELETE", true) => Some(Verb::Delete),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected: Option<(Resource, Option<&str>, Option<&str>)>) {
        let expected = expected.map(|(resource, namespace, name)| Route {
            resource,
            namespace: namespace.map(str::to_owned),
            name: name.map(str::to_owned),
        });
        assert_eq!(Route::parse(path), expected, "{path}");
    }

    #[test]
    fn paths_name_a_resource_or_nothing() {
        use Resource::{Leases, Namespaces, Pods, Secrets};
        check("/api/v1/secrets", Some((Secrets, None, None)));
        check(
            "/api/v1/namespaces/a/secrets",
            Some((Secrets, Some("a"), None)),
        );
        check(
            "/api/v1/namespaces/a/pods/web%2D1",
            Some((Pods, Some("a"), Some("web-1"))),
        );
        check("/api/v1/namespaces", Some((Namespaces, None, None)));
        check("/api/v1/namespaces/a", Some((Namespaces, None, Some("a"))));
        check(
            "/apis/coordination.k8s.io/v1/namespaces/a/leases/l",
            Some((Leases, Some("a"), Some("l"))),
        );
        check("/api/v1/leases", None);
        check("/api/v1/secrets/without-namespace", None);
        check("/api/v1/namespaces/a/namespaces/b", None);
        check("/api/v1/nodes", None);
        check("/", None);
    }
}
