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
    /// `value` as text, ending in a newline.
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
    /// The machine-readable form, if it is one.
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
    /// The machine-readable form, if it is one.
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
