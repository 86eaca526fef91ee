//! What a measuring program says, besides what people read: lines that `report` collects.

use anyhow::Result;
use serde::{Deserialize, Serialize};

const RESULT: &str = "RESULT ";
const POINT: &str = "POINT ";

/// A measured figure: one row of results.json.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figure {
    /// As [`crate::goals`] names it.
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) unit: String,
    /// What it is measured against, or of what it is made, with absolute numbers.
    #[serde(default)]
    pub(crate) against: serde_json::Value,
}

/// A point of a curve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Point {
    /// The drawing that it is on.
    pub(crate) curve: String,
    /// The line in it.
    pub(crate) series: String,
    pub(crate) x: f64,
    pub(crate) y: f64,
}

/// A line of a program's output that is for `report`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Told {
    Figure(Figure),
    Point(Point),
}

/// Says a figure, rounded to four digits.
pub(crate) fn figure(name: &str, value: f64, unit: &str, against: &str) -> Result<()> {
    let figure = Figure {
        name: name.to_owned(),
        value: rounded(value),
        unit: unit.to_owned(),
        against: against.into(),
    };
    println!("{RESULT}{}", serde_json::to_string(&figure)?);
    Ok(())
}

/// Says a point of a curve.
pub(crate) fn point(curve: &str, series: &str, x: f64, y: f64) -> Result<()> {
    let point = Point {
        curve: curve.to_owned(),
        series: series.to_owned(),
        x,
        y: rounded(y),
    };
    println!("{POINT}{}", serde_json::to_string(&point)?);
    Ok(())
}

/// Reads a line of output; `None` if it is for people.
pub(crate) fn read(line: &str) -> Result<Option<Told>> {
    if let Some(text) = line.strip_prefix(RESULT) {
        return Ok(Some(Told::Figure(serde_json::from_str(text)?)));
    }
    let Some(text) = line.strip_prefix(POINT) else {
        return Ok(None);
    };
    Ok(Some(Told::Point(serde_json::from_str(text)?)))
}

fn rounded(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::float_cmp)]
    use super::*;

    #[test]
    fn a_line_of_any_program_that_keeps_the_contract_is_read() {
        let line =
            r#"RESULT {"name":"ledger_ops","value":5e5,"unit":"ops/s","against":{"at":1000}}"#;
        let Some(Told::Figure(f)) = read(line).unwrap() else {
            unreachable!()
        };
        assert_eq!((f.name.as_str(), f.value), ("ledger_ops", 5e5));
        assert_eq!(read("renewals: 5").unwrap(), None);
        assert!(read("RESULT nothing").is_err());
    }

    #[test]
    fn a_figure_has_four_digits() {
        assert_eq!(rounded(0.123_456), 0.123_5);
        assert_eq!(rounded(22_613.7), 22_610.0);
        assert_eq!(rounded(0.0), 0.0);
    }
}
