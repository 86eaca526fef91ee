//! PKCS#11 URIs (RFC 7512):
//! `pkcs11:token=acme;object=vendor?module-path=/usr/lib/….so&pin-source=file:/run/pin`.
//!
//! A name or value that this version does not use is refused: a key that is chosen by half of what
//! was said may be another key.

use mooring_net::head::percent_decode;
use std::path::PathBuf;
use std::str::FromStr;

/// Which key of which token, behind which module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uri {
    /// `token`: the token's label.
    pub token: Option<String>,
    /// `serial`: the token's serial number.
    pub serial: Option<String>,
    /// `object`: the key's label (`CKA_LABEL`).
    pub object: Option<String>,
    /// `id`: the key's id (`CKA_ID`).
    pub id: Option<Vec<u8>>,
    /// `module-path`: the module, a shared library.
    pub module: PathBuf,
    /// `pin-source`: a file with the PIN.
    pub pin_file: Option<PathBuf>,
}

/// A URI that names no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct BadUri {
    field: String,
    problem: String,
}

fn bad(field: &str, problem: impl Into<String>) -> BadUri {
    BadUri {
        field: field.chars().take(40).collect(),
        problem: problem.into(),
    }
}

/// Whether a `--key` is one of these and not a file's name.
pub fn is_uri(s: &str) -> bool {
    s.get(..7)
        .is_some_and(|p| p.eq_ignore_ascii_case("pkcs11:"))
}

fn decode(name: &str, value: &str) -> Result<Vec<u8>, BadUri> {
    percent_decode(value).ok_or_else(|| {
        let expected = "expected two hexadecimal digits after each '%'";
        bad(name, format!("{value:?}: {expected}"))
    })
}

fn text(name: &str, value: &str) -> Result<String, BadUri> {
    let bytes = decode(name, value)?;
    let text = String::from_utf8(bytes).map_err(|_| bad(name, "expected text in UTF-8"))?;
    if text.is_empty() {
        Err(bad(name, "empty; expected a value, or leave it out"))
    } else {
        Ok(text)
    }
}

fn once<T>(place: &mut Option<T>, name: &str, value: T) -> Result<(), BadUri> {
    if place.is_some() {
        return Err(bad(name, "given twice; expected it once"));
    }
    *place = Some(value);
    Ok(())
}

fn pairs(list: &str, by: char) -> impl Iterator<Item = Result<(&str, &str), BadUri>> {
    let pair = |p| str::split_once(p, '=').ok_or_else(|| bad(p, "expected name=value"));
    list.split(by).filter(|p| !p.is_empty()).map(pair)
}

impl FromStr for Uri {
    type Err = BadUri;

    fn from_str(s: &str) -> Result<Self, BadUri> {
        let body = s.get(7..).filter(|_| is_uri(s));
        let body = body.ok_or_else(|| bad("pkcs11:", "expected it at the begin"))?;
        let (path, query) = body.split_once('?').unwrap_or((body, ""));
        let (mut token, mut serial, mut object, mut id) = (None, None, None, None);
        for pair in pairs(path, ';') {
            let (name, value) = pair?;
            match name {
                "token" => once(&mut token, name, text(name, value)?)?,
                "serial" => once(&mut serial, name, text(name, value)?)?,
                "object" => once(&mut object, name, text(name, value)?)?,
                "id" => once(&mut id, name, decode(name, value)?)?,
                "type" if value == "private" => {}
                "type" => return Err(bad(name, format!("{value:?}; expected private"))),
                _ => {
                    let p = "not used by this version; expected token, serial, object, id and type=private before the '?'";
                    return Err(bad(name, p));
                }
            }
        }
        let (mut module, mut pin_file) = (None, None);
        for pair in pairs(query, '&') {
            let (name, value) = pair?;
            match name {
                "module-path" => once(&mut module, name, PathBuf::from(text(name, value)?))?,
                "pin-source" => {
                    let source = text(name, value)?;
                    let path = source.strip_prefix("file:").unwrap_or(&source);
                    // file:///etc/pin and file:/etc/pin are the same file.
                    let path = path.strip_prefix("//").unwrap_or(path);
                    if path.starts_with('|') {
                        return Err(bad(name, "expected a file; a command is not run"));
                    }
                    once(&mut pin_file, name, PathBuf::from(path))?;
                }
                "pin-value" => {
                    let p = "a PIN on the command line is seen by everybody on the machine; expected pin-source=file:…";
                    return Err(bad(name, p));
                }
                _ => {
                    let p = "not used by this version; expected module-path and pin-source after the '?'";
                    return Err(bad(name, p));
                }
            }
        }
        if token.is_none() && serial.is_none() {
            let p = "missing; expected the token's label, such as token=acme";
            return Err(bad("token", p));
        }
        let module = module.ok_or_else(|| {
            let p = "missing; expected the token's PKCS#11 module, such as ?module-path=/usr/lib/softhsm/libsofthsm2.so";
            bad("module-path", p)
        })?;
        Ok(Self {
            token,
            serial,
            object,
            id,
            module,
            pin_file,
        })
    }
}

#[cfg(test)]
mod tests;
