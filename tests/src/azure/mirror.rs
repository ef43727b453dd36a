//! A web server with one file, a customer's mirror of Microsoft's download.

use ring::digest::{SHA256, digest};

use super::{
    http::{Head, Reply},
    state::State,
};

pub(super) fn answer(head: &Head, state: &State) -> Reply {
    let etag = etag(&state.mirrored);
    let is_known = head.header("if-none-match") == Some(etag.as_str());
    let status = match (head.path(), is_known) {
        ("/ServiceTags_Public.json", true) => 304,
        ("/ServiceTags_Public.json", false) => 200,
        _ => 404,
    };
    let body = if status == 200 {
        state.mirrored.clone()
    } else {
        Vec::new()
    };
    let reply = Reply {
        status,
        headers: vec![("Content-Type", "application/octet-stream".to_owned())],
        body,
    };
    reply.with("ETag", etag)
}

fn etag(file: &[u8]) -> String {
    let digest = digest(&SHA256, file);
    let hex: String = digest.as_ref()[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("\"{hex}\"")
}
