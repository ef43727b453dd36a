//! Any bytes as the files that the daemon reads: configuration, service tags, endpoints. Each is accepted or rejected as a whole; none
//! causes a panic.

#![no_main]

use std::path::Path;

use enforcer::azure::{endpoints, tags};
use enforcer::config::{self, Cloud};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else {
        return;
    };
    let file = Path::new("/fuzz");
    match kind % 3 {
        0 => {
            if let Ok(text) = std::str::from_utf8(bytes) {
                drop(config::parse(text, file));
            }
        }
        1 => drop(tags::import(
            bytes,
            file,
            Cloud::Public,
            &["Storage".to_owned()],
        )),
        _ => {
            let login_server = "contoso.azurecr.io".parse().expect("a name");
            let parsed = endpoints::parse(bytes, file, &login_server, Cloud::Public);
            for endpoint in parsed.into_iter().flatten() {
                assert!(
                    endpoint.name.as_str().starts_with("contoso."),
                    "{}",
                    endpoint.name
                );
            }
        }
    }
});
