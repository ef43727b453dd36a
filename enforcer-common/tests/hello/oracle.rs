//! The reader against tls-parser.

use crate::anywhere::verified;
use crate::generate::Sample;
use crate::random::Random;
use crate::reference::{Read, by_extension, by_hello};

const HELLOS: u64 = 1_000_000;

/// What came of the hellos.
#[derive(Debug, Default)]
struct Seen {
    /// Both read one name, the same.
    agreed: u64,
    /// As above, where the parser of all extensions gives up on one that ours skips.
    agreed_by_extension: u64,
    /// Only tls-parser read one name.
    refused: u64,
    /// Neither did.
    nameless: u64,
}

impl Seen {
    fn compare(&mut self, ours: Option<&[u8]>, sample: &Sample) {
        let bytes = &sample.bytes;
        let theirs = by_extension(bytes);
        let Some(ours) = ours else {
            assert!(!sample.is_sound, "missed: {bytes:?}");
            let is_named = theirs.name().is_some();
            *(if is_named {
                &mut self.refused
            } else {
                &mut self.nameless
            }) += 1;
            return;
        };
        assert_eq!(Some(ours), theirs.name(), "{bytes:?}");
        match by_hello(bytes) {
            Read::Nothing => self.agreed_by_extension += 1,
            whole @ Read::NamePolicy(_) => {
                assert_eq!(Some(ours), whole.name(), "{bytes:?}");
                self.agreed += 1;
            }
        }
    }
}

#[test]
fn a_million_hellos_name_to_the_reader_whom_they_name_to_tls_parser() {
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
    assert!(seen.refused > HELLOS / 100, "{seen:?}");
    assert!(seen.nameless > HELLOS / 10, "{seen:?}");
}
