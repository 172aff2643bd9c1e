//! Medians, ranges and ratios, printed as the Markdown table that `benches/README.md` keeps.

use crate::peers::{OURS, TOKIO, raw_mio};

/// Samples by row and column, in order of first appearance.
pub(crate) struct Table {
    columns: Vec<String>,
    rows: Vec<(String, Vec<Vec<f64>>)>,
    /// Rows of which a ratio would mean nothing.
    unrated: &'static [&'static str],
}

impl Table {
    /// An empty table with a column for each peer.
    pub(crate) fn new(columns: &[&str], unrated: &'static [&'static str]) -> Table {
        Table { columns: columns.iter().map(|&name| name.to_owned()).collect(), rows: Vec::new(), unrated }
    }

    /// Adds one measurement.
    pub(crate) fn record(&mut self, row: &str, column: &str, value: f64) {
        let column = self.columns.iter().position(|name| name == column).expect("a known column");
        let known = self.rows.iter().position(|(title, _)| title == row);
        let index = known.unwrap_or_else(|| {
            self.rows.push((row.to_owned(), vec![Vec::new(); self.columns.len()]));
            self.rows.len() - 1
        });
        self.rows[index].1[column].push(value);
    }

    /// Prints everything: each cell is the median and, after more than one round, the range.
    pub(crate) fn print(&self) {
        if self.rows.is_empty() {
            return;
        }
        let has_floor = self.columns.iter().any(|name| name == raw_mio::NAME);
        let floor = if has_floor { " ours / raw mio |" } else { "" };
        println!("\n| row | {} | ours / best peer | ours / tokio |{floor}", self.columns.join(" | "));
        println!("|---|{}", "---:|".repeat(self.columns.len() + 2 + usize::from(has_floor)));
        for (title, samples) in &self.rows {
            let cells: Vec<_> = samples.iter().map(|samples| cell(samples)).collect();
            let rated = !self.unrated.contains(&title.as_str());
            let ratio = |other| if rated { self.ratio(samples, other) } else { "–".to_owned() };
            print!(
                "| {title} | {} | {} | {} |",
                cells.join(" | "),
                ratio(self.best(samples)),
                ratio(self.of(samples, TOKIO))
            );
            println!(
                "{}",
                if has_floor {
                    format!(" {} |", ratio(self.of(samples, raw_mio::NAME)))
                } else {
                    String::new()
                }
            );
        }
    }

    fn of(&self, samples: &[Vec<f64>], column: &str) -> Option<f64> {
        let column = self.columns.iter().position(|name| name == column)?;
        median(&samples[column])
    }

    /// The smallest median among the other runtimes; the floor is no runtime.
    fn best(&self, samples: &[Vec<f64>]) -> Option<f64> {
        let others =
            self.columns.iter().zip(samples).filter(|(name, _)| *name != OURS && *name != raw_mio::NAME);
        others.filter_map(|(_, samples)| median(samples)).min_by(f64::total_cmp)
    }

    fn ratio(&self, samples: &[Vec<f64>], other: Option<f64>) -> String {
        match (self.of(samples, OURS), other) {
            (Some(ours), Some(other)) if other > 0.0 => format!("{:.2}", ours / other),
            _ => "–".to_owned(),
        }
    }
}

/// The middle sample; of an even number, the mean of the middle two.
fn median(samples: &[f64]) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = sorted[(sorted.len() - 1) / 2];
    Some(f64::midpoint(lower, upper))
}

fn cell(samples: &[f64]) -> String {
    let Some(middle) = median(samples) else { return "–".to_owned() };
    let least = samples.iter().copied().fold(f64::INFINITY, f64::min);
    let most = samples.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if samples.len() == 1 {
        number(middle)
    } else {
        format!("{} ({}–{})", number(middle), number(least), number(most))
    }
}

/// Three significant digits.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 99.95 => format!("{value:.0}"),
        size if size >= 9.995 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
