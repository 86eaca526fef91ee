#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;

fn device(serial: Option<&str>) -> Device {
    Device {
        vendor_id: "1050".into(),
        product_id: "0407".into(),
        serial: serial.map(str::to_owned),
    }
}

/// A node, its labels, and what it reports; `None`: silent from the start, `Err`: a report that
/// has grown old.
type Node<'a> = (
    &'a str,
    &'a [String],
    Option<Result<&'a [Device], &'a [Device]>>,
);

fn planned(wanted: &[Device], nodes: &[Node<'_>]) -> Vec<String> {
    let mut labels = BTreeMap::new();
    let mut views = Views::new();
    for (name, there, says) in nodes {
        let there = there.iter().map(|l| (l.clone(), PRESENT.to_owned()));
        labels.insert((*name).to_owned(), there.collect());
        if let Some(says) = says {
            let (devices, fresh) = match says {
                Ok(d) => (d, true),
                Err(d) => (d, false),
            };
            let devices = devices.iter().cloned().collect();
            views.insert((*name).to_owned(), View { devices, fresh });
        }
    }
    let wanted = wanted.iter().cloned().collect();
    let word = |c: &Change| format!("{} {}{}", c.node, if c.set { "+" } else { "-" }, c.label);
    plan(&wanted, &labels, &views).iter().map(word).collect()
}

#[test]
fn the_label_follows_the_device() {
    let d = device(Some("A1"));
    let l = d.label();
    let (here, none) = ([d.clone()], [device(Some("A2"))]);
    let found = planned(
        std::slice::from_ref(&d),
        &[("a", &[], Some(Ok(&here))), ("b", &[], Some(Ok(&none)))],
    );
    assert_eq!(found, [format!("a +{l}")]);
    let moved = planned(
        std::slice::from_ref(&d),
        &[
            ("a", std::slice::from_ref(&l), Some(Ok(&[]))),
            ("b", &[], Some(Ok(&here))),
        ],
    );
    assert_eq!(moved, [format!("a -{l}"), format!("b +{l}")]);
    let settled = planned(
        std::slice::from_ref(&d),
        &[
            ("a", &[], Some(Ok(&[]))),
            ("b", std::slice::from_ref(&l), Some(Ok(&here))),
        ],
    );
    assert!(settled.is_empty(), "{settled:?}");
}

#[test]
fn a_silent_agent_changes_nothing_until_the_device_is_seen_elsewhere() {
    let d = device(Some("A1"));
    let l = d.label();
    let labelled = std::slice::from_ref(&l);
    let here = [d.clone()];
    for silent in [None, Some(Err(&here[..])), Some(Err(&[][..]))] {
        let alone = planned(
            std::slice::from_ref(&d),
            &[("a", labelled, silent), ("b", &[], Some(Ok(&[])))],
        );
        assert!(alone.is_empty(), "{alone:?}");
        let elsewhere = planned(
            std::slice::from_ref(&d),
            &[("a", labelled, silent), ("b", &[], Some(Ok(&here)))],
        );
        assert_eq!(elsewhere, [format!("a -{l}"), format!("b +{l}")]);
    }
    let old = planned(std::slice::from_ref(&d), &[("a", &[], Some(Err(&here)))]);
    assert!(old.is_empty(), "an old report sets nothing: {old:?}");
}

#[test]
fn without_a_serial_every_such_device_counts_and_none_drives_out_another() {
    let any = device(None);
    let l = any.label();
    let (one, two) = ([device(Some("A1"))], [device(None)]);
    let both = planned(
        std::slice::from_ref(&any),
        &[
            ("a", &[], Some(Ok(&one))),
            ("b", &[], Some(Ok(&two))),
            ("c", std::slice::from_ref(&l), None),
        ],
    );
    assert_eq!(both, [format!("a +{l}"), format!("b +{l}")]);
    let with_serial = planned(&[device(Some("A1"))], &[("b", &[], Some(Ok(&two)))]);
    assert!(with_serial.is_empty(), "{with_serial:?}");
}

#[test]
fn what_nobody_asks_for_is_removed_and_others_labels_are_left_alone() {
    let gone = device(Some("A1")).label();
    let there = [gone.clone(), "mooring.dev/anchor".to_owned()];
    assert_eq!(planned(&[], &[("a", &there, None)]), [format!("a -{gone}")]);
}

#[test]
fn another_value_of_our_label_is_put_right() {
    let d = device(None);
    let l = d.label();
    let nodes = BTreeMap::from([(
        "a".to_owned(),
        BTreeMap::from([(l.clone(), "perhaps".to_owned())]),
    )]);
    let change = |set| {
        vec![Change {
            node: "a".into(),
            label: l.clone(),
            set,
        }]
    };
    let wanted = BTreeSet::from([d.clone()]);
    assert_eq!(plan(&wanted, &nodes, &Views::new()), change(false));
    let view = View {
        devices: BTreeSet::from([d]),
        fresh: true,
    };
    let views = Views::from([("a".to_owned(), view)]);
    assert_eq!(plan(&wanted, &nodes, &views), change(true));
}

#[test]
fn a_serial_that_two_nodes_report_moves_nothing() {
    let d = device(Some("A1"));
    let l = d.label();
    let here = [d.clone()];
    let both = |there: &[String]| {
        planned(
            std::slice::from_ref(&d),
            &[
                ("a", there, Some(Ok(&here))),
                ("liar", &[], Some(Ok(&here))),
            ],
        )
    };
    assert!(
        both(std::slice::from_ref(&l)).is_empty(),
        "the label stays where it was"
    );
    assert!(both(&[]).is_empty(), "and comes to neither");
    let any = device(None);
    let found = planned(
        std::slice::from_ref(&any),
        &[("a", &[], Some(Ok(&here))), ("b", &[], Some(Ok(&here)))],
    );
    assert_eq!(
        found.len(),
        2,
        "of a device without a serial there may be several"
    );
}
