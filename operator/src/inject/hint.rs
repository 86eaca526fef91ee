//! "Did you mean": the nearest of the words that were possible.

/// The word of `known` that is nearest to `word`, if it is near enough to have been meant: at most a third of its
/// letters differ.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = |k: &&str| (distance(word, k), k.len());
    let best = known.into_iter().min_by_key(near)?;
    let allowed = best.chars().count().max(3) / 3;
    (distance(word, best) <= allowed).then_some(best)
}

/// How many letters must be changed, added, taken away or swapped with their neighbour (Levenshtein's measure with
/// Damerau's swap).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) =
        (a.chars().take(80).collect(), b.chars().take(80).collect());
    let at = |rows: &[Vec<usize>], i: usize, j: usize| {
        rows.get(i).and_then(|r| r.get(j)).copied().unwrap_or(0)
    };
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let changed = at(&rows, i, j) + usize::from(x != y);
            let shorter = at(&rows, i, j + 1).min(row.last().copied().unwrap_or(0)) + 1;
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            let swap = if swapped {
                at(&rows, i - 1, j - 1) + 1
            } else {
                usize::MAX
            };
            row.push(changed.min(shorter).min(swap));
        }
        rows.push(row);
    }
    at(&rows, a.len(), b.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_letters() {
        for (a, b, n) in [
            ("", "", 0),
            ("abc", "abc", 0),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("wiat", "wait", 1),
        ] {
            assert_eq!((distance(a, b), distance(b, a)), (n, n), "{a} {b}");
        }
    }

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
