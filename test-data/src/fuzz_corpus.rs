//! The corpora of the fuzz targets: `fuzz/seeds`, by name, and `fuzz/minimized`, a line of base64 for each input.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use base64::{Engine as _, prelude::BASE64_STANDARD};

/// A name for messages, and the input.
pub type Input = (String, Vec<u8>);

/// Returns all inputs of the fuzz target `target`.
///
/// # Panics
/// If a file cannot be read, or there are fewer than `least`.
pub fn inputs(target: &str, least: usize) -> Vec<Input> {
    let fuzz = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz"));
    let seeds = fuzz.join("seeds").join(target);
    let minimized = fuzz.join("minimized").join(target).with_extension("base64");
    let read = read_all(&seeds).and_then(|mut inputs| {
        inputs.extend(decoded(&minimized)?);
        Ok(inputs)
    });
    let inputs = read.unwrap_or_else(|error| panic!("the corpus of {target}: {error}"));
    let found = inputs.len();
    assert!(found >= least, "{target}: {found} inputs, not {least}");
    inputs
}

fn read_all(directory: &Path) -> io::Result<Vec<Input>> {
    let files = fs::read_dir(directory)?.map(|file| {
        let path = file?.path();
        Ok((path.display().to_string(), fs::read(&path)?))
    });
    files.collect()
}

fn decoded(file: &Path) -> io::Result<Vec<Input>> {
    let text = fs::read_to_string(file)?;
    let lines = (1..).zip(text.lines()).map(|(number, line)| {
        let name = format!("{}:{number}", file.display());
        let bytes = BASE64_STANDARD.decode(line);
        let bytes = bytes.map_err(|error| io::Error::other(format!("{name}: {error}")))?;
        Ok((name, bytes))
    });
    lines.collect()
}
