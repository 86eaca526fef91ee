#![allow(clippy::unwrap_used)]
use super::shown::Besides;
use super::*;
use crate::age::{BootStamp, Given};
use crate::identity::Holder;
use crate::license::TokenDraw;
use crate::names::{BootId, ClaimName, InstanceId, LeaseId, PoolName};
use crate::request::{self, Item};
use crate::secret::{Secret, SecretHash};
use crate::time::{BootTime, Timestamp};
use std::time::Duration;

const KEY: [u8; 32] = [9; 32];

fn identity() -> Identity {
    Identity::new(&KEY, &[], "licensing/main")
}

fn given() -> Given {
    Given {
        at: Timestamp::from_second(1_700_000_000).unwrap(),
        stamp: Some(BootStamp {
            boot: BootId::from_bytes([5; 8]),
            ms: BootTime::from_millis(123_456_789),
        }),
    }
}

fn lease() -> LeaseReceipt {
    LeaseReceipt {
        lease: LeaseId::from_bytes([1; 16]),
        instance: InstanceId::from_bytes([2; 16]),
        given: given(),
        lease_for: Duration::from_secs(30),
        run_for: Duration::from_secs(8 * 3600),
        counter: 300,
        claims: None,
        family: Some("owner:u/owner".into()),
        handover: None,
        handed_ago: None,
        parts: vec![PartBefore {
            license: "L-2026-0001".into(),
            draws: vec![TokenDraw {
                pool: PoolName::new("render").unwrap(),
                seats: 2,
            }],
        }],
    }
}

fn ticket() -> Ticket {
    Ticket {
        instance: InstanceId::from_bytes([2; 16]),
        generation: 1_700_000_000_000,
        arrival: 17,
        lease: LeaseId::from_bytes([1; 16]),
        contested: true,
        claims: Some(3),
        given: given(),
        runs_for: Duration::from_secs(60),
        passed_for: Some(Duration::from_millis(1234)),
    }
}

/// A claim, as whoever shows it says it is.
struct Says {
    holder: Holder,
    claim: ClaimName,
    items: Vec<Item>,
    hash: SecretHash,
    secret: Option<Secret>,
    bind: Option<SecretHash>,
}

fn says() -> Says {
    let secret = Secret::from_bytes([3; 32]);
    Says {
        holder: Holder::Pod {
            namespace: "studio".into(),
            pod: "render-0".into(),
            uid: "u-1".into(),
            service_account: "default".into(),
            node: Some("n1".into()),
        },
        claim: ClaimName::pod(),
        items: request::parse("Render:2").unwrap(),
        hash: secret.hash(),
        secret: Some(secret),
        bind: None,
    }
}

impl Says {
    fn besides(&self) -> Besides<'_> {
        self.shown().besides().unwrap()
    }

    fn shown(&self) -> Shown<'_> {
        Shown {
            claim: &self.claim,
            items: &self.items,
            secret_hash: self.hash,
            secret: self.secret.as_ref(),
            bind: self.bind,
            holder: &self.holder,
        }
    }
}

#[test]
fn what_was_sealed_is_read_again_and_is_short() {
    let (id, says) = (identity(), says());
    let sealed = lease().seal(&id, &says.besides());
    assert_eq!(LeaseReceipt::open(&sealed, &id, &says.shown()), Ok(lease()));
    let text = String::from(sealed.clone());
    assert!(text.len() <= 160, "{} characters", text.len());
    assert_eq!(Sealed::try_from(text), Ok(sealed));
    let handover = LeaseReceipt {
        handover: Some(HandoverBefore {
            from: says.holder.key(),
            left: Duration::from_millis(54_321),
        }),
        handed_ago: Some(Duration::from_millis(5_679)),
        ..lease()
    };
    let sealed = handover.seal(&id, &says.besides());
    assert_eq!(
        LeaseReceipt::open(&sealed, &id, &says.shown()),
        Ok(handover)
    );
    let sealed = ticket().seal(&id, &says.besides());
    assert_eq!(Ticket::open(&sealed, &id, &says.shown()), Ok(ticket()));
}

#[test]
fn it_counts_for_nobody_and_nothing_else() {
    let (id, mine) = (identity(), says());
    let sealed = lease().seal(&id, &mine.besides());
    let place = ticket().seal(&id, &mine.besides());
    let other = Secret::from_bytes([4; 32]);
    type Case = (&'static str, fn(&mut Says));
    let cases: [Case; 8] = [
        ("holder", |s| {
            if let Holder::Pod { uid, .. } = &mut s.holder {
                *uid = "u-2".into();
            }
        }),
        ("namespace", |s| {
            if let Holder::Pod { namespace, .. } = &mut s.holder {
                *namespace = "other".into();
            }
        }),
        ("claim", |s| s.claim = "other".parse().unwrap()),
        ("seats", |s| s.items = request::parse("render:4").unwrap()),
        ("items", |s| {
            s.items = request::parse("render:2,denoise").unwrap();
        }),
        ("bind", |s| s.bind = Some(s.hash)),
        ("no secret", |s| s.secret = None),
        ("another secret", |s| {
            s.secret = Some(Secret::from_bytes([4; 32]));
        }),
    ];
    for (what, change) in cases {
        let mut s = says();
        change(&mut s);
        assert!(
            LeaseReceipt::open(&sealed, &id, &s.shown()).is_err(),
            "{what}"
        );
        assert!(Ticket::open(&place, &id, &s.shown()).is_err(), "{what}");
    }
    // Another's secret, and its hash with it.
    let s = Says {
        hash: other.hash(),
        secret: Some(other),
        ..says()
    };
    assert!(LeaseReceipt::open(&sealed, &id, &s.shown()).is_err());
    // The spelling of a product is none of its business.
    let s = Says {
        items: request::parse("RENDER:2").unwrap(),
        ..says()
    };
    assert!(LeaseReceipt::open(&sealed, &id, &s.shown()).is_ok());
}

#[test]
fn no_kind_is_taken_for_the_other_and_no_bit_may_change() {
    let (id, says) = (identity(), says());
    let (sealed, place) = (
        lease().seal(&id, &says.besides()),
        ticket().seal(&id, &says.besides()),
    );
    assert!(Ticket::open(&sealed, &id, &says.shown()).is_err());
    assert!(LeaseReceipt::open(&place, &id, &says.shown()).is_err());
    let bytes = sealed.as_bytes();
    for i in 0..bytes.len() * 8 {
        let mut forged = bytes.to_vec();
        forged[i / 8] ^= 1 << (i % 8);
        let forged = Sealed::from_bytes(&forged);
        assert!(
            LeaseReceipt::open(&forged, &id, &says.shown()).is_err(),
            "bit {i}"
        );
    }
    for n in 0..bytes.len() {
        let cut = Sealed::from_bytes(&bytes[..n]);
        assert!(
            LeaseReceipt::open(&cut, &id, &says.shown()).is_err(),
            "{n} bytes"
        );
    }
    let longer = Sealed::from_bytes(&[bytes, &[0]].concat());
    assert!(LeaseReceipt::open(&longer, &id, &says.shown()).is_err());
}

#[test]
fn another_server_or_key_takes_nothing_in_and_an_earlier_key_opens() {
    let says = says();
    let sealed = lease().seal(&identity(), &says.besides());
    let open = |id: &Identity| LeaseReceipt::open(&sealed, id, &says.shown());
    let elsewhere = Identity::new(&KEY, &[], "licensing/other");
    assert_eq!(open(&elsewhere), Err(BadReceipt::DoesNotFit.into()));
    let stranger = Identity::new(&[8; 32], &[], "licensing/main");
    assert_eq!(open(&stranger), Err(BadReceipt::OtherKey.into()));
    let renewed = Identity::new(&[8; 32], &[KEY], "licensing/main");
    assert_eq!(open(&renewed), Ok(lease()));
    // It seals with the first.
    let sealed = lease().seal(&renewed, &says.besides());
    let before = LeaseReceipt::open(&sealed, &identity(), &says.shown());
    assert_eq!(before, Err(BadReceipt::OtherKey.into()));
}

#[test]
fn holders_are_hidden_and_known_again_and_pins_have_a_key_of_their_own() {
    let (id, holder) = (identity(), says().holder);
    let hidden = id.hide(&holder);
    assert!(id.is(&holder, &hidden));
    let renewed = Identity::new(&[8; 32], &[KEY], "licensing/main");
    assert!(renewed.is(&holder, &hidden) && renewed.hide(&holder) != hidden);
    let keys = [KEY, id.pin_key(), renewed.pin_key()];
    assert!(keys[0] != keys[1] && keys[1] != keys[2]);
}
