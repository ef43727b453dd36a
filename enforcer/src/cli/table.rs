//! Aligned columns of text.

use std::fmt;

use crate::printable;

/// Rows of cells, each column as wide as its widest cell.
pub(super) struct Table {
    indent: usize,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Creates a table with a header, indented by `indent` spaces.
    pub(super) fn new<const N: usize>(indent: usize, header: [&str; N]) -> Self {
        Self {
            indent,
            rows: vec![header.map(str::to_owned).into()],
        }
    }

    /// Creates a table without a header.
    pub(super) fn headless(indent: usize) -> Self {
        Self {
            indent,
            rows: Vec::new(),
        }
    }

    /// Appends a row; line breaks in cells are escaped.
    pub(super) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows
            .push(cells.map(|cell| printable::line(&cell)).into());
    }

    fn widths(&self) -> Vec<usize> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells
                .map(|cell: &String| cell.chars().count())
                .max()
                .unwrap_or(0)
        };
        (0..columns).map(width).collect()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        for row in &self.rows {
            let mut line = " ".repeat(self.indent);
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(&format!("{cell:width$}  "));
            }
            writeln!(formatter, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(2, ["NAME", "FROM"]);
        table.row(["contoso.azurecr.io".to_owned(), "a".to_owned()]);
        table.row(["é.io".to_owned(), String::new()]);
        table.row([String::new(), "b".to_owned()]);
        let expected = "  NAME                FROM\n  contoso.azurecr.io  a\n  é.io\n                      b\n";
        assert_eq!(table.to_string(), expected);
    }

    #[test]
    fn a_cell_cannot_forge_a_row() {
        let mut table = Table::headless(0);
        table.row(["logs\n203.0.113.7  allowed".to_owned(), "a".to_owned()]);
        assert_eq!(table.to_string(), "logs\\n203.0.113.7  allowed  a\n");
    }
}
