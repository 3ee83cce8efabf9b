//! Every way in which a pull secret goes wrong, and what the kubelet makes of it.
//!
//! What the kubelet answers was measured with its own code and Go's encoding/json 1.19 and 1.27;
//! docker_config_oracle.rs asks it again. User names and passwords are made up.

use regcred_exporter::domain::docker_config::{self, Effect, FaultKind, Parsed, SecretKind};
use secrecy::ExposeSecret;

/// What the kubelet does with the Secret.
#[derive(Debug, PartialEq)]
pub(crate) enum Kubelet {
    /// It fails, and drops the credentials of all pull secrets.
    Error,
    /// It does as if the Secret was not listed.
    Skipped,
    /// It has these entries: key, user name, password.
    Entries(Vec<(String, Vec<u8>, Vec<u8>)>),
}

/// As the kubelet's code answers: entries that stand beside an error do not exist for it.
pub(crate) fn as_kubelet(parsed: &Parsed) -> Kubelet {
    let is_skipped = |kind| matches!(kind, FaultKind::DataKeyMissing | FaultKind::DataEmpty);
    if parsed.poisons_all() {
        return Kubelet::Error;
    }
    if parsed.faults.iter().any(|fault| is_skipped(fault.kind)) {
        return Kubelet::Skipped;
    }
    let mut entries: Vec<_> = parsed
        .entries
        .iter()
        .map(|entry| {
            let username = entry.credential.username().expose_secret().to_vec();
            let password = entry.credential.password().expose_secret().to_vec();
            (entry.raw_key.clone(), username, password)
        })
        .collect();
    entries.sort();
    Kubelet::Entries(entries)
}

enum Expected<'a> {
    Error,
    Skipped,
    Entries(&'a [(&'a str, &'a str, &'a str)]),
}
use Expected::{Entries, Error, Skipped};

/// The entry of a Secret that works: base64 of `ada:lovelace`.
const ADA: &[(&str, &str, &str)] = &[("r.io", "ada", "lovelace")];
const NO_PAIR: &[(&str, &str, &str)] = &[("r.io", "", "")];

#[track_caller]
fn check(data: &str, expected: Expected<'_>, faults: &[&str]) {
    check_bytes(
        SecretKind::DockerConfigJson,
        Some(data.as_bytes()),
        expected,
        faults,
    );
}

#[track_caller]
fn check_bytes(kind: SecretKind, data: Option<&[u8]>, expected: Expected<'_>, faults: &[&str]) {
    let parsed = docker_config::parse(kind, data);
    let expected = match expected {
        Error => Kubelet::Error,
        Skipped => Kubelet::Skipped,
        Entries(entries) => Kubelet::Entries(
            entries
                .iter()
                .map(|(key, username, password)| {
                    ((*key).to_owned(), (*username).into(), (*password).into())
                })
                .collect(),
        ),
    };
    let shown = data.map(String::from_utf8_lossy);
    assert_eq!(as_kubelet(&parsed), expected, "{shown:?}");
    let found: Vec<&str> = parsed
        .faults
        .iter()
        .map(|fault| fault.kind.as_str())
        .collect();
    assert_eq!(found, faults, "{shown:?}");
}

/// A docker config whose only entry has this `auth`.
fn with_auth(auth: &str) -> String {
    format!(r#"{{"auths":{{"r.io":{{"auth":"{auth}"}}}}}}"#)
}

#[test]
fn row_01_an_empty_value_is_skipped() {
    check("", Skipped, &["data_empty"]);
    check_bytes(SecretKind::DockerCfg, Some(b""), Skipped, &["data_empty"]);
}

#[test]
fn row_02_whitespace_is_no_json() {
    check(" \n", Error, &["invalid_json"]);
}

#[test]
fn row_03_base64_of_the_json_is_double_encoded() {
    let json = "eyJhdXRocyI6eyJyLmlvIjp7ImF1dGgiOiJZV1JoT214dmRtVnNZV05sIn19fQ==";
    check(json, Error, &["double_encoded"]);
    check(&format!("{json}\n"), Error, &["double_encoded"]);
    check(json.trim_end_matches('='), Error, &["double_encoded"]);
    check("bm90IGpzb24=", Error, &["invalid_json"]);
}

#[test]
fn row_04_json_in_a_json_string_is_double_encoded() {
    check(r#""{\"auths\":{}}""#, Error, &["double_encoded"]);
    check(r#""r.io""#, Error, &["not_an_object"]);
}

#[test]
fn row_05_an_array_is_no_docker_config() {
    check("[]", Error, &["not_an_object"]);
    check("1", Error, &["not_an_object"]);
    check_bytes(
        SecretKind::DockerCfg,
        Some(b"true"),
        Error,
        &["not_an_object"],
    );
}

#[test]
fn row_06_null_is_a_docker_config_without_entries() {
    check("null", Entries(&[]), &["null_config"]);
    check_bytes(
        SecretKind::DockerCfg,
        Some(b" null\n"),
        Entries(&[]),
        &["null_config"],
    );
}

#[test]
fn row_07_without_auths_there_are_no_entries() {
    check("{}", Entries(&[]), &["no_auths"]);
    check(r#"{"HttpHeaders":{"a":"b"}}"#, Entries(&[]), &["no_auths"]);
    check_bytes(
        SecretKind::DockerCfg,
        Some(b"{}"),
        Entries(&[]),
        &["no_entries"],
    );
}

#[test]
fn row_08_null_auths_have_no_entries() {
    check(r#"{"auths":null}"#, Entries(&[]), &["no_entries"]);
    check(r#"{"auths":{}}"#, Entries(&[]), &["no_entries"]);
}

#[test]
fn row_09_auths_must_be_an_object() {
    check(r#"{"auths":[]}"#, Error, &["auths_not_an_object"]);
    check(r#"{"auths":"x"}"#, Error, &["auths_not_an_object"]);
}

#[test]
fn row_10_singular_auth_is_not_read() {
    check(
        r#"{"auth":{"r.io":{"auth":"YWRhOmxvdmVsYWNl"}}}"#,
        Entries(&[]),
        &["auth_instead_of_auths"],
    );
}

#[test]
fn row_11_registries_at_the_top_level_are_not_read() {
    check(
        r#"{"r.io":{"auth":"YWRhOmxvdmVsYWNl"}}"#,
        Entries(&[]),
        &["dockercfg_shape"],
    );
}

#[test]
fn row_12_auths_in_a_dockercfg_is_a_registry_of_that_name() {
    let json = r#"{"auths":{"r.io":{"auth":"YWRhOmxvdmVsYWNl"}}}"#;
    let faults = [
        "dockerconfigjson_shape",
        "empty_entry",
        "key_impossible_host",
    ];
    check_bytes(
        SecretKind::DockerCfg,
        Some(json.as_bytes()),
        Entries(&[("auths", "", "")]),
        &faults,
    );
    // What else a config.json holds is no entry at all.
    let json = r#"{"auths":{},"credsStore":"desktop"}"#;
    let faults = [
        "entry_not_an_object",
        "dockerconfigjson_shape",
        "empty_entry",
        "key_impossible_host",
    ];
    check_bytes(SecretKind::DockerCfg, Some(json.as_bytes()), Error, &faults);
}

#[test]
fn row_13_names_of_fields_work_in_any_case() {
    check(
        r#"{"Auths":{"r.io":{"AUTH":"YWRhOmxvdmVsYWNl"}}}"#,
        Entries(ADA),
        &[],
    );
    check(
        r#"{"AUTH\u017f":{"r.io":{"Username":"ada","paſſword":"lovelace"}}}"#,
        Entries(ADA),
        &[],
    );
    let two = &[("R.io", "ada", "1"), ("r.io", "ada", "2")];
    let json = r#"{"auths":{"r.io":{"username":"ada","password":"2"},"R.io":{"username":"ada","password":"1"}}}"#;
    check(json, Entries(two), &["key_upper_case_host"]);
}

#[test]
fn row_14_an_empty_entry_is_an_anonymous_pull() {
    check(
        r#"{"auths":{"r.io":null}}"#,
        Entries(NO_PAIR),
        &["empty_entry"],
    );
    check(
        r#"{"auths":{"r.io":{}}}"#,
        Entries(NO_PAIR),
        &["empty_entry"],
    );
    check(
        r#"{"auths":{"r.io":{"auth":null,"username":null}}}"#,
        Entries(NO_PAIR),
        &["empty_entry"],
    );
}

#[test]
fn row_15_an_entry_must_be_an_object() {
    check(
        r#"{"auths":{"r.io":"YWRhOmxvdmVsYWNl"}}"#,
        Error,
        &["entry_not_an_object"],
    );
    check(r#"{"auths":{"r.io":[]}}"#, Error, &["entry_not_an_object"]);
}

#[test]
fn row_16_auth_needs_a_colon() {
    check(&with_auth("Z2hwX3Rva2Vu"), Error, &["auth_without_colon"]);
    check(&with_auth("\\n"), Error, &["auth_without_colon"]);
}

#[test]
fn row_17_auth_encoded_twice_has_no_colon() {
    check(
        &with_auth("WVdSaE9teHZkbVZzWVdObA=="),
        Error,
        &["auth_encoded_twice"],
    );
}

#[test]
fn row_18_plain_user_and_password_are_no_base64() {
    check(&with_auth("ada:lovelace"), Error, &["auth_not_encoded"]);
}

#[test]
fn row_19_the_url_safe_alphabet_is_refused() {
    check(&with_auth("YTo_Pz8-"), Error, &["auth_url_safe"]);
}

#[test]
fn row_20_padding_may_be_left_out() {
    check(
        &with_auth("YWRhOmxvdmVs"),
        Entries(&[("r.io", "ada", "lovel")]),
        &[],
    );
    check(
        &with_auth("YWRhOmxvdmVsYQ"),
        Entries(&[("r.io", "ada", "lovela")]),
        &[],
    );
    check(
        &with_auth("YWRhOmxvdmVsYQ=="),
        Entries(&[("r.io", "ada", "lovela")]),
        &[],
    );
}

#[test]
fn row_21_half_of_the_padding_is_refused() {
    check(&with_auth("YWRhOmxvdmVsYQ="), Error, &["auth_padding"]);
}

#[test]
fn row_22_line_ends_in_base64_do_not_count() {
    for auth in [
        "YWRhOmxvdmVsYWNl\\n",
        "YWRhOmxvdmVsYWNl\\r\\n",
        "YWRhOm\\nxvdmVs\\nYWNl",
    ] {
        check(&with_auth(auth), Entries(ADA), &[]);
    }
}

#[test]
fn row_23_other_blanks_in_base64_are_refused() {
    check(&with_auth("YWRhOmxvdmVsYWNl "), Error, &["auth_blank"]);
    check(&with_auth("YWRhOmxvdmVsYWNl\\t"), Error, &["auth_blank"]);
    check(&with_auth("YWRhOmxvdmVsYQ== "), Error, &["auth_blank"]);
}

#[test]
fn row_24_a_line_end_behind_the_password_is_sent() {
    check(
        &with_auth("YWRhOmxvdmVsYWNlCg=="),
        Entries(&[("r.io", "ada", "lovelace\n")]),
        &["whitespace"],
    );
    check(
        &with_auth("YWRhOmxvdmVsYWNlDQo="),
        Entries(&[("r.io", "ada", "lovelace\r\n")]),
        &["whitespace"],
    );
    let json = r#"{"auths":{"r.io":{"username":" ada","password":"lovelace\t"}}}"#;
    check(
        json,
        Entries(&[("r.io", " ada", "lovelace\t")]),
        &["whitespace", "whitespace"],
    );
    // A key file is JSON, where a line end at the end changes nothing.
    let json = r#"{"auths":{"r.io":{"username":"_json_key","password":"{\"type\":1}\n"}}}"#;
    check(
        json,
        Entries(&[("r.io", "_json_key", "{\"type\":1}\n")]),
        &[],
    );
}

#[test]
fn row_25_a_nul_byte_is_sent() {
    check(
        &with_auth("YWRhOmxvdmVsYWNlAA=="),
        Entries(&[("r.io", "ada", "lovelace\0")]),
        &["nul_byte"],
    );
}

#[test]
fn row_26_fields_must_be_strings() {
    check(
        r#"{"auths":{"r.io":{"auth":1}}}"#,
        Error,
        &["field_not_a_string"],
    );
    check(
        r#"{"auths":{"r.io":{"username":"ada","password":12345}}}"#,
        Error,
        &["field_not_a_string"],
    );
    check(
        r#"{"auths":{"r.io":{"password":true,"email":[]}}}"#,
        Error,
        &["field_not_a_string", "field_not_a_string"],
    );
}

#[test]
fn row_27_a_key_file_pasted_as_an_object_is_no_string() {
    let json =
        r#"{"auths":{"r.io":{"username":"_json_key","password":{"type":"service_account"}}}}"#;
    check(json, Error, &["field_not_a_string"]);
}

#[test]
fn rows_28_to_33_what_the_api_server_refuses_is_no_json() {
    for json in [
        r#"{"auths":{"r.io":{"password":"{"type":"service_account"}"}}}"#,
        "{\"auths\":{\"r.io\":{\"password\":\"two\nlines\"}}}",
        r#"{"auths":{},}"#,
        r#"{"auths":{}} x"#,
        r#"{"auths":{}}{"auths":{}}"#,
        "{\"auths\":{}}\0",
        "{'auths':{}}",
        "auths:\n  r.io:\n    auth: YWRhOmxvdmVsYWNl\n",
    ] {
        check(json, Error, &["invalid_json"]);
    }
    check("\u{feff}{\"auths\":{}}", Error, &["byte_order_mark"]);
    check_bytes(
        SecretKind::DockerConfigJson,
        Some(b"\xff\xfe{\0}\0"),
        Error,
        &["byte_order_mark"],
    );
    let trailing_blanks = with_auth("YWRhOmxvdmVsYWNl") + "\n \t\r\n";
    check(&trailing_blanks, Entries(ADA), &[]);
}

#[test]
fn row_34_headers_that_nothing_uses_must_still_be_strings() {
    let with_headers = |headers: &str| {
        format!(r#"{{"auths":{{"r.io":{{"auth":"YWRhOmxvdmVsYWNl"}}}},"HttpHeaders":{headers}}}"#)
    };
    for headers in [r#"{"a":["b"]}"#, r#""a""#, "[]", "1", r#"{"a":1}"#] {
        check(&with_headers(headers), Error, &["http_headers_not_strings"]);
    }
    for headers in ["null", "{}", r#"{"a":"b","c":null}"#] {
        check(&with_headers(headers), Entries(ADA), &[]);
    }
}

#[test]
fn row_35_a_credential_helper_is_not_there_on_the_node() {
    check(
        r#"{"credsStore":"desktop"}"#,
        Entries(&[]),
        &["credential_helpers_only"],
    );
    check(
        r#"{"auths":{},"credHelpers":{"r.io":"ecr-login"}}"#,
        Entries(&[]),
        &["credential_helpers_only"],
    );
    let json = r#"{"auths":{"r.io":{}},"credsStore":"desktop"}"#;
    check(
        json,
        Entries(NO_PAIR),
        &["credential_helpers_only", "empty_entry"],
    );
    let json = r#"{"auths":{"r.io":{"auth":"YWRhOmxvdmVsYWNl"}},"credsStore":"desktop"}"#;
    check(json, Entries(ADA), &[]);
}

#[test]
fn row_36_tokens_are_ignored() {
    check(
        r#"{"auths":{"r.io":{"identitytoken":"t"}}}"#,
        Entries(NO_PAIR),
        &["identity_token_only"],
    );
    check(
        r#"{"auths":{"r.io":{"registrytoken":"t"}}}"#,
        Entries(NO_PAIR),
        &["registry_token_only"],
    );
    let guid = "00000000-0000-0000-0000-000000000000";
    let json = r#"{"auths":{"r.io":{"auth":"MDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAwOg==","identitytoken":"t"}}}"#;
    check(
        json,
        Entries(&[("r.io", guid, "")]),
        &["identity_token_only"],
    );
    check(
        r#"{"auths":{"r.io":{"auth":"YWRhOmxvdmVsYWNl","identitytoken":7}}}"#,
        Entries(ADA),
        &[],
    );
}

#[test]
fn row_37_a_template_in_auth_is_no_base64() {
    for auth in [
        "{{ .auth }}",
        "<base64>",
        "${AUTH}",
        "$AUTH",
        "__AUTH__",
        "CHANGEME",
        "YOUR_AUTH",
    ] {
        check(&with_auth(auth), Error, &["auth_placeholder"]);
    }
    let json = r#"{"auths":{"r.io":{"username":"ada","password":"${PASSWORD}"}}}"#;
    check(
        json,
        Entries(&[("r.io", "ada", "${PASSWORD}")]),
        &["placeholder"],
    );
}

#[test]
fn row_38_auth_wins_over_user_name_and_password() {
    let with_pair = |username: &str, password: &str| {
        format!(
            r#"{{"auths":{{"r.io":{{"username":"{username}","password":"{password}","auth":"YWRhOmxvdmVsYWNl"}}}}}}"#
        )
    };
    check(&with_pair("ada", "lovelace"), Entries(ADA), &[]);
    check(&with_pair("ada", ""), Entries(ADA), &[]);
    check(
        &with_pair("ada", "old"),
        Entries(ADA),
        &["auth_contradicts"],
    );
    check(
        &with_pair("bob", "old"),
        Entries(ADA),
        &["auth_contradicts", "auth_contradicts"],
    );
    check(
        r#"{"auths":{"r.io":{"username":"ada","password":"lovelace","auth":""}}}"#,
        Entries(ADA),
        &[],
    );
}

#[test]
fn row_39_one_bad_entry_takes_the_good_ones_with_it() {
    let json = r#"{"auths":{"r.io":{"auth":"YWRhOmxvdmVsYWNl"},"bad.io":{"auth":"!"}}}"#;
    check(json, Error, &["auth_not_base64"]);
    let parsed = docker_config::parse(SecretKind::DockerConfigJson, Some(json.as_bytes()));
    assert_eq!(parsed.entries.len(), 1, "the good one is still read");
    assert_eq!(parsed.faults[0].key.as_deref(), Some("bad.io"));
}

#[test]
fn row_40_half_a_pair_is_an_anonymous_pull() {
    check(
        &with_auth("OmxvdmVsYWNl"),
        Entries(&[("r.io", "", "lovelace")]),
        &["empty_username"],
    );
    check(
        &with_auth("YWRhOg=="),
        Entries(&[("r.io", "ada", "")]),
        &["empty_password"],
    );
    check(&with_auth("Og=="), Entries(NO_PAIR), &["empty_entry"]);
}

#[test]
fn row_41_a_key_that_is_no_url_is_dropped() {
    for key in ["r.io ", "r.io\\n", "r.io:*", "[a-z].io", "r%zz.io", "{r}"] {
        let json = format!(
            r#"{{"auths":{{"{key}":{{"auth":"YWRhOmxvdmVsYWNl"}},"r.io":{{"auth":"YWRhOmxvdmVsYWNl"}}}}}}"#
        );
        let parsed = docker_config::parse(SecretKind::DockerConfigJson, Some(json.as_bytes()));
        let faults: Vec<_> = parsed.faults.iter().map(|fault| fault.kind).collect();
        assert_eq!(faults, [FaultKind::KeyInvalid], "{key}");
        let usable: Vec<_> = parsed
            .entries
            .iter()
            .filter_map(|entry| entry.key.as_ref())
            .collect();
        assert_eq!(usable.len(), 1, "{key}");
    }
}

#[test]
fn row_42_a_key_that_no_image_has_is_dead() {
    for (key, fault) in [
        ("R.io", "key_upper_case_host"),
        ("oci://r.io", "key_scheme"),
        ("docker://r.io", "key_scheme"),
        ("HTTPS://r.io", "key_scheme"),
        ("//r.io", "key_scheme"),
        ("r.io:443", "key_default_port"),
        ("https://r.io/v1", "key_v1_without_slash"),
        ("https://index.docker.io/v1", "key_v1_without_slash"),
        ("registry-1.docker.io", "key_docker_hub_alias"),
        (
            "https://registry.hub.docker.com/v2/",
            "key_docker_hub_alias",
        ),
        ("https://gcr.io/v0/", "key_v0_path"),
        ("r.io/org/*", "key_glob_in_path"),
        ("r.io/org/app:1.2", "key_impossible_path"),
    ] {
        let json = with_auth("YWRhOmxvdmVsYWNl").replace("r.io", key);
        check(&json, Entries(&[(key, "ada", "lovelace")]), &[fault]);
    }
}

#[test]
fn row_43_without_the_data_key_of_its_type_a_secret_is_skipped() {
    for kind in SecretKind::ALL {
        check_bytes(kind, None, Skipped, &["data_key_missing"]);
    }
}

#[test]
fn row_44_what_is_not_utf8_does_not_arrive() {
    let json = b"{\"auths\":{\"r.io\":{\"username\":\"ada\",\"password\":\"love\xfflace\"}}}";
    let replaced = [("r.io", "ada", "love\u{fffd}lace")];
    check_bytes(
        SecretKind::DockerConfigJson,
        Some(json),
        Entries(&replaced),
        &["not_utf8"],
    );
    let half_a_pair = r#"{"auths":{"r.io":{"username":"ada","password":"\ud800"}}}"#;
    check(
        half_a_pair,
        Entries(&[("r.io", "ada", "\u{fffd}")]),
        &["not_utf8"],
    );
    // `auth` lets any byte through, until the runtime's protobuf refuses it.
    let parsed = docker_config::parse(
        SecretKind::DockerConfigJson,
        Some(with_auth("YWRhOv8=").as_bytes()),
    );
    assert_eq!(
        as_kubelet(&parsed),
        Kubelet::Entries(vec![("r.io".into(), b"ada".into(), b"\xff".into())])
    );
    assert_eq!(parsed.faults[0].kind, FaultKind::NotUtf8);
}

#[test]
fn the_last_of_equal_members_counts() {
    let json = r#"{"auths":{"r.io":{"auth":"Yjpi"},"r.io":{"auth":"YWRhOmxvdmVsYWNl"}}}"#;
    check(json, Entries(ADA), &["repeated_member"]);
    let json = r#"{"auths":{"r.io":{"username":"bob","username":"ada","Password":"lovelace"}}}"#;
    check(json, Entries(ADA), &["repeated_member"]);
    // Two `auths` are merged, and a `null` between them empties the first.
    let json = r#"{"auths":{"a.io":{"auth":"Yjpi"}},"auths":{"r.io":{"auth":"YWRhOmxvdmVsYWNl"}}}"#;
    check(
        json,
        Entries(&[("a.io", "b", "b"), ("r.io", "ada", "lovelace")]),
        &["repeated_member"],
    );
    let json = r#"{"auths":{"a.io":{"auth":"Yjpi"}},"auths":null,"AUTHS":{"r.io":{"auth":"YWRhOmxvdmVsYWNl"}}}"#;
    check(json, Entries(ADA), &["repeated_member", "repeated_member"]);
}

#[test]
fn two_spellings_of_one_key_are_told_if_their_credentials_differ() {
    let json = |other: &str| {
        format!(
            r#"{{"auths":{{"r.io":{{"auth":"YWRhOmxvdmVsYWNl"}},"https://r.io/":{{"auth":"{other}"}}}}}}"#
        )
    };
    let both = [("https://r.io/", "b", "b"), ADA[0]];
    check(&json("Yjpi"), Entries(&both), &["duplicate_key"]);
    let both = [("https://r.io/", "ada", "lovelace"), ADA[0]];
    check(&json("YWRhOmxvdmVsYWNl"), Entries(&both), &[]);
}

#[test]
fn beyond_the_limits_only_the_kubelets_answer_is_read() {
    let entry = |n: usize| format!(r#""r{n}.io":{{"auth":"YWRhOmxvdmVsYWNl"}}"#);
    let config = |entries: Vec<String>| format!(r#"{{"auths":{{{}}}}}"#, entries.join(","));
    let parse =
        |json: &str| docker_config::parse(SecretKind::DockerConfigJson, Some(json.as_bytes()));

    let parsed = parse(&config((0..512).map(entry).collect()));
    assert_eq!((parsed.entries.len(), parsed.faults.len()), (512, 0));

    let parsed = parse(&config((0..600).map(entry).collect()));
    assert_eq!(parsed.entries.len(), 512);
    assert_eq!(parsed.fault_set().worst(), Some(Effect::Suspicious));

    let bad = std::iter::repeat_n(r#""bad.io":{"auth":"!"}"#.to_owned(), 10_000);
    let parsed = parse(&config((0..600).map(entry).chain(bad).collect()));
    assert!(parsed.poisons_all() && parsed.entries.len() == 512 && parsed.faults.len() < 1024);

    let password = "x".repeat(300_000);
    let parsed = parse(&config(vec![
        entry(0),
        format!(r#""big.io":{{"password":"{password}"}}"#),
    ]));
    assert_eq!(parsed.entries.len(), 1);
    assert!(parsed.fault_set().contains(FaultKind::TooLarge));

    let parsed = parse(&config(vec![format!(
        r#""big.io":{{"password":"{password}"}}"#
    )]));
    let kinds: Vec<FaultKind> = parsed.faults.iter().map(|fault| fault.kind).collect();
    assert_eq!(kinds, [FaultKind::TooLarge], "the kubelet has an entry");
}

#[test]
fn no_value_shows_in_a_fault_or_in_debug() {
    for auth in [
        "hunter2hunter2!",
        "ada:hunter2",
        "aHVudGVyMmh1bnRlcjI",
        "YWRhOmh1bnRlcjIK",
    ] {
        let json = format!(
            r#"{{"auths":{{"https://hunter2:hunter2@r.io":{{"auth":"{auth}","username":"hunter2","identitytoken":"hunter2"}}}}}}"#
        );
        let parsed = docker_config::parse(SecretKind::DockerConfigJson, Some(json.as_bytes()));
        let shown = format!("{parsed:?}")
            + &parsed
                .faults
                .iter()
                .map(|fault| fault.to_string())
                .collect::<String>();
        assert!(
            !shown.contains("hunter2") && !shown.contains(auth),
            "{shown}"
        );
    }
}
