//! `events`: prints past denials and changes, and with `--follow` new ones.

mod follow;
mod line;
mod selection;
pub(super) mod top;
pub(super) mod verify;

use anyhow::{Result, ensure};
use jiff::Timestamp;

use self::line::EventLine;
pub(super) use self::line::Zone;
pub(super) use self::selection::Selection;
pub(super) use self::top::Key;
use self::top::Top;
use super::args::{EventsArgs, EventsCommand};
use super::config_file::ConfigFile;
use super::daemon_client::wait_for;
use super::exit::Exit;
use super::printer::Printer;
use crate::core::EventRecord;
use crate::log_files::directory as directory_of_log;

/// Prints the events that the daemon holds, their sums, or with `--follow` new events.
pub(super) fn events(config: &ConfigFile, args: &EventsArgs) -> Result<Exit> {
    let mut printer = Printer::stdout(args.json);
    if let Some(EventsCommand::Verify { directory }) = &args.command {
        let default = || Ok(directory_of_log(&config.paths()?.state));
        let directory = directory
            .clone()
            .map_or_else(default, Ok::<_, anyhow::Error>)?;
        return verify::verify(&directory, &mut printer);
    }
    let runtime = config.paths()?.runtime;
    let zone = Zone::new(args.utc);
    let selection = Selection::new(&args.selection, Timestamp::now());
    if args.follow {
        ensure!(
            args.command.is_none(),
            "`events top` sums up past events: remove --follow"
        );
        wait_for(follow::follow(&runtime, &selection, &zone, printer))??;
        return Ok(Exit::Done);
    }
    let held = wait_for(selection.held(&runtime))??;
    match &args.command {
        Some(EventsCommand::Top { limit }) => printer.report(&Top::of(&held, *limit, &zone))?,
        Some(EventsCommand::Verify { .. }) | None => print(&mut printer, held, &zone)?,
    }
    Ok(Exit::Done)
}

fn print(printer: &mut Printer, held: Vec<EventRecord>, zone: &Zone) -> Result<()> {
    if printer.is_json() {
        printer.json(&held)?;
        return Ok(());
    }
    if held.is_empty() {
        printer.report(&"no events\n")?;
        return Ok(());
    }
    printer.header(&EventLine::header(zone))?;
    for event in held {
        let line = EventLine { event, zone };
        let style = line.style();
        printer.styled(&line, style)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::doctor::test_data;

    #[test]
    fn json_has_the_fields_of_the_record() {
        let json = serde_json::to_value(vec![test_data::event()]).unwrap();
        assert_eq!(json[0]["executable"], "/usr/bin/curl");
        assert_eq!(json[0]["sequence"], 9);
    }
}
