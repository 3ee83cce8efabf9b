//! One entry of a docker config: its fields, the credential they make, and what is wrong with it.

use super::{
    Entry, Fault, FaultKind, auth,
    go_json::{Kind, Text, Value},
    key_fault,
    label::label,
};
use crate::domain::{credential::Credential, keyring::Key};

/// An entry and its faults, or those for which the kubelet refuses the whole Secret.
pub(super) type Reading = Result<(Entry, Vec<Fault>), Vec<Fault>>;

/// Reads an entry (`DockerConfigEntry.UnmarshalJSON`); `null` is an empty one.
pub(super) fn read(raw_key: &Text<'_>, value: Value<'_>) -> Reading {
    let mut findings = Findings {
        label: label(&raw_key.text),
        faults: Vec::new(),
    };
    if !matches!(value.kind(), Kind::Null | Kind::Object) {
        findings.add(FaultKind::EntryNotAnObject, None);
        return Err(findings.faults);
    }
    let fields = Fields::read(value, &mut findings);
    if findings.is_poison() {
        return Err(findings.faults);
    }
    let pair = match fields.pair() {
        Ok(pair) => pair,
        Err(kind) => {
            findings.add(kind, None);
            return Err(findings.faults);
        }
    };
    fields.examine(&pair, &mut findings);

    let key = Key::normalise(&raw_key.text);
    match &key {
        Ok(key) => {
            let kinds = key_fault::examine(&raw_key.text, key);
            kinds.into_iter().for_each(|kind| findings.add(kind, None));
        }
        Err(invalid) => findings.add(FaultKind::KeyInvalid, Some(invalid.as_str())),
    }
    let entry = Entry {
        raw_key: raw_key.text.clone().into_owned(),
        key: key.ok(),
        credential: fields.credential(&pair),
        faults: findings.faults.iter().map(|fault| fault.kind).collect(),
    };
    Ok((entry, findings.faults))
}

/// The faults of one entry.
struct Findings {
    label: String,
    faults: Vec<Fault>,
}

impl Findings {
    fn add(&mut self, kind: FaultKind, detail: Option<&'static str>) {
        let fault = Fault {
            detail,
            ..Fault::on(&self.label, kind)
        };
        // Once is enough, however often a tenant repeats it.
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }

    fn is_poison(&self) -> bool {
        self.faults.iter().any(Fault::is_poison)
    }
}

const USERNAME: usize = 0;
const PASSWORD: usize = 1;
const AUTH: usize = 2;
const EMAIL: usize = 3;
const IDENTITY_TOKEN: usize = 4;
const REGISTRY_TOKEN: usize = 5;

/// The fields by these places. The kubelet knows those up to `email` and wants strings there; the
/// tokens it ignores, whatever they are.
const FIELDS: [&str; 6] = [
    "username",
    "password",
    "auth",
    "email",
    "identitytoken",
    "registrytoken",
];

/// User name and password as sent, in this order.
type Pair = [Vec<u8>; 2];

#[derive(Default)]
struct Fields<'a>([Option<Text<'a>>; FIELDS.len()]);

impl<'a> Fields<'a> {
    fn read(value: Value<'a>, findings: &mut Findings) -> Self {
        let mut fields = Self::default();
        let mut seen = [false; FIELDS.len()];
        for (name, value) in value.members() {
            let Some(place) = FIELDS.iter().position(|field| name.names(field)) else {
                continue;
            };
            if std::mem::replace(&mut seen[place], true) {
                findings.add(FaultKind::RepeatedMember, Some(FIELDS[place]));
            }
            match value.text() {
                Some(text) => fields.0[place] = Some(text),
                // Go leaves a field as it is for a `null`, also one that was set before.
                None if value.kind() == Kind::Null || place > EMAIL => {}
                None => findings.add(FaultKind::FieldNotAString, Some(FIELDS[place])),
            }
        }
        fields
    }

    fn text(&self, place: usize) -> &str {
        self.0[place].as_ref().map_or("", |field| &*field.text)
    }

    /// `auth` if there is one, whatever the others say.
    fn pair(&self) -> Result<Pair, FaultKind> {
        match self.text(AUTH) {
            "" => Ok([USERNAME, PASSWORD].map(|place| self.text(place).into())),
            auth => auth::decode(auth).map(|(username, password)| [username, password]),
        }
    }

    fn credential(&self, [username, password]: &Pair) -> Credential {
        let mut credential = Credential::basic(username, password);
        let [identity_token, registry_token] =
            [IDENTITY_TOKEN, REGISTRY_TOKEN].map(|place| self.text(place));
        if !identity_token.is_empty() {
            credential = credential.with_identity_token(identity_token.as_bytes());
        }
        if !registry_token.is_empty() {
            credential = credential.with_registry_token(registry_token.as_bytes());
        }
        credential
    }

    /// What is wrong with a pair that the kubelet takes.
    fn examine(&self, pair: &Pair, findings: &mut Findings) {
        if let Some(kind) = self.why_incomplete(pair) {
            findings.add(kind, None);
        }
        let has_auth = !self.text(AUTH).is_empty();
        for (place, value) in pair.iter().enumerate() {
            let field = Some(FIELDS[place]);
            // Go replaced it while it read the JSON; in `auth` any byte gets through, until the
            // runtime's protobuf refuses it.
            let is_damaged = self.0[place].as_ref().is_some_and(|field| field.is_damaged);
            if is_damaged && !has_auth || str::from_utf8(value).is_err() {
                findings.add(FaultKind::NotUtf8, field);
            }
            if has_whitespace_around(value) && !is_json_key(pair) {
                findings.add(FaultKind::Whitespace, field);
            }
            if value.contains(&b'\0') {
                findings.add(FaultKind::NulByte, field);
            }
            if str::from_utf8(value).is_ok_and(auth::is_markup) {
                findings.add(FaultKind::Placeholder, field);
            }
            let written = self.text(place).as_bytes();
            if has_auth && !written.is_empty() && written != value {
                findings.add(FaultKind::AuthContradicts, field);
            }
        }
        if pair[USERNAME].contains(&b':') {
            findings.add(FaultKind::UsernameColon, None);
        }
    }

    /// Why the runtime pulls anonymously, or not at all (containerd ParseAuth, CRI-O PullImage).
    fn why_incomplete(&self, [username, password]: &Pair) -> Option<FaultKind> {
        match (username.is_empty(), password.is_empty()) {
            (false, false) => None,
            (true, false) => Some(FaultKind::EmptyUsername),
            _ if !self.text(IDENTITY_TOKEN).is_empty() => Some(FaultKind::IdentityTokenOnly),
            _ if !self.text(REGISTRY_TOKEN).is_empty() => Some(FaultKind::RegistryTokenOnly),
            (true, true) => Some(FaultKind::EmptyEntry),
            (false, true) => Some(FaultKind::EmptyPassword),
        }
    }
}

fn has_whitespace_around(value: &[u8]) -> bool {
    value.trim_ascii().len() < value.len()
}

/// A key file of Google's as the password: JSON, so that a line end behind it does no harm.
fn is_json_key([username, password]: &Pair) -> bool {
    username == b"_json_key" && password.trim_ascii_start().starts_with(b"{")
}
