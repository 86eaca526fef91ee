//! What is wrong around a well-known module, where its own word says nothing: SoftHSM answers a
//! store that it may not read with "general error" or with no token at all, and OpenSC without a
//! pcscd sees no reader.

use std::path::{Path, PathBuf};

/// Where pcsc-lite looks for its daemon, if nothing else is said.
const PCSCD: &str = "/run/pcscd/pcscd.comm";
/// Where SoftHSM looks for its configuration, if nothing else is said.
const SOFTHSM: &str = "/etc/softhsm/softhsm2.conf";

/// What this process sees.
pub(super) struct Surroundings<'a> {
    pub(super) uid: u32,
    pub(super) variable: &'a dyn Fn(&str) -> Option<String>,
}

impl Surroundings<'_> {
    /// What to do about this module, if something around it is plainly wrong.
    pub(super) fn hint(&self, module: &Path) -> Option<String> {
        let name = module.file_name()?.to_str()?;
        if name.contains("softhsm") {
            self.softhsm()
        } else if name.contains("opensc") {
            self.pcscd()
        } else {
            None
        }
    }

    fn pcscd(&self) -> Option<String> {
        let socket = (self.variable)("PCSCLITE_CSOCK_NAME").unwrap_or_else(|| PCSCD.into());
        (!Path::new(&socket).exists()).then(|| {
            format!(
                "there is no pcscd here (no socket {socket}), and OpenSC sees no reader without one: on Kubernetes set \
                 anchor.pkcs11.pcscd: {{}} and deviceResource, or mount the node's /run/pcscd by template.hostPaths"
            )
        })
    }

    fn softhsm(&self) -> Option<String> {
        let uid = self.uid;
        let set = (self.variable)("SOFTHSM2_CONF");
        let conf = PathBuf::from(set.clone().unwrap_or_else(|| SOFTHSM.into()));
        let text = match std::fs::read_to_string(&conf) {
            Ok(text) => text,
            Err(_) if set.is_none() => {
                return Some(format!(
                    "SOFTHSM2_CONF is not set and {} cannot be read by UID {uid}: name SoftHSM's configuration by it (on \
                     Kubernetes by spec.template.env) and mount its folder (spec.template.hostPaths)",
                    conf.display()
                ));
            }
            Err(e) => {
                let conf = conf.display();
                return Some(format!(
                    "SOFTHSM2_CONF names {conf}, which UID {uid} cannot read: {e}"
                ));
            }
        };
        let store = |line: &str| {
            let (key, value) = line.split_once('=')?;
            (key.trim() == "directories.tokendir").then(|| PathBuf::from(value.trim()))
        };
        let Some(store) = text.lines().find_map(store) else {
            let conf = conf.display();
            return Some(format!("{conf} has no line directories.tokendir"));
        };
        let (shut, e) = unreadable(&store)?;
        let (shut, store) = (shut.display(), store.display());
        Some(format!(
            "SoftHSM's {shut} cannot be read by UID {uid}: {e}; the store must belong to it (chown -R {uid} {store}, where it \
             really is)"
        ))
    }
}

/// The first of a store's folders and files that cannot be opened.
fn unreadable(store: &Path) -> Option<(PathBuf, std::io::Error)> {
    let mut folders = vec![store.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(e) => return Some((folder, e)),
        };
        for path in entries.flatten().map(|e| e.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if let Err(e) = std::fs::File::open(&path) {
                return Some((path, e));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn hint(module: &str, variables: &[(&str, &Path)]) -> Option<String> {
        let variable = |name: &str| {
            let mut all = variables.iter();
            let (_, value) = all.find(|(n, _)| *n == name)?;
            Some(value.to_str()?.to_owned())
        };
        let here = Surroundings {
            uid: 65532,
            variable: &variable,
        };
        here.hint(Path::new(module))
    }

    #[test]
    fn what_is_missing_around_a_module_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let (conf, store) = (dir.path().join("conf"), dir.path().join("tokens"));
        let soft = "/usr/lib/softhsm/libsofthsm2.so";
        let set = [("SOFTHSM2_CONF", conf.as_path())];
        let says = |words: &str| {
            let said = hint(soft, &set).unwrap();
            assert!(said.contains(words), "{said}");
        };
        says("conf, which UID 65532 cannot read");
        std::fs::write(&conf, "objectstore.backend = file\n").unwrap();
        says("no line directories.tokendir");
        std::fs::write(
            &conf,
            format!("directories.tokendir = {}\n", store.display()),
        )
        .unwrap();
        says("tokens cannot be read by UID 65532");
        says("chown -R 65532");
        std::fs::create_dir_all(store.join("token")).unwrap();
        assert_eq!(hint(soft, &set), None);

        let opensc = "/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so";
        let socket = dir.path().join("pcscd.comm");
        let set = [("PCSCLITE_CSOCK_NAME", socket.as_path())];
        assert!(hint(opensc, &set).unwrap().contains("pcscd: {}"));
        std::fs::write(&socket, "").unwrap();
        assert_eq!(hint(opensc, &set), None);
        assert_eq!(hint("/opt/vendor.so", &[]), None);
    }
}
