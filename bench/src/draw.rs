//! Curves as SVG: both axes logarithmic, a line for each series.

use std::collections::BTreeMap;
use std::fmt::Write as _;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 170.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 50.0;
/// One for each series, told apart also by who sees few colors (Okabe and Ito).
const COLORS: [&str; 6] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9",
];

/// What an axis shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Axis(&'static str);

impl Axis {
    /// The axes of a curve by its name; a curve that is not known here has axes without words.
    pub(crate) fn of(curve: &str) -> (Self, Self) {
        let (x, y) = match curve {
            "memory" => ("connected holders", "resident memory, MiB"),
            "renewals" => ("connections", "requests a second"),
            "ledger" => ("leases", "operations a second"),
            "ledger_bytes" => ("leases", "bytes a lease"),
            _ => ("", ""),
        };
        (Self(x), Self(y))
    }
}

/// The whole decades that hold these values.
fn decades(values: impl Iterator<Item = f64>) -> (i32, i32) {
    let (mut low, mut high) = (f64::MAX, f64::MIN);
    for v in values.filter(|v| *v > 0.0) {
        low = low.min(v.log10());
        high = high.max(v.log10());
    }
    if low > high {
        return (0, 1);
    }
    let (low, high) = (low.floor() as i32, high.ceil() as i32);
    (low, high.max(low + 1))
}

/// Where values lie.
struct Scale {
    x: (i32, i32),
    y: (i32, i32),
}

impl Scale {
    const RIGHT: f64 = WIDTH - RIGHT;
    const BOTTOM: f64 = HEIGHT - BOTTOM;

    fn x(&self, v: f64) -> f64 {
        LEFT + part(v, self.x) * (Self::RIGHT - LEFT)
    }

    fn y(&self, v: f64) -> f64 {
        Self::BOTTOM - part(v, self.y) * (Self::BOTTOM - TOP)
    }
}

fn part(v: f64, (from, to): (i32, i32)) -> f64 {
    (v.log10() - f64::from(from)) / f64::from(to - from)
}

/// A drawing of these lines.
pub(crate) fn draw(
    title: &str,
    Axis(x_says): Axis,
    Axis(y_says): Axis,
    series: &BTreeMap<&str, Vec<(f64, f64)>>,
) -> String {
    let points = || series.values().flatten();
    let scale = Scale {
        x: decades(points().map(|p| p.0)),
        y: decades(points().map(|p| p.1)),
    };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    let middle = f64::midpoint(TOP, Scale::BOTTOM);
    let turned = format!(" transform=\"rotate(-90 18 {middle:.1})\"");
    let below = f64::midpoint(LEFT, Scale::RIGHT);
    text(
        &mut svg,
        (LEFT, TOP - 16.0),
        "start",
        " font-weight=\"bold\"",
        title,
    );
    text(&mut svg, (below, HEIGHT - 10.0), "middle", "", x_says);
    text(&mut svg, (18.0, middle), "middle", &turned, y_says);
    for v in (scale.x.0..=scale.x.1).map(|e| 10f64.powi(e)) {
        let x = scale.x(v);
        text(
            &mut svg,
            (x, Scale::BOTTOM + 18.0),
            "middle",
            "",
            &number(v),
        );
        line(&mut svg, (x, TOP), (x, Scale::BOTTOM));
    }
    for v in (scale.y.0..=scale.y.1).map(|e| 10f64.powi(e)) {
        let y = scale.y(v);
        text(&mut svg, (LEFT - 8.0, y + 4.0), "end", "", &number(v));
        line(&mut svg, (LEFT, y), (Scale::RIGHT, y));
    }
    for ((name, points), color) in series.iter().zip(COLORS.iter().cycle()) {
        curve(&mut svg, &scale, name, points, color);
    }
    svg + "</svg>\n"
}

/// A line through points, each marked, and what it is at its end. Where there is no logarithm there
/// is no point.
fn curve(svg: &mut String, scale: &Scale, name: &str, points: &[(f64, f64)], color: &str) {
    let mut points: Vec<_> = points.iter().filter(|p| p.0 > 0.0 && p.1 > 0.0).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut path = String::new();
    for p in &points {
        let (x, y) = (scale.x(p.0), scale.y(p.1));
        let _ = write!(path, "{x:.1},{y:.1} ");
        let _ = writeln!(
            svg,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{color}\"/>"
        );
    }
    let path = path.trim_end();
    let _ = writeln!(
        svg,
        "<polyline points=\"{path}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>"
    );
    if let Some(last) = points.last() {
        let at = (scale.x(last.0) + 8.0, scale.y(last.1) + 4.0);
        let more = format!(" fill=\"{color}\"");
        let says = format!("{name}: {}", number(last.1));
        text(svg, at, "start", &more, &says);
    }
}

fn text(out: &mut String, (x, y): (f64, f64), anchor: &str, more: &str, says: &str) {
    let says = says.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\"{more}>{says}</text>"
    );
}

fn line(out: &mut String, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
    let _ = writeln!(
        out,
        "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"#dddddd\"/>"
    );
}

/// With a comma between thousands.
fn number(v: f64) -> String {
    if v < 10.0 {
        return format!("{}", (v * 100.0).round() / 100.0);
    }
    let digits = format!("{v:.0}");
    let mut text = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            text.push(',');
        }
        text.push(c);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_measured_lies_within_the_drawing() {
        let series = BTreeMap::from([
            ("server", vec![(100.0, 12.5), (10_000.0, 455.0)]),
            ("bare <handler>", vec![(100.0, 0.0), (1.0, 3.0)]),
        ]);
        let (x, y) = Axis::of("memory");
        let svg = draw("memory", x, y, &series);
        assert!(svg.contains("bare &lt;handler>: 3<"), "{svg}");
        for part in svg.split("cx=\"").skip(1) {
            let x: f64 = part.split('"').next().unwrap_or("").parse().unwrap_or(-1.0);
            assert!((LEFT..=WIDTH - RIGHT).contains(&x), "{svg}");
        }
    }

    #[test]
    fn thousands_are_told_apart() {
        let all = [0.5, 9.0, 455.0, 1e3, 22_613.7, 1e6].map(number);
        assert_eq!(all, ["0.5", "9", "455", "1,000", "22,614", "1,000,000"]);
    }
}
