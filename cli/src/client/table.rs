//! A table in plain columns.

use super::failure::Failure;
use super::screen::{Paint, Screen};

#[derive(Default)]
pub(super) struct Table {
    rows: Vec<Vec<Cell>>,
}

/// One field of the table.
pub(super) struct Cell {
    text: String,
    paint: Paint,
}

impl Cell {
    pub(super) fn painted(paint: Paint, text: impl Into<String>) -> Self {
        Self { text: text.into(), paint }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::painted(Paint::Plain, text)
    }
}

impl Table {
    pub(super) fn with_head<const N: usize>(head: [&str; N]) -> Self {
        Self { rows: vec![head.map(|name| Cell::painted(Paint::Bold, name)).into()] }
    }

    pub(super) fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        self.rows.push(cells.into());
    }

    /// Prints it with every column as wide as its widest field.
    pub(super) fn print(&self, screen: &Screen, indent: &str) -> Result<(), Failure> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.text.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<_> = (0..columns).map(width).collect();
        for row in &self.rows {
            let mut line = indent.to_owned();
            for (index, cell) in row.iter().enumerate() {
                line += &screen.paint(cell.paint, &cell.text);
                let is_last = row[index + 1..].iter().all(|cell| cell.text.is_empty());
                if is_last {
                    break;
                }
                // Padding stands outside the colours, whose codes have no width.
                let padding = widths[index] - cell.text.chars().count() + 2;
                line += &" ".repeat(padding);
            }
            screen.say(&line)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_have_no_tail() {
        let (screen, seen) = Screen::recorded();
        let mut table = Table::with_head(["ID", "KIND", "NOTE"]);
        table.row(["task_1".into(), "é".into(), "".into()]);
        table.row(["t".into(), "video".into(), "x".into()]);

        table.print(&screen, " ").unwrap();

        assert_eq!(seen.out(), " ID      KIND   NOTE\n task_1  é\n t       video  x\n");
    }
}
