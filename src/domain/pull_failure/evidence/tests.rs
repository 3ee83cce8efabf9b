//! How messages are split, and which part of them decides.

use super::*;

fn check(text: &str, deciding: &str) {
    assert_eq!(Evidence::of(text).deciding(), deciding, "{text}");
}

#[test]
fn names_are_letters_and_clauses_end_with_colons() {
    check(
        "Failed to pull image \"team/denied:429\": Get \"https://denied.example/v2/\": EOF.",
        "failed to pull image I:get U:eof",
    );
    check(
        "with status code [manifests 429]: 401 Unauthorized",
        "with status code N:401 unauthorized",
    );
    check(
        "from registry 403 (Forbidden)\n<h1>No</h1>",
        "from registry 403 forbidden:h1:no:P",
    );
    check(
        r#"{"errors":[{"code":"DENIED","message":"no"}]}"#,
        "errors:code:denied:message:no",
    );
    check(
        "spec.containers{denied}: container \"denied\" in pod=\"denied\" attempts=429",
        "H N:container N in pod N attempts N",
    );
    check("lookup denied on 192.0.2.1:53: ...", "lookup H on H");
    check("code = Unknown desc = denied", "code unknown desc:denied");
    check("err=\"x EOF\"\" pod=\"denied\"", "err:x eof:pod N");
    check("error=\"denied\" image=\"a/b\"", "error:denied:image I");
    check("\"a\" EOF (manager.go:1:2s)", "N eof:I");
    check(
        "labels map[denied.example/a:b denied:429]: EOF",
        "labels map N:eof",
    );
    check("DTD HTML 2.0//EN", "dtd html P");
    check("", "");
}

#[test]
fn of_several_errors_the_last_decides() {
    let list = "Failed to pull image \"a/b:1\": [rpc error: code = Unknown desc = pull access \
        denied, repository does not exist, failed to resolve image: a/b:1: not found]";
    check(list, "failed to resolve image:I:not found");
    let bullets = "2 errors occurred:\n * Error reading: denied\n * Error reading: EOF";
    check(bullets, "error reading:eof");
    let mirrors = "(Mirrors also failed: [m.example/a: denied]): u.example/a:1: EOF";
    check(mirrors, "I:eof");
    let artifact = "pull image err: EOF; artifact err: get manifest: denied";
    check(artifact, "pull image err:eof");
}

#[test]
fn an_upstream_that_may_not_be_asked_does_not_decide() {
    check(
        "(Mirrors also failed: [m.example/a: denied]): u.example/a:1: registry u.example is \
         blocked in /etc/containers/registries.conf",
        ":I:denied",
    );
}

#[test]
fn a_quote_that_does_not_end_is_none() {
    let long = "é".repeat(LONGEST_NAME);
    check(&format!("image \"{long}"), &format!("image {long}"));
    let line = "image \"a\nb\" c";
    check(line, "image a:b c");
}

#[test]
fn prose_in_brackets_is_no_list() {
    check("denied: [see below, ask us]", "denied:see below:ask us");
    check("with policies [always]: EOF", "with policies always:eof");
}
