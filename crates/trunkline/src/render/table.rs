//! Tables: aligned columns with headings on a terminal, tab-separated values without headings in a pipe.

use super::paint::{Mark, Paint, Style};
use super::text::{clean, fit, width};

/// A cell: what people see and what programs read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    human: String,
    plain: String,
    look: CellLook,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CellLook {
    Style(Style),
    Mark(Mark),
}

/// Rows under headings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
    whole: bool,
}

impl Cell {
    /// The same text for both.
    pub fn text(text: impl AsRef<str>) -> Self {
        Self::styled(Style::Plain, text)
    }

    /// The same text for both, in a style.
    pub fn styled(style: Style, text: impl AsRef<str>) -> Self {
        let text = clean(text.as_ref());
        Self { human: text.clone(), plain: text, look: CellLook::Style(style) }
    }

    /// An icon and a word for people, the word for programs.
    pub fn mark(mark: Mark, word: impl AsRef<str>) -> Self {
        let text = clean(word.as_ref());
        Self { human: text.clone(), plain: text, look: CellLook::Mark(mark) }
    }

    /// Another text for programs.
    pub fn plain(mut self, plain: impl AsRef<str>) -> Self {
        self.plain = clean(plain.as_ref());
        self
    }

    fn human(&self, paint: Paint) -> String {
        match self.look {
            CellLook::Style(style) => paint.text(style, &self.human),
            CellLook::Mark(mark) => paint.mark(mark, &self.human),
        }
    }
}

impl Table {
    /// An empty table.
    pub fn new(headings: impl Into<Vec<&'static str>>) -> Self {
        Self { headings: headings.into(), rows: Vec::new(), whole: false }
    }

    /// Nothing of it may be cut: on a terminal that is too narrow each row becomes lines of its own.
    pub fn whole(self) -> Self {
        Self { whole: true, ..self }
    }

    /// One more row.
    pub fn row(&mut self, cells: impl Into<Vec<Cell>>) {
        self.rows.push(cells.into());
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// For people: aligned, lines cut to `columns` where given.
    pub fn human(&self, paint: Paint, columns: Option<usize>) -> String {
        let headings = self.headings.iter().map(|heading| paint.text(Style::Muted, heading)).collect();
        let mut lines: Vec<Vec<String>> = if self.headings.is_empty() { Vec::new() } else { vec![headings] };
        lines.extend(self.rows.iter().map(|row| row.iter().map(|cell| cell.human(paint)).collect()));
        if self.whole { whole(&lines, columns) } else { align(&lines, columns) }
    }

    /// For programs: tab-separated, one row a line.
    pub fn plain(&self) -> String {
        let line = |row: &Vec<Cell>| row.iter().map(|cell| cell.plain.as_str()).collect::<Vec<_>>().join("\t") + "\n";
        self.rows.iter().map(line).collect()
    }
}

/// As [`align`], but where that is wider than the terminal nothing is cut: of each row the first cell stands alone, and the
/// others below it with their headings, which are the first line.
pub fn whole(lines: &[Vec<String>], columns: Option<usize>) -> String {
    let aligned = align(lines, None);
    let Some((headings, rows)) = lines.split_first() else { return aligned };
    if columns.is_none_or(|columns| aligned.lines().all(|line| width(line) <= columns)) {
        return aligned;
    }
    let widest = headings.iter().skip(1).map(|heading| width(heading)).max().unwrap_or(0);
    let mut out = String::new();
    for row in rows {
        out += &format!("{}\n", row.first().map(String::as_str).unwrap_or_default());
        for (heading, cell) in headings.iter().zip(row).skip(1).filter(|(_, cell)| !cell.is_empty()) {
            out += &format!("  {heading}{}  {cell}\n", " ".repeat(widest - width(heading)));
        }
    }
    out
}

/// Columns two spaces apart; no spaces at the end of lines.
pub fn align(lines: &[Vec<String>], columns: Option<usize>) -> String {
    let count = lines.iter().map(Vec::len).max().unwrap_or(0);
    let widest = |column: usize| lines.iter().filter_map(|line| line.get(column)).map(|cell| width(cell)).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count).map(widest).collect();
    let mut out = String::new();
    for line in lines {
        let mut text = String::new();
        for (column, cell) in line.iter().enumerate() {
            text.push_str(cell);
            if line[column + 1..].iter().any(|later| !later.is_empty()) {
                text.push_str(&" ".repeat(widths[column] - width(cell) + 2));
            }
        }
        out.push_str(&columns.map_or(text.clone(), |columns| fit(&text, columns)));
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(["RUN", "STATE", "COMMIT"]);
        table.row([Cell::text("812"), Cell::mark(Mark::Failed, "failed"), Cell::text("Add a\tcoupon")]);
        table.row([Cell::text("7"), Cell::mark(Mark::Passed, "passed"), Cell::text("")]);
        table
    }

    #[test]
    fn people_see_columns_and_programs_read_tabs() {
        assert_eq!(table().human(Paint::PLAIN, None), "RUN  STATE     COMMIT\n812  X failed  Add a coupon\n7    V passed\n");
        assert_eq!(table().plain(), "812\tfailed\tAdd a coupon\n7\tpassed\t\n");
    }

    #[test]
    fn what_may_not_be_cut_is_stacked_on_a_narrow_terminal() {
        let (wide, narrow) = (table().whole().human(Paint::PLAIN, Some(30)), table().whole().human(Paint::PLAIN, Some(20)));
        assert_eq!(wide, table().human(Paint::PLAIN, None));
        assert_eq!(narrow, "812\n  STATE   X failed\n  COMMIT  Add a coupon\n7\n  STATE   V passed\n");
    }

    #[test]
    fn colours_do_not_shift_columns() {
        let coloured = table().human(Paint { colour: true, ascii: false }, None);
        let widths: Vec<usize> = coloured.lines().map(width).collect();
        assert_eq!(widths, [21, 27, 13]);
    }
}
