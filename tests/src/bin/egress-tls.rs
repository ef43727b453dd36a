//! Performs the task on standard input as a TLS client that trusts the authority in the file of its argument, and prints the
//! result.

use std::{env, io, path::Path};

use anyhow::{Context, Result};
use lab::clients::tls_client::{Work, perform};

fn main() -> Result<()> {
    let ca = env::args().nth(1).context("no authority")?;
    let work: Work = serde_json::from_reader(io::stdin()).context("read the work")?;
    let output = perform(Path::new(&ca), &work)?;
    Ok(io::Write::write_all(&mut io::stdout(), output.as_bytes())?)
}
