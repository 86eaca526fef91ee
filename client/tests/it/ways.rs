//! The ways an application can drive a seat: a thread with callbacks, futures, its own event loop;
//! and the pod's claim.

use mooring_client::{Error, Seat, State, Why, boot};
use mooring_testkit::eventually;
use mooring_testkit::sidecar::{Reply, Scripted, answer, claim, status, token, with};
use std::future::Future;
use std::os::fd::AsFd as _;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

const SECONDS: Duration = Duration::from_secs(10);

#[test]
fn callbacks_hear_each_change_once_beginning_with_the_present() {
    let fake = Scripted::good();
    let seat = fake.mooring().claim("render").hold().unwrap();
    let (tx, rx) = channel();
    let name = std::thread::current().id();
    seat.on_change(move |s| {
        assert_ne!(std::thread::current().id(), name);
        tx.send(s).unwrap();
    });
    let next = || rx.recv_timeout(SECONDS).unwrap();
    assert!(matches!(next(), State::Licensed { .. }));
    // A renewal moves the limit on, which is no news.
    fake.say(&claim("hold-1", "Held"));
    fake.say(&claim("hold-1", "Grace"));
    assert!(matches!(
        next(),
        State::Ending {
            why: Why::NoServer,
            ..
        }
    ));
    fake.say(&claim("hold-1", "Lost"));
    assert_eq!(next(), State::Unlicensed { why: Why::Lost });
    drop(seat);
    fake.follower_left();
    assert!(
        rx.recv_timeout(SECONDS).is_err(),
        "the callback is gone with the seat"
    );
}

#[test]
fn a_callback_may_do_anything_to_the_seat_even_panic_or_drop_it() {
    let fake = Scripted::good();
    let seat = Arc::new(Mutex::new(Some(
        fake.mooring().claim("render").hold().unwrap(),
    )));
    let with_seat = |f: &dyn Fn(&Seat)| seat.lock().unwrap().as_ref().map(f);
    let (tx, rx) = channel();
    with_seat(&|s| {
        s.on_change(|_| std::panic::resume_unwind(Box::new("a mistake of the application's")));
    });
    let (mine, sent) = (seat.clone(), tx.clone());
    with_seat(&|s| {
        let (mine, sent) = (mine.clone(), sent.clone());
        s.on_change(move |state| {
            let held = mine.lock().unwrap().take();
            if let Some(s) = &held {
                assert_eq!(s.check().is_licensed(), state.is_licensed());
                s.on_change(|_| {});
                s.details();
            }
            drop(held);
            sent.send(()).unwrap();
        });
    });
    rx.recv_timeout(SECONDS).unwrap();
    fake.follower_left();
}

/// Runs a future on this thread: any executor does.
fn block_on<F: Future>(f: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let (mut cx, mut f) = (Context::from_waker(&waker), Box::pin(f));
    loop {
        match f.as_mut().poll(&mut cx) {
            Poll::Ready(out) => return out,
            Poll::Pending => std::thread::park_timeout(SECONDS),
        }
    }
}

#[test]
fn any_executor_can_wait_for_a_seat_and_for_its_changes() {
    let fake = Scripted::good();
    let m = fake.mooring();
    let seat = block_on(m.claim("render").wait(SECONDS).hold_async()).unwrap();
    assert!(seat.is_licensed());
    let change = seat.changed();
    fake.say(&claim("hold-1", "Contested"));
    assert!(matches!(
        block_on(change),
        State::Ending {
            why: Why::Contested,
            ..
        }
    ));
    // Errors come the same way.
    let e = block_on(m.claim("Ren der").hold_async()).unwrap_err();
    assert!(matches!(e, Error::Argument { .. }), "{e}");
    fake.now(|_| Reply::Stream(vec![claim("hold-1", "Waiting")]));
    let e = block_on(
        m.claim("render")
            .wait(Duration::from_millis(50))
            .hold_async(),
    )
    .unwrap_err();
    assert!(matches!(e, Error::NotLicensed { .. }), "{e}");
    fake.follower_left();
    // A task that is dropped gives up its place.
    let waiting = m.claim("render").wait(SECONDS).hold_async();
    eventually("it asks", SECONDS, || {
        (fake.count("POST") == 3).then_some(())
    });
    drop(waiting);
    fake.follower_left();
}

#[test]
fn without_a_thread_the_application_drives_it_from_its_own_loop() {
    let fake = Scripted::good();
    let seat = fake
        .mooring()
        .claim("render")
        .without_thread()
        .hold()
        .unwrap();
    let (tx, rx) = channel();
    seat.on_change(move |s| tx.send((std::thread::current().id(), s)).unwrap());
    seat.poll();
    assert!(matches!(
        rx.recv_timeout(SECONDS).unwrap().1,
        State::Licensed { .. }
    ));
    fake.say(&claim("hold-1", "Lost"));
    assert!(seat.is_licensed(), "nobody has looked yet");
    readable(&seat);
    assert_eq!(seat.poll(), State::Unlicensed { why: Why::Lost });
    let (thread, state) = rx.recv_timeout(SECONDS).unwrap();
    assert_eq!(
        (thread, state),
        (
            std::thread::current().id(),
            State::Unlicensed { why: Why::Lost }
        )
    );
}

/// Waits until the seat's descriptor is readable.
fn readable(seat: &Seat) {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let time = Timespec {
        tv_sec: 10,
        tv_nsec: 0,
    };
    let fd = seat.as_fd();
    assert_eq!(
        poll(
            &mut [PollFd::from_borrowed_fd(fd, PollFlags::IN)],
            Some(&time)
        ),
        Ok(1)
    );
}

#[test]
fn timers_are_in_the_descriptor_and_a_seat_that_nobody_drives_ends_by_itself() {
    let fake = Scripted::good();
    let seat = fake
        .mooring()
        .claim("render")
        .without_thread()
        .hold()
        .unwrap();
    let until = boot() + Duration::from_millis(600);
    let short = with(claim("hold-1", "Held"), "untilBootMs", until.as_millis());
    fake.say(&with(short, "heldUntilBootMs", until.as_millis() - 300));
    readable(&seat);
    assert!(matches!(seat.poll(), State::Licensed { .. }));
    eventually(
        "the descriptor says when it should have renewed",
        SECONDS,
        || {
            readable(&seat);
            matches!(
                seat.poll(),
                State::Ending {
                    why: Why::NoSidecar,
                    ..
                }
            )
            .then_some(())
        },
    );
    // From here on nobody does anything, and the socket is gone.
    fake.stop();
    eventually("it ends", SECONDS, || (!seat.is_licensed()).then_some(()));
    assert!(boot() >= until);
    assert_eq!(seat.check(), State::Unlicensed { why: Why::Expired });
}

#[test]
fn the_pods_claim_is_followed_and_proved_and_stays_when_the_seat_goes() {
    let fake = Scripted::good();
    let m = fake.mooring();
    let seat = m.pod("render").seats(2).hold().unwrap();
    assert!(matches!(seat.check(), State::Licensed { .. }));
    assert!(
        fake.asked()
            .iter()
            .all(|a| !a.starts_with("POST") && !a.contains("claim=")),
        "{:?}",
        fake.asked()
    );
    fake.say(&claim("pod", "Grace"));
    eventually("it is told", SECONDS, || {
        matches!(seat.check(), State::Ending { .. }).then_some(())
    });
    drop(seat);
    fake.follower_left();
    let e = m.pod("denoise").hold().unwrap_err();
    assert!(e.to_string().contains("no claim for this product"), "{e}");
    let e = m.pod("render").seats(3).hold().unwrap_err();
    assert!(
        matches!(
            e,
            Error::Disbelieved {
                why: Why::FewerSeats,
                ..
            }
        ),
        "{e}"
    );
}

#[test]
fn a_claim_of_another_name_is_asked_for_by_its_name() {
    let nightly = || {
        let c = with(claim("nightly", "Held"), "kind", "claim");
        // As an event of the whole.
        serde_json::json!({"name": "pod", "kind": "pod", "state": "Released", "licensed": false, "items": [], "and": c})
    };
    let event = move || {
        let pod = nightly();
        let claims = vec![with(pod.clone(), "and", ()), pod["and"].clone()];
        let text = String::from_utf8(status(&claims)).unwrap();
        let (_, data) = text.split_once("\r\n\r\n").unwrap();
        format!("HTTP/1.1 200 OK\r\n\r\nevent: status\ndata: {data}\n\n").into_bytes()
    };
    let fake = Scripted::new(move |r| match r.split_once("nonce=") {
        None if r.ends_with("/v1/events") => Reply::Bytes(event()),
        None => Reply::Bytes(status(&[claim("pod", "Held")])),
        Some((_, n)) => Reply::Bytes(answer(200, &token(n.split('&').next().unwrap(), "nightly"))),
    });
    let seat = fake.mooring().named("nightly", "render").hold().unwrap();
    assert!(seat.is_licensed());
    assert!(fake.asked().iter().any(|a| a.ends_with("&claim=nightly")));
}
