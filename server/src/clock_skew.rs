//! Whose clock differs from this server's? As holders say; noticed and shown, not prevented: from a
//! day on, applications there take no proof (docs/formats.md, "The application's clock").

use mooring_core::identity::Holder;
use mooring_core::time::{BootTime, MAX_LEASE};
use mooring_core::wire::ClockSkew;

/// The worst that was told lately.
#[derive(Clone, Debug, Default)]
pub(crate) struct Skew(Option<(ClockSkew, BootTime)>);

impl Skew {
    /// A holder that is who it says has told of its clock, or tells of no difference.
    pub(crate) fn note(&mut self, holder: &Holder, ahead_secs: Option<i64>, now: BootTime) {
        let shown = self.shown(now);
        let worst = shown.filter(|s| s.holder != *holder);
        let Some(ahead_secs) = ahead_secs else {
            if worst.is_none() {
                self.0 = None;
            }
            return;
        };
        if worst.is_none_or(|w| w.ahead_secs.unsigned_abs() <= ahead_secs.unsigned_abs()) {
            let holder = holder.clone();
            self.0 = Some((ClockSkew { holder, ahead_secs }, now));
        }
    }

    /// Until its holder would have renewed and does not say it any more.
    pub(crate) fn shown(&self, now: BootTime) -> Option<&ClockSkew> {
        let (skew, at) = self.0.as_ref()?;
        (now.since(*at) <= MAX_LEASE).then_some(skew)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn t(secs: u64) -> BootTime {
        BootTime::from_millis(secs * 1000)
    }

    fn holder(subject: &str) -> Holder {
        let subject = subject.into();
        Holder::External { subject }
    }

    #[test]
    fn the_worst_is_shown_until_it_is_told_no_more() {
        let (a, b) = (holder("a"), holder("b"));
        let mut skew = Skew::default();
        let shown = |s: &Skew, now| s.shown(t(now)).map(|s| s.ahead_secs);
        skew.note(&a, None, t(1));
        assert_eq!(shown(&skew, 1), None);
        skew.note(&a, Some(-7200), t(1));
        skew.note(&b, Some(3600), t(2));
        skew.note(&b, None, t(2));
        assert_eq!(
            shown(&skew, 2),
            Some(-7200),
            "another's is smaller, or none"
        );
        skew.note(&b, Some(9000), t(3));
        assert_eq!(shown(&skew, 3), Some(9000));
        skew.note(&b, Some(4000), t(4));
        assert_eq!(shown(&skew, 4), Some(4000), "its own is taken as it is");
        assert_eq!(shown(&skew, 304), Some(4000));
        assert_eq!(shown(&skew, 305), None, "it renews no more");
        skew.note(&b, Some(4000), t(400));
        skew.note(&b, None, t(401));
        assert_eq!(shown(&skew, 401), None, "its clock was set");
    }
}
