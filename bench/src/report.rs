//! Collects what the programs said: results.json, a table of it beside the goals, and the curves.

use crate::draw::{Axis, draw};
use crate::goals;
use crate::told::{Figure, Point, Told, read};
use anyhow::{Context as _, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(crate) struct ReportArgs {
    /// Where results.json and the curves go.
    #[arg(long)]
    out: PathBuf,
    /// What programs wrote to standard output.
    logs: Vec<PathBuf>,
}

pub(crate) fn report(args: &ReportArgs) -> Result<()> {
    let (mut figures, mut points) = (Vec::new(), Vec::new());
    for log in &args.logs {
        let text = std::fs::read_to_string(log).with_context(|| log.display().to_string())?;
        for line in text.lines() {
            match read(line).with_context(|| line.to_owned())? {
                Some(Told::Figure(f)) => figures.push(f),
                Some(Told::Point(p)) => points.push(p),
                None => {}
            }
        }
    }
    let file = args.out.join("results.json");
    std::fs::write(&file, serde_json::to_string_pretty(&figures)? + "\n")?;
    print!("{}", table(&figures));
    for drawn in curves(&args.out, &points)? {
        println!("{}", drawn.display());
    }
    println!("{}", file.display());
    Ok(())
}

fn table(figures: &[Figure]) -> String {
    let mut rows = vec![["name", "value", "unit", "goal", ""].map(str::to_owned)];
    for f in figures {
        let goal = goals::of(&f.name);
        let met = match goal {
            Some(g) if g.is_met(f.value) => "met",
            Some(_) => "NOT MET",
            None => "",
        };
        let goal = goal.map(|g| g.to_string()).unwrap_or_default();
        let row = [&f.name, &f.value.to_string(), &f.unit, &goal, met];
        rows.push(row.map(str::to_owned));
    }
    let width = |column: usize| {
        let of = |r: &[String; 5]| r.get(column).map_or(0, |s| s.chars().count());
        rows.iter().map(of).max().unwrap_or(0)
    };
    let [w0, w1, w2, w3] = [0, 1, 2, 3].map(width);
    let line = |[name, value, unit, goal, met]: &[String; 5]| {
        let text = format!("{name:<w0$}  {value:>w1$}  {unit:<w2$}  {goal:<w3$}  {met}");
        text.trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

/// A drawing for each curve that there are two points of.
fn curves(out: &Path, points: &[Point]) -> Result<Vec<PathBuf>> {
    let names: BTreeSet<&str> = points.iter().map(|p| p.curve.as_str()).collect();
    let mut drawn = Vec::new();
    for name in names {
        let mut series: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
        for p in points.iter().filter(|p| p.curve == name) {
            series.entry(&p.series).or_default().push((p.x, p.y));
        }
        if series.values().all(|points| points.len() < 2) {
            continue;
        }
        let (x, y) = Axis::of(name);
        let file = out.join(format!("{name}.svg"));
        std::fs::write(&file, draw(name, x, y, &series))?;
        drawn.push(file);
    }
    Ok(drawn)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_table_says_which_goals_are_met() {
        let figure = |name: &str, value| Figure {
            name: name.to_owned(),
            value,
            unit: "ratio".to_owned(),
            against: serde_json::Value::Null,
        };
        let all = [
            figure("renew_ratio_64", 0.85),
            figure("renew_p99_ratio", 2.1),
            figure("of_no_goal", 1.0),
        ];
        let text = table(&all);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].ends_with(" ≥ 0.85  met"), "{text}");
        assert!(lines[2].ends_with(" ≤ 2     NOT MET"), "{text}");
        assert!(lines[3].ends_with("ratio"), "{text}");
    }

    #[test]
    fn one_point_is_no_curve() {
        let dir = tempfile::tempdir().unwrap();
        let point = |x| Point {
            curve: "memory".to_owned(),
            series: "server".to_owned(),
            x,
            y: x,
        };
        assert!(curves(dir.path(), &[point(1.0)]).unwrap().is_empty());
        let two = curves(dir.path(), &[point(1.0), point(10.0)]).unwrap();
        assert!(
            std::fs::read_to_string(&two[0])
                .unwrap()
                .starts_with("<svg")
        );
    }
}
