//! Why service tags are refused: each error names the file and the fix.

use std::io;
use std::path::PathBuf;

use ipnet::IpNet;
use jiff::civil::Date;

use crate::config::Cloud;

/// Why service tags are refused.
#[derive(Debug, thiserror::Error)]
pub enum TagError {
    /// The file cannot be read.
    #[error("{}: cannot be read ({source}); check the path and its permissions", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The file is larger than any that was ever published.
    #[error("{}: larger than 64 MiB, so it is not a service-tags file; download it again", file.display())]
    TooLarge {
        /// The file.
        file: PathBuf,
    },
    /// The file is not JSON, truncated, or has another structure.
    #[error("{}: not a complete service-tags file: {problem}; download it again", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// What is wrong, with the line.
        problem: String,
    },
    /// The file is a list of the Service Tag Discovery API, which has fewer prefixes than the published file.
    #[error(
        "{}: is the output of `az network list-service-tags`, which lacks prefixes and is up to four weeks old; replace it with the published file: \
         curl -sL '{}' | grep -o 'https://download.microsoft.com/[^\"]*ServiceTags_[^\"]*\\.json' | sort | tail -n 1 | xargs curl -fo '{}' \
         (protect.service-tags-subscription adds the prefixes of the API)",
        file.display(), cloud.service_tags_page(), file.display()
    )]
    ListOfApi {
        /// The file.
        file: PathBuf,
        /// The cloud in the configuration.
        cloud: Cloud,
    },
    /// The file belongs to another cloud.
    #[error(
        "{}: is for the cloud \"{found}\", not \"{}\"; download the one for the cloud in protect.cloud, or fix that key",
        file.display(), expected.service_tags_name()
    )]
    OtherCloud {
        /// The file.
        file: PathBuf,
        /// The cloud in the file.
        found: String,
        /// The cloud in the configuration.
        expected: Cloud,
    },
    /// A required tag is missing.
    #[error(
        "{source_name}: has no tag \"{tag}\"; check its spelling in protect.tags (capitals count), or use a complete service-tags file"
    )]
    Missing {
        /// The file, or the bundle.
        source_name: String,
        /// The tag.
        tag: String,
    },
    /// A prefix is invalid.
    #[error("{}: tag \"{tag}\" has \"{prefix}\", which {problem}; download the file again", file.display())]
    InvalidPrefix {
        /// The file.
        file: PathBuf,
        /// The tag.
        tag: String,
        /// The prefix as written.
        prefix: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A prefix is far larger than any that Azure has for one service.
    #[error(
        "{}: tag \"{tag}\" has {prefix}, which is shorter than /{limit}: it would deny or allow a large part of the Internet; \
         download the file again from Microsoft", file.display()
    )]
    AbsurdPrefix {
        /// The file.
        file: PathBuf,
        /// The tag.
        tag: String,
        /// The prefix.
        prefix: IpNet,
        /// The shortest accepted length.
        limit: u8,
    },
    /// A regional tag has a prefix that the global tag lacks.
    #[error("{}: tag \"{regional}\" has {prefix}, which \"{global}\" lacks, so the file is not complete; download it again", file.display())]
    NotInGlobal {
        /// The file.
        file: PathBuf,
        /// The regional tag.
        regional: String,
        /// The global tag.
        global: String,
        /// A prefix of the regional tag only.
        prefix: IpNet,
    },
    /// Registries and storage accounts share an address, which never occurs in published files.
    #[error(
        "{}: {prefix} is in \"{registry}\" and in \"{storage}\", which never occurs in a genuine file; download the file again from Microsoft",
        file.display()
    )]
    Overlap {
        /// The file.
        file: PathBuf,
        /// The registry tag.
        registry: String,
        /// The storage tag.
        storage: String,
        /// A prefix in both.
        prefix: IpNet,
    },
    /// A tag has no prefix at all.
    #[error("{}: tag \"{tag}\" has no prefix, so it would protect nothing; download the file again", file.display())]
    Empty {
        /// The file.
        file: PathBuf,
        /// The tag.
        tag: String,
    },
    /// The file is older than the tags in force.
    #[error(
        "the service tags are older (change number {new}) than those in force ({current}); get a newer file, or, if those in force are \
         wrong, import older ones with `egress-enforcer tags import FILE --force` and then systemctl restart egress-enforcer"
    )]
    Older {
        /// The change number in force.
        current: u32,
        /// The change number of the file.
        new: u32,
    },
    /// The file is older than the bundle in the binary.
    #[error(
        "{source_name}: change {new}{}, older than the bundle in this binary ({bundle}); get a newer file, or, if the bundle is wrong, \
         import this one with `egress-enforcer tags import FILE --force`",
        date.map_or(String::new(), |date| format!(", published about {date}"))
    )]
    OlderThanBundle {
        /// The source of the tags.
        source_name: String,
        /// Their change number.
        new: u32,
        /// The day of their publication.
        date: Option<Date>,
        /// The description of the bundle.
        bundle: String,
    },
    /// Much of the tags in force, or of the bundle, is missing.
    #[error(
        "{source_name}: lacks {gone} of the {of} {what} of \"{tag}\" in {holder}, more than a newer list ever does; check it, and \
         if it is right import it with `egress-enforcer tags import FILE --force`, or set another URL in protect.service-tags-url"
    )]
    Shrunk {
        /// The source of the tags.
        source_name: String,
        /// The tag.
        tag: String,
        /// How many are missing.
        gone: u64,
        /// How many there were.
        of: u64,
        /// What is counted.
        what: &'static str,
        /// The source of the tags that have them.
        holder: String,
    },
    /// The change number is so high that later genuine files would count as older.
    #[error(
        "{source_name}: its change number {new} is far above the one in force ({current}), so later files would count as older; check it, \
         and if it is right import it with `egress-enforcer tags import FILE --force`, or set another URL in protect.service-tags-url"
    )]
    FarAhead {
        /// The source of the tags.
        source_name: String,
        /// The change number in force.
        current: u32,
        /// The change number of the file.
        new: u32,
    },
    /// The bundle in the binary does not parse.
    #[error(
        "the bundle for \"{cloud}\" in this binary is damaged (line {line}: {problem}); reinstall the package, or set a file in protect.service-tags"
    )]
    Bundle {
        /// The bundle's cloud.
        cloud: Cloud,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong there.
        problem: &'static str,
    },
}
