//! Words that may quote what somebody sent, whose length is the sender's choice: cut to what people
//! read, and to what a log should hold.

/// How long they may be, in characters.
const MOST: usize = 400;
/// How much of the end is kept: there stands where something is.
const END: usize = 59;

/// These words, or their beginning and end.
pub fn cut(words: impl Into<String>) -> String {
    let words = words.into();
    let n = words.chars().count();
    if n <= MOST {
        return words;
    }
    let begin = words.chars().take(MOST - END - 1);
    let end = words.chars().skip(n - END);
    begin.chain(['…']).chain(end).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_short_stays_and_what_is_long_keeps_both_ends() {
        assert_eq!(cut("ü"), "ü");
        let long = format!("field x: {} at line 7", "ü".repeat(5000));
        let said = cut(long);
        assert_eq!(said.chars().count(), MOST);
        assert!(said.starts_with("field x: üü") && said.ends_with("ü at line 7"));
    }
}
