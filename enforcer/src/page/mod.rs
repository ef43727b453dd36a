//! HTML pages for people, which need no script and load nothing.

mod chart;
mod escaped;

pub(crate) use self::chart::bars;
use self::escaped::Escaped;

const STYLE: &str = include_str!("style.css");

/// A page that is being written.
#[derive(Debug)]
pub(crate) struct Page(String);

/// The colour of a text: how good the news is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Good,
    Bad,
    Unknown,
}

/// A text in a table.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
    /// A second, quiet line; empty for none.
    remark: String,
}

impl Tone {
    const fn class(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Good => " class=\"ok\"",
            Self::Bad => " class=\"failed\"",
            Self::Unknown => " class=\"unknown\"",
        }
    }
}

impl Cell {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self::toned(text, Tone::Plain)
    }

    pub(crate) fn toned(text: impl Into<String>, tone: Tone) -> Self {
        Self {
            text: text.into(),
            tone,
            remark: String::new(),
        }
    }

    pub(crate) fn remarked(text: impl Into<String>, remark: impl Into<String>) -> Self {
        Self {
            remark: remark.into(),
            ..Self::new(text)
        }
    }

    fn html(&self) -> String {
        let remark = match self.remark.as_str() {
            "" => String::new(),
            remark => format!("<br><small>{}</small>", Escaped(remark)),
        };
        let class = self.tone.class();
        format!("<td{class}>{}{remark}</td>", Escaped(&self.text))
    }
}

impl Page {
    /// Begins a page about `host` with a title and a sentence below it.
    pub(crate) fn new(title: &str, tone: Tone, host: &str, lead: &str) -> Self {
        let (title, host, lead) = (Escaped(title), Escaped(host), Escaped(lead));
        let class = tone.class();
        Self(format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <title>{title} on {host}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
             <header>\n<h1{class}>{title}</h1>\n<p>Host <b>{host}</b>, {lead}</p>\n</header>\n"
        ))
    }

    /// Adds a section of parts that [`facts`], [`table`], [`bars`] and [`paragraph`] made.
    pub(crate) fn section(&mut self, title: &str, parts: &[String]) {
        let title = Escaped(title);
        self.0.push_str(&format!("<section>\n<h2>{title}</h2>\n"));
        parts.iter().for_each(|part| self.0.push_str(part));
        self.0.push_str("</section>\n");
    }

    /// Ends the page.
    pub(crate) fn end(mut self) -> String {
        self.0.push_str("</body>\n</html>\n");
        self.0
    }
}

/// Names with values.
pub(crate) fn facts(rows: &[(&str, String)]) -> String {
    let mut html = "<table class=\"facts\">\n".to_owned();
    for (name, value) in rows {
        let (name, value) = (Escaped(name), Escaped(value));
        html.push_str(&format!("<tr><th>{name}</th><td>{value}</td></tr>\n"));
    }
    html.push_str("</table>\n");
    html
}

/// Rows below a header.
pub(crate) fn table<const N: usize>(header: [&str; N], rows: Vec<[Cell; N]>) -> String {
    let header = header.map(|name| format!("<th>{}</th>", Escaped(name)));
    let mut html = format!("<table>\n<tr>{}</tr>\n", header.concat());
    for row in rows {
        let cells = row.map(|cell| cell.html());
        html.push_str(&format!("<tr>{}</tr>\n", cells.concat()));
    }
    html.push_str("</table>\n");
    html
}

/// A paragraph of text.
pub(crate) fn paragraph(text: &str) -> String {
    format!("<p>{}</p>\n", Escaped(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_loads_nothing_and_escapes_what_it_was_told() {
        let hostile = "<img src=x onerror=\"a()\">\u{1b}[1m";
        let mut page = Page::new("A <b>", Tone::Bad, hostile, hostile);
        page.section(
            hostile,
            &[
                facts(&[("name", hostile.to_owned())]),
                table([hostile], vec![[Cell::remarked(hostile, hostile)]]),
                paragraph(hostile),
            ],
        );
        let html = page.end();
        for forbidden in ["<script", "<img", "http://", "https://", "\u{1b}", "url("] {
            assert!(!html.contains(forbidden), "{forbidden}");
        }
        assert!(html.contains("&lt;img src=x onerror=&quot;a()&quot;&gt;"));
        for tag in ["section", "table", "tr", "td", "th", "h2", "p"] {
            let opened = html.matches(&format!("<{tag}>")).count()
                + html.matches(&format!("<{tag} ")).count();
            assert_eq!(opened, html.matches(&format!("</{tag}>")).count(), "{tag}");
        }
    }
}
