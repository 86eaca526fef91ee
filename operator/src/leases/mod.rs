//! LicenseLease objects: what a license server knows, for people, tools and the roster.
//!
//! [`plan`] decides from the facts about one holder what is to be written; it is pure. Promises:
//! one object per pod, named after it; a write on each change of state and none per renewal; a
//! deleted or edited mirror is written anew; what the server does not know and no pod stands for is
//! removed; and while a server does not serve its mirrors say so, once ([`outage`]). [`notes`] are
//! the Events that go with a change; [`revoked`] is what people write into a mirror.

mod cut_off;
mod known;
mod lost;
mod name;
mod notes;
mod object;
mod outage;
mod plan;
mod revoked;
mod write;

pub use known::{Known, about};
pub use lost::{Eviction, eviction};
pub use notes::{Note, WAITING, evicted, refused, waits_for_itself};
pub use object::holder_in;
pub use outage::{Service, Trouble};
pub use plan::{LeaseFacts, Step, again, plan};
pub use revoked::{Listed, RevocationDue, due, is_its_holders, noted, to_take_back};
pub use write::{Writer, publish};
