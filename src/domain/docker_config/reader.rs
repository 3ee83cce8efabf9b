//! A docker config as a whole: which entries it has in the end, and why it may have none.

use std::{
    cmp::Reverse,
    collections::{HashMap, hash_map},
};

use super::{
    Entry, Fault, FaultKind, FaultSet, Parsed, SecretKind, entry,
    go_json::{Kind, Text, Value},
    is_object, of_whole,
};

/// A Secret is tenant input: of more than this we read no entry, but still whether the kubelet
/// takes it.
const MOST_ENTRIES: usize = 512;
const MOST_BYTES: usize = 256 * 1024;

/// What marks an entry in a place where none is expected.
const ENTRY_FIELDS: [&str; 4] = ["auth", "username", "password", "identitytoken"];

/// What a docker config has instead of credentials where the machine keeps them elsewhere.
const HELPERS: [&str; 2] = ["credsstore", "credhelpers"];

/// Reads the one value of the text.
pub(super) fn read(kind: SecretKind, document: Value<'_>) -> Parsed {
    let mut reader = Reader::default();
    match document.kind() {
        Kind::Object => match kind {
            SecretKind::DockerConfigJson => reader.config(document),
            SecretKind::DockerCfg => reader.auths(document),
        },
        Kind::Null => return of_whole(Fault::new(FaultKind::NullConfig)),
        Kind::String if is_quoted_object(document) => {
            return of_whole(Fault::new(FaultKind::DoubleEncoded));
        }
        Kind::Array | Kind::Scalar | Kind::String => {
            return of_whole(Fault::new(FaultKind::NotAnObject));
        }
    }
    reader.finish(kind, document)
}

fn is_quoted_object(document: Value<'_>) -> bool {
    document
        .text()
        .is_some_and(|quoted| is_object(quoted.text.as_bytes()))
}

/// The state of a Go map that is filled member by member.
#[derive(Default)]
struct Reader {
    entries: Vec<(Entry, Vec<Fault>)>,
    /// Where the entry of a raw key is.
    places: HashMap<String, usize>,
    /// What is wrong apart from the entries that are left.
    faults: Vec<Fault>,
    kinds: FaultSet,
    bytes: usize,
}

impl Reader {
    /// `DockerConfigJSON`: Go merges a second `auths` into the first, and a `null` empties it.
    fn config(&mut self, document: Value<'_>) {
        let mut has_auths = false;
        for (name, value) in document.members() {
            if name.names("auths") {
                if std::mem::replace(&mut has_auths, true) {
                    self.fault(Fault::new(FaultKind::RepeatedMember).with_detail("auths"));
                }
                match value.kind() {
                    Kind::Object => self.auths(value),
                    Kind::Null => self.clear(),
                    Kind::Array | Kind::Scalar | Kind::String => {
                        self.fault(Fault::new(FaultKind::AuthsNotAnObject));
                    }
                }
            } else if name.names("httpheaders") && !are_headers(value) {
                self.fault(Fault::new(FaultKind::HttpHeadersNotStrings));
            }
        }
    }

    /// `DockerConfig`: the last entry of a key replaces the others.
    fn auths(&mut self, value: Value<'_>) {
        for (raw_key, value) in value.members() {
            self.bytes += raw_key.text.len() + value.size();
            match entry::read(&raw_key, value) {
                Ok(read) => self.insert(&raw_key, read),
                Err(faults) => faults.into_iter().for_each(|fault| self.fault(fault)),
            }
        }
    }

    fn insert(&mut self, raw_key: &Text<'_>, (mut entry, mut faults): (Entry, Vec<Fault>)) {
        if let Some(place) = self.places.get(&*raw_key.text) {
            entry.faults.insert(FaultKind::RepeatedMember);
            faults.push(Fault::on(&entry.label(), FaultKind::RepeatedMember));
            self.entries[*place] = (entry, faults);
        } else if self.entries.len() == MOST_ENTRIES || self.bytes > MOST_BYTES {
            self.fault_once(FaultKind::TooLarge);
        } else {
            self.places
                .insert(entry.raw_key.clone(), self.entries.len());
            self.entries.push((entry, faults));
        }
    }

    fn clear(&mut self) {
        self.entries.clear();
        self.places.clear();
    }

    /// Of many faults the rest count only if they are of a new kind.
    fn fault(&mut self, fault: Fault) {
        if self.kinds.insert(fault.kind) || self.faults.len() < MOST_ENTRIES {
            self.faults.push(fault);
        }
    }

    fn fault_once(&mut self, kind: FaultKind) {
        if !self.kinds.contains(kind) {
            self.fault(Fault::new(kind));
        }
    }

    fn finish(mut self, kind: SecretKind, document: Value<'_>) -> Parsed {
        if let Some(kind) = self.why_useless(kind, document) {
            self.fault(Fault::new(kind));
        }
        let (mut entries, faults): (Vec<_>, Vec<_>) = self.entries.into_iter().unzip();
        let mut faults: Vec<Fault> = self
            .faults
            .into_iter()
            .chain(faults.into_iter().flatten())
            .collect();
        faults.extend(mark_duplicates(&mut entries));
        faults.sort_by_key(|fault| Reverse(fault.kind.effect()));
        Parsed { entries, faults }
    }

    /// Why no credential comes out of it, however well it is written.
    fn why_useless(&self, kind: SecretKind, document: Value<'_>) -> Option<FaultKind> {
        let is_anonymous = |(entry, _): &(Entry, Vec<Fault>)| entry.credential.is_anonymous();
        let is_all = !self.kinds.contains(FaultKind::TooLarge);
        if !is_all || !self.entries.iter().all(is_anonymous) {
            return None;
        }
        let is_refused = self.faults.iter().any(Fault::is_poison);
        match kind {
            SecretKind::DockerCfg if document.members().any(|(name, _)| name.text == "auths") => {
                Some(FaultKind::DockerconfigjsonShape)
            }
            _ if is_refused => None,
            SecretKind::DockerCfg => self.entries.is_empty().then_some(FaultKind::NoEntries),
            SecretKind::DockerConfigJson => self.why_no_auths(document),
        }
    }

    fn why_no_auths(&self, document: Value<'_>) -> Option<FaultKind> {
        let has = |is_wanted: &dyn Fn(&Text<'_>, Value<'_>) -> bool| {
            document
                .members()
                .any(|(name, value)| is_wanted(&name, value))
        };
        if has(&|name, _| HELPERS.iter().any(|helper| name.names(helper))) {
            Some(FaultKind::CredentialHelpersOnly)
        } else if !self.entries.is_empty() {
            None
        } else if has(&|name, value| name.names("auth") && value.kind() == Kind::Object) {
            Some(FaultKind::AuthInsteadOfAuths)
        } else if has(&|_, value| is_entry(value)) {
            Some(FaultKind::DockercfgShape)
        } else if has(&|name, _| name.names("auths")) {
            Some(FaultKind::NoEntries)
        } else {
            Some(FaultKind::NoAuths)
        }
    }
}

/// `map[string]string`, which Go insists on though nothing uses it.
fn are_headers(value: Value<'_>) -> bool {
    let is_text = |value: Value<'_>| matches!(value.kind(), Kind::Null | Kind::String);
    match value.kind() {
        Kind::Null => true,
        Kind::Object => value.members().all(|(_, value)| is_text(value)),
        Kind::Array | Kind::Scalar | Kind::String => false,
    }
}

fn is_entry(value: Value<'_>) -> bool {
    value
        .members()
        .any(|(name, _)| ENTRY_FIELDS.iter().any(|field| name.names(field)))
}

/// Two spellings of one key (`ghcr.io`, `https://ghcr.io`) go into the keyring in the random order
/// of Go's map. With one credential nobody can tell.
fn mark_duplicates(entries: &mut [Entry]) -> Vec<Fault> {
    let mut first = HashMap::new();
    let mut duplicates = Vec::new();
    for (place, entry) in entries.iter().enumerate() {
        match entry.key.as_ref().map(|key| first.entry(key)) {
            Some(hash_map::Entry::Vacant(vacant)) => {
                vacant.insert(entry);
            }
            Some(hash_map::Entry::Occupied(occupied))
                if occupied.get().credential != entry.credential =>
            {
                duplicates.push(place);
            }
            _ => {}
        }
    }
    let mut faults = Vec::new();
    for place in duplicates {
        let entry = &mut entries[place];
        entry.faults.insert(FaultKind::DuplicateKey);
        faults.push(Fault::on(&entry.label(), FaultKind::DuplicateKey));
    }
    faults
}
