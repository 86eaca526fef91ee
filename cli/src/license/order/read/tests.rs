#![allow(clippy::unwrap_used)]
use super::*;

fn error(products: &str) -> String {
    parse(&format!("id: x\nproducts:\n- name: render\n  {products}\n"))
        .unwrap_err()
        .to_string()
}

#[test]
fn what_cannot_be_read_says_where_and_what_was_expected() {
    for (bad, says) in [
        (
            "seats: ten",
            &[
                "products[0].seats",
                "ten",
                "a whole number from 0 to 1000000",
            ][..],
        ),
        ("seats: -1", &["products[0].seats", "-1", "a whole number"]),
        (
            "seats: 1000001",
            &["products[0].seats", "1000001", "a whole number"],
        ),
        ("seats: 1.5", &["products[0].seats", "1.5"]),
        ("seat: 1", &["products[0]", "seat", "seats"]),
        (
            "versions: 2024.10",
            &["products[0].versions", "2024.1", "2024.2..2026"],
        ),
        (
            "versions: {from: 2024.10}",
            &["products[0].versions", "in quotes"],
        ),
        (
            "versions: {form: \"1\"}",
            &["products[0].versions", "form", "from"],
        ),
        ("from: {pool: x}", &["products[0].from", "gpu+cpu:4"]),
        (
            "from: \"gpu:x\"",
            &["products[0].from", "gpu:x", "gpu+cpu:4"],
        ),
        ("countBy: core", &["products[0].countBy", "core", "claim"]),
    ] {
        let e = error(bad);
        assert!(says.iter().all(|s| e.contains(s)), "{bad}: {e}");
    }
    assert!(parse("").unwrap_err().to_string().contains("empty"));
    assert!(parse("- a").unwrap_err().to_string().contains("(all)"));
}

#[test]
fn short_forms_are_read() {
    let o = parse(
        "products:\n- {name: a, from: gpu}\n- {name: b, from: [\"gpu:2+cpu\", [{pool: all, weight: 3}]]}\n- {name: c, versions: 2024.10..}\n",
    )
    .unwrap();
    let from = |i: usize| -> Vec<Vec<Draw>> {
        let all = o.products[i].from.clone().unwrap().0;
        all.iter().map(|a| a.draws(|_| false)).collect()
    };
    assert_eq!(from(0)[0][0].weight, 1);
    assert_eq!(from(1)[0].len(), 2);
    assert_eq!(from(1)[1][0].weight, 3);
    assert_eq!(o.products[2].versions.from.as_deref(), Some("2024.10"));
    let p = product_flag("render@2024..2026:10").unwrap();
    assert_eq!(
        (p.seats, p.versions.to.as_deref()),
        (Some(Count(10)), Some("2026"))
    );
    assert!(product_flag("render").is_err() && product_flag("render@2024:1").is_err());
}
