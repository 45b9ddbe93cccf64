//! A plain table for the terminal: the first column to the left, numbers to the right.

use std::fmt::Write as _;

/// Lays out `rows` under `header`, two blanks between columns; every row has as many cells as the header.
pub(super) fn table<const COLUMNS: usize>(header: [&str; COLUMNS], rows: &[[String; COLUMNS]]) -> String {
    let header = header.map(str::to_owned);
    let rows = || std::iter::once(&header).chain(rows);
    let widths: [usize; COLUMNS] =
        std::array::from_fn(|column| rows().map(|row| row[column].chars().count()).max().unwrap_or_default());
    let mut text = String::new();
    for row in rows() {
        let mut line = format!("{:<width$}", row[0], width = widths[0]);
        for (cell, width) in row.iter().zip(widths).skip(1) {
            // Writing to a String cannot fail.
            let _ = write!(line, "  {cell:>width$}");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [["messages".to_owned(), "8".to_owned()], ["é".to_owned(), "1000".to_owned()]];
        assert_eq!(table(["TOPIC", "N"], &rows), "TOPIC        N\nmessages     8\né         1000\n");
    }
}
