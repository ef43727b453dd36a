//! Opens the connections of the plan in its argument until the end of standard input, and prints the totals.

use std::{
    env,
    io::{self, Read, Write},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use anyhow::{Context, Result};
use lab::clients::stream::{Plan, generate};

fn main() -> Result<()> {
    let plan = env::args().nth(1).context("no plan")?;
    let plan: Plan = serde_json::from_str(&plan).context("read the plan")?;
    let ended = AtomicBool::new(false);
    let totals = thread::scope(|scope| {
        scope.spawn(|| {
            let input = io::stdin().read_to_end(&mut Vec::new());
            ended.store(true, Ordering::Relaxed);
            input
        });
        generate(&plan, &ended)
    });
    serde_json::to_writer(io::stdout(), &totals)?;
    Ok(io::stdout().flush()?)
}
