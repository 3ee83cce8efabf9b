//! What sort of credential it is, by its form alone: how it is rotated follows from it.

use serde_json::{Map, Value};

use super::{jwt, payload};

/// The sort of a credential, the `kind` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CredentialKind {
    /// Neither user name nor password nor token: the kubelet pulls anonymously with it.
    Anonymous,
    /// User name and password, or an opaque token as password.
    Basic,
    /// An authorization token of Amazon ECR.
    Ecr,
    /// A JWT as password.
    Jwt,
    /// A service account key of Google, `_json_key` and `_json_key_base64`.
    JsonKey,
    /// An access token of Google, `oauth2accesstoken`: opaque, one hour.
    Oauth2AccessToken,
    /// A reference token of JFrog.
    ReferenceToken,
    /// An identity token and no password: the kubelet does not send it.
    IdentityToken,
    /// A registry token and no password: the kubelet does not send it.
    RegistryToken,
}

impl CredentialKind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::Anonymous,
        Self::Basic,
        Self::Ecr,
        Self::Jwt,
        Self::JsonKey,
        Self::Oauth2AccessToken,
        Self::ReferenceToken,
        Self::IdentityToken,
        Self::RegistryToken,
    ];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Basic => "basic",
            Self::Ecr => "ecr",
            Self::Jwt => "jwt",
            Self::JsonKey => "json_key",
            Self::Oauth2AccessToken => "oauth2_access_token",
            Self::ReferenceToken => "reference_token",
            Self::IdentityToken => "identity_token",
            Self::RegistryToken => "registry_token",
        }
    }
}

/// Tells the sort of a credential that has a password.
pub(super) fn of_password(username: &[u8], password: &[u8]) -> CredentialKind {
    if payload::is_ecr(password) {
        CredentialKind::Ecr
    } else if jwt::is_jwt(password) {
        CredentialKind::Jwt
    } else if username.starts_with(b"_json_key") || is_json_key(password) {
        CredentialKind::JsonKey
    } else if username == b"oauth2accesstoken" {
        CredentialKind::Oauth2AccessToken
    } else if payload::is_reference_token(password) {
        CredentialKind::ReferenceToken
    } else {
        CredentialKind::Basic
    }
}

/// A key file pasted as password under whatever user name.
fn is_json_key(password: &[u8]) -> bool {
    if password.len() > payload::LONGEST || !password.trim_ascii_start().starts_with(b"{") {
        return false;
    }
    serde_json::from_slice::<Map<String, Value>>(password)
        .is_ok_and(|key| key.contains_key("private_key_id") && key.contains_key("client_email"))
}
