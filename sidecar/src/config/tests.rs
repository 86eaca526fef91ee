#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;

const ROOT: &str = include_str!("../../tests/data/root.pem");

fn args() -> HoldArgs {
    HoldArgs {
        licenses: "render:2".into(),
        server: "https://main.licensing.svc:8443".into(),
        addresses: "10.0.0.1:8443, [fd00::1]:8443".into(),
        roots: ROOT.into(),
        start: "licensed".into(),
        contact_timeout: "15s".into(),
        max_grace: "8h".into(),
        ..HoldArgs::default()
    }
}

fn told(mode: Mode, change: impl FnOnce(&mut HoldArgs)) -> Result<Config, String> {
    let mut a = args();
    change(&mut a);
    Config::from_args(&a, mode).map_err(|e| e.to_string())
}

fn refused(change: impl FnOnce(&mut HoldArgs)) -> String {
    told(Mode::Run, change).map(|_| ()).unwrap_err()
}

#[test]
fn a_good_configuration_is_taken() {
    let c = Config::from_args(&args(), Mode::Run).unwrap();
    assert_eq!(c.start, Start::Licensed);
    assert_eq!(c.project, None);
    let tagged = told(Mode::Run, |a| a.project = "falcon".into());
    let project = tagged.unwrap().project;
    assert_eq!(project.as_ref().map(ProjectName::as_str), Some("falcon"));
    assert_eq!(c.servers[0].client.server(), "main.licensing.svc:8443");
    assert!(
        matches!(&c.servers[0].credentials, Credentials::TokenFile(f) if f == Path::new(POD_TOKEN))
    );
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/root.pem");
    told(Mode::Run, |a| a.roots = file.into()).unwrap();
}

#[test]
fn a_bad_value_names_its_variable_and_what_was_expected() {
    let e = refused(|a| a.licenses = "render:two".into());
    assert_eq!(
        e,
        "MOORING_LICENSES: \"render:two\": character 8: 't', expected a number of seats from 1 to 1000000"
    );
    let e = refused(|a| a.server = "http://main:8443".into());
    assert_eq!(
        e,
        "MOORING_SERVER: \"http://main:8443\": expected https://‹name›:‹port›"
    );
    let e = refused(|a| a.roots = "nonsense".into());
    assert!(
        e.starts_with("MOORING_ROOTS: \"nonsense\": No such file") && e.contains("PEM text"),
        "{e}"
    );
    let e = refused(|a| a.roots = "-----BEGIN NOTHING-----\n".into());
    assert!(
        e.starts_with("MOORING_ROOTS: root certificate") && e.contains("PEM text"),
        "{e}"
    );
    let unset = "MOORING_ROOTS: is not set; mooring-sidecar run --help says what it is";
    assert_eq!(refused(|a| a.roots = "".into()), unset);
    assert!(
        refused(|a| a.addresses = "localhost:8443".into())
            .contains("MOORING_ADDRESSES: \"localhost:8443\": expected")
    );
    assert!(refused(|a| a.start = "later".into()).starts_with("MOORING_START: \"later\""));
    assert_eq!(
        refused(|a| a.project = "Falcon 9".into()),
        "MOORING_PROJECT: project \"Falcon 9\": expected 1 to 63 of a-z, 0-9 and '-', beginning and ending with a letter or digit"
    );
    assert_eq!(
        refused(|a| a.optimistic_start = "no".into()),
        "MOORING_OPTIMISTIC_START: \"no\": expected \"allow\", \"voucher\" or \"deny\""
    );
    told(Mode::Run, |a| {
        a.voucher = "-----BEGIN MOORING VOUCHER-----".into();
    })
    .unwrap();
    assert!(
        refused(|a| a.contact_timeout = "0s".into())
            .contains("MOORING_CONTACT_TIMEOUT: \"0s\": expected 1s to 60s")
    );
    assert!(
        refused(|a| a.max_grace = "0s".into())
            .starts_with("MOORING_MAX_GRACE: \"0s\": expected 1s")
    );
    assert!(refused(|a| a.socket = Some("m.sock".into())).starts_with("MOORING_SOCKET:"));
}

#[test]
fn outside_of_a_pod_somebody_must_say_who_this_is() {
    let exec = |change: fn(&mut HoldArgs)| told(Mode::Exec, change).map(|_| ()).unwrap_err();
    let e = exec(|_| ());
    assert!(
        e.starts_with("--token-file, MOORING_TOKEN_FILE: is not set"),
        "{e}"
    );
    let e = exec(|a| a.client_cert = Some("c".into()));
    assert_eq!(
        e,
        "--client-key, MOORING_CLIENT_KEY: is not set beside the certificate"
    );
    let e = exec(|a| {
        a.client_cert = Some("/nowhere/c".into());
        a.client_key = Some("/nowhere/k".into());
    });
    assert!(
        e.contains("client certificate: /nowhere/c: No such file"),
        "{e}"
    );
    let e = exec(|a| {
        a.token_file = "t".into();
        a.client_cert = Some("c".into());
    });
    assert!(e.contains("expected one of them"), "{e}");
    let e = exec(|a| {
        a.token_file = "t".into();
        a.voucher = "-----BEGIN MOORING VOUCHER-----".into();
    });
    assert!(
        e.starts_with("--voucher, MOORING_VOUCHER: not a voucher: expected a line"),
        "{e}"
    );
    let e = exec(|a| a.max_grace = "x".into());
    assert!(e.starts_with("--grace, MOORING_MAX_GRACE: "), "{e}");
}

#[test]
fn a_product_of_several_vendors_servers_stands_in_one_entry_or_in_the_same() {
    let of = |licenses: &str| {
        let several = |a: &mut HoldArgs| {
            a.server = "https://a:8443;https://b:8443;https://c:8443".into();
            a.addresses = "".into();
            a.licenses = licenses.into();
        };
        told(Mode::Run, several).map(|c| parts(&c.items))
    };
    assert_eq!(of("render"), Ok(vec![0, 0, 0]));
    assert_eq!(of("x;y;x"), Ok(vec![0, 1, 0]));
    assert_eq!(of("x;y;z"), Ok(vec![0, 1, 2]));
    for (licenses, product) in [("x;x:2;y", "x"), ("x,y;z,y;w", "y"), ("w;x,y;v,X", "X")] {
        let said = of(licenses).unwrap_err();
        let start = format!("MOORING_LICENSES: {product}: is asked of several servers");
        assert!(said.starts_with(&start), "{licenses}: {said}");
    }
    assert!(of("x;y").unwrap_err().contains("has 2 entries"));
}
