//! SIGTERM to the binary while somebody reads a page that no socket holds as a whole.

use std::fs;
use std::time::Duration;

use regcred_stand_ins::eventually;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;

use super::exporter::Exporter;

/// Some 14 MB of page: a socket holds 4 MB to send and 6 MB to read by default (tcp(7)).
fn many_entries() -> TempDir {
    let directory = TempDir::new().unwrap();
    let path = "p".repeat(300);
    for file in 0..30 {
        let entries = (0..500)
            .map(|number| format!(r#""r.example/{path}/{file}/{number}":{{"auth":"dTpwYXNz"}}"#));
        let entries: Vec<String> = entries.collect();
        let content = format!(r#"{{"auths":{{{}}}}}"#, entries.join(","));
        fs::write(directory.path().join(format!("{file}.json")), content).unwrap();
    }
    directory
}

/// An exporter with that page, and somebody who has asked for it and read its head: the stream and
/// how much is still to come.
async fn half_read(flags: &[&str]) -> (Exporter, TempDir, TcpStream, usize) {
    let directory = many_entries();
    let config = format!("--docker-config={}", directory.path().display());
    let mut all = vec![&*config, "--probe.which=none"];
    all.extend(flags);
    let exporter = Exporter::start_with(&all).await;
    exporter.ready().await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    let mut stream = socket
        .connect(exporter.address().parse().unwrap())
        .await
        .unwrap();
    let request = b"GET /metrics HTTP/1.1\r\nHost: exporter\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.unwrap().parse().unwrap();
    assert!(
        length > 12 << 20,
        "{length} bytes may be in the sockets already"
    );
    (exporter, directory, stream, length)
}

#[tokio::test]
async fn a_scrape_under_way_is_answered_whole_and_then_all_ends() {
    let (mut exporter, _directory, mut stream, length) = half_read(&[]).await;
    let mut idle = TcpStream::connect(exporter.address()).await.unwrap();
    idle.write_all(b"GET /livez HTTP/1.1\r\nHost: exporter\r\n\r\n")
        .await
        .unwrap();
    let mut answer = vec![0; 12];
    idle.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 200");

    exporter.ask_to_end();
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.unwrap();
    assert!(
        rest.ends_with(b"\r\n\r\nok\n"),
        "an idle connection ends meanwhile"
    );
    eventually("its word", || exporter.log().contains("Shutting down")).await;
    let log = exporter.log();
    assert!(
        !log.contains("Ended"),
        "half a page is still to be read: {log}"
    );

    let mut page = Vec::new();
    stream.read_to_end(&mut page).await.unwrap();
    assert_eq!(page.len(), length);
    assert!(exporter.ended().await.success());
    eventually("the last line", || exporter.log().contains("Ended")).await;
    assert!(
        !exporter.log().contains("Not everything ended"),
        "{}",
        exporter.log()
    );
}

#[tokio::test]
async fn who_does_not_read_holds_up_nobody_beyond_the_grace() {
    let (mut exporter, _directory, stream, _) = half_read(&["--shutdown.grace-period=1s"]).await;
    exporter.ask_to_end();
    let started = Instant::now();
    assert!(exporter.ended().await.success());
    let took = started.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
    eventually("the warning", || {
        exporter.log().contains("Not everything ended")
    })
    .await;
    drop(stream);
}
