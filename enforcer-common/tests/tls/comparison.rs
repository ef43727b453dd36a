//! The parser compared with tls-parser, on generated ClientHellos and on the fuzzer's corpus.

use test_data::{Random, fuzz_corpus};

use crate::any_name::verified;
use crate::generate::Sample;
use crate::reference::{Parsed, by_extension, by_hello};

const HELLOS: u64 = 1_000_000;
/// The minimum size of the corpus.
const MIN_CORPUS: usize = 365;

/// Counts of ClientHellos by result.
#[derive(Debug, Default)]
struct Seen {
    /// Both parsers found the same name.
    agreed: u64,
    /// As above, but tls-parser's parser of all extensions fails at one that ours skips.
    agreed_by_extension: u64,
    /// Only tls-parser found a name.
    denied: u64,
    /// Neither found one.
    nameless: u64,
}

impl Seen {
    fn compare(&mut self, ours: Option<&[u8]>, sample: &Sample) {
        let bytes = &sample.bytes;
        let theirs = by_extension(bytes);
        let Some(ours) = ours else {
            assert!(!sample.is_valid, "missed: {bytes:?}");
            let is_named = theirs.name().is_some();
            *(if is_named {
                &mut self.denied
            } else {
                &mut self.nameless
            }) += 1;
            return;
        };
        assert_eq!(Some(ours), theirs.name(), "{bytes:?}");
        match by_hello(bytes) {
            Parsed::Failed => self.agreed_by_extension += 1,
            whole @ Parsed::Names(_) => {
                assert_eq!(Some(ours), whole.name(), "{bytes:?}");
                self.agreed += 1;
            }
        }
    }
}

#[test]
fn a_million_generated_hellos_agree_with_tls_parser() {
    let mut random = Random::new(0x5e1f_cafe);
    let mut seen = Seen::default();
    for _ in 0..HELLOS {
        let sample = Sample::random(&mut random);
        let cut = random.below(sample.bytes.len() + 1);
        let ours = verified(&sample.bytes, cut);
        seen.compare(ours.as_deref(), &sample);
    }
    assert!(seen.agreed > HELLOS / 5, "{seen:?}");
    assert!(seen.agreed_by_extension > HELLOS / 1000, "{seen:?}");
    assert!(seen.denied > HELLOS / 100, "{seen:?}");
    assert!(seen.nameless > HELLOS / 10, "{seen:?}");
}

#[test]
fn fuzz_corpus_agrees_with_tls_parser_for_every_segmentation() {
    let mut named = 0;
    for (input, bytes) in fuzz_corpus::inputs("client_hello", MIN_CORPUS) {
        let ours = verified(&bytes, bytes.len());
        for cut in 0..bytes.len() {
            let other = verified(&bytes, cut);
            // A second ClientHello is accepted only in segments of its own.
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
        assert!(whole == Parsed::Failed || whole.name() == ours, "{input}");
    }
    assert!(named > 10, "{named} name a server");
}
