//! The lines it writes.

use mooring_client::boot;
use mooring_net::clock;
use serde_json::{Value, json};

/// Writes `{"bootMs":…, key: value}` as one line.
pub(crate) fn line(key: &str, value: &Value) {
    let line = json!({ "bootMs": boot().as_millis(), key: value });
    write(&mut std::io::stdout().lock(), &line);
}

/// The same with all that tells one pod, boot and day from another.
pub(crate) fn full_line(key: &str, value: &Value) {
    let mut whole = json!({ "bootMs": boot().as_millis(), key: value });
    if let Some(fields) = whole.as_object_mut() {
        fields.insert("boot".into(), clock::boot_id().to_string().into());
        fields.insert("wall".into(), clock::now().wall.to_string().into());
        let pod = std::env::var("POD_NAME").unwrap_or_default();
        fields.insert("pod".into(), pod.into());
    }
    write(&mut std::io::stdout().lock(), &whole);
}

/// Writes the last line and ends the process; nothing can be written after it.
pub(crate) fn end(why: &str) -> ! {
    let mut out = std::io::stdout().lock();
    let line = json!({ "bootMs": boot().as_millis(), "end": true, "why": why });
    write(&mut out, &line);
    // The lock is held to the very end.
    std::process::exit(0)
}

fn write(out: &mut impl std::io::Write, value: &Value) {
    // A log that nobody takes is no reason to stop: the process's life is part of what is tested.
    let _ = writeln!(out, "{value}").and_then(|()| out.flush());
}
