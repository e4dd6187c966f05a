//! Prints tables whose columns are as wide as their contents. Nothing is cut, because half an id or URL is useless.

use jiff::Timestamp;

use crate::{
    failure::Failure,
    terminal::{self, visible},
};

/// A table for a person. Put long values into the last column.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(|heading| (*heading).to_owned()).collect()] }
    }

    /// Adds a row with as many cells as there are headings.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| visible(&cell)).collect());
    }

    pub(crate) fn print(&self) -> Result<(), Failure> {
        self.lines().iter().try_for_each(|line| terminal::line(line))
    }

    fn lines(&self) -> Vec<String> {
        let columns = self.rows.first().map_or(0, Vec::len);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let line = |row: &Vec<String>| {
            let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            cells.join("  ").trim_end().to_owned()
        };
        self.rows.iter().map(line).collect()
    }
}

/// A time for a cell, to the second; `-` for `None`.
pub(crate) fn time(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "-".to_owned(), |at| format!("{at:.0}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_as_wide_as_its_widest_cell_and_nothing_is_cut() {
        let mut table = Table::new(&["ID", "ACCOUNT", "URL"]);
        let account = "x".repeat(64);
        table.row(["1", &account, "https://a.example.com/"].map(str::to_owned));
        table.row(["22", "é", "-"].map(str::to_owned));
        let lines = table.lines();
        assert_eq!(lines[0], format!("ID  ACCOUNT{}  URL", " ".repeat(57)));
        assert_eq!(lines[1], format!("1   {account}  https://a.example.com/"));
        assert_eq!(lines[2], format!("22  é{}  -", " ".repeat(63)));
    }
}
