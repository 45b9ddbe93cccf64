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

/// The same as a Markdown table, which can be read as it is, too.
pub(super) fn markdown<const COLUMNS: usize>(header: [&str; COLUMNS], rows: &[[String; COLUMNS]]) -> String {
    let header = header.map(str::to_owned);
    let widths: [usize; COLUMNS] = std::array::from_fn(|column| {
        std::iter::once(&header).chain(rows).map(|row| row[column].chars().count()).max().unwrap_or_default().max(3)
    });
    let line = |cells: &[String; COLUMNS]| {
        let cells = cells.iter().zip(widths).map(|(cell, width)| format!(" {cell:>width$} |"));
        format!("|{}\n", cells.collect::<String>())
    };
    let rule: String = widths.iter().map(|width| format!(" {}: |", "-".repeat(width - 1))).collect();
    format!("{}|{rule}\n{}", line(&header), rows.iter().map(line).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [["messages".to_owned(), "8".to_owned()], ["é".to_owned(), "1000".to_owned()]];
        assert_eq!(table(["TOPIC", "N"], &rows), "TOPIC        N\nmessages     8\né         1000\n");
    }

    #[test]
    fn a_markdown_table_lines_up() {
        let rows = [["drain 1".to_owned(), "1,000".to_owned()]];
        assert_eq!(markdown(["", "n"], &rows), "|         |     n |\n| ------: | ----: |\n| drain 1 | 1,000 |\n");
    }
}
