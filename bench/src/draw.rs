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

/// A drawing of these lines.
pub(crate) fn draw(
    title: &str,
    Axis(x_says): Axis,
    Axis(y_says): Axis,
    series: &BTreeMap<&str, Vec<(f64, f64)>>,
) -> String {
    let points = || series.values().flatten();
    let (x0, x1) = decades(points().map(|p| p.0));
    let (y0, y1) = decades(points().map(|p| p.1));
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    let part = |v: f64, from: i32, to: i32| (v.log10() - f64::from(from)) / f64::from(to - from);
    let at_x = |v: f64| LEFT + part(v, x0, x1) * (right - LEFT);
    let at_y = |v: f64| bottom - part(v, y0, y1) * (bottom - TOP);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    let mut text = |x: f64, y: f64, anchor: &str, more: &str, says: &str| {
        let says = says.replace('&', "&amp;").replace('<', "&lt;");
        let _ = writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\"{more}>{says}</text>"
        );
    };
    text(LEFT, TOP - 16.0, "start", " font-weight=\"bold\"", title);
    text((LEFT + right) / 2.0, HEIGHT - 10.0, "middle", "", x_says);
    let turned = format!(" transform=\"rotate(-90 18 {:.1})\"", (TOP + bottom) / 2.0);
    text(18.0, (TOP + bottom) / 2.0, "middle", &turned, y_says);
    let mut lines = String::new();
    for e in x0..=x1 {
        let (v, x) = (10f64.powi(e), at_x(10f64.powi(e)));
        text(x, bottom + 18.0, "middle", "", &number(v));
        line(&mut lines, (x, TOP), (x, bottom));
    }
    for e in y0..=y1 {
        let (v, y) = (10f64.powi(e), at_y(10f64.powi(e)));
        text(LEFT - 8.0, y + 4.0, "end", "", &number(v));
        line(&mut lines, (LEFT, y), (right, y));
    }
    for ((name, points), color) in series.iter().zip(COLORS.iter().cycle()) {
        let mut points: Vec<_> = points.iter().filter(|p| p.0 > 0.0 && p.1 > 0.0).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let path: String = points
            .iter()
            .map(|p| format!("{:.1},{:.1} ", at_x(p.0), at_y(p.1)))
            .collect();
        let _ = writeln!(
            lines,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>",
            path.trim_end()
        );
        for p in &points {
            let (x, y) = (at_x(p.0), at_y(p.1));
            let _ = writeln!(
                lines,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{color}\"/>"
            );
        }
        if let Some(last) = points.last() {
            let more = format!(" fill=\"{color}\"");
            let says = format!("{name}: {}", number(last.1));
            text(at_x(last.0) + 8.0, at_y(last.1) + 4.0, "start", &more, &says);
        }
    }
    svg + &lines + "</svg>\n"
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
