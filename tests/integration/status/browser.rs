//! The page in a real browser: pictures at the width of a phone and of a desk, with one case of every
//! cause, and what the browser made of hostile text.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::{demo, tools};

/// Chromium with nothing of its own to fetch.
fn chromium(profile: &Path) -> Command {
    let mut command = Command::new(tools::path("REGCRED_CHROMIUM"));
    command.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--hide-scrollbars",
    ]);
    command.arg(format!("--user-data-dir={}", profile.display()));
    command
}

async fn run(mut command: Command) -> Output {
    let running = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = running.await.unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}

/// Where pictures are kept for whoever wants to look at them.
fn pictures() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_TMPDIR").map(PathBuf::from);
    let folder = target
        .unwrap_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")))
        .join("status-page");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Width and height in the header of a PNG.
fn size(png: &[u8]) -> (u32, u32) {
    assert!(png.starts_with(b"\x89PNG\r\n\x1a\n"));
    let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
    (number(16), number(20))
}

#[tokio::test(flavor = "multi_thread")]
async fn it_shows_every_cause_with_its_fix_on_a_phone_and_on_a_desk() {
    let demo = demo::settled(&[]).await;
    let address = demo.exporter.status_address().await;
    let url = format!("http://{address}/");
    let profile = tempfile::tempdir().unwrap();
    let html = {
        let mut command = chromium(profile.path());
        command.args(["--dump-dom", &url]);
        String::from_utf8(run(command).await.stdout).unwrap()
    };
    // What may pass by itself is told of after a minute only.
    for cause in regcred_exporter::domain::cause::Cause::ALL {
        if !cause.heals_itself() {
            let link = format!("docs/causes/{}.md", cause.as_str());
            assert!(html.contains(&link), "{}", cause.as_str());
        }
    }
    assert!(html.matches("<h4>What to do</h4>").count() >= 16);
    for (name, query, width, height) in [
        ("phone", "", 390, 900),
        ("desk", "", 1280, 900),
        ("one-cause", "?cause=secret_not_referenced", 1280, 900),
    ] {
        let picture = pictures().join(format!("{name}.png"));
        let mut command = chromium(profile.path());
        command.arg(format!("--screenshot={}", picture.display()));
        command.arg(format!("--window-size={width},{height}"));
        command.arg(format!("{url}{query}"));
        run(command).await;
        let png = std::fs::read(&picture).unwrap();
        assert_eq!(size(&png), (width, height), "{name}");
    }
}
