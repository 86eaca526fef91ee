//! Where volumes are mounted, compared as the kernel would.

/// A path without what it does not need: `/run//mooring/.` is `/run/mooring`, and `/var/run` is
/// `/run`, as it is in most images.
pub(super) fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    if parts.starts_with(&["var", "run"]) {
        parts.remove(0);
    }
    format!("/{}", parts.join("/"))
}

/// Whether a normal path is another one, or below it.
pub(super) fn is_within(path: &str, above: &str) -> bool {
    let rest = path.strip_prefix(above.trim_end_matches('/'));
    rest.is_some_and(|r| r.is_empty() || r.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_compared_without_what_they_do_not_need() {
        for (path, normal_path) in [
            ("/run/mooring", "/run/mooring"),
            ("/run//mooring/./", "/run/mooring"),
            ("/x/../run/mooring", "/run/mooring"),
            ("/var/run/", "/run"),
            ("/", "/"),
            ("", "/"),
        ] {
            assert_eq!(normal(path), normal_path, "{path}");
        }
        assert!(is_within("/run/mooring", "/run") && is_within("/run", "/run"));
        assert!(is_within("/run", "/"));
        assert!(!is_within("/running", "/run") && !is_within("/run", "/run/mooring"));
    }
}
