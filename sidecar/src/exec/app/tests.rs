#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

#[test]
fn it_is_found_as_a_shell_would_find_it() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    for (file, mode) in [
        (a.join("app"), 0o644),
        (b.join("app"), 0o755),
        (a.join("data"), 0o644),
    ] {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
    }
    let path = std::env::join_paths([&a, &b]).unwrap();
    let look = |name: &Path| find(name.as_os_str(), &path);
    assert_eq!(
        look(Path::new("app")),
        Ok(b.join("app")),
        "the first that can be run"
    );
    assert_eq!(look(&b.join("app")), Ok(b.join("app")));
    assert_eq!(
        look(Path::new("data")),
        Err(AppError::NotExecutable(a.join("data")))
    );
    assert_eq!(
        look(&a),
        Err(AppError::NotExecutable(a.clone())),
        "a folder is no program"
    );
    for missing in ["none", "", "/nowhere/app", "./app"] {
        assert_eq!(
            look(Path::new(missing)),
            Err(AppError::NotFound(missing.into()))
        );
    }
    assert_eq!(AppError::NotFound(a.clone()).code(), 127);
    assert_eq!(AppError::NotExecutable(a).code(), 126);
}
