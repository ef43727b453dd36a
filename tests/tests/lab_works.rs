//! The lab itself, with nothing enforced: what later tests forbid works here.

use std::time::Instant;

use anyhow::Result;
use lab::{Lab, dns::Kind};

#[test]
fn up() -> Result<()> {
    let t = Instant::now();
    let lab = Lab::start()?;
    eprintln!("up {:?}", t.elapsed());
    eprintln!(
        "{:?}",
        lab.dns()
            .ask(lab.world().device(), "contoso.azurecr.io", Kind::A)?
    );
    eprintln!("{:?}", lab.pull());
    eprintln!("{:?}", lab.exfiltrate_sdk(&lab.device()));
    eprintln!("{:?}", lab.exfiltrate_curl(&lab.device()));
    for r in lab.requests()? {
        eprintln!("{r:?}");
    }
    let t = Instant::now();
    drop(lab);
    eprintln!("down {:?}", t.elapsed());
    Ok(())
}
