//! Why service tags are refused: each names the thing and the mend.

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
        /// What the system said.
        source: io::Error,
    },
    /// The file is larger than any that was ever published.
    #[error("{}: larger than 64 MiB, so it is no service-tags file; download it again", file.display())]
    TooLarge {
        /// The file.
        file: PathBuf,
    },
    /// The file is no JSON, cut short, or of another shape.
    #[error("{}: not a whole service-tags file: {problem}; download it again", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// What is wrong, with the line.
        problem: String,
    },
    /// The file is the list of the Service Tag Discovery API, which is less than what is published.
    #[error(
        "{}: is what `az network list-service-tags` prints, which lacks prefixes and is up to four weeks behind; write the published file there: \
         curl -sL '{}' | grep -o 'https://download.microsoft.com/[^\"]*ServiceTags_[^\"]*\\.json' | sort | tail -n 1 | xargs curl -fo '{}' \
         (protect.service-tags-subscription adds the prefixes of the API)",
        file.display(), cloud.service_tags_page(), file.display()
    )]
    ListOfApi {
        /// The file.
        file: PathBuf,
        /// The cloud whose tags are wanted.
        cloud: Cloud,
    },
    /// The file belongs to another cloud.
    #[error(
        "{}: is for the cloud \"{found}\", not \"{}\"; download the one for the cloud in protect.cloud, or mend that key",
        file.display(), expected.service_tags_name()
    )]
    OtherCloud {
        /// The file.
        file: PathBuf,
        /// What the file says.
        found: String,
        /// What the configuration says.
        expected: Cloud,
    },
    /// A tag that has to be there is not.
    #[error(
        "{source_name}: has no tag \"{tag}\"; check its spelling in protect.tags (capitals count), or use a complete service-tags file"
    )]
    Missing {
        /// The file, or the bundle.
        source_name: String,
        /// The tag.
        tag: String,
    },
    /// A prefix is none.
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
    /// A prefix is far larger than any that Azure holds for one service.
    #[error(
        "{}: tag \"{tag}\" has {prefix}, which is shorter than /{limit}: it would close or open a large part of the Internet; \
         download the file again from Microsoft", file.display()
    )]
    AbsurdPrefix {
        /// The file.
        file: PathBuf,
        /// The tag.
        tag: String,
        /// The prefix.
        prefix: IpNet,
        /// The shortest length that is taken.
        limit: u8,
    },
    /// A regional tag has a prefix that the global tag lacks.
    #[error("{}: tag \"{regional}\" has {prefix}, which \"{global}\" lacks, so the file is not whole; download it again", file.display())]
    NotInGlobal {
        /// The file.
        file: PathBuf,
        /// The regional tag.
        regional: String,
        /// The global tag.
        global: String,
        /// A prefix that is in one only.
        prefix: IpNet,
    },
    /// Registries and storage accounts share an address, which no published file has.
    #[error(
        "{}: {prefix} is in \"{registry}\" and in \"{storage}\", which no real file has; download the file again from Microsoft",
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
    /// The file is older than what is in force.
    #[error(
        "the service tags are older (change number {new}) than those in force ({current}); get a newer file, or, where those in force are \
         wrong, take older ones with `egress-enforcer tags import FILE --force` and then systemctl restart egress-enforcer"
    )]
    Older {
        /// The change number in force.
        current: u32,
        /// The change number of the file.
        new: u32,
    },
    /// The file is older than the bundle in the binary.
    #[error(
        "{source_name}: change {new}{}, older than the bundle in this binary ({bundle}); get a newer file, or, where the bundle is wrong, \
         take this one with `egress-enforcer tags import FILE --force`",
        date.map_or(String::new(), |date| format!(", published about {date}"))
    )]
    OlderThanBundle {
        /// Where the tags come from.
        source_name: String,
        /// Their change number.
        new: u32,
        /// The day of their publication.
        date: Option<Date>,
        /// The description of the bundle.
        bundle: String,
    },
    /// Much of what is in force, or in the bundle, is missing.
    #[error(
        "{source_name}: lacks {gone} of the {of} {what} of \"{tag}\" in {holder}, more than any later list does; check it, and \
         where it is right take it with `egress-enforcer tags import FILE --force`, or name another URL in protect.service-tags-url"
    )]
    Shrunk {
        /// Where the tags come from.
        source_name: String,
        /// The tag.
        tag: String,
        /// How many are missing.
        gone: u64,
        /// Of how many.
        of: u64,
        /// Of what.
        what: &'static str,
        /// Where the tags come from that have them.
        holder: String,
    },
    /// The change number leaves no room for true ones.
    #[error(
        "{source_name}: its change number {new} is far above the one in force ({current}), and later files would count as older; check it, \
         and where it is right take it with `egress-enforcer tags import FILE --force`, or name another URL in protect.service-tags-url"
    )]
    FarAhead {
        /// Where the tags come from.
        source_name: String,
        /// The change number in force.
        current: u32,
        /// The change number of the file.
        new: u32,
    },
    /// The bundle in the binary does not parse.
    #[error(
        "the bundle for \"{cloud}\" in this binary is damaged (line {line}: {problem}); reinstall, or name a file in protect.service-tags"
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
