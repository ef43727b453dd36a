//! Real scrapes of a real port.

use std::net::SocketAddr;
use std::rc::Rc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

use super::{SCRAPERS, serve_metrics};
use crate::control::tests::Daemon;

/// Sends a request to the port of the metrics, and returns the answer.
async fn scraped(address: SocketAddr, head: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{head}\r\nHost: here\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn the_port_serves_the_page_that_the_client_accepts_and_nothing_else() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let test = async {
        let serving = serve_metrics(address, Rc::new(Daemon::default())).unwrap();
        let refused = serve_metrics(address, Rc::new(Daemon::default())).unwrap_err();
        assert!(refused.to_string().contains("metrics.listen"), "{refused}");
        // Clients that send nothing do not keep others out.
        let mut idle = Vec::new();
        for _ in 1..SCRAPERS {
            idle.push(TcpStream::connect(address).await.unwrap());
        }
        let get = "GET /metrics HTTP/1.1";
        let open = scraped(
            address,
            &format!("{get}\r\nAccept: application/openmetrics-text"),
        )
        .await;
        assert!(open.contains("application/openmetrics-text"), "{open}");
        assert!(open.ends_with("# EOF\n"), "{open}");
        let text = scraped(address, &format!("{get}\r\nAccept: text/plain")).await;
        assert!(text.contains("text/plain; version=0.0.4"), "{text}");
        assert!(text.contains("# TYPE egress_enforcer_info gauge") && !text.contains("# EOF"));
        for (head, code) in [
            ("GET /events HTTP/1.1", "404"),
            ("GET /status HTTP/1.1", "404"),
            ("POST /metrics HTTP/1.1", "405"),
        ] {
            let answer = scraped(address, head).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {code}")), "{answer}");
        }
        serving.abort();
        assert!(serving.await.unwrap_err().is_cancelled());
        assert!(
            TcpStream::connect(address).await.is_err(),
            "it still listens"
        );
    };
    LocalSet::new().run_until(test).await;
}
