//! Paths and scopes of the registry protocol, and the placeholders of headers.

use super::log::{Place, Step};

/// What a path asks for.
pub(super) enum Path<'a> {
    Ping,
    Token,
    /// Repository and reference.
    Manifest(&'a str, &'a str),
    /// Repository.
    Tags(&'a str),
    Other,
}

impl<'a> Path<'a> {
    /// `token_path` is where the token server is, if it is at this place.
    pub(super) fn parse(token_path: Option<&str>, place: Place, path: &'a str) -> Self {
        if token_path == Some(path) {
            return Self::Token;
        }
        let rest = match path.strip_prefix("/v2") {
            Some("" | "/") if place == Place::Registry => return Self::Ping,
            Some(rest) if place == Place::Registry => rest.strip_prefix('/'),
            _ => None,
        };
        let Some(rest) = rest else {
            return Self::Other;
        };
        if let Some((repository, reference)) = rest.rsplit_once("/manifests/") {
            return Self::Manifest(repository, reference);
        }
        rest.strip_suffix("/tags/list")
            .map_or(Self::Other, Self::Tags)
    }

    pub(super) fn step(&self) -> Step {
        match self {
            Self::Ping => Step::Ping,
            Self::Token => Step::Token,
            Self::Manifest(..) => Step::Manifest,
            Self::Tags(_) => Step::Tags,
            Self::Other => Step::Other,
        }
    }
}

/// Placeholders and what stands for them.
pub(super) struct Fill(pub(super) [(&'static str, String); 5]);

impl Fill {
    pub(super) fn apply(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (name, value)| {
            text.replace(name, value)
        })
    }
}

/// `org/app` of `repository:org/app:pull`.
pub(super) fn pulled_repository(scope: &str) -> Option<&str> {
    let (name, actions) = scope.strip_prefix("repository:")?.rsplit_once(':')?;
    actions
        .split(',')
        .any(|action| action == "pull")
        .then_some(name)
}
