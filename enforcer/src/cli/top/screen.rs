//! The overview on a terminal.

use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::builder::styling::{AnsiColor, Style};
use crossterm::event::{Event, KeyEventKind};
use jiff::Timestamp;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use super::controls::{Controls, Page, Reaction};
use super::keys::HELP;
use super::model::Model;
use super::overview::Overview;
use super::terminal::{Line, Size, Terminal, read_keys};
use super::text;
use crate::cli::args::TopArgs;
use crate::cli::events::Zone;
use crate::cli::printer::Printer;
use crate::cli::table::Table;
use crate::printable;

/// Maximum number of alarms above the table.
const MOST_ALARMS: usize = 3;

/// Fills the terminal until the user quits.
///
/// # Errors
/// If the terminal cannot be read or written.
pub(super) async fn run(model: &Model, args: &TopArgs, zone: &Zone) -> Result<()> {
    let every = Duration::from_secs(args.interval);
    let mut controls = Controls::new(&args.filter);
    let ended = tokio::select! {
        never = model.keep_current(every) => match never {},
        ended = watch(model, &mut controls, every, zone) => ended,
    };
    // The terminal is back to what it was.
    if let (Ok(()), Page::Fragment(fragment)) = (&ended, &controls.page) {
        Printer::stdout(false).report(fragment)?;
    }
    ended
}

async fn watch(model: &Model, controls: &mut Controls, every: Duration, zone: &Zone) -> Result<()> {
    let mut terminal = Terminal::enter().context("cannot use the terminal")?;
    let mut keys = read_keys();
    let mut ended = Signals::new().context("cannot wait for signals")?;
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut shown = model.overview(Timestamp::now(), &controls.filter);
    loop {
        if !controls.is_paused {
            shown = model.overview(Timestamp::now(), &controls.filter);
        }
        let lines = lines(&shown, controls, zone, terminal.size()?);
        terminal
            .draw(&lines, matches!(controls.page, Page::Fragment(_)))
            .context("cannot write to the terminal")?;
        tokio::select! {
            _ = ticks.tick() => {}
            () = ended.any() => return Ok(()),
            event = keys.recv() => {
                let event = event.context("the terminal is gone")?;
                let Event::Key(key) = event.context("cannot read the terminal")? else {
                    continue;
                };
                if key.kind == KeyEventKind::Release {
                    continue;
                }
                match controls.on(key, &shown) {
                    Reaction::Draw => {}
                    Reaction::Fragment(key) => controls.page = Page::Fragment(model.fragment(&key)),
                    Reaction::Quit => return Ok(()),
                }
            }
        }
    }
}

/// Signals that end the program, which restores the terminal first.
struct Signals([Signal; 4]);

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self([
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
            signal(SignalKind::hangup())?,
            signal(SignalKind::quit())?,
        ]))
    }

    async fn any(&mut self) {
        let [terminate, interrupt, hangup, quit] = &mut self.0;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
            _ = quit.recv() => {}
        }
    }
}

/// Returns what to show on a terminal of this size.
fn lines(shown: &Overview, controls: &Controls, zone: &Zone, size: Size) -> Vec<Line> {
    // A long line of a fragment goes on in the next row, so that it can be copied.
    let mut lines = match &controls.page {
        Page::Fragment(fragment) => return fragment_page(fragment, size),
        Page::Help => help(),
        Page::Denials | Page::Names => head(shown, zone),
    };
    if matches!(controls.page, Page::Denials | Page::Names) {
        lines.push(Line::new("", Style::new()));
        lines.push(title(controls));
        let room = size.rows.saturating_sub(lines.len() + 1);
        let table = match controls.page {
            Page::Names => text::names(shown),
            Page::Denials | Page::Fragment(_) | Page::Help => text::denials(shown, zone),
        };
        lines.extend(rows(&table, controls.row(shown), room));
    }
    lines.truncate(size.rows.saturating_sub(1));
    lines.resize_with(size.rows.saturating_sub(1), || Line::new("", Style::new()));
    lines.push(Line::new(
        "q quit  Tab denials, names  / filter  Enter exception  p stop  ? help",
        Style::new().dimmed(),
    ));
    lines.iter_mut().for_each(|line| line.clip(size.columns));
    lines
}

fn head(shown: &Overview, zone: &Zone) -> Vec<Line> {
    let colour = match shown.enforcing {
        true => AnsiColor::Green,
        false => AnsiColor::Red,
    };
    let mut lines = vec![
        Line::new(text::state(shown), colour.on_default().bold()),
        Line::new(text::counts(shown, zone), Style::new()),
    ];
    let alarms = text::alarms(shown, zone);
    let more = alarms.len().saturating_sub(MOST_ALARMS);
    let yellow = AnsiColor::Yellow.on_default();
    let first = alarms.into_iter().take(MOST_ALARMS);
    lines.extend(first.map(|alarm| Line::new(alarm, yellow)));
    if more > 0 {
        let text = format!("and {more} more: `egress-enforcer status` has all alarms");
        lines.push(Line::new(text, yellow));
    }
    lines
}

/// Returns what the table shows, and the filter.
fn title(controls: &Controls) -> Line {
    let mut title = match controls.page {
        Page::Names => "Names".to_owned(),
        Page::Denials | Page::Fragment(_) | Page::Help => {
            "Denials of the last 10 minutes".to_owned()
        }
    };
    let filter = printable::line(&controls.filter);
    if controls.is_writing {
        title.push_str(&format!(", with: {filter}_"));
    } else if !filter.is_empty() {
        title.push_str(&format!(", with: {filter}"));
    }
    if controls.is_paused {
        title.push_str("  (stopped: p goes on)");
    }
    Line::new(title, Style::new().bold())
}

/// Returns `room` rows of a table: the header and those around the chosen row.
fn rows(table: &Table, chosen: usize, room: usize) -> Vec<Line> {
    let text = table.to_string();
    let mut all = text.lines();
    let header = all.next().unwrap_or_default();
    let mut lines = vec![Line::new(header, Style::new().underline())];
    let room = room.saturating_sub(1);
    let first = (chosen + 1).saturating_sub(room);
    let visible = all.enumerate().skip(first).take(room);
    lines.extend(visible.map(|(index, row)| match index == chosen {
        true => Line::new(row, Style::new().invert()),
        false => Line::new(row, Style::new()),
    }));
    lines
}

fn help() -> Vec<Line> {
    let mut table = Table::headless(2);
    for (keys, text) in HELP {
        table.row([keys.to_owned(), text.to_owned()]);
    }
    let text = format!("Keys\n\n{table}");
    text.lines()
        .map(|line| Line::new(line, Style::new()))
        .collect()
}

fn fragment_page(fragment: &str, size: Size) -> Vec<Line> {
    let mut room = size.rows.saturating_sub(1);
    let mut lines = Vec::new();
    for text in printable::lines(fragment).lines() {
        let wrapped = text.chars().count().div_ceil(size.columns.max(1)).max(1);
        if wrapped > room {
            break;
        }
        room -= wrapped;
        lines.push(Line::new(text, Style::new()));
    }
    lines.extend((0..room).map(|_| Line::new("", Style::new())));
    let keys = "Esc back  q quit, and keep this on the terminal";
    lines.push(Line::new(keys, Style::new().dimmed()));
    lines
}

#[cfg(test)]
mod tests {
    use super::super::overview::tests::overview;
    use super::*;

    const SIZE: Size = Size {
        columns: 70,
        rows: 12,
    };

    fn texts(controls: &Controls, size: Size) -> Vec<String> {
        let lines = lines(&overview(), controls, &Zone::Utc, size);
        lines.iter().map(|line| line.text().to_owned()).collect()
    }

    #[test]
    fn the_screen_is_as_large_as_the_terminal() {
        let mut controls = Controls::new("");
        for page in [Page::Denials, Page::Names, Page::Help] {
            controls.page = page;
            for (columns, rows) in [(0, 0), (1, 1), (20, 4), (70, 12), (300, 100)] {
                let texts = texts(&controls, Size { columns, rows });
                assert_eq!(texts.len(), rows.max(1), "{:?}", controls.page);
                let fits = |text: &String| text.chars().count() <= columns;
                assert!(texts.iter().all(fits), "{texts:?}");
            }
        }
    }

    #[test]
    fn denials_are_below_the_state() {
        let texts = texts(&Controls::new("curl"), SIZE);
        assert_eq!(texts[0], "egress-enforcer 0.1.0: enforcing");
        assert_eq!(texts[4], "Denials of the last 10 minutes, with: curl");
        assert!(texts[6].starts_with("5      5"), "{texts:?}");
    }

    #[test]
    fn the_chosen_row_is_visible() {
        let mut table = Table::new(0, ["NUMBER"]);
        (0..50).for_each(|number: usize| table.row([number.to_string()]));
        for chosen in [0, 3, 4, 30, 49] {
            let lines = rows(&table, chosen, 5);
            let chosen = chosen.to_string();
            assert_eq!(lines.len(), 5);
            assert!(lines.iter().any(|line| line.text() == chosen), "{chosen}");
        }
    }

    #[test]
    fn a_fragment_is_not_clipped() {
        let long = format!("# {}", "x".repeat(100));
        let mut controls = Controls::new("");
        controls.page = Page::Fragment(format!("{long}\n[[exception]]\n"));
        assert_eq!(
            texts(&controls, SIZE)[..2],
            [long, "[[exception]]".to_owned()]
        );
    }
}
