use super::*;
use proptest::prelude::*;

fn ok(s: &str) -> String {
    parse(s).map_or_else(|e| e.to_string(), |i| print(&i))
}

#[test]
fn reads_what_people_write() {
    assert_eq!(ok("render@2026.1:2,denoise"), "render@2026.1:2,denoise");
    assert_eq!(ok("render:1"), "render");
    assert_eq!(ok("a"), "a");
    assert_eq!(ok("render@2026.1:2, denoise"), "render@2026.1:2,denoise");
    assert_eq!(ok(" render ,  denoise "), "render,denoise");
    let vendors =
        "MATLAB,Vivado_System_Edition@v2029.01,85690DSPRM_F:3,pgc++@2019.2019,3D,_ep@1.000";
    assert_eq!(ok(vendors), vendors);
}

#[test]
fn what_people_write_instead_is_answered_with_what_to_write() {
    for (written, answer) in [
        (
            "fluids:2@2026",
            "character 9: '@', expected the version before the seats: fluids@2026:2",
        ),
        (
            "fluids;mesh",
            "character 7: ';', expected ',' and another product, '@' and a version, or ':' and a number of seats",
        ),
        (
            "render,Render",
            "character 8: Render again, expected each product once",
        ),
        ("fluids mesh", "character 7: ' ', expected ',' and another"),
        ("fluids=2", "character 7: '=', expected ',' and another"),
        (
            "mesh, fluids=2",
            "character 13: '=', expected ',' and another",
        ),
        (
            "flüids",
            "character 3: 'ü', expected a product's name (letters, digits",
        ),
        (
            "nastran@flex_host:2",
            "character 9: \"flex_host\", expected a version such as 2026.1 or v2026.1 after '@' (the license server is named by the annotation mooring.dev/server)",
        ),
        (
            "6000010:13",
            "character 1: \"6000010\", expected a product's name as the license has it, not digits alone (CodeMeter's",
        ),
        (
            "fluids:2 @2026",
            "character 9: ' ', expected a number of seats",
        ),
        (
            "-fluids",
            "character 1: \"-fluids\", expected a product's name",
        ),
        (" ", "character 2: nothing, expected a product's name"),
    ] {
        let said = ok(written);
        assert!(said.starts_with(answer), "{written:?}: {said}");
    }
}

#[test]
fn says_where_and_what_was_expected() {
    let at = |s: &str| parse(s).map_or_else(|e| e.at, |_| 0);
    assert_eq!(at(""), 1);
    assert_eq!(at("render:two"), 8);
    assert_eq!(at("render:0"), 8);
    assert_eq!(at("render:1000001"), 8);
    assert_eq!(at("render:+1"), 8);
    assert_eq!(at("render, Render"), 8);
    assert_eq!(at("render,,x"), 8);
    assert_eq!(at("render@"), 8);
    assert_eq!(at("render:2:3"), 9);
    assert_eq!(at("a,b,a"), 5);
    assert_eq!(at("über"), 1);
    let e = ok("render:two");
    assert_eq!(
        e,
        "character 8: 't', expected a number of seats from 1 to 1000000"
    );
    let many = (0..65)
        .map(|i| format!("p{i}"))
        .collect::<Vec<_>>()
        .join(",");
    assert!(ok(&many).contains("at most 64 products"), "{}", ok(&many));
    let (most, _) = many.rsplit_once(',').unwrap_or_default();
    assert_eq!(ok(most), most);
}

proptest! {
    #[test]
    fn what_is_read_prints_the_same_and_nothing_panics(s in "[a-c:,@0-3. A-B]{0,24}") {
        if let Ok(items) = parse(&s) {
            prop_assert_eq!(parse(&print(&items)), Ok(items));
        }
    }

    #[test]
    fn any_text_is_answered(s in any::<String>()) {
        let _ = parse(&s);
    }
}
