//! The importer on the published files.

use serde_json::Value;

use crate::azure::tags::import_file;
use crate::azure::test_data;
use crate::config::{Cloud, REGISTRY_TAG, STORAGE_TAG};

/// Collapsed IPv4 prefixes, collapsed IPv6 prefixes, IPv4 addresses.
type Figures = (usize, usize, u64);

#[test]
fn the_published_files_give_the_figures_that_were_counted_independently() {
    use Cloud::{China, Public, UsGovernment};
    #[rustfmt::skip]
    let files: [(&str, Cloud, u32, usize, Figures, Figures); 6] = [
        ("ServiceTags_Public_20240506.json", Public, 305, 2601, (493, 66, 367_040), (508, 478, 45_600)),
        ("ServiceTags_Public_20251013.json", Public, 373, 3039, (495, 79, 498_017), (590, 556, 52_114)),
        ("ServiceTags_Public_20251028.json", Public, 375, 3039, (495, 79, 498_017), (590, 556, 52_114)),
        ("ServiceTags_Public_20260622.json", Public, 403, 150, (496, 79, 563_553), (598, 606, 52_882)),
        ("ServiceTags_AzureGovernment_20260720.json", UsGovernment, 402, 299, (31, 6, 11_680), (37, 41, 2_008)),
        ("ServiceTags_China_20260720.json", China, 405, 327, (21, 6, 7_088), (28, 28, 1_760)),
    ];
    let wanted = [STORAGE_TAG, REGISTRY_TAG].map(str::to_owned);
    for (file, cloud, change_number, tags, storage, registries) in files {
        let Some(path) = test_data::service_tags(file) else {
            return;
        };
        let snapshot = import_file(&path, cloud, &wanted).unwrap();
        assert_eq!(snapshot.change_number, change_number, "{file}");
        for (tag, expected) in [(STORAGE_TAG, storage), (REGISTRY_TAG, registries)] {
            let set = snapshot.family(tag).unwrap();
            assert_eq!(
                (set.v4().len(), set.v6().len(), set.v4_addresses()),
                expected,
                "{file} {tag}"
            );
        }
        let whole: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(
            whole["values"].as_array().map(Vec::len),
            Some(tags),
            "{file}"
        );
    }
}
