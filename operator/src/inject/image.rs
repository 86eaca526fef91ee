//! Which images are ours: mirrors and policies write them otherwise than we do.

/// A reference of an image: `registry/path/name:tag@digest`.
#[derive(Debug, PartialEq, Eq)]
struct Reference<'a> {
    /// The last part of its path.
    name: &'a str,
    tag: Option<&'a str>,
    digest: Option<&'a str>,
}

impl<'a> Reference<'a> {
    fn read(text: &'a str) -> Self {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        let last = rest.rsplit('/').next().unwrap_or_default();
        let (name, tag) = match last.split_once(':') {
            Some((name, tag)) => (name, Some(tag)),
            None => (last, None),
        };
        Self { name, tag, digest }
    }
}

/// The sidecar's image, and what else may stand for it.
#[derive(Clone, Debug)]
pub struct Images {
    /// What the webhook writes.
    pub image: String,
    /// Others that the installation names, each as it is written.
    pub also: Vec<String>,
}

impl Images {
    /// Whether somebody who took this image took ours, from wherever: its name is ours, and so is
    /// the tag or the digest. A digest that we do not know, in the place of the tag, may be any.
    pub(super) fn are_ours(&self, image: &str) -> bool {
        if image == self.image || self.also.iter().any(|a| a == image) {
            return true;
        }
        let (ours, there) = (Reference::read(&self.image), Reference::read(image));
        let same = |a: Option<&str>, b: Option<&str>| a.is_some() && a == b;
        let digest = match (ours.digest, there.digest) {
            (Some(a), Some(b)) => a == b,
            _ => same(ours.tag, there.tag),
        };
        ours.name == there.name && digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_ours_by_its_name_and_its_tag_or_digest() {
        let images = |image: &str| Images {
            image: image.to_owned(),
            also: vec!["corp/licensing@sha256:c".into()],
        };
        let tagged = images("ghcr.io/mooring/sidecar:0.1.0");
        for ours in [
            "ghcr.io/mooring/sidecar:0.1.0",
            "mirror:5000/ghcr.io/mooring/sidecar:0.1.0",
            "sidecar:0.1.0",
            "mirror/sidecar:0.1.0@sha256:a",
            "corp/licensing@sha256:c",
        ] {
            assert!(tagged.are_ours(ours), "{ours}");
        }
        for other in [
            "mirror/sidecar:0.2.0",
            "mirror/sidecar",
            "mirror/sidecar@sha256:a",
            "mirror/other:0.1.0",
            "sidecar:0.1.0/evil",
            "",
        ] {
            assert!(!tagged.are_ours(other), "{other}");
        }
        let digested = images("mooring/sidecar@sha256:a");
        assert!(digested.are_ours("mirror/mooring/sidecar:0.1.0@sha256:a"));
        assert!(!digested.are_ours("mirror/mooring/sidecar@sha256:b"));
        assert!(!digested.are_ours("mirror/mooring/sidecar:0.1.0"));
    }
}
