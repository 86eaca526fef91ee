//! "Did you mean": the nearest of the words that were possible.

use strsim::osa_distance;

/// The word of `known` that is nearest to `word`, if it is near enough to have been meant: at most
/// a third of its letters are changed, added, taken away or swapped with their neighbour.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A person's word, cut: the measure's time grows with the product of both lengths.
    let word: String = word.chars().take(80).collect();
    let word = word.as_str();
    let near = |k: &&str| (osa_distance(word, k), k.len());
    let best = known.into_iter().min_by_key(near)?;
    let allowed = best.chars().count().max(3) / 3;
    (osa_distance(word, best) <= allowed).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_near_was_meant() {
        let known = ["licenses", "server", "start", "wait"];
        assert_eq!(nearest("license", known), Some("licenses"));
        assert_eq!(nearest("licenses", known), Some("licenses"));
        assert_eq!(nearest("wiat", known), Some("wait"));
        assert_eq!(nearest("foo", known), None);
        assert_eq!(nearest("x", []), None);
    }
}
