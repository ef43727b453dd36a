//! Results for `./x vm`.

/// Prints a result on a separate line, for `./x vm` to read.
#[expect(clippy::print_stderr, reason = "`./x vm` reads this output")]
pub(crate) fn report(what: &str, fields: &[&str]) {
    eprintln!("EGRESS-{what} {}", fields.join("\t"));
}
