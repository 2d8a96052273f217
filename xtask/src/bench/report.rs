//! What is printed, and the same as JSON lines.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};

use super::limits::Limit;
use super::load::Figures;
use crate::outcome::{Failure, Outcome};

/// Where rows go.
pub(super) struct Report {
    json: Option<File>,
    /// What every row of the JSON begins with.
    database: &'static str,
}

impl Report {
    pub(super) fn new(json: Option<&Path>) -> Outcome<Self> {
        let open = |path: &Path| {
            let file = File::options().create(true).append(true).open(path);
            file.map_err(|error| Failure::new(format!("{}: {error}", path.display())))
        };
        Ok(Self { json: json.map(open).transpose()?, database: "none" })
    }

    /// The rows that follow are of this database.
    pub(super) fn begin(&mut self, database: &'static str, note: &str) {
        self.database = database;
        println!("\n{database}{note}");
    }

    /// The names of the columns of [`Report::rates`].
    pub(super) fn head() {
        println!(
            "{:<46}{:>9}{:>11}{:>9}{:>9}{:>9}{:>9}  of a limit",
            "scenario", "per s", "per CPU-s", "p50 us", "p99 us", "p99.9 us", "load us"
        );
    }

    /// The median of some runs; their range, when there are several.
    pub(super) fn rates(&self, name: &str, runs: &[Figures], of: Option<Limit>) -> Outcome {
        let spread = |value: fn(&Figures) -> f64| Spread::of(runs.iter().map(value));
        let per_second = spread(|run| run.per_second);
        let per_cpu_second = spread(|run| run.per_cpu_second);
        let p50 = spread(|run| run.p50_micros);
        let p99 = spread(|run| run.p99_micros);
        let p999 = spread(|run| run.p999_micros);
        let load = spread(|run| run.load_micros);
        let not_started = runs.iter().map(|run| run.not_started).max().unwrap_or(0);
        let share = spread(|run| run.per_cpu_second / run.limit);
        let mut notes = Vec::new();
        if let Some(limit) = of {
            notes.push(format!("{} of {}", share.percent(), limit.name()));
        }
        if runs.len() > 1 {
            let Spread { least, most, .. } = per_cpu_second;
            notes.push(format!("{least:.0}..{most:.0} per CPU-s in {} runs", runs.len()));
        }
        if not_started > 0 {
            notes.push(format!("{not_started} not started"));
        }
        println!(
            "{name:<46}{:>9.0}{:>11.0}{:>9.0}{:>9.0}{:>9.0}{:>9.1}  {}",
            per_second.median,
            per_cpu_second.median,
            p50.median,
            p99.median,
            p999.median,
            load.median,
            notes.join("; ")
        );
        let of = of.map(|limit| {
            json!({"limit": limit.name(), "rate": spread(|run| run.limit).json(), "share": share.json()})
        });
        self.line(
            name,
            "rates",
            &json!({"runs": runs.len(), "per_second": per_second.json(),
            "per_cpu_second": per_cpu_second.json(), "p50_us": p50.json(), "p99_us": p99.json(),
            "p99_9_us": p999.json(), "load_us": load.json(), "not_started": not_started, "of": of}),
        )
    }

    /// One number.
    pub(super) fn value(&self, name: &str, value: f64, unit: &str) -> Outcome {
        println!("{name:<62}{value:>12.1} {unit}");
        self.line(name, "value", &json!({"value": value, "unit": unit}))
    }

    /// The median of some numbers, and their range.
    pub(super) fn spread(&self, name: &str, values: &Spread, unit: &str) -> Outcome {
        let Spread { median, least, most } = values;
        println!("{name:<46}{median:>9.2} {unit}, {least:.2}..{most:.2}");
        self.line(name, "spread", &json!({"values": values.json(), "unit": unit}))
    }

    /// A row of JSON alone; the caller prints it for people.
    pub(super) fn line(&self, name: &str, kind: &str, values: &Value) -> Outcome {
        let Some(mut file) = self.json.as_ref() else { return Ok(()) };
        let mut row = json!({"database": self.database, "name": name, "kind": kind});
        if let (Some(row), Some(values)) = (row.as_object_mut(), values.as_object()) {
            row.extend(values.clone());
        }
        writeln!(file, "{row}").map_err(|error| Failure::new(format!("the JSON file: {error}")))
    }
}

/// The middle of some numbers, and how far they go.
pub(super) struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    pub(super) fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let at = |place: usize| values.get(place).copied().unwrap_or(0.0);
        let last = values.len().saturating_sub(1);
        Self { median: f64::midpoint(at(last / 2), at(last.div_ceil(2))), least: at(0), most: at(last) }
    }

    /// The one in the middle.
    pub(super) const fn median(&self) -> f64 {
        self.median
    }

    /// As shares of a whole; the range, where there is one.
    fn percent(&self) -> String {
        let [median, least, most] = [self.median, self.least, self.most].map(|share| (share * 100.0).round());
        if least < most { format!("{median} % [{least}..{most}]") } else { format!("{median} %") }
    }

    fn json(&self) -> Value {
        json!({"median": self.median, "min": self.least, "max": self.most})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let spread = Spread::of([5.0, 1.0, 3.0].into_iter());
        assert_eq!((spread.median, spread.least, spread.most), (3.0, 1.0, 5.0));
        assert_eq!(Spread::of([4.0, 2.0].into_iter()).median.to_bits(), 3.0_f64.to_bits());
    }
}
