//! `classify`, the command: lines in, lines out, and how it ends.

use std::io::Write;
use std::process::{Output, Stdio};

use super::exporter;

fn classified(input: &[u8]) -> Output {
    let mut command = exporter::command();
    command
        .arg("classify")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn each_line_has_one_line_of_json() {
    let input = "Failed to pull image \"team/app\": rpc error: code = NotFound desc = failed to resolve image: docker.io/team/app:latest: not found\n\
        {\"kind\":\"Event\",\"message\":\"Failed to pull image \\\"r.example/a:1\\\": Get \\\"https://m.example:81/v2/\\\": EOF\"}\n\
        \n\
        Error: ErrImagePull";
    let ended = classified(input.as_bytes());
    let expected = "{\"reason\":\"not_found\",\"registry\":\"docker.io\",\"image\":\"team/app\"}\n\
        {\"reason\":\"connection\",\"registry\":\"m.example:81\",\"image\":\"r.example/a:1\"}\n\
        {\"reason\":\"other\",\"registry\":null,\"image\":null}\n\
        {\"reason\":\"backoff\",\"registry\":null,\"image\":null}\n";
    assert_eq!(String::from_utf8(ended.stdout).unwrap(), expected);
    assert_eq!((ended.status.code(), &*ended.stderr), (Some(0), &b""[..]));
}

#[test]
fn nothing_in_its_input_ends_it_or_commands_a_terminal() {
    let ended = classified(b"\xff\xfe image \"a\x1b[31m/\xc3\xa9\": EOF\nEOF\n");
    let expected = "{\"reason\":\"connection\",\"registry\":null,\"image\":\"a\\u001b[31m/\\u00e9\"}\n\
        {\"reason\":\"connection\",\"registry\":null,\"image\":null}\n";
    assert_eq!(String::from_utf8(ended.stdout).unwrap(), expected);
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(classified(b"").stdout, b"");
}

#[test]
fn a_reader_that_has_gone_away_ends_it_quietly() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let (input, mut typed) = std::io::pipe().unwrap();
    let mut command = exporter::command();
    command
        .arg("classify")
        .stdin(input)
        .stdout(writer)
        .stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    drop(command); // its copies of the pipes too
    typed.write_all(b"EOF\n").unwrap();
    let ended = child.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), &*ended.stderr), (Some(0), &b""[..]));
}

#[test]
fn what_cannot_be_read_is_two_and_usage_is_sixty_four() {
    let mut command = exporter::command();
    let folder = std::fs::File::open(env!("CARGO_MANIFEST_DIR")).unwrap();
    let ended = command.arg("classify").stdin(folder).output().unwrap();
    let told = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(2), "{told}");
    assert!(
        told.starts_with("regcred-exporter: failed to read stdin: "),
        "{told}"
    );

    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let (input, mut typed) = std::io::pipe().unwrap();
    typed.write_all(b"EOF\n").unwrap();
    drop(typed);
    let mut command = exporter::command();
    let ended = command
        .arg("classify")
        .stdin(input)
        .stdout(full)
        .output()
        .unwrap();
    let told = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(2), "{told}");
    assert!(
        told.starts_with("regcred-exporter: failed to write to stdout: "),
        "{told}"
    );

    let mut command = exporter::command();
    let ended = command.args(["classify", "message"]).output().unwrap();
    assert_eq!(ended.status.code(), Some(64));
}
