//! `top`: the state, the denials of the last minutes and the names, brought up to date while it runs.

mod controls;
mod keys;
mod model;
pub(super) mod overview;
mod screen;
mod terminal;
mod text;
mod window;

use std::io::IsTerminal as _;
use std::time::Duration;

use anyhow::Result;
use jiff::Timestamp;

use self::model::Model;
use self::text::Text;
use super::args::TopArgs;
use super::config_file::ConfigFile;
use super::daemon_client::wait_for;
use super::events::Zone;
use super::exit::Exit;
use super::printer::Printer;

/// Fills the terminal until the user quits, or prints text or JSON where there is none or the arguments say so.
pub(super) fn top(config: &ConfigFile, args: &TopArgs) -> Result<Exit> {
    let runtime = config.paths()?.runtime;
    let zone = Zone::new(args.utc);
    wait_for(async {
        let model = Model::load(&runtime).await?;
        if !args.json && args.iterations.is_none() && is_interactive() {
            return screen::run(&model, args, &zone).await;
        }
        print(&model, args, &zone).await
    })??;
    Ok(Exit::Done)
}

/// Whether a person sees the output and can press keys.
fn is_interactive() -> bool {
    let is_dumb = std::env::var_os("TERM").is_none_or(|kind| kind == "dumb");
    !is_dumb && std::io::stdout().is_terminal() && std::io::stdin().is_terminal()
}

/// Prints as often as `--iterations` says, or once.
async fn print(model: &Model, args: &TopArgs, zone: &Zone) -> Result<()> {
    let mut printer = Printer::stdout(args.json);
    let interval = Duration::from_secs(args.interval);
    let printing = async {
        let most = args.iterations.map_or(1, u64::from);
        for iteration in 0..most {
            if iteration > 0 {
                tokio::time::sleep(interval).await;
            }
            let overview = model.overview(Timestamp::now(), &args.filter);
            if most > 1 && args.json {
                printer.item(&Text::new(&overview, zone))?;
            } else {
                printer.report(&Text::new(&overview, zone))?;
            }
            if printer.is_closed() {
                break;
            }
        }
        Ok(())
    };
    tokio::select! {
        never = model.keep_current(interval) => match never {},
        printed = printing => printed,
    }
}
