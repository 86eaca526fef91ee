//! `include/mooring.h` is what the Rust types say. After a change of them: `MOORING_UPDATE_HEADER=1
//! cargo test -p mooring-c --test header`, look at the difference, commit it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use cbindgen::{Builder, Config, DocumentationStyle, EnumConfig, Language, ParseConfig, Style};
use std::path::Path;

const ABOUT: &str = "/* Mooring's client library for C: takes a seat from the sidecar, proves it with the vendor's keys alone, and says at any moment
 * whether the application may go on. docs/client-c.md tells the whole story. Made from client/c/src; do not edit.
 *
 * Rules for pointers. Text is UTF-8 and ends with a zero byte. A pointer that must not be NULL and is gives MOORING_INVALID. What a
 * function fills in or reads must be as large as its `size` says; the ..._INIT macros set it. An object is used from any thread, and
 * by several at a time, until it is released or closed; then by none. No function throws, prints, or ends the process.
 *
 * Forks. A child has no seat: there the state is MOORING_WHY_FORKED, and the parent's seat stays the parent's. Take one in the child.
 */";

const MACROS: &str = "#define MOORING_OPTS_INIT(keys, keys_len, version, built) {sizeof(mooring_opts), (keys_len), (keys), (version), (built), 0, 0, 0}
#define MOORING_CLAIM_INIT(product) {sizeof(mooring_claim), 1, (product), 0, 0, 0, MOORING_OWN, 0}
#ifdef __cplusplus
#define MOORING_STATE_INIT {sizeof(mooring_state)}
#define MOORING_DETAILS_INIT {sizeof(mooring_details)}
#define MOORING_PROOF_INIT {sizeof(mooring_proof)}
#define MOORING_CLOCK_INIT(now) {sizeof(mooring_clock), 0, (now), 0, 0}
#else
#define MOORING_STATE_INIT {.size = sizeof(mooring_state)}
#define MOORING_DETAILS_INIT {.size = sizeof(mooring_details)}
#define MOORING_PROOF_INIT {.size = sizeof(mooring_proof)}
#define MOORING_CLOCK_INIT(now) {.size = sizeof(mooring_clock), .now_ms = (now)}
#endif";

fn made() -> String {
    let config = Config {
        language: Language::C,
        header: Some(ABOUT.into()),
        trailer: Some(MACROS.into()),
        include_guard: Some("MOORING_H".into()),
        includes: vec![],
        sys_includes: vec!["stdbool.h".into(), "stddef.h".into(), "stdint.h".into()],
        no_includes: true,
        cpp_compat: true,
        style: Style::Both,
        usize_is_size_t: true,
        line_length: 140,
        documentation_style: DocumentationStyle::C,
        enumeration: EnumConfig::default(),
        parse: ParseConfig::default(),
        ..Config::default()
    };
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs");
    let bindings = Builder::new().with_config(config).with_src(src).generate();
    let mut text = Vec::new();
    bindings
        .expect("the types can be said in C")
        .write(&mut text);
    let text = String::from_utf8(text).unwrap();
    // The macros belong inside the guard.
    let (text, macros) = text.split_once(GUARD_END).unwrap();
    compact(&format!(
        "{text}{}\n\n{}",
        macros.trim(),
        GUARD_END.trim_start()
    ))
}

const GUARD_END: &str = "\n#endif  /* MOORING_H */\n";

/// Comments of one line on one line.
fn compact(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut out = Vec::new();
    let mut rest = lines.as_slice();
    while let [line, after @ ..] = rest {
        rest = after;
        let comment = (line.trim() == "/*").then_some(after);
        if let Some([words, end, beyond @ ..]) =
            comment.filter(|a| a.get(1).is_some_and(|l| l.trim() == "*/"))
        {
            out.push(format!("{line} {} {}", words.trim(), end.trim()));
            rest = beyond;
        } else {
            out.push((*line).to_owned());
        }
    }
    out.join("\n") + "\n"
}

#[test]
fn the_header_is_what_the_types_say() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("include/mooring.h");
    let made = made();
    if std::env::var_os("MOORING_UPDATE_HEADER").is_some() {
        std::fs::write(&file, &made).unwrap();
    }
    assert!(
        std::fs::read_to_string(&file).unwrap_or_default() == made,
        "client/c/include/mooring.h is stale: MOORING_UPDATE_HEADER=1 cargo test -p mooring-c --test header, \
         look at the difference, commit it"
    );
}
