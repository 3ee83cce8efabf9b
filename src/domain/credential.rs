//! Credentials, and the one slot that each distinct value has.
//!
//! Bytes and not text, since a decoded `auth` may hold any byte. Nothing of a credential is ever
//! shown: `Debug` is written by hand, and values are found by equality, so that no fingerprint of
//! them exists that could leak.

use std::{
    collections::HashMap,
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use secrecy::{ExposeSecret, SecretSlice};

/// What one entry logs in with.
///
/// A kubelet sends user name and password only; the tokens are kept for what they can tell.
pub struct Credential {
    username: SecretSlice<u8>,
    password: SecretSlice<u8>,
    identity_token: Option<SecretSlice<u8>>,
    registry_token: Option<SecretSlice<u8>>,
}

impl Credential {
    /// User name and password.
    pub fn basic(username: &[u8], password: &[u8]) -> Self {
        Self {
            username: secret(username),
            password: secret(password),
            identity_token: None,
            registry_token: None,
        }
    }

    /// The same with a refresh token, as `docker login` leaves it for ACR.
    #[must_use]
    pub fn with_identity_token(self, token: &[u8]) -> Self {
        let identity_token = Some(secret(token));
        Self {
            identity_token,
            ..self
        }
    }

    /// The same with a bearer token.
    #[must_use]
    pub fn with_registry_token(self, token: &[u8]) -> Self {
        let registry_token = Some(secret(token));
        Self {
            registry_token,
            ..self
        }
    }

    /// Neither user name nor password: the runtime pulls anonymously, whatever tokens there are.
    pub fn is_anonymous(&self) -> bool {
        self.username.expose_secret().is_empty() && self.password.expose_secret().is_empty()
    }

    /// The user name, as sent.
    pub fn username(&self) -> &SecretSlice<u8> {
        &self.username
    }

    /// The password, as sent.
    pub fn password(&self) -> &SecretSlice<u8> {
        &self.password
    }

    /// The refresh token, which kubelets ignore.
    pub fn identity_token(&self) -> Option<&SecretSlice<u8>> {
        self.identity_token.as_ref()
    }

    /// The bearer token, which kubelets ignore.
    pub fn registry_token(&self) -> Option<&SecretSlice<u8>> {
        self.registry_token.as_ref()
    }

    /// The user name, if it may be shown: a Docker ID (docs.docker.com/accounts: 4 to 30 lower-case
    /// letters and digits) that is none of the secrets beside it, in whatever case.
    pub fn docker_id(&self) -> Option<&str> {
        let [Some(name), secrets @ ..] = self.exposed() else {
            return None;
        };
        let is_id = (4..=30).contains(&name.len())
            && name
                .iter()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        let is_secret = secrets
            .iter()
            .flatten()
            .any(|secret| secret.eq_ignore_ascii_case(name));
        let name = std::str::from_utf8(name).ok()?;
        (is_id && !is_secret).then_some(name)
    }

    fn exposed(&self) -> [Option<&[u8]>; 4] {
        [
            Some(&self.username),
            Some(&self.password),
            self.identity_token.as_ref(),
            self.registry_token.as_ref(),
        ]
        .map(|part| part.map(ExposeSecret::expose_secret))
    }
}

fn secret(bytes: &[u8]) -> SecretSlice<u8> {
    SecretSlice::from(bytes.to_vec())
}

impl PartialEq for Credential {
    fn eq(&self, other: &Self) -> bool {
        self.exposed() == other.exposed()
    }
}

impl Eq for Credential {}

/// Only for std's keyed hasher: a hash of it must not leave the process.
impl Hash for Credential {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.exposed().hash(state);
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential([REDACTED])")
    }
}

/// User names that everybody sends who logs in with a token of that kind: behind one of them there
/// is no account, and the token is what a registry counts by. Amazon ECR, Google's registries
/// (json_key and access token), ACR's tokens, IBM, OCI, NVIDIA NGC, GitLab's job tokens; each from
/// the product's page on `docker login`.
const SHARED_NAMES: &[&[u8]] = &[
    b"",
    b"AWS",
    b"_json_key",
    b"_json_key_base64",
    b"oauth2accesstoken",
    b"00000000-0000-0000-0000-000000000000",
    b"iamapikey",
    b"iambearer",
    b"BEARER_TOKEN",
    b"$oauthtoken",
    b"gitlab-ci-token",
];

/// Whose login it is, as a registry counts wrong ones: the user name as sent, byte for byte, or the
/// credential itself where everybody sends the same user name.
#[derive(Clone)]
pub struct AccountName(Arc<Known>);

#[derive(PartialEq, Eq, Hash)]
enum Known {
    User(UserName),
    Itself(Arc<Credential>),
}

struct UserName(SecretSlice<u8>);

impl PartialEq for UserName {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }
}

impl Eq for UserName {}

impl Hash for UserName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.expose_secret().hash(state);
    }
}

impl AccountName {
    /// `None` for a credential that is never sent.
    pub fn of(credential: &Arc<Credential>) -> Option<Self> {
        if credential.is_anonymous() {
            return None;
        }
        let user = credential.username.expose_secret();
        let known = if SHARED_NAMES.contains(&user) {
            Known::Itself(Arc::clone(credential))
        } else {
            Known::User(UserName(secret(user)))
        };
        Some(Self(Arc::new(known)))
    }

    /// It is a user name, so that several passwords or tokens may belong to it.
    pub fn has_several_credentials(&self) -> bool {
        matches!(*self.0, Known::User(_))
    }
}

impl PartialEq for AccountName {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for AccountName {}

/// Only for std's keyed hasher, as with [`Credential`].
impl Hash for AccountName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Debug for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccountName([REDACTED])")
    }
}

/// Names one distinct credential for as long as anything holds it, and nothing ever after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CredentialId(u64);

/// Every credential in use, each distinct value once.
#[derive(Debug, Default)]
pub struct Credentials {
    ids: HashMap<Arc<Credential>, CredentialId>,
    slots: HashMap<CredentialId, Slot>,
    last: u64,
}

#[derive(Debug)]
struct Slot {
    // An Arc, so that a conversation keeps what it sends while the slot goes away.
    credential: Arc<Credential>,
    holders: u32,
}

impl Credentials {
    /// The id of this value, with one holder more.
    pub fn intern(&mut self, credential: Credential) -> CredentialId {
        if let Some(id) = self.ids.get(&credential)
            && let Some(slot) = self.slots.get_mut(id)
        {
            slot.holders += 1;
            return *id;
        }
        // Counted up and never reused, so that a stale id cannot name another credential.
        self.last += 1;
        let id = CredentialId(self.last);
        let credential = Arc::new(credential);
        self.ids.insert(Arc::clone(&credential), id);
        self.slots.insert(
            id,
            Slot {
                credential,
                holders: 1,
            },
        );
        id
    }

    /// One holder less; the last one takes the value with it. A stale id does nothing.
    pub fn release(&mut self, id: CredentialId) {
        let Some(slot) = self.slots.get_mut(&id) else {
            return;
        };
        slot.holders -= 1;
        if slot.holders == 0
            && let Some(slot) = self.slots.remove(&id)
        {
            self.ids.remove(&slot.credential);
        }
    }

    /// The value, unless its last holder is gone.
    pub fn get(&self, id: CredentialId) -> Option<&Arc<Credential>> {
        self.slots.get(&id).map(|slot| &slot.credential)
    }

    /// How many distinct values there are.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Nothing is held.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_share_one_id_until_the_last_holder_is_gone() {
        let mut credentials = Credentials::default();
        let first = credentials.intern(Credential::basic(b"ada", b"one"));
        let again = credentials.intern(Credential::basic(b"ada", b"one"));
        let other = credentials.intern(Credential::basic(b"ada", b"two"));
        assert_eq!((first, credentials.len()), (again, 2));
        assert_ne!(first, other);

        credentials.release(first);
        assert!(credentials.get(first).is_some());
        credentials.release(first);
        assert!(credentials.get(first).is_none());
        assert_eq!(credentials.len(), 1);
    }

    #[test]
    fn a_stale_id_names_nothing_ever_again() {
        let mut credentials = Credentials::default();
        let stale = credentials.intern(Credential::basic(b"ada", b"one"));
        credentials.release(stale);
        let fresh = credentials.intern(Credential::basic(b"ada", b"one"));
        assert_ne!(stale, fresh);
        credentials.release(stale);
        assert!(credentials.get(fresh).is_some() && credentials.get(stale).is_none());
    }

    #[test]
    fn every_part_tells_credentials_apart() {
        let basic = || Credential::basic(b"ada", b"one");
        assert_eq!(basic(), basic());
        assert_ne!(basic(), basic().with_identity_token(b"t"));
        assert_ne!(
            basic().with_identity_token(b"t"),
            basic().with_registry_token(b"t")
        );
        assert_ne!(Credential::basic(b"ad", b"aone"), basic());
    }

    #[test]
    fn only_an_empty_pair_is_anonymous() {
        assert!(
            Credential::basic(b"", b"")
                .with_identity_token(b"t")
                .is_anonymous()
        );
        assert!(!Credential::basic(b"ada", b"").is_anonymous());
        assert!(!Credential::basic(b"", b"one").is_anonymous());
    }

    #[test]
    fn a_docker_id_is_shown_unless_it_is_the_secret() {
        let check = |name: &str, password: &str, expected: Option<&str>| {
            let credential = Credential::basic(name.as_bytes(), password.as_bytes());
            assert_eq!(credential.docker_id(), expected, "{name}");
        };
        check("ada1", "pass", Some("ada1"));
        check("acmebuildbot", "dckr_pat_x", Some("acmebuildbot"));
        check(&"a".repeat(30), "pass", Some(&"a".repeat(30)));
        check("ada", "pass", None);
        check(&"a".repeat(31), "pass", None);
        check("Ada1", "pass", None);
        check("ada@example.com", "pass", None);
        check("dckr_pat_abcdef", "pass", None);
        check("ad-a1", "pass", None);
        check("hunter22", "hunter22", None);
        check("hunter22", "Hunter22", None);
        check("", "", None);
        let tokens = Credential::basic(b"hunter22", b"pass").with_identity_token(b"hunter22");
        assert_eq!(tokens.docker_id(), None);
    }

    #[test]
    fn an_account_is_a_user_name_or_a_credential_of_its_own() {
        let account = |user: &[u8], password: &[u8]| {
            AccountName::of(&Arc::new(Credential::basic(user, password)))
        };
        assert_eq!(account(b"ada", b"one"), account(b"ada", b"two"));
        for other in [&b"Ada"[..], b"ada ", b"ad"] {
            assert_ne!(account(b"ada", b"one"), account(other, b"one"));
        }
        for shared in SHARED_NAMES {
            assert_ne!(account(shared, b"one"), account(shared, b"two"));
            assert_eq!(account(shared, b"one"), account(shared, b"one"));
        }
        assert!(account(b"ada", b"one").is_some_and(|name| name.has_several_credentials()));
        assert!(!account(b"AWS", b"one").is_some_and(|name| name.has_several_credentials()));
        assert_eq!(account(b"", b""), None);
        assert_ne!(account(b"", b"one"), None);
        let shown = format!("{:?}", account(b"ada", b"one"));
        assert_eq!(shown, "Some(AccountName([REDACTED]))");
    }

    #[test]
    fn debug_shows_nothing() {
        let credential = Credential::basic(b"ada", b"one").with_identity_token(b"token");
        assert_eq!(format!("{credential:?}"), "Credential([REDACTED])");
        let mut credentials = Credentials::default();
        credentials.intern(credential);
        let shown = format!("{credentials:?}");
        assert!(!shown.contains("ada") && !shown.contains("97"), "{shown}");
    }
}
