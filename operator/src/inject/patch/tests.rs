#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use serde_json::json;

#[test]
fn what_is_there_already_needs_no_operation() {
    let mut d =
        Document::new(json!({"metadata": {"labels": {"a/b": "1"}}, "v": [{"name": "x", "y": 1}]}));
    d.set(&["metadata", "labels", "a/b"], json!("1")).unwrap();
    d.upsert(&["v"], "name", json!({"name": "x", "y": 1}))
        .unwrap();
    assert!(d.finish().0.is_empty());
}

#[test]
fn missing_parents_are_made_and_names_escaped() {
    let before = json!({"metadata": {"annotations": null}});
    let mut d = Document::new(before.clone());
    d.set(&["metadata", "labels", "mooring.dev/injected"], json!("1"))
        .unwrap();
    d.set(&["metadata", "annotations", "a~b"], json!("2"))
        .unwrap();
    d.upsert(&["spec", "volumes"], "name", json!({"name": "v"}))
        .unwrap();
    d.insert(&["spec", "volumes"], 0, json!({"name": "u"}))
        .unwrap();
    let (patch, after) = d.finish();
    assert_eq!(
        after,
        json!({"metadata": {"labels": {"mooring.dev/injected": "1"}, "annotations": {"a~b": "2"}}, "spec": {"volumes": [{"name": "u"}, {"name": "v"}]}})
    );
    let mut again = before;
    json_patch::patch(&mut again, &patch).unwrap();
    assert_eq!(again, after);
}

#[test]
fn an_element_is_replaced_in_its_place() {
    let mut d =
        Document::new(json!({"v": [{"name": "a"}, {"name": "b", "old": true}, {"name": "c"}]}));
    d.upsert(&["v"], "name", json!({"name": "b"})).unwrap();
    assert_eq!(
        d.finish().1,
        json!({"v": [{"name": "a"}, {"name": "b"}, {"name": "c"}]})
    );
}
