#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;

#[test]
fn a_question_comes_in_any_pieces_and_has_a_bound() {
    struct Pieces(Vec<Vec<u8>>);
    impl Read for Pieces {
        fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
            let Some(piece) = self.0.pop() else {
                return Ok(0);
            };
            room[..piece.len()].copy_from_slice(&piece);
            Ok(piece.len())
        }
    }
    let ask = Ask::Keys.line().unwrap();
    let twice = [&ask[..], &ask[..], b"cut"].concat();
    for size in [1, 7, ask.len(), twice.len()] {
        let mut pieces: Vec<Vec<u8>> = twice.chunks(size).map(<[u8]>::to_vec).collect();
        pieces.reverse();
        let mut questions = Questions::new(Pieces(pieces));
        for want in [Some(&ask), Some(&ask), None] {
            let got = questions.take().unwrap();
            assert_eq!(got.as_ref(), want, "pieces of {size}");
        }
    }
    let mut questions = Questions::new(std::io::repeat(b'x'));
    let e = questions.take().unwrap_err();
    assert!(e.to_string().contains("a question of more than"), "{e}");
}
