//! Plain tables: the first column to the left, the others to the right.

/// A table with a title.
#[derive(Debug)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Starts with what it is about and the heads of the other columns.
    pub(super) fn new(title: &str, heads: &[&str]) -> Self {
        let rows = std::iter::once(title).chain(heads.iter().copied()).map(str::to_owned).collect();
        Self { rows: vec![rows] }
    }

    /// Adds a row.
    pub(super) fn row(&mut self, what: &str, cells: impl IntoIterator<Item = String>) {
        self.rows.push(std::iter::once(what.to_owned()).chain(cells).collect());
    }

    /// Whether it has rows.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.len() == 1
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let width = |column: usize| self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
        for row in &self.rows {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let width = width(column);
                line += &if column == 0 { format!("{cell:<width$}") } else { format!("  {cell:>width$}") };
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// A number with commas between thousands and this many decimals.
pub(super) fn number(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let (sign, text) = text.strip_prefix('-').map_or(("", text.as_str()), |rest| ("-", rest));
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{sign}{grouped}{rest}")
}

/// A share as per cent of a core.
pub(super) fn percent(share: f64, decimals: usize) -> String {
    format!("{} %", number(share * 100.0, decimals))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(number(999.4, 0), "999");
        assert_eq!(number(1234567.25, 1), "1,234,567.2");
        assert_eq!(number(-1234.0, 0), "-1,234");
        assert_eq!(number(123.0, 2), "123.00");
        assert_eq!(percent(0.0042, 2), "0.42 %");
    }

    #[test]
    fn columns() {
        let mut table = Table::new("what", &["one", "two"]);
        assert!(table.is_empty());
        table.row("a long name", ["1".to_owned(), "22222".to_owned()]);
        table.row("b", ["333".to_owned()]);
        assert_eq!(table.to_string(), "what         one    two\na long name    1  22222\nb            333\n");
    }
}
