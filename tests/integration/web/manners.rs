//! Clients that are slow, talk too much, or talk something else, and what a shutdown does to them.

use tokio::time::Instant;

use super::*;

/// No limit of a test is that long: whatever ends did not end by it.
const FOREVER: Duration = Duration::from_secs(3_600);

async fn start_by_default() -> Running {
    start(Limits::default(), healthy).await
}

async fn ask(running: &Running, bytes: &str) -> Client {
    let mut client = Client::connect(running).await;
    client.send(bytes).await;
    client
}

async fn status(client: &mut Client) -> u16 {
    client.answer(true).await.unwrap().status()
}

/// The bound is on the whole head, however steadily it comes.
#[tokio::test]
async fn who_trickles_is_cut() {
    let limits = Limits {
        head: Duration::from_millis(300),
        ..Limits::default()
    };
    let running = start(limits, healthy).await;
    let mut client = ask(&running, "GET /livez HTTP/1.1\r\nX-Slow: ").await;
    let started = Instant::now();
    loop {
        let sent = client.0.write_all(b"x").await;
        let read = time::timeout(Duration::from_millis(10), client.0.read_u8()).await;
        if sent.is_err() || matches!(read, Ok(Err(_))) {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "is never cut");
        assert!(read.is_err(), "is answered");
    }
    assert!(started.elapsed() >= Duration::from_millis(200), "too early");
}

#[tokio::test]
async fn too_many_headers_are_told_so() {
    let running = start_by_default().await;
    let many: Vec<String> = (0..65).map(|number| format!("x-{number}")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|name| (&**name, "1")).collect();
    let mut client = ask(&running, &request("GET", "/livez", &many)).await;
    let answer = client.answer(true).await.unwrap();
    assert_eq!(
        (answer.status(), answer.header("connection")),
        (431, Some("close"))
    );
    assert!(client.ends().await.is_empty());
    // `Host` is one, too.
    let mut client = ask(&running, &request("GET", "/livez", &many[..63])).await;
    assert_eq!(status(&mut client).await, 200);
}

#[tokio::test]
async fn what_is_no_http_is_refused() {
    let running = start_by_default().await;
    for bytes in [
        "GET\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\0 a TLS hello\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: nonsense\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost : a\r\n\r\n",
    ] {
        let mut client = ask(&running, bytes).await;
        let answer = client.answer(true).await.unwrap();
        assert_eq!(answer.status(), 400, "{bytes:?}");
        assert!(client.ends().await.is_empty(), "{bytes:?}");
    }
}

/// Nobody waits for a body, and no byte of one is taken for a request.
#[tokio::test]
async fn a_body_is_not_read() {
    let running = start_by_default().await;
    let smuggled = request("GET", "/nowhere", &[]);
    let length = smuggled.len().to_string();
    for (method, expected) in [("GET", 200), ("POST", 405)] {
        let head = request(method, "/livez", &[("Content-Length", &length)]);
        let both = format!("{head}{smuggled}{}", request("GET", "/livez", &[]));
        let mut client = ask(&running, &both).await;
        assert_eq!(status(&mut client).await, expected, "{method}");
        assert_eq!(status(&mut client).await, 200, "{method}");

        for header in [
            ("Content-Length", "1099511627776"),
            ("Transfer-Encoding", "chunked"),
        ] {
            let mut client = ask(&running, &request(method, "/metrics", &[header])).await;
            assert_eq!(status(&mut client).await, expected, "{method} {header:?}");
            assert!(client.ends().await.is_empty(), "{method} {header:?}");
        }
        let asks_first = [("Content-Length", "5"), ("Expect", "100-continue")];
        let mut client = ask(&running, &request(method, "/livez", &asks_first)).await;
        assert_eq!(status(&mut client).await, expected, "no 100 before it");
    }
}

#[tokio::test]
async fn who_wants_no_more_answers_is_let_go() {
    let running = start(
        Limits {
            head: FOREVER,
            ..Limits::default()
        },
        healthy,
    )
    .await;
    for bytes in [
        "GET /livez HTTP/1.0\r\n\r\n".to_owned(),
        request("GET", "/livez", &[("Connection", "close")]),
    ] {
        let mut client = ask(&running, &bytes).await;
        assert_eq!(status(&mut client).await, 200);
        assert!(client.ends().await.is_empty());
    }
}

#[tokio::test]
async fn requests_that_come_together_are_answered_in_their_order() {
    let running = start_by_default().await;
    let paths = ["/livez", "/nowhere", "/metrics", "/readyz", "/livez"];
    let together: String = paths.map(|path| request("GET", path, &[])).concat();
    let mut client = ask(&running, &together).await;
    for expected in [200, 404, 200, 503, 200] {
        assert_eq!(status(&mut client).await, expected);
    }
}

#[tokio::test]
async fn head_of_any_page_is_its_head() {
    let running = start_by_default().await;
    let mut client = Client::connect(&running).await;
    for (path, expected) in [
        ("/", 200),
        ("/readyz", 503),
        ("/nowhere", 404),
        ("/livez", 200),
    ] {
        client.send(&request("HEAD", path, &[])).await;
        let head = client.answer(false).await.unwrap();
        assert_eq!(head.status(), expected, "{path}");
        let got = get(&running, path, &[]).await;
        assert_eq!(head.header("content-length"), got.header("content-length"));
        assert_eq!(head.header("content-type"), got.header("content-type"));
    }
}

/// A connection that has asked for nothing holds nobody up, whatever time it has to ask.
#[tokio::test]
async fn shutdown_waits_for_nobody_who_has_not_asked() {
    let limits = Limits {
        head: FOREVER,
        answer: FOREVER,
        ..Limits::default()
    };
    let running = start(limits, healthy).await;
    let mut fresh = Client::connect(&running).await;
    let mut idle = ask(&running, &request("GET", "/metrics", &[])).await;
    // Connections are taken in their order: the first is, too.
    assert_eq!(status(&mut idle).await, 200);
    running.shutdown.cancel();
    assert!(fresh.ends().await.is_empty());
    assert!(idle.ends().await.is_empty());
    let served = time::timeout(PATIENCE, running.serving).await;
    served.expect("ends at once").unwrap();
}

/// Half a request is waited for as long as at any time.
#[tokio::test]
async fn shutdown_waits_for_half_a_request_within_its_time() {
    let limits = Limits {
        head: Duration::from_secs(1),
        ..Limits::default()
    };
    let (mut held, look) = held();
    let running = start(limits, look).await;
    let mut scrape = ask(&running, &request("GET", "/metrics", &[])).await;
    held.begun.recv().await.unwrap();
    let mut half = ask(&running, "GET /livez HTTP/1.1\r\n").await;
    // So that half of it has come.
    assert_eq!(get(&running, "/livez", &[]).await.status(), 200);
    running.shutdown.cancel();
    let started = Instant::now();
    assert!(half.ends().await.is_empty());
    assert!(started.elapsed() < PATIENCE);
    held.go_on.send(()).unwrap();
    assert_eq!(status(&mut scrape).await, 200);
    running.serving.await.unwrap();
}

/// Those whose turn has not come at shutdown are answered, too.
#[tokio::test]
async fn shutdown_cuts_no_scrape_that_waits_for_its_turn() {
    let limits = Limits {
        scrapes: 1,
        turn: FOREVER,
        ..Limits::default()
    };
    let (mut held, look) = held();
    let running = start(limits, look).await;
    let mut first = ask(&running, &request("GET", "/metrics", &[])).await;
    held.begun.recv().await.unwrap();
    let mut second = ask(&running, &request("GET", "/metrics", &[])).await;
    assert_eq!(get(&running, "/livez", &[]).await.status(), 200);
    running.shutdown.cancel();
    held.go_on.send(()).unwrap();
    held.go_on.send(()).unwrap();
    for client in [&mut first, &mut second] {
        let page = client.answer(true).await.unwrap();
        assert_eq!(
            (page.status(), page.header("connection")),
            (200, Some("close"))
        );
        assert!(client.ends().await.is_empty());
    }
    running.serving.await.unwrap();
}
