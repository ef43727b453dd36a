//! Standard output: a JSON document or lines of text, without control characters. A reader that closes the pipe is no error.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write};

use clap::builder::styling::Style;
use serde::Serialize;

use crate::printable;

/// Prints the output of a command.
pub(super) struct Printer {
    out: Box<dyn Write>,
    json: bool,
    /// Whether the output is a terminal that may show colours.
    coloured: bool,
    closed: bool,
}

impl Printer {
    /// Prints to standard output.
    pub(super) fn stdout(json: bool) -> Self {
        // https://no-color.org: any value but the empty one.
        let is_refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            coloured: io::stdout().is_terminal() && !is_refused,
            ..Self::new(Box::new(io::stdout().lock()), json)
        }
    }

    /// Whether it prints JSON.
    pub(super) fn is_json(&self) -> bool {
        self.json
    }

    fn new(out: Box<dyn Write>, json: bool) -> Self {
        Self {
            out,
            json,
            coloured: false,
            closed: false,
        }
    }

    /// Prints `report` as text or as one JSON document.
    pub(super) fn report(&mut self, report: &(impl Display + Serialize)) -> io::Result<()> {
        if self.json {
            return self.json(report);
        }
        self.write(&printable::lines(&report.to_string()))
    }

    /// Prints `report` as one JSON document.
    pub(super) fn json(&mut self, report: &impl Serialize) -> io::Result<()> {
        let document = serde_json::to_string_pretty(report)?;
        self.write(&format!("{document}\n"))
    }

    /// Prints one item of a stream, as a line of text or as a JSON document on one line.
    pub(super) fn item(&mut self, item: &(impl Display + Serialize)) -> io::Result<()> {
        let line = if self.json {
            serde_json::to_string(item)?
        } else {
            printable::line(&item.to_string())
        };
        self.write(&format!("{line}\n"))
    }

    /// Prints an item as [`Printer::item`], in colour on a terminal.
    pub(super) fn styled(
        &mut self,
        item: &(impl Display + Serialize),
        style: Style,
    ) -> io::Result<()> {
        if self.json || !self.coloured {
            return self.item(item);
        }
        let line = printable::line(&item.to_string());
        self.write(&format!("{style}{line}{style:#}\n"))
    }

    /// Prints the names of columns, unless the output is JSON.
    pub(super) fn header(&mut self, line: &str) -> io::Result<()> {
        match self.json {
            true => Ok(()),
            false => self.write(&format!("{line}\n")),
        }
    }

    /// Prints text unchanged, for another program to read.
    pub(super) fn raw(&mut self, text: &str) -> io::Result<()> {
        self.write(text)
    }

    /// Whether the reader has closed the pipe.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        if self.closed {
            return Ok(());
        }
        let written = self.out.write_all(text.as_bytes());
        match written.and_then(|()| self.out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    #[derive(Clone, Default)]
    struct Output(Rc<RefCell<Vec<u8>>>);

    impl Write for Output {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Failing(io::ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn printed(json: bool, print: impl FnOnce(&mut Printer) -> io::Result<()>) -> String {
        let output = Output::default();
        print(&mut Printer::new(Box::new(output.clone()), json)).unwrap();
        String::from_utf8(output.0.take()).unwrap()
    }

    #[test]
    fn no_control_character_reaches_the_terminal() {
        let hostile = "evil\u{1b}[2J\rsh\u{7}\u{9b}\u{202e}\nnext";
        assert_eq!(
            printed(false, |printer| printer.report(&hostile)),
            "evil\\u{1b}[2J\\rsh\\u{7}\\u{9b}\\u{202e}\nnext"
        );
        assert_eq!(
            printed(false, |printer| printer.item(&"a\nb")),
            "a\\nb\n",
            "an item is one line"
        );
    }

    #[test]
    fn the_same_value_is_one_json_document() {
        assert_eq!(printed(true, |printer| printer.report(&"a")), "\"a\"\n");
        assert_eq!(
            printed(true, |printer| printer.item(&"a\u{1b}")),
            "\"a\\u001b\"\n"
        );
    }

    #[test]
    fn colour_is_for_terminals_and_no_item_ends_it() {
        let style = clap::builder::styling::AnsiColor::Red.on_default();
        let print = |coloured| {
            let output = Output::default();
            let mut printer = Printer::new(Box::new(output.clone()), false);
            printer.coloured = coloured;
            printer.styled(&"a\u{1b}[0mb", style).unwrap();
            String::from_utf8(output.0.take()).unwrap()
        };
        assert_eq!(print(false), "a\\u{1b}[0mb\n");
        assert_eq!(print(true), "\u{1b}[31ma\\u{1b}[0mb\u{1b}[0m\n");
        assert_eq!(printed(true, |printer| printer.header("A")), "");
    }

    #[test]
    fn a_closed_pipe_is_no_error_and_a_full_disk_is() {
        let mut printer = Printer::new(Box::new(Failing(io::ErrorKind::BrokenPipe)), false);
        printer.item(&"a").unwrap();
        assert!(printer.is_closed());
        let mut printer = Printer::new(Box::new(Failing(io::ErrorKind::StorageFull)), false);
        assert!(printer.item(&"a").is_err());
    }
}
