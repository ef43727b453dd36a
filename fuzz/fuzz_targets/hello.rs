//! Any bytes as the beginning of a connection: where the reader lets them pass for a name, tls-parser reads that name and no other, and it
//! does not count how they are cut.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../enforcer-common/tests/hello/anywhere.rs"]
mod anywhere;
#[path = "../../enforcer-common/tests/hello/payload.rs"]
mod payload;
#[path = "../../enforcer-common/tests/hello/reference.rs"]
mod reference;

use reference::Read;

fuzz_target!(|bytes: &[u8]| {
    let ours = anywhere::verified(bytes, bytes.len());
    for cut in [5, 9, bytes.len() / 2, bytes.len().saturating_sub(1)] {
        let cut = cut.min(bytes.len());
        let other = anywhere::verified(bytes, cut);
        // Another hello counts in a segment of its own.
        let is_first =
            || ours.is_none() && other.as_deref() == reference::by_extension(bytes).name();
        assert!(
            other == ours || is_first(),
            "cut at {cut}: {other:?}, {ours:?}"
        );
    }
    let Some(ours) = ours else {
        return;
    };
    let ours = Some(ours.as_slice());
    assert_eq!(ours, reference::by_extension(bytes).name());
    let whole = reference::by_hello(bytes);
    assert!(whole == Read::Nothing || whole.name() == ours);
});
