//! The terminal: raw mode, the alternate screen, keys and lines.

use std::io::{self, BufWriter, Stdout, Write as _};
use std::panic;
use std::thread;

use clap::builder::styling::Style;
use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::event::{Event, read};
use crossterm::style::Print;
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, DisableLineWrap, EnableLineWrap,
    EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
    enable_raw_mode, size,
};
use crossterm::{execute, queue};
use tokio::sync::mpsc;

/// Size where the terminal does not report it, as on a serial line.
const COLUMNS: u16 = 80;
const ROWS: u16 = 24;
/// Number of keys that wait.
const KEYS: usize = 16;

/// Size of the terminal in characters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) columns: usize,
    pub(super) rows: usize,
}

/// A line on the terminal, without control characters.
#[derive(Debug)]
pub(super) struct Line {
    text: String,
    style: Style,
}

impl Line {
    pub(super) fn new(text: impl Into<String>, style: Style) -> Self {
        let text = text.into();
        Self { text, style }
    }

    #[cfg(test)]
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Keeps the first `columns` characters.
    pub(super) fn clip(&mut self, columns: usize) {
        if let Some((end, _)) = self.text.char_indices().nth(columns) {
            self.text.truncate(end);
        }
    }
}

/// The terminal while `top` fills it; dropping it restores what was there.
pub(super) struct Terminal(BufWriter<Stdout>);

impl Terminal {
    pub(super) fn enter() -> io::Result<Self> {
        enable_raw_mode()?;
        let mut terminal = Self(BufWriter::new(io::stdout()));
        execute!(terminal.0, EnterAlternateScreen, Hide)?;
        let hook = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            restore();
            hook(panic);
        }));
        Ok(terminal)
    }

    pub(super) fn size(&self) -> io::Result<Size> {
        let or =
            |number: u16, default: u16| usize::from(if number == 0 { default } else { number });
        let (columns, rows) = size()?;
        Ok(Size {
            columns: or(columns, COLUMNS),
            rows: or(rows, ROWS),
        })
    }

    /// Replaces what the terminal shows. `wraps`: a line that is too wide goes on in the next row, else its end is not shown.
    pub(super) fn draw(&mut self, lines: &[Line], wraps: bool) -> io::Result<()> {
        queue!(self.0, BeginSynchronizedUpdate, MoveTo(0, 0))?;
        match wraps {
            true => queue!(self.0, EnableLineWrap)?,
            // Wide characters are not counted.
            false => queue!(self.0, DisableLineWrap)?,
        }
        for (index, Line { text, style }) in lines.iter().enumerate() {
            let end = if index + 1 < lines.len() { "\r\n" } else { "" };
            queue!(
                self.0,
                Clear(ClearType::CurrentLine),
                Print(format_args!("{style}{text}{style:#}{end}"))
            )?;
        }
        queue!(self.0, EndSynchronizedUpdate)?;
        self.0.flush()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        restore();
    }
}

fn restore() {
    // Where the terminal is gone, there is nothing to restore.
    drop(execute!(
        io::stdout(),
        EnableLineWrap,
        Show,
        LeaveAlternateScreen
    ));
    drop(disable_raw_mode());
}

/// Reads the keyboard in a thread that ends with the process.
pub(super) fn read_keys() -> mpsc::Receiver<io::Result<Event>> {
    let (sender, receiver) = mpsc::channel(KEYS);
    thread::spawn(move || {
        loop {
            let event = read();
            let is_last = event.is_err();
            if sender.blocking_send(event).is_err() || is_last {
                return;
            }
        }
    });
    receiver
}
