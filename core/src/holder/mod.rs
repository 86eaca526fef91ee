//! The holder.
