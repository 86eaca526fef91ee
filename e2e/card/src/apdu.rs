//! Commands to a card and its answers (ISO/IEC 7816-4), short and extended.

/// A command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command<'a> {
    /// Whether more of the same follows (command chaining).
    pub chained: bool,
    pub ins: u8,
    pub p1: u8,
    pub p2: u8,
    pub data: &'a [u8],
    /// How many bytes may come back at once.
    pub le: usize,
}

/// How a command went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub u16);

impl Status {
    pub const OK: Self = Self(0x9000);
    pub const WRONG_LENGTH: Self = Self(0x6700);
    /// A PIN is needed first.
    pub const SECURITY: Self = Self(0x6982);
    /// The PIN is locked.
    pub const BLOCKED: Self = Self(0x6983);
    pub const WRONG_DATA: Self = Self(0x6A80);
    /// There is no such object.
    pub const NOT_FOUND: Self = Self(0x6A82);
    pub const WRONG_PARAMETERS: Self = Self(0x6A86);
    /// There is no such PIN or key.
    pub const NO_REFERENCE: Self = Self(0x6A88);
    /// There is no such instruction.
    pub const NO_INSTRUCTION: Self = Self(0x6D00);
    /// Something is wrong, and the card does not say what.
    pub const GENERAL: Self = Self(0x6F00);

    /// A wrong PIN, and how many tries are left.
    pub const fn tries_left(n: u8) -> Self {
        let n = if n > 0xF { 0xF } else { n };
        Self(0x63C0 | n as u16)
    }

    /// Well so far, and this many bytes are still to be fetched; 0 stands for 256 and more.
    pub const fn more(n: usize) -> Self {
        Self(0x6100 | if n > 0xFF { 0 } else { n as u16 })
    }
}

impl<'a> Command<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Status> {
        let [cla, ins, p1, p2, rest @ ..] = bytes else {
            return Err(Status::WRONG_LENGTH);
        };
        let (data, le) = body(rest).ok_or(Status::WRONG_LENGTH)?;
        Ok(Self {
            chained: cla & 0x10 != 0,
            ins: *ins,
            p1: *p1,
            p2: *p2,
            data,
            le,
        })
    }
}

/// What follows the header: data, and how many bytes are wanted.
fn body(rest: &[u8]) -> Option<(&[u8], usize)> {
    let or = |n: usize, all: usize| if n == 0 { all } else { n };
    let long = |high: u8, low: u8| usize::from(u16::from_be_bytes([high, low]));
    match rest {
        [] => Some((&[], 0)),
        [le] => Some((&[], or(usize::from(*le), 256))),
        [0, high, low] => Some((&[], or(long(*high, *low), 65_536))),
        [0, high, low, more @ ..] => {
            let n = long(*high, *low);
            let le = match more.get(n..)? {
                [] => 0,
                [high, low] => or(long(*high, *low), 65_536),
                _ => return None,
            };
            Some((more.get(..n)?, le))
        }
        [n, more @ ..] => {
            let n = usize::from(*n);
            let le = match more.get(n..)? {
                [] => 0,
                [le] => or(usize::from(*le), 256),
                _ => return None,
            };
            Some((more.get(..n)?, le))
        }
    }
}

/// An answer's bytes: data, then the status.
pub fn answer(mut data: Vec<u8>, status: Status) -> Vec<u8> {
    data.extend(status.0.to_be_bytes());
    data
}

#[cfg(test)]
mod tests;
