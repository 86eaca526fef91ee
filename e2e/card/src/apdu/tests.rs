use super::*;

fn parsed(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    Command::parse(bytes).ok().map(|c| (c.data.to_vec(), c.le))
}

#[test]
fn the_seven_shapes_of_a_command_are_told_apart() {
    let with = |tail: &[u8]| parsed(&[&[0, 0xCB, 0x3F, 0xFF], tail].concat());
    assert_eq!(with(&[]), Some((vec![], 0)));
    assert_eq!(with(&[0]), Some((vec![], 256)));
    assert_eq!(with(&[2, 8, 9]), Some((vec![8, 9], 0)));
    assert_eq!(with(&[2, 8, 9, 16]), Some((vec![8, 9], 16)));
    assert_eq!(with(&[0, 1, 0]), Some((vec![], 256)));
    assert_eq!(with(&[0, 0, 2, 8, 9]), Some((vec![8, 9], 0)));
    assert_eq!(with(&[0, 0, 2, 8, 9, 0, 0]), Some((vec![8, 9], 65_536)));
}

#[test]
fn what_is_cut_short_or_too_long_is_refused() {
    for bad in [
        &[][..],
        &[0, 0x20, 0],
        &[0, 0x20, 0, 0x80, 8, 1],
        &[0, 0x20, 0, 0x80, 1, 1, 0, 0],
        &[0, 0x20, 0, 0x80, 0, 0, 9, 1],
        &[0, 0x20, 0, 0x80, 0, 0, 1, 1, 0],
    ] {
        assert_eq!(Command::parse(bad), Err(Status::WRONG_LENGTH), "{bad:02x?}");
    }
}

#[test]
fn a_status_says_how_much_is_left() {
    assert_eq!(Status::tries_left(3), Status(0x63C3));
    assert_eq!(Status::tries_left(200), Status(0x63CF));
    assert_eq!(Status::more(255), Status(0x61FF));
    assert_eq!(Status::more(256), Status(0x6100));
    assert_eq!(answer(vec![1], Status::OK), [1, 0x90, 0]);
}
