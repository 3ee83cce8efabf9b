//! Our reading of docker configs, keys and image names against the kubelet's own code.
//!
//! `REGCRED_ORACLE` names the program of tests/tools/oracle: then it answers 100,000 mutated
//! questions, the same ones each time. Without it, what it once answered is compared: with
//! `UPDATE=1` and the oracle those answers are written anew.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Command, Stdio},
    thread,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use regcred_exporter::domain::{
    docker_config::{self, SecretKind},
    image::Reference,
    keyring::{self, Key},
};
use serde_json::{Value, json};

use crate::docker_config::{Kubelet, as_kubelet};

const QUESTIONS: usize = 100_000;
/// As many as fit into a file that a person may still open.
const RECORDED: usize = 1_000;

const CONFIGS: &[&str] = &[
    r#"{"auths":{"ghcr.io":{"auth":"YWRhOmxvdmVsYWNl"},"https://index.docker.io/v1/":{"username":"ada","password":"pass","email":"a@b"}}}"#,
    r#"{"auths":{"r.io":{"auth":"YWRhOmxvdmVsYQ=="},"r.io/org":{"username":"_json_key","password":"{\"a\":\"b\\n\"}\n"}},"HttpHeaders":{"User-Agent":"x"}}"#,
    r#"{"Auths":{"r.io":{"AUTH":"YWRh\r\nOmxvdmVs\n","Password":null}},"auths":null,"auths":{"a":{}}}"#,
    r#"{"auths":{"r.io":{"identitytoken":"t","auth":"MDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAwOg=="}},"credsStore":"desktop","credHelpers":{"a":"b"}}"#,
    r#"{"ghcr.io":{"auth":"YWRhOmxvdmVsYWNl"},"quay.io":{"username":"ada","password":"\ud83d\ude00 \ud800 \u0000 \/"}}"#,
    r#" { "auths" : { "r.io" : null , "r.io" : { "username" : "a" , "username" : "b" } , "x" : { "auth" : "" } } } "#,
    r#"{"auths":{"r.io":{"paſſword":"p","uſername":"u","auth":"Og"}},"HttpHeaders":{"a":null}}"#,
    r#"{"auths":[],"HttpHeaders":[1,-0.5e+3,true,false,null,{"a":[[]]}]}"#,
    "null",
];

const KEYS: &[&str] = &[
    "ghcr.io",
    "https://ghcr.io/",
    "ghcr.io/org",
    "ghcr.io/org/app",
    "GHCR.io",
    "ghcr.io:443",
    "*.io",
    "g*r.io",
    "*",
    "*.*",
    "*:5000",
    "https://index.docker.io/v1/",
    "index.docker.io",
    "https://index.docker.io/v1",
    "docker.io",
    "docker.io/library",
    "registry-1.docker.io/v2/",
    "[::1]:5000",
    "[fe80::1%25en0]:80",
    "[::ffff:1.2.3.4]",
    "[::1]",
    "::1",
    "localhost:80:80",
    "oci://ghcr.io",
    "https:///ghcr.io",
    "//ghcr.io",
    "http://user:pw@r.io/v2/org?q#f",
    "r.io/%2541%zz",
    "r.io/a%20b",
    "b\u{fc}cher.example",
    "b%C3%BCcher.example",
    "r.io:",
    "*.dkr.ecr.*.amazonaws.com",
    "localhost",
    "localhost:5000/app",
    "a_b.c/x",
    "r!$&'()*+,;=<>\".io",
    "r.io#%",
    "",
    "/",
    "..",
    "*-good.r.io",
];

const IMAGES: &[&str] = &[
    "nginx",
    "nginx:1.27",
    "org/app",
    "ghcr.io/org/app",
    "ghcr.io:443/org/app:v1",
    "GHCR.io/org/app",
    "docker.io/nginx",
    "index.docker.io/org/app",
    "localhost/app",
    "localhost:5000/app",
    "[::1]:5000/app",
    "registry:5000/app",
    "a_b.c/app",
    "r.io/a__b/c-d.e_f/g--h:_tag.1-x",
    "Foo/bar",
    "ghcr.io/org/app:v1@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "123.dkr.ecr.us-east-1.amazonaws.com/app",
    "nginx@sha384:38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b",
    "b\u{fc}cher.example/app",
    "index.docker.io/v1//app",
    "r.io/org/app/*",
];

/// What mutation puts in: what the grammars turn on.
const PIECES: &[&str] = &[
    "\"",
    "\\",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "null",
    "true",
    "1",
    "{}",
    "[]",
    "\"\"",
    "\\u0000",
    "\\ud800",
    "\\udc00",
    "\\n",
    "\n",
    "\r",
    " ",
    "\t",
    "\0",
    "\u{feff}",
    "\u{17f}",
    "\u{212a}",
    "\u{e9}",
    "=",
    "==",
    "-",
    "_",
    "+",
    "/",
    "//",
    "*",
    "?",
    "#",
    "@",
    "%",
    "%25",
    "%2e",
    "%2F",
    "%ff",
    "%C3",
    ".",
    "..",
    "a",
    "A",
    "0",
    "443",
    ":5000",
    "https://",
    "http://",
    "/v1/",
    "/v2/",
    "/v1",
    "docker.io",
    "index.docker.io",
    "localhost",
    "\"auths\":",
    "\"auth\":",
    "\"r.io\":{",
    "YWRhOng=",
    "sha256:",
    "library/",
    "^",
    "e",
    "E",
    "\u{7f}",
];

/// xorshift64*: the same questions on each machine.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let mixed = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(mixed).unwrap() % limit.max(1)
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    /// A seed with up to four changes.
    fn mutate(&mut self, seeds: &[&str]) -> Vec<u8> {
        let mut bytes = self.pick(seeds).as_bytes().to_vec();
        for _ in 0..self.below(5) {
            self.change(&mut bytes, seeds);
        }
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>, seeds: &[&str]) {
        let at = self.below(bytes.len() + 1);
        let end = (at + self.below(8)).min(bytes.len());
        match self.below(7) {
            0 | 1 => drop(bytes.splice(at..at, self.pick(PIECES).bytes())),
            2 => drop(bytes.splice(at..end, self.pick(PIECES).bytes())),
            3 => drop(bytes.drain(at..end)),
            4 => {
                let copy = bytes[at..end].to_vec();
                let to = self.below(bytes.len() + 1);
                bytes.splice(to..to, copy);
            }
            5 => {
                let other = self.pick(seeds).as_bytes();
                let from = self.below(other.len() + 1);
                bytes.splice(at..end, other[from..].iter().copied().take(20));
            }
            _ if at < bytes.len() => bytes[at] = u8::try_from(self.below(256)).unwrap(),
            _ => {}
        }
    }

    /// A key that may well match: the beginning of an image's name, with stars and escapes in it.
    fn key_of(&mut self, image: &str) -> String {
        let name = Reference::parse(image)
            .map_or_else(|_| image.to_owned(), |image| image.name().to_owned());
        let mut key = name.into_bytes();
        let host = key.iter().position(|b| *b == b'/').unwrap_or(key.len());
        if self.below(2) == 0 {
            key.truncate(host + self.below(key.len() - host + 1));
        }
        if self.below(2) == 0 {
            let from = self.below(host + 1);
            let to = (from + self.below(8)).min(host);
            if !key[from..to].iter().any(|b| matches!(b, b'.' | b':')) {
                key.splice(from..to, *b"*");
            }
        }
        if self.below(4) == 0 {
            self.change(&mut key, KEYS);
        }
        let prefix = self.pick(&["", "", "https://", "http://", "u:p@"]);
        let suffix = self.pick(&["", "", "/", "?q", "#f"]);
        format!("{prefix}{}{suffix}", String::from_utf8_lossy(&key))
    }

    /// Two in three images are sound.
    fn image(&mut self) -> String {
        match self.below(3) {
            0 => self.text(IMAGES),
            _ => self.pick(IMAGES).to_owned(),
        }
    }

    fn key_for(&mut self, image: &str) -> String {
        match self.below(3) {
            0 => self.text(KEYS),
            _ => self.key_of(image),
        }
    }

    fn text(&mut self, seeds: &[&str]) -> String {
        String::from_utf8_lossy(&self.mutate(seeds)).into_owned()
    }

    fn question(&mut self) -> Value {
        match self.below(10) {
            0..5 => {
                let kind = SecretKind::ALL[self.below(2)].type_name();
                json!({"op": "decode", "type": kind, "data_base64": BASE64_STANDARD.encode(self.mutate(CONFIGS))})
            }
            5 | 6 => {
                let image = self.image();
                let keys: Vec<String> = (0..=self.below(4)).map(|_| self.key_for(&image)).collect();
                json!({"op": "lookup", "keys": keys, "image": image})
            }
            7 => json!({"op": "normalise", "key": self.text(KEYS)}),
            8 => {
                let target = if self.below(2) == 0 {
                    self.text(KEYS)
                } else {
                    self.image()
                };
                json!({"op": "match", "glob": self.key_for(&target), "target": target})
            }
            _ => json!({"op": "parse_image", "image": self.text(IMAGES)}),
        }
    }
}

/// The oracle's answer, from our code.
fn ours(question: &Value) -> Value {
    let text = |name: &str| question[name].as_str().unwrap();
    match text("op") {
        "decode" => decode(
            text("type"),
            &BASE64_STANDARD.decode(text("data_base64")).unwrap(),
        ),
        "lookup" => lookup(question["keys"].as_array().unwrap(), text("image")),
        "normalise" => match Key::normalise(text("key")) {
            Ok(key) => json!({"error": false, "key": key.as_str()}),
            Err(_) => json!({"error": true, "key": ""}),
        },
        "match" => {
            let found = keyring::urls_match(text("glob"), text("target"));
            json!({"error": found.is_err(), "match": found.unwrap_or(false)})
        }
        "parse_image" => match Reference::parse(text("image")) {
            Ok(image) => {
                let latest = if image.digest().is_some() {
                    ""
                } else {
                    "latest"
                };
                json!({
                    "error": false, "repository": image.name(), "digest": image.digest().unwrap_or_default(),
                    "tag": image.tag().unwrap_or(latest),
                })
            }
            Err(_) => json!({"error": true, "repository": "", "tag": "", "digest": ""}),
        },
        op => panic!("no operation {op}"),
    }
}

fn decode(type_name: &str, data: &[u8]) -> Value {
    let kind = SecretKind::ALL
        .into_iter()
        .find(|kind| kind.type_name() == type_name)
        .unwrap();
    let parsed = docker_config::parse(kind, Some(data));
    for entry in &parsed.entries {
        let labelled = parsed
            .faults
            .iter()
            .filter(|fault| fault.key == Some(entry.label()));
        assert!(
            entry
                .faults
                .iter()
                .all(|kind| labelled.clone().any(|fault| fault.kind == kind))
        );
    }
    let entries = match as_kubelet(&parsed) {
        Kubelet::Error => return json!({"error": true, "skipped": false, "entries": []}),
        Kubelet::Skipped => return json!({"error": false, "skipped": true, "entries": []}),
        Kubelet::Entries(entries) => entries,
    };
    let encode = |bytes: &[u8]| BASE64_STANDARD.encode(bytes);
    let entries: Vec<Value> = entries
        .iter()
        .map(|(key, username, password)| {
            json!({"key": key, "username_base64": encode(username), "password_base64": encode(password)})
        })
        .collect();
    json!({"error": false, "skipped": false, "entries": entries})
}

fn lookup(raw_keys: &[Value], image: &str) -> Value {
    let Ok(image) = Reference::parse(image) else {
        return json!({"error": true, "matched": []});
    };
    let keys: Vec<_> = raw_keys
        .iter()
        .map(|raw| Key::normalise(raw.as_str().unwrap()))
        .collect();
    let entries = keys
        .iter()
        .enumerate()
        .filter_map(|(n, key)| Some((key.as_ref().ok()?, format!("u{n}"))));
    json!({"error": false, "matched": keyring::lookup(entries, image.name())})
}

/// Only what we answer too: nothing of ours has an e-mail address, and our keys are text.
fn without_bytes(mut answer: Value) -> Value {
    let remove = |object: &mut Value, name: &str| {
        drop(object.as_object_mut().map(|object| object.remove(name)))
    };
    remove(&mut answer, "key_base64");
    for entry in answer
        .get_mut("entries")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        remove(entry, "email_base64");
    }
    answer
}

/// What differs, in words.
fn difference(question: &Value, answer: Value) -> Option<String> {
    let (ours, answer) = (ours(question), without_bytes(answer));
    let data = question["data_base64"]
        .as_str()
        .and_then(|data| BASE64_STANDARD.decode(data).ok());
    let shown = data.map_or_else(
        || question.to_string(),
        |data| data.escape_ascii().to_string(),
    );
    (ours != answer).then(|| format!("{shown}\n  ours {ours}\n  the kubelet's {answer}"))
}

fn questions() -> impl Iterator<Item = Value> + Send {
    let mut random = Random(0x5eed_0f90);
    (0..QUESTIONS).map(move |_| random.question())
}

fn ask(
    oracle: &str,
    questions: impl Iterator<Item = Value> + Send + 'static,
) -> impl Iterator<Item = Value> {
    let mut child = Command::new(oracle)
        // Kubelets that were built with Go 1.26 drop a key with several colons, older ones keep
        // it; no image matches it either way. We keep it, as the vectors have it.
        .env("GODEBUG", "urlstrictcolons=0")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("REGCRED_ORACLE is a program");
    let mut input = child.stdin.take().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    thread::spawn(move || {
        questions
            .map(|question| writeln!(input, "{question}"))
            .all(|sent| sent.is_ok())
    });
    lines
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .chain(std::iter::from_fn(move || {
            assert!(child.wait().unwrap().success());
            None
        }))
}

#[test]
fn the_kubelet_reads_the_same() {
    let Ok(oracle) = env::var("REGCRED_ORACLE") else {
        return compare(recorded().into_iter(), RECORDED);
    };
    compare(questions().zip(ask(&oracle, questions())), QUESTIONS);
    if env::var_os("UPDATE").is_some() {
        let answered = questions().zip(ask(&oracle, questions().take(RECORDED)));
        let lines = answered.map(|(question, answer)| format!("{}\n", json!([question, answer])));
        fs::write(recording(), lines.collect::<String>()).unwrap();
    }
}

#[track_caller]
fn compare(answered: impl Iterator<Item = (Value, Value)>, expected: usize) {
    let mut count = 0;
    let counted = answered.inspect(|_| count += 1);
    let differences: Vec<String> = counted
        .filter_map(|(question, answer)| difference(&question, answer))
        .collect();
    let first = &differences[..differences.len().min(20)];
    assert!(
        differences.is_empty(),
        "{} differ\n{}",
        differences.len(),
        first.join("\n")
    );
    assert_eq!(count, expected, "the oracle has answered less");
}

fn recorded() -> Vec<(Value, Value)> {
    let text = fs::read_to_string(recording()).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn recording() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/docker_config/oracle.jsonl")
}
