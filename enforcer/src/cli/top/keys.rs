//! The keys and what they mean.

use crossterm::event::KeyCode;

/// What a key means while no filter is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    Quit,
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    Switch,
    Filter,
    Pause,
    Fragment,
    Help,
    Back,
}

/// The keys; more than one may mean the same.
const KEYS: [(KeyCode, Input); 20] = [
    (KeyCode::Char('q'), Input::Quit),
    (KeyCode::Up, Input::Up),
    (KeyCode::Char('k'), Input::Up),
    (KeyCode::Down, Input::Down),
    (KeyCode::Char('j'), Input::Down),
    (KeyCode::PageUp, Input::PageUp),
    (KeyCode::PageDown, Input::PageDown),
    (KeyCode::Home, Input::First),
    (KeyCode::Char('g'), Input::First),
    (KeyCode::End, Input::Last),
    (KeyCode::Char('G'), Input::Last),
    (KeyCode::Tab, Input::Switch),
    (KeyCode::Char('/'), Input::Filter),
    (KeyCode::Char('p'), Input::Pause),
    (KeyCode::Char(' '), Input::Pause),
    (KeyCode::Enter, Input::Fragment),
    (KeyCode::Char('e'), Input::Fragment),
    (KeyCode::Char('?'), Input::Help),
    (KeyCode::Char('h'), Input::Help),
    (KeyCode::Esc, Input::Back),
];

/// Returns what a key means.
pub(super) fn input_of(code: KeyCode) -> Option<Input> {
    let known = KEYS.iter().find(|(known, _)| *known == code);
    known.map(|(_, input)| *input)
}

/// The keys as the page of help explains them.
pub(super) const HELP: [(&str, &str); 8] = [
    ("Up, Down, Page Up, Page Down, Home, End", "choose a row"),
    ("Tab", "denials or names"),
    (
        "/",
        "show only rows with a text; Enter keeps it, Esc removes it",
    ),
    (
        "Enter, e",
        "show the exception or registry that would allow the chosen denial",
    ),
    ("p, Space", "stop and go on"),
    ("?, h", "this page"),
    ("Esc", "back"),
    (
        "q, Ctrl-C",
        "quit; an exception on the screen stays on the terminal",
    ),
];
