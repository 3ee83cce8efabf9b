//! `make score CORPUS=path`: how well the messages of a corpus are classified.
//!
//! A corpus is JSON Lines with `id`, `message`, `class`, `registry_host` and `image`, as
//! tests/fixtures/pull_messages are. It prints shares, the confusion matrix and what was missed,
//! and judges nothing: a corpus may be wrong too.

#[path = "../tests/integration/pull_failure/score.rs"]
mod score;

use std::process::ExitCode;

use score::{Score, rows};

fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("usage: score PATH");
        return ExitCode::from(64);
    };
    let text = std::fs::read_to_string(&path).map_err(|error| error.to_string());
    match text.and_then(|text| rows(&text)) {
        Ok(rows) => {
            print!("{}", Score::of(&rows));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{path}: {error}");
            ExitCode::FAILURE
        }
    }
}
