//! Any bytes as the beginning of a connection: if the parser accepts them with a server name, tls-parser finds the same name, and the
//! result does not depend on the segmentation.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../enforcer-common/tests/tls/any_name.rs"]
mod any_name;
#[path = "../../enforcer-common/tests/tls/payload.rs"]
mod payload;
#[path = "../../enforcer-common/tests/tls/reference.rs"]
mod reference;

use reference::Parsed;

fuzz_target!(|bytes: &[u8]| {
    let ours = any_name::verified(bytes, bytes.len());
    for cut in [5, 9, bytes.len() / 2, bytes.len().saturating_sub(1)] {
        let cut = cut.min(bytes.len());
        let other = any_name::verified(bytes, cut);
        // A second ClientHello is accepted only in segments of its own.
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
    assert!(whole == Parsed::Failed || whole.name() == ours);
});
