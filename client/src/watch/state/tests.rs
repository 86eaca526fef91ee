#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;

#[test]
fn a_word_says_the_same_before_and_after_its_limit_as_it_was_given() {
    let t = BootTime::from_millis;
    assert_eq!(
        Word::licensed(t(10), None).at(t(9)),
        State::Licensed { until: t(10) }
    );
    for why in Why::ALL.iter().copied() {
        let in_ = Duration::from_millis(4);
        assert_eq!(
            Word::licensed(t(10), Some(why)).at(t(6)),
            State::Ending { in_, why }
        );
        assert_eq!(
            Word::licensed(t(10), Some(why)).at(t(10)),
            State::Unlicensed { why: Why::Expired }
        );
        assert_eq!(Word::unlicensed(why).at(t(0)), State::Unlicensed { why });
        assert_eq!(Why::from_code(why.code()), Some(why));
        let c = why.c_texts().map(|t| t.to_str().unwrap());
        assert_eq!(c, [why.name(), why.explain(), why.action()]);
        assert!(!why.explain().is_empty() && !why.action().is_empty());
    }
    let never = Word::licensed(BootTime::NEVER, None);
    assert!(never.at(t(LIMIT_MASK - 1)).is_licensed());
}

#[test]
fn a_limit_that_moves_on_is_no_change_and_one_that_ends_is() {
    let t = BootTime::from_millis;
    let (a, b) = (
        Word::licensed(t(10), None).key(),
        Word::licensed(t(20), None).key(),
    );
    assert_eq!(a, b);
    let ending = |ms| Word::licensed(t(ms), Some(Why::NoServer)).key();
    assert_ne!(ending(10), ending(9));
    assert_ne!(ending(10), a);
}
