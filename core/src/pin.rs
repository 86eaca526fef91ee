//! A token's PIN as people hand it over: the content of a file, a variable, a line that was typed.
//!
//! What cannot be a PIN is never shown to a token: it would count as a wrong one, and few are left.

/// The longest PIN, in bytes: tokens have shorter ones.
const MOST: usize = 1024;

/// Why a content is no PIN. It says nothing of the content itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPin {
    #[error("not UTF-8, expected the token's user PIN as plain text")]
    NotText,
    #[error("empty, expected the token's user PIN")]
    Empty,
    #[error("several lines, expected the token's user PIN alone")]
    SeveralLines,
    #[error("begins with a byte order mark, expected the token's user PIN in UTF-8 without one")]
    ByteOrderMark,
    #[error(
        "has a control character or one that cannot be seen, expected the token's user PIN as plain text"
    )]
    Unseen,
    #[error("more than {MOST} bytes, expected the token's user PIN alone")]
    TooLong,
}

/// The PIN: the content's line, whatever ends that.
pub fn in_file(content: &[u8]) -> Result<&str, NoPin> {
    let text = std::str::from_utf8(content).map_err(|_| NoPin::NotText)?;
    let pin = text.trim_end_matches(['\r', '\n']);
    if pin.starts_with('\u{feff}') {
        return Err(NoPin::ByteOrderMark);
    }
    if pin.trim().is_empty() {
        return Err(NoPin::Empty);
    }
    if pin.contains(['\r', '\n']) {
        return Err(NoPin::SeveralLines);
    }
    if pin.chars().any(unseen) {
        return Err(NoPin::Unseen);
    }
    if pin.len() > MOST {
        return Err(NoPin::TooLong);
    }
    Ok(pin)
}

/// What an editor or a web page leaves behind, and nobody types. A blank may be part of a PIN.
fn unseen(c: char) -> bool {
    let marks = [
        '\u{200b}'..='\u{200f}',
        '\u{2028}'..='\u{202e}',
        '\u{2060}'..='\u{2064}',
    ];
    c.is_control() || c == '\u{feff}' || marks.iter().any(|m| m.contains(&c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_one_line_of_plain_text() {
        let cases: [(&[u8], Result<&str, NoPin>); 16] = [
            (b"648219", Ok("648219")),
            (b"648219\n", Ok("648219")),
            (b"648219\r\n\n", Ok("648219")),
            (b" two words ", Ok(" two words ")),
            ("gr\u{fc}n\n".as_bytes(), Ok("gr\u{fc}n")),
            (b"", Err(NoPin::Empty)),
            (b"\r\n", Err(NoPin::Empty)),
            (b"  \n", Err(NoPin::Empty)),
            (b"648219\n135790\n", Err(NoPin::SeveralLines)),
            (b"\n648219", Err(NoPin::SeveralLines)),
            ("\u{feff}648219".as_bytes(), Err(NoPin::ByteOrderMark)),
            (b"\xff\xfe6\x004\x00", Err(NoPin::NotText)),
            (b"6\x004\x008\x00", Err(NoPin::Unseen)),
            (b"648\t219", Err(NoPin::Unseen)),
            ("648219\u{200b}".as_bytes(), Err(NoPin::Unseen)),
            (&[b'1'; MOST + 1], Err(NoPin::TooLong)),
        ];
        for (content, want) in cases {
            assert_eq!(in_file(content), want, "{content:?}");
        }
    }
}
