//! What the user chose with the keyboard.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::keys::{Input, input_of};
use super::overview::Overview;
use crate::cli::events::Key;

/// Maximum number of characters of the filter.
const MOST_FILTER: usize = 60;
/// Rows that a page key moves by.
const PAGE: usize = 10;

/// What fills the terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Page {
    Denials,
    Names,
    /// A fragment of the configuration.
    Fragment(String),
    Help,
}

/// What to do after a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reaction {
    Draw,
    /// Show the fragment for the denials with this key.
    Fragment(Key),
    Quit,
}

/// The choices.
#[derive(Debug)]
pub(super) struct Controls {
    pub(super) page: Page,
    pub(super) filter: String,
    /// Whether keys write the filter.
    pub(super) is_writing: bool,
    pub(super) is_paused: bool,
    /// The chosen denials, which may move or vanish.
    selected: Option<Key>,
    /// The chosen row of names.
    name: usize,
}

impl Controls {
    pub(super) fn new(filter: &str) -> Self {
        Self {
            page: Page::Denials,
            filter: filter.chars().take(MOST_FILTER).collect(),
            is_writing: false,
            is_paused: false,
            selected: None,
            name: 0,
        }
    }

    /// Applies a key that was pressed while `shown` was on the terminal.
    pub(super) fn on(&mut self, event: KeyEvent, shown: &Overview) -> Reaction {
        if event.modifiers.contains(KeyModifiers::CONTROL) {
            let quits = event.code == KeyCode::Char('c');
            return if quits {
                Reaction::Quit
            } else {
                Reaction::Draw
            };
        }
        if self.is_writing {
            self.write(event.code);
            return Reaction::Draw;
        }
        match input_of(event.code) {
            Some(input) => self.apply(input, shown),
            None => Reaction::Draw,
        }
    }

    fn write(&mut self, code: KeyCode) {
        if let KeyCode::Char(letter) = code {
            if self.filter.chars().count() < MOST_FILTER {
                self.filter.push(letter);
            }
        } else if code == KeyCode::Backspace {
            self.filter.pop();
        } else if code == KeyCode::Enter {
            self.is_writing = false;
        } else if code == KeyCode::Esc {
            self.filter.clear();
            self.is_writing = false;
        }
    }

    fn apply(&mut self, input: Input, shown: &Overview) -> Reaction {
        match input {
            Input::Quit => return Reaction::Quit,
            Input::Up => self.choose(shown, |row, _| row.saturating_sub(1)),
            Input::Down => self.choose(shown, |row, _| row + 1),
            Input::PageUp => self.choose(shown, |row, _| row.saturating_sub(PAGE)),
            Input::PageDown => self.choose(shown, |row, _| row + PAGE),
            Input::First => self.choose(shown, |_, _| 0),
            Input::Last => self.choose(shown, |_, last| last),
            Input::Switch => {
                self.page = match self.page {
                    Page::Denials => Page::Names,
                    Page::Names | Page::Fragment(_) | Page::Help => Page::Denials,
                };
            }
            Input::Filter => self.is_writing = true,
            Input::Pause => self.is_paused = !self.is_paused,
            Input::Fragment => {
                let row = shown.denials.get(self.row(shown));
                if let Some(row) = row.filter(|_| self.page == Page::Denials) {
                    return Reaction::Fragment(row.key.clone());
                }
            }
            Input::Help => self.page = Page::Help,
            Input::Back => self.page = Page::Denials,
        }
        Reaction::Draw
    }

    /// Returns the index of the chosen row.
    pub(super) fn row(&self, shown: &Overview) -> usize {
        match self.page {
            Page::Names => self.name.min(shown.names.len().saturating_sub(1)),
            Page::Denials | Page::Fragment(_) | Page::Help => {
                let rows = shown.denials.iter();
                let mut rows = rows.map(|row| Some(&row.key));
                rows.position(|key| key == self.selected.as_ref())
                    .unwrap_or(0)
            }
        }
    }

    /// Chooses the row that `to` returns for the chosen and the last one.
    fn choose(&mut self, shown: &Overview, to: impl FnOnce(usize, usize) -> usize) {
        let row = self.row(shown);
        let limit = |rows: usize| rows.saturating_sub(1);
        match self.page {
            Page::Names => {
                let last = limit(shown.names.len());
                self.name = to(row, last).min(last);
            }
            Page::Denials => {
                let last = limit(shown.denials.len());
                let chosen = shown.denials.get(to(row, last).min(last));
                self.selected = chosen.map(|row| row.key.clone());
            }
            Page::Fragment(_) | Page::Help => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::overview::tests::overview;
    use super::super::window::Row;
    use super::*;

    fn press(controls: &mut Controls, code: KeyCode, shown: &Overview) -> Reaction {
        controls.on(KeyEvent::new(code, KeyModifiers::NONE), shown)
    }

    fn many() -> Overview {
        let mut shown = overview();
        let row = shown.denials[0].clone();
        let unit = |number: usize| Row {
            key: Key {
                unit: Some(format!("{number}.service")),
                ..row.key.clone()
            },
            ..row.clone()
        };
        shown.denials = (0..30).map(unit).collect();
        shown
    }

    #[test]
    fn a_chosen_row_stays_chosen_where_it_moves() {
        let mut shown = many();
        let mut controls = Controls::new("");
        for (code, row) in [
            (KeyCode::Down, 1),
            (KeyCode::PageDown, 11),
            (KeyCode::End, 29),
            (KeyCode::Down, 29),
            (KeyCode::Up, 28),
            (KeyCode::Home, 0),
            (KeyCode::Char('j'), 1),
        ] {
            assert_eq!(press(&mut controls, code, &shown), Reaction::Draw);
            assert_eq!(controls.row(&shown), row, "{code:?}");
        }
        shown.denials.swap(1, 5);
        assert_eq!(controls.row(&shown), 5);
        shown.denials.clear();
        assert_eq!(controls.row(&shown), 0);
        press(&mut controls, KeyCode::Down, &shown);
    }

    #[test]
    fn enter_asks_for_the_fragment_of_the_chosen_denial_only() {
        let shown = many();
        let mut controls = Controls::new("");
        press(&mut controls, KeyCode::Down, &shown);
        let expected = Reaction::Fragment(shown.denials[1].key.clone());
        assert_eq!(press(&mut controls, KeyCode::Enter, &shown), expected);
        press(&mut controls, KeyCode::Tab, &shown);
        assert_eq!(controls.page, Page::Names);
        assert_eq!(press(&mut controls, KeyCode::Enter, &shown), Reaction::Draw);
    }

    #[test]
    fn the_filter_takes_letters_that_are_commands_elsewhere() {
        let shown = many();
        let mut controls = Controls::new("");
        for code in "/q?e".chars().map(KeyCode::Char) {
            assert_eq!(press(&mut controls, code, &shown), Reaction::Draw);
        }
        press(&mut controls, KeyCode::Backspace, &shown);
        assert_eq!(controls.filter, "q?");
        press(&mut controls, KeyCode::Enter, &shown);
        assert_eq!(
            (controls.filter.as_str(), controls.is_writing),
            ("q?", false)
        );
        press(&mut controls, KeyCode::Char('/'), &shown);
        press(&mut controls, KeyCode::Esc, &shown);
        assert_eq!((controls.filter.as_str(), controls.is_writing), ("", false));
    }

    #[test]
    fn q_and_control_c_quit() {
        let shown = many();
        let mut controls = Controls::new("");
        let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(controls.on(control_c, &shown), Reaction::Quit);
        press(&mut controls, KeyCode::Char('/'), &shown);
        assert_eq!(controls.on(control_c, &shown), Reaction::Quit);
        press(&mut controls, KeyCode::Esc, &shown);
        assert_eq!(
            press(&mut controls, KeyCode::Char('q'), &shown),
            Reaction::Quit
        );
    }
}
