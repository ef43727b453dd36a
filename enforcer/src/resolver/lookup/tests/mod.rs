//! Lookups at real servers on 127.0.0.1.

mod cname_chains;
mod name_servers;

use super::test_server::{ReceivedQuery, TestServer};
use super::*;

fn contoso() -> Name {
    "contoso.azurecr.io".parse().unwrap()
}

/// Runs on one thread, as the daemon does.
fn run<T>(test: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(test)
}

fn lookup(servers: &[&TestServer]) -> Lookup {
    let servers: Vec<_> = servers.iter().map(|server| server.address).collect();
    Lookup::new(&servers).unwrap()
}

/// The answer of one server with this script to the A query, and the queries it received.
fn ask_one(
    script: impl Fn(&ReceivedQuery, Message) -> Option<Message> + Send + Sync + 'static,
) -> (Answer, Vec<ReceivedQuery>) {
    run(async {
        let server = TestServer::start(script).await;
        let answer = lookup(&[&server]).resolve(&contoso()).await;
        (answer, server.received())
    })
}

fn failure(result: Result<Resolved, LookupFailure>) -> LookupFailure {
    result.unwrap_err()
}

fn addresses(result: Result<Resolved, LookupFailure>) -> Vec<String> {
    let addresses = result.unwrap().addresses;
    addresses.iter().map(ToString::to_string).collect()
}
