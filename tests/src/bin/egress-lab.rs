//! Starts a lab, prints how to enter it, and ends it at the end of standard input (Ctrl-D).

use std::io::{self, Read, Write};

use anyhow::{Context, Result};
use lab::Lab;

fn main() -> Result<()> {
    let lab = Lab::start()?;
    let network = lab.network();
    lab.storage()?;
    let mut out = io::stdout();
    writeln!(out, "name    {}", lab.name())?;
    writeln!(out, "logs    {}", lab.dir().display())?;
    writeln!(out, "cgroup  {}", lab.device_cgroup().path().display())?;
    writeln!(out, "bpffs   {}", lab.bpffs().display())?;
    writeln!(
        out,
        "device  nsenter --net={} sh",
        network.device().path().display()
    )?;
    writeln!(
        out,
        "cloud   nsenter --net={} sh",
        network.cloud().path().display()
    )?;
    writeln!(out, "ready; ends at the end of input")?;
    out.flush()?;
    io::stdin()
        .read_to_end(&mut Vec::new())
        .context("wait for the end of input")?;
    Ok(())
}
