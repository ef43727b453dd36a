//! What the fuzzer kept, in segments of every length that it tried, against tls-parser.

use crate::anywhere::verified;
use crate::kept_inputs::inputs;
use crate::reference::{Read, by_extension, by_hello};

/// Fewer, and some are lost.
const LEAST: usize = 365;

#[test]
fn what_the_fuzzer_kept_means_to_the_reader_what_it_means_to_tls_parser_however_it_is_cut() {
    let mut named = 0;
    for (input, bytes) in inputs("hello", LEAST) {
        let ours = verified(&bytes, bytes.len());
        for cut in 0..bytes.len() {
            let other = verified(&bytes, cut);
            // Another hello counts in a segment of its own.
            let is_first = || ours.is_none() && other.as_deref() == by_extension(&bytes).name();
            assert!(other == ours || is_first(), "{input} cut at {cut}");
        }
        let Some(ours) = ours else {
            continue;
        };
        named += 1;
        let ours = Some(ours.as_slice());
        assert_eq!(ours, by_extension(&bytes).name(), "{input}");
        let whole = by_hello(&bytes);
        assert!(whole == Read::Nothing || whole.name() == ours, "{input}");
    }
    assert!(named > 10, "{named} name a server");
}
