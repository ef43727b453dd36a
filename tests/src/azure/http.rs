//! The subset of HTTP/1.1 (RFC 9112) that the stand-in needs: one request and one response per connection, with responses that can be
//! truncated.

use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
};

use serde_json::Value;

/// Size limit of a request.
const MAX_REQUEST: usize = 64 << 10;

/// A request.
#[derive(Debug, Default)]
pub(super) struct Head {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

/// A response.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

impl Head {
    /// Reads a request; returns `None` when the client closed the connection.
    pub(super) fn read(stream: &mut impl Read) -> io::Result<Option<Self>> {
        let mut bytes = Vec::new();
        let end = loop {
            if let Some(end) = find(&bytes, b"\r\n\r\n") {
                break end;
            }
            if !more(stream, &mut bytes)? {
                return Ok(None);
            }
        };
        let text = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = text.split("\r\n");
        let mut words = lines.next().unwrap_or_default().split(' ');
        let mut head = Self {
            method: words.next().unwrap_or_default().to_owned(),
            target: words.next().unwrap_or_default().to_owned(),
            ..Self::default()
        };
        for line in lines {
            if let Some((name, value)) = line.split_once(':') {
                let pair = (name.to_ascii_lowercase(), value.trim().to_owned());
                head.headers.push(pair);
            }
        }
        let length: usize = head
            .header("content-length")
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        while bytes.len() < end + 4 + length {
            if !more(stream, &mut bytes)? {
                return Ok(None);
            }
        }
        head.body = String::from_utf8_lossy(&bytes[end + 4..end + 4 + length]).into_owned();
        Ok(Some(head))
    }

    /// Returns the value of a header by its name in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Returns the path without the query.
    pub(super) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// Returns the decoded query.
    pub(super) fn query(&self) -> BTreeMap<String, String> {
        let (_path, query) = self.target.split_once('?').unwrap_or_default();
        form(query)
    }
}

impl Reply {
    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            headers: vec![("Content-Type", "application/json; charset=utf-8".to_owned())],
            body: body.to_string().into_bytes(),
        }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Sends the head and the first `length` bytes of the body.
    pub(super) fn send(&self, stream: &mut impl Write, length: usize) -> io::Result<()> {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if self.status != 304 {
            head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        head.push_str("Connection: close\r\n\r\n");
        stream.write_all(head.as_bytes())?;
        stream.write_all(&self.body[..length.min(self.body.len())])?;
        stream.flush()
    }
}

/// Parses `application/x-www-form-urlencoded`.
pub(super) fn form(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(key), decoded(value))
        })
        .collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = match (first, after) {
            (b'%', [high, low, ..]) => std::str::from_utf8(&[*high, *low])
                .ok()
                .and_then(|hex| u8::from_str_radix(hex, 16).ok()),
            _ => None,
        };
        rest = if escaped.is_some() {
            &after[2..]
        } else {
            after
        };
        bytes.push(escaped.unwrap_or(if *first == b'+' { b' ' } else { *first }));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn more(stream: &mut impl Read, bytes: &mut Vec<u8>) -> io::Result<bool> {
    let mut chunk = [0; 4096];
    let length = stream.read(&mut chunk)?;
    bytes.extend_from_slice(&chunk[..length]);
    if bytes.len() > MAX_REQUEST {
        return Err(io::Error::other("the request is too long"));
    }
    Ok(length > 0)
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        410 => "Gone",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Status",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_parses_query_and_body() {
        let mut bytes: &[u8] =
            b"POST /a/b?x=1%2F2&y=a+b HTTP/1.1\r\nContent-Length: 7\r\nHost: a\r\n\r\nk=v%25&l";
        let head = Head::read(&mut bytes).unwrap().unwrap();
        assert_eq!((head.method.as_str(), head.path()), ("POST", "/a/b"));
        assert_eq!(head.query()["x"], "1/2");
        assert_eq!(head.query()["y"], "a b");
        assert_eq!(head.header("host"), Some("a"));
        assert_eq!(form(&head.body)["k"], "v%");
    }

    #[test]
    fn send_can_truncate_the_body() {
        let reply = Reply::json(200, &Value::from("whole"));
        let mut bytes = Vec::new();
        reply.send(&mut bytes, 3).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains("Content-Length: 7\r\n"), "{text}");
        assert!(text.ends_with("\r\n\r\n\"wh"), "{text}");
    }
}
