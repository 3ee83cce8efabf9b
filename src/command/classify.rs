//! `classify`: what messages say, one JSON object for each line of stdin.
//!
//! It holds one line at a time, of each no more than a message may be long, and never ends over
//! what it reads.

use std::io::{self, BufRead, BufReader, Read, Write};

use serde::Deserialize;
use thiserror::Error;

use crate::domain::pull_failure::{self, LONGEST_MESSAGE};
use crate::report::json;

/// Why it ended early.
#[derive(Debug, Error)]
pub enum Failure {
    /// Whoever redirected stdin can fix it.
    #[error("failed to read stdin")]
    Read(#[source] io::Error),
    /// Stdout takes nothing more: a full disk, or a reader that has gone away.
    #[error("failed to write to stdout")]
    Write(#[source] io::Error),
}

/// Reads lines and writes as many. Somebody who types sees each answer at once.
pub fn classify(input: impl Read, output: &mut impl Write) -> Result<(), Failure> {
    let mut input = BufReader::new(input);
    let mut line = Vec::new();
    while next_line(&mut input, &mut line).map_err(Failure::Read)? {
        let told = pull_failure::classify(&message(&line));
        let text = json::classified(&told);
        output.write_all(text.as_bytes()).map_err(Failure::Write)?;
        if input.buffer().is_empty() {
            output.flush().map_err(Failure::Write)?;
        }
    }
    output.flush().map_err(Failure::Write)
}

/// The next line without its end; of a long one the beginning. False where there is none.
fn next_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let longest = LONGEST_MESSAGE as u64;
    input.by_ref().take(longest).read_until(b'\n', line)?;
    if line.is_empty() {
        return Ok(false);
    }
    if line.ends_with(b"\n") {
        line.pop();
    } else {
        skip_line(input)?;
    }
    Ok(true)
}

fn skip_line(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = match input.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let length = end.map_or(buffer.len(), |end| end + 1);
        let is_over = end.is_some() || length == 0;
        input.consume(length);
        if is_over {
            return Ok(());
        }
    }
}

/// An object that has a message, an event for one, is that message; all else is text.
fn message(line: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Event {
        message: String,
    }
    let event = serde_json::from_slice::<Event>(line).ok();
    let text = || String::from_utf8_lossy(line).into_owned();
    event.map_or_else(text, |event| event.message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &[u8], expected: &[&str]) {
        let mut output = Vec::new();
        classify(input, &mut output).unwrap();
        let output = String::from_utf8(output).unwrap();
        let reasons = output.lines().map(|line| line.split('"').nth(3).unwrap());
        assert_eq!(reasons.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn each_line_has_an_answer() {
        check(b"", &[]);
        check(b"\n\nEOF\n", &["other", "other", "connection"]);
        check(b"EOF\r\n403 Forbidden", &["connection", "forbidden"]);
    }

    #[test]
    fn an_object_with_a_message_is_that_message() {
        check(b"{\"a\":{},\"message\":\"x: \\u0045OF\"}", &["connection"]);
        check(b" {\"message\":\"EOF\"} \n", &["connection"]);
        check(b"{\"message\":7,\"a\":\"EOF\"}\n", &["connection"]);
        check(
            b"{\"error\":\"EOF\"}\n[\"EOF\"]\n",
            &["connection", "connection"],
        );
    }

    #[test]
    fn bytes_that_are_no_text_end_nothing() {
        check(b"\xff\xfe\n\xff: EOF\n", &["other", "connection"]);
    }

    #[test]
    fn of_a_long_line_the_beginning_is_read_and_the_rest_is_no_other_line() {
        let long = |end: &str| format!("EOF: {} {end}", "x".repeat(LONGEST_MESSAGE));
        let input = format!("{}\nEOF\n{}", long("403 Forbidden"), long("403 Forbidden"));
        check(input.as_bytes(), &["connection"; 3]);
        let object = |padding: usize| {
            let padding = "x".repeat(padding);
            format!(r#"{{"message":"EOF","a":"no such host","b":"{padding}"}}"#)
        };
        check(object(9).as_bytes(), &["connection"]);
        check(object(LONGEST_MESSAGE).as_bytes(), &["dns"]);
        let exact = format!("EOF: {}\nEOF\n", "x".repeat(LONGEST_MESSAGE - 6));
        check(exact.as_bytes(), &["connection"; 2]);
        let one_more = format!("EOF: {}\nEOF\n", "x".repeat(LONGEST_MESSAGE - 5));
        check(one_more.as_bytes(), &["connection"; 2]);
    }

    #[test]
    fn a_reader_that_went_away_is_told_apart() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let ended = classify(&b"EOF\n"[..], &mut Gone);
        assert!(
            matches!(ended, Err(Failure::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe)
        );
    }
}
