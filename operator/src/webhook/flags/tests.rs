#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use clap::Parser;

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    flags: Flags,
}

fn parse(args: &[&str]) -> Result<Flags, String> {
    let args = ["x", "--sidecar-image", "s:1"]
        .into_iter()
        .chain(args.iter().copied());
    Cli::try_parse_from(args)
        .map(|c| c.flags)
        .map_err(|e| e.to_string())
}

#[test]
fn the_image_is_all_that_must_be_said() {
    let c = parse(&[]).unwrap().config("mooring-system").unwrap();
    assert_eq!(
        (
            c.settings.images.image.as_str(),
            c.settings.run_as_user,
            c.listen.port()
        ),
        ("s:1", Some(65532), 9443)
    );
    assert_eq!(c.default_server, None);
    assert!(Cli::try_parse_from(["x"]).is_err());
}

#[test]
fn bad_values_are_told_with_the_flag_and_what_was_expected() {
    for (args, text) in [
        (["--default-server", "main"], "expected namespace/name"),
        (["--sidecar-run-as-user", "0"], "expected a user id from 1"),
        (["--sidecar-image-pull-policy", "Sometimes"], "IfNotPresent"),
    ] {
        let e = parse(&args).unwrap_err();
        assert!(e.contains(args[0]) && e.contains(text), "{e}");
    }
    let c = parse(&[
        "--sidecar-run-as-user",
        "platform",
        "--default-server",
        "a/b",
    ])
    .unwrap()
    .config("n")
    .unwrap();
    assert_eq!(
        (c.settings.run_as_user, c.default_server),
        (None, Some(ServerRef::new("a", "b")))
    );
    let e = parse(&["--sidecar-memory-limit", "1x"])
        .unwrap()
        .config("n")
        .map(drop)
        .unwrap_err();
    assert!(
        e.contains("--sidecar") && e.contains("memory limit \"1x\""),
        "{e}"
    );
}
