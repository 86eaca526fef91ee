//! What stands in a query.

/// A product's name or a version: some would read a plus sign as a space.
pub(crate) fn in_a_query(word: &str) -> String {
    word.replace('+', "%2B")
}
