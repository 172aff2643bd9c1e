//! Medians, ranges and ratios, printed as the Markdown table that `benches/README.md` keeps.

use crate::peers::{FLOOR, OURS, TOKIO};

/// A column of ratios, at the right of a table.
#[derive(Clone, Copy)]
pub(crate) struct Ratio {
    pub(crate) title: &'static str,
    /// The column that is divided: one of ours.
    pub(crate) of: &'static str,
    pub(crate) by: Divisor,
}

/// What a ratio divides by.
#[derive(Clone, Copy)]
pub(crate) enum Divisor {
    /// The column of this name.
    Column(&'static str),
    /// The least of the others. Neither our own columns nor the floor, which is no runtime, are among them.
    BestPeer,
}

const TO_BEST: Ratio = Ratio { title: "ours / best peer", of: OURS, by: Divisor::BestPeer };
const TO_TOKIO: Ratio = Ratio { title: "ours / tokio", of: OURS, by: Divisor::Column(TOKIO) };
const TO_FLOOR: Ratio = Ratio { title: "ours / raw mio", of: OURS, by: Divisor::Column(FLOOR) };

/// Samples by row and column, in order of first appearance.
pub(crate) struct Table {
    columns: Vec<String>,
    rows: Vec<(String, Vec<Cell>)>,
    ratios: Vec<Ratio>,
    /// Rows of which a ratio would mean nothing.
    unrated: &'static [&'static str],
}

/// Samples of one column, by the runtime that they were taken on, of which the table shows the best. Without a name where
/// there is no choice.
#[derive(Clone, Default)]
struct Cell(Vec<(String, Vec<f64>)>);

impl Table {
    /// An empty table with a column for each runtime.
    pub(crate) fn new(columns: &[&str], unrated: &'static [&'static str]) -> Table {
        let mut ratios = vec![TO_BEST, TO_TOKIO];
        if columns.contains(&FLOOR) {
            ratios.push(TO_FLOOR);
        }
        Table { unrated, ..Table::with_ratios(columns, ratios) }
    }

    /// An empty table with these columns and ratios.
    pub(crate) fn with_ratios(columns: &[&str], ratios: Vec<Ratio>) -> Table {
        let columns = columns.iter().map(|&name| name.to_owned()).collect();
        Table { columns, rows: Vec::new(), ratios, unrated: &[] }
    }

    /// Adds one measurement.
    pub(crate) fn record(&mut self, row: &str, column: &str, value: f64) {
        self.record_on("", row, column, value);
    }

    /// Adds one measurement, taken on the runtime called `host`: a cell shows the best of its runtimes.
    pub(crate) fn record_on(&mut self, host: &str, row: &str, column: &str, value: f64) {
        let column = self.columns.iter().position(|name| name == column).expect("a known column");
        let known = self.rows.iter().position(|(title, _)| title == row);
        let index = known.unwrap_or_else(|| {
            self.rows.push((row.to_owned(), vec![Cell::default(); self.columns.len()]));
            self.rows.len() - 1
        });
        self.rows[index].1[column].record(host, value);
    }

    /// Prints everything: each cell is the median and, after more than one round, the range.
    pub(crate) fn print(&self) {
        if self.rows.is_empty() {
            return;
        }
        let titles =
            self.columns.iter().map(String::as_str).chain(self.ratios.iter().map(|ratio| ratio.title));
        println!("\n| row | {} |", titles.collect::<Vec<_>>().join(" | "));
        println!("|---|{}", "---:|".repeat(self.columns.len() + self.ratios.len()));
        for (title, cells) in &self.rows {
            let ratios = self.ratios.iter().map(|ratio| match self.unrated.contains(&title.as_str()) {
                false => self.ratio(cells, ratio),
                true => "–".to_owned(),
            });
            let cells: Vec<_> = cells.iter().map(Cell::text).chain(ratios).collect();
            println!("| {title} | {} |", cells.join(" | "));
        }
    }

    fn of(&self, cells: &[Cell], column: &str) -> Option<f64> {
        let column = self.columns.iter().position(|name| name == column)?;
        cells[column].median()
    }

    fn best_peer(&self, cells: &[Cell]) -> Option<f64> {
        let is_peer = |name: &str| name != FLOOR && !self.ratios.iter().any(|ratio| ratio.of == name);
        let peers = self.columns.iter().zip(cells).filter(|(name, _)| is_peer(name));
        peers.filter_map(|(_, cell)| cell.median()).min_by(f64::total_cmp)
    }

    fn ratio(&self, cells: &[Cell], ratio: &Ratio) -> String {
        let by = match ratio.by {
            Divisor::Column(column) => self.of(cells, column),
            Divisor::BestPeer => self.best_peer(cells),
        };
        match (self.of(cells, ratio.of), by) {
            (Some(ours), Some(other)) if other > 0.0 => format!("{:.2}", ours / other),
            _ => "–".to_owned(),
        }
    }
}

impl Cell {
    fn record(&mut self, host: &str, value: f64) {
        match self.0.iter_mut().find(|(name, _)| name == host) {
            Some((_, samples)) => samples.push(value),
            None => self.0.push((host.to_owned(), vec![value])),
        }
    }

    /// The best runtime's name, median and samples.
    fn best(&self) -> Option<(&str, f64, &[f64])> {
        let medians =
            self.0.iter().map(|(host, samples)| (host.as_str(), median(samples), samples.as_slice()));
        medians.min_by(|(_, one, _), (_, other, _)| one.total_cmp(other))
    }

    fn median(&self) -> Option<f64> {
        self.best().map(|(_, median, _)| median)
    }

    fn text(&self) -> String {
        let Some((host, middle, samples)) = self.best() else { return "–".to_owned() };
        let least = samples.iter().copied().fold(f64::INFINITY, f64::min);
        let most = samples.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let range = match samples.len() {
            1 => String::new(),
            _ => format!(" ({}–{})", number(least), number(most)),
        };
        let host = if host.is_empty() { String::new() } else { format!(" on {host}") };
        format!("{}{range}{host}", number(middle))
    }
}

/// The middle sample; of an even number, the mean of the middle two.
fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = sorted[sorted.len() / 2];
    let lower = sorted[(sorted.len() - 1) / 2];
    f64::midpoint(lower, upper)
}

/// Three significant digits.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 99.95 => format!("{value:.0}"),
        size if size >= 9.995 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
