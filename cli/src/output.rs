//! How results are written. Pure but for [`print()`].

use clap::ValueEnum;
use serde::Serialize;
use std::io::Write as _;

/// A machine-readable form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Data {
    /// YAML.
    Yaml,
    /// JSON.
    Json,
}

impl Data {
    /// `value` as text that ends in a newline.
    pub fn render<T: Serialize>(self, value: &T) -> anyhow::Result<String> {
        Ok(match self {
            Self::Yaml => serde_yaml::to_string(value)?,
            Self::Json => serde_json::to_string_pretty(value)? + "\n",
        })
    }
}

/// A form for people or for machines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For people.
    #[default]
    Text,
    /// YAML.
    Yaml,
    /// JSON.
    Json,
}

impl Form {
    pub const fn data(self) -> Option<Data> {
        match self {
            Self::Text => None,
            Self::Yaml => Some(Data::Yaml),
            Self::Json => Some(Data::Json),
        }
    }
}

/// A form of what is shown in a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum TableForm {
    /// A table.
    #[default]
    Table,
    /// A table with more columns.
    Wide,
    /// YAML.
    Yaml,
    /// JSON.
    Json,
}

impl TableForm {
    pub const fn data(self) -> Option<Data> {
        match self {
            Self::Table | Self::Wide => None,
            Self::Yaml => Some(Data::Yaml),
            Self::Json => Some(Data::Json),
        }
    }
}

/// Writes to standard output; a closed pipe is an error like any other, not a panic.
pub fn print(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Prints a value: for machines in the form that was asked for, else as text.
pub fn show<T: Serialize>(
    form: Option<Data>,
    value: &T,
    text: impl FnOnce() -> String,
) -> anyhow::Result<()> {
    let text = match form {
        Some(data) => data.render(value)?,
        None => text(),
    };
    Ok(print(&text)?)
}

/// `a, b, c`.
pub fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|i| i.to_string()).collect();
    items.join(", ")
}

/// A cell; `-` where there is nothing to say.
pub fn or_dash<T: ToString>(v: Option<T>) -> String {
    v.map_or_else(|| "-".to_owned(), |v| v.to_string())
}

/// The same of several.
pub fn list_or_dash<T: ToString>(items: &[T]) -> String {
    let some = (!items.is_empty()).then(|| list(items.iter().map(ToString::to_string)));
    or_dash(some)
}

/// How many in line have their words shown under a table.
pub const LINE: u32 = 10;

/// What stands under a table if something is wrong.
pub fn problems(all: &[String]) -> String {
    if all.is_empty() {
        return String::new();
    }
    format!("\nProblems\n  {}\n", all.join("\n  "))
}

/// A table in columns, three spaces apart, without trailing blanks.
pub fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let width = |i: usize| {
        let cells = rows
            .iter()
            .filter_map(|r| r.get(i))
            .map(|c| c.chars().count());
        cells
            .chain(header.get(i).map(|h| h.chars().count()))
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded = cells
            .zip(&widths)
            .map(|(c, w)| format!("{c:<w$}"))
            .collect::<Vec<_>>()
            .join("   ");
        format!("{}\n", padded.trim_end())
    };
    let mut out = line(&mut header.iter().copied());
    for r in rows {
        out.push_str(&line(&mut r.iter().map(String::as_str)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other() {
        let rows = vec![
            vec!["a".into(), "1".into()],
            vec!["größer".into(), String::new()],
        ];
        assert_eq!(
            table(&["NAME", "N"], &rows),
            "NAME     N\na        1\ngrößer\n"
        );
    }
}
