//! What can be wrong with a pull secret: a closed list, the same in labels, reports and docs.
//!
//! Each kind says what it makes the kubelet do. No fault ever holds a value of the Secret.

use std::fmt;

/// What a fault makes the kubelet do, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Effect {
    /// It uses the entry; the registry may not like what it gets.
    Suspicious,
    /// It never sends the entry, or sends nothing that could be accepted.
    EntryUseless,
    /// It finds no credential in the Secret.
    SecretIgnored,
    /// It drops every credential of every pull secret of the pod.
    PoisonsAll,
}

impl Effect {
    /// Every effect, the worst last.
    pub const ALL: [Self; 4] = [
        Self::Suspicious,
        Self::EntryUseless,
        Self::SecretIgnored,
        Self::PoisonsAll,
    ];

    /// The word for labels and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Suspicious => "suspicious",
            Self::EntryUseless => "entry_useless",
            Self::SecretIgnored => "secret_ignored",
            Self::PoisonsAll => "poisons_all",
        }
    }
}

/// One row for each kind: its word, its effect, what is the matter, what to do.
macro_rules! fault_kinds {
    ($($kind:ident $word:literal $effect:ident $explanation:literal $fix:literal)*) => {
        /// What is wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum FaultKind {
            $(#[doc = $explanation] $kind,)*
        }

        impl FaultKind {
            /// Every kind, the worst first.
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            /// The word for labels and JSON; never changes after a release.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$kind => $word,)* }
            }

            /// What the kubelet does about it.
            pub fn effect(self) -> Effect {
                match self { $(Self::$kind => Effect::$effect,)* }
            }

            /// What is the matter, in one sentence.
            pub fn explanation(self) -> &'static str {
                match self { $(Self::$kind => $explanation,)* }
            }

            /// What to do about it, in one sentence.
            pub fn fix(self) -> &'static str {
                match self { $(Self::$kind => $fix,)* }
            }
        }
    };
}

fault_kinds! {
    ByteOrderMark "byte_order_mark" PoisonsAll
        "The value starts with a byte order mark, which JSON forbids."
        "Save the file as UTF-8 without byte order mark and create the Secret again."
    DoubleEncoded "double_encoded" PoisonsAll
        "The value is an encoding of a docker config, as base64 or as a JSON string, and not the docker config itself."
        "Encode once: put the JSON as it is into `stringData`, or its base64 into `data`."
    InvalidJson "invalid_json" PoisonsAll
        "The value is not JSON."
        "Create the Secret again from a docker config that `docker login` wrote."
    NotAnObject "not_an_object" PoisonsAll
        "The value is JSON but not an object."
        "Create the Secret again from a docker config that `docker login` wrote."
    AuthsNotAnObject "auths_not_an_object" PoisonsAll
        "`auths` is not an object with one member for each registry."
        "Write `auths` as an object from registry to entry."
    EntryNotAnObject "entry_not_an_object" PoisonsAll
        "An entry is not an object."
        "Write the entry as an object with `auth`, or with `username` and `password`."
    FieldNotAString "field_not_a_string" PoisonsAll
        "A field of an entry is not a string."
        "Put the value into quotes, and escape the quotes inside it."
    HttpHeadersNotStrings "http_headers_not_strings" PoisonsAll
        "`HttpHeaders` is not an object of strings, so that the kubelet refuses the whole Secret."
        "Remove `HttpHeaders`: kubelets do not use it."
    AuthPlaceholder "auth_placeholder" PoisonsAll
        "`auth` is a placeholder that nobody has replaced."
        "Render the template, then create the Secret again."
    AuthNotEncoded "auth_not_encoded" PoisonsAll
        "`auth` is not base64 but looks like plain user name and password."
        "Encode it as base64, or use `username` and `password` instead of `auth`."
    AuthUrlSafe "auth_url_safe" PoisonsAll
        "`auth` is base64 in the URL-safe alphabet, which the kubelet refuses."
        "Encode it in the standard alphabet, with `+` and `/`."
    AuthPadding "auth_padding" PoisonsAll
        "`auth` is base64 with a wrong number of `=` at its end."
        "Encode it again: either all of the padding or none of it."
    AuthBlank "auth_blank" PoisonsAll
        "`auth` is base64 with a blank or a tab in it."
        "Remove the blank."
    AuthNotBase64 "auth_not_base64" PoisonsAll
        "`auth` is not base64."
        "Encode `username:password` as base64, or use `username` and `password` instead of `auth`."
    AuthEncodedTwice "auth_encoded_twice" PoisonsAll
        "`auth` was encoded as base64 twice."
        "Encode `username:password` once."
    AuthWithoutColon "auth_without_colon" PoisonsAll
        "`auth` is base64 of something without a colon, such as a bare token."
        "Encode `username:password`: a token too needs a user name and a colon before it."

    WrongSecretType "wrong_secret_type" SecretIgnored
        "The Secret has a type that the kubelet does not read for pulling."
        "Create it again with type kubernetes.io/dockerconfigjson: the type cannot be changed."
    DataKeyMissing "data_key_missing" SecretIgnored
        "The Secret does not have the data key that belongs to its type."
        "Use `.dockerconfigjson` with kubernetes.io/dockerconfigjson, `.dockercfg` with kubernetes.io/dockercfg."
    DataEmpty "data_empty" SecretIgnored
        "The value is empty."
        "Create the Secret again with a docker config in it."
    NullConfig "null_config" SecretIgnored
        "The value is `null`."
        "Create the Secret again with a docker config in it."
    AuthInsteadOfAuths "auth_instead_of_auths" SecretIgnored
        "The registries are under `auth`, which the kubelet does not read."
        "Rename the member to `auths`."
    DockercfgShape "dockercfg_shape" SecretIgnored
        "The registries are at the top level, as in the old .dockercfg, and not under `auths`."
        "Put them under `auths`, or use type kubernetes.io/dockercfg with the key `.dockercfg`."
    DockerconfigjsonShape "dockerconfigjson_shape" SecretIgnored
        "The registries are under `auths`, which the old .dockercfg format takes for a registry."
        "Use type kubernetes.io/dockerconfigjson with the key `.dockerconfigjson`."
    CredentialHelpersOnly "credential_helpers_only" SecretIgnored
        "The docker config points to a credential helper of the machine it was copied from and holds no credential."
        "Log in without a credential helper, so that the docker config itself holds the credential."
    NoAuths "no_auths" SecretIgnored
        "The docker config has no `auths`."
        "Create the Secret again from a docker config that `docker login` wrote."
    NoEntries "no_entries" SecretIgnored
        "The docker config has no entry."
        "Add an entry for the registry."

    KeyInvalid "key_invalid" EntryUseless
        "The kubelet cannot read the key as a URL and drops the entry."
        "Write the key as the image has it: host, and port if there is one."
    KeyScheme "key_scheme" EntryUseless
        "The key has a scheme or slashes in front that the kubelet takes for a part of the host."
        "Remove what stands before the host; only https:// and http:// may be there."
    KeyEmptyHost "key_empty_host" EntryUseless
        "The key has no host."
        "Write the key as the image has it: host, and port if there is one."
    KeyUpperCaseHost "key_upper_case_host" EntryUseless
        "The host of the key has capitals, and the kubelet compares letter by letter."
        "Write the host in lower case, as images do."
    KeyDockerHubAlias "key_docker_hub_alias" EntryUseless
        "The kubelet does not know this name of Docker Hub."
        "Use the key https://index.docker.io/v1/ (with its last slash)."
    KeyV1WithoutSlash "key_v1_without_slash" EntryUseless
        "The key ends in /v1 or /v2 without a slash, which the kubelet takes for a repository."
        "Remove the path, or add the last slash."
    KeyV0Path "key_v0_path" EntryUseless
        "The key ends in /v0/, which the kubelet takes for a repository: it takes off only /v1/ and /v2/."
        "Remove the path."
    KeyGlobInPath "key_glob_in_path" EntryUseless
        "The key has a `*` in its path, where it stands for itself."
        "Leave the `*` out: a path matches all that begins with it."
    KeyImpossibleHost "key_impossible_host" EntryUseless
        "No image can name the host of this key: it needs a dot or a port, and only letters, digits and dashes."
        "Write the key as the image has it: host, and port if there is one."
    KeyImpossiblePath "key_impossible_path" EntryUseless
        "No repository can begin with the path of this key: a tag, a capital or a character that repositories do not have."
        "Write host and beginning of the repository only, without tag or digest."
    EmptyEntry "empty_entry" EntryUseless
        "The entry is empty, so that the pull is anonymous."
        "Fill in `auth`, or remove the entry."
    IdentityTokenOnly "identity_token_only" EntryUseless
        "The entry has an identity token, which kubelets ignore, and no password."
        "Use a user name and a password or access token that the registry accepts."
    RegistryTokenOnly "registry_token_only" EntryUseless
        "The entry has a registry token, which kubelets ignore, and no password."
        "Use a user name and a password or access token that the registry accepts."
    EmptyUsername "empty_username" EntryUseless
        "The user name is empty, so that the runtime pulls anonymously."
        "Fill in the user name; for a token, the one that the registry documents."
    EmptyPassword "empty_password" EntryUseless
        "The password is empty, so that the runtime pulls anonymously or not at all."
        "Fill in the password."
    NotUtf8 "not_utf8" EntryUseless
        "A user name or password has bytes that are not UTF-8 and cannot reach the runtime as they are."
        "Encode the user name and the password as UTF-8."

    AuthContradicts "auth_contradicts" Suspicious
        "`auth` says something else than `username` and `password`; the kubelet uses `auth`."
        "Change them together, or leave only one of them."
    Whitespace "whitespace" Suspicious
        "A user name or password begins or ends with a blank, a tab or a line end, which is sent as part of it."
        "Create it again with `printf` or `echo -n`, which add no line end."
    NulByte "nul_byte" Suspicious
        "A user name or password holds a NUL byte, which kubelets send and docker takes off."
        "Remove the NUL byte."
    UsernameColon "username_colon" Suspicious
        "The user name has a colon, after which the registry reads the password."
        "Use a user name without a colon."
    Placeholder "placeholder" Suspicious
        "A user name or password looks like a placeholder that nobody has replaced."
        "Render the template, then create the Secret again."
    KeyDefaultPort "key_default_port" Suspicious
        "The key has the port 443, so that it matches only images that are written with :443."
        "Remove the port from the key, unless the images have it."
    KeySingleStar "key_single_star" Suspicious
        "A lone `*` stands for one label, so that the key matches hosts without a dot only."
        "Write the host of the registry."
    KeyUserInfo "key_user_info" Suspicious
        "The key has user info before an `@`, which the kubelet drops and anyone who may see keys can read."
        "Move it to `username` and `password`, and change the password."
    DuplicateKey "duplicate_key" Suspicious
        "Two keys mean the same registry and have different credentials, which the kubelet tries in random order."
        "Keep one of them."
    RepeatedMember "repeated_member" Suspicious
        "The JSON has the same member twice; the last one counts."
        "Keep one of them."
    TooLarge "too_large" Suspicious
        "The docker config has more than 512 entries or 256 KiB; the kubelet reads it all, we probe only the beginning."
        "Split the Secret by registry."
}

impl FaultKind {
    /// The bit of this kind in a [`FaultSet`].
    fn bit(self) -> u64 {
        1 << self as u8
    }
}

/// Something wrong in a Secret that we were given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What.
    pub kind: FaultKind,
    /// The entry's key as [`Entry::label`](super::Entry::label) shows it; none for a fault of the
    /// whole.
    pub key: Option<String>,
    /// Which field, or why the key was refused: a word of ours.
    pub detail: Option<&'static str>,
    /// For a fault of the whole: the byte that the reader choked on.
    pub offset: Option<usize>,
}

impl Fault {
    pub(super) fn new(kind: FaultKind) -> Self {
        Self {
            kind,
            key: None,
            detail: None,
            offset: None,
        }
    }

    pub(super) fn on(key: &str, kind: FaultKind) -> Self {
        Self {
            key: Some(key.to_owned()),
            ..Self::new(kind)
        }
    }

    pub(super) fn is_poison(&self) -> bool {
        self.kind.effect() == Effect::PoisonsAll
    }

    pub(super) fn with_detail(self, detail: &'static str) -> Self {
        Self {
            detail: Some(detail),
            ..self
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(key) = &self.key {
            write!(f, "entry `{key}`: ")?;
        }
        f.write_str(self.kind.explanation())?;
        match (self.detail, self.offset) {
            (Some(detail), _) => write!(f, " ({detail})"),
            (None, Some(offset)) => write!(f, " (at byte {offset})"),
            (None, None) => Ok(()),
        }
    }
}

/// Which kinds of fault there are, in one word of memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FaultSet(u64);

impl FaultSet {
    /// Adds a kind; tells whether it is new.
    pub fn insert(&mut self, kind: FaultKind) -> bool {
        let is_new = !self.contains(kind);
        self.0 |= kind.bit();
        is_new
    }

    /// Whether the kind is there.
    pub fn contains(self, kind: FaultKind) -> bool {
        self.0 & kind.bit() != 0
    }

    /// Nothing is wrong.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The kinds, the worst first.
    pub fn iter(self) -> impl Iterator<Item = FaultKind> {
        FaultKind::ALL
            .iter()
            .copied()
            .filter(move |kind| self.contains(*kind))
    }

    /// The worst effect.
    pub fn worst(self) -> Option<Effect> {
        self.iter().map(FaultKind::effect).max()
    }
}

impl FromIterator<FaultKind> for FaultSet {
    fn from_iter<I: IntoIterator<Item = FaultKind>>(kinds: I) -> Self {
        let mut set = Self::default();
        kinds.into_iter().for_each(|kind| {
            set.insert(kind);
        });
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_snake_case_and_distinct() {
        let mut words: Vec<&str> = FaultKind::ALL.iter().map(|kind| kind.as_str()).collect();
        for word in &words {
            assert!(
                word.bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'),
                "{word}"
            );
        }
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), FaultKind::ALL.len());
    }

    #[test]
    fn a_word_of_memory_has_room_for_all() {
        assert!(FaultKind::ALL.len() <= 64);
        let all: FaultSet = FaultKind::ALL.iter().copied().collect();
        assert!(all.iter().eq(FaultKind::ALL.iter().copied()));
        assert_eq!(all.worst(), Some(Effect::PoisonsAll));
        assert_eq!(FaultSet::default().worst(), None);
    }

    #[test]
    fn the_worst_come_first() {
        assert!(FaultKind::ALL.is_sorted_by(|a, b| a.effect() >= b.effect()));
        assert!(FaultKind::ALL.is_sorted() && Effect::ALL.is_sorted());
    }

    #[test]
    fn each_is_explained_in_one_sentence() {
        for kind in FaultKind::ALL {
            for text in [kind.explanation(), kind.fix()] {
                assert!(text.ends_with('.') && text.len() > 10, "{text}");
            }
        }
    }
}
