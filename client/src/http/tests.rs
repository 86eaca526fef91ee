#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use proptest::prelude::*;

/// Reads an answer that arrives in pieces of `step` bytes.
fn read_all(wire: &[u8], step: usize) -> Result<(u16, Vec<u8>, bool), Malformed> {
    let (mut raw, mut out, mut head) = (Vec::new(), Vec::new(), None);
    for piece in wire.chunks(step.max(1)) {
        raw.extend_from_slice(piece);
        if head.is_none() {
            head = take_head(&mut raw)?;
        }
        if let Some(h) = &mut head {
            decode(&mut h.framing, &mut raw, &mut out)?;
        }
    }
    let h = head.ok_or("no head")?;
    Ok((
        h.status,
        out,
        matches!(h.framing, Framing::Ended | Framing::UntilClose),
    ))
}

#[test]
fn bodies_are_read_however_they_are_framed_and_cut() {
    let lengthy = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    let chunked =
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n3;x=1\r\nhel\r\n2\r\nlo\r\n0\r\nA: b\r\n\r\n";
    let closed = b"HTTP/1.0 200 OK\r\n\r\nhello";
    for wire in [&lengthy[..], &chunked[..], &closed[..]] {
        for step in 1..=wire.len() {
            assert_eq!(
                read_all(wire, step),
                Ok((200, b"hello".to_vec(), true)),
                "step {step}"
            );
        }
    }
    assert_eq!(
        read_all(b"HTTP/1.1 204 No Content\r\n\r\n", 9),
        Ok((204, vec![], true))
    );
}

#[test]
fn malformed_answers_are_errors_never_a_hang_or_a_panic() {
    for bad in [
        "SSH-2.0-OpenSSH\r\n\r\n",
        "HTTP/1.1 99 x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
    ] {
        assert!(read_all(bad.as_bytes(), 7).is_err(), "{bad:?}");
    }
    assert!(
        read_all(&vec![b'a'; MAX_HEAD + 10], 1024).is_err(),
        "an endless head"
    );
}

proptest! {
    #[test]
    fn any_bytes_are_answered(wire in proptest::collection::vec(any::<u8>(), 0..300), step in 1usize..40) {
        let mut bytes = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        bytes.extend(&wire);
        let _ = read_all(&bytes, step);
        let _ = read_all(&wire, step);
    }
}
