//! An order: what a vendor sells, in the form their people or their CRM write it, and how it
//! becomes a license. Pure. Every refusal names the field, its value and what was expected.

mod build;
mod read;

pub use build::{Weak, build};
pub use read::{
    Count, From, Order, OrderPolicy, OrderPool, OrderProduct, Versions, parse, product_flag,
};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("order field {field}: {problem}")]
pub struct OrderError {
    pub field: String,
    /// Its value, what is wrong with it, what was expected.
    pub problem: String,
}

fn refuse(field: impl Into<String>, problem: impl Into<String>) -> OrderError {
    OrderError {
        field: field.into(),
        problem: problem.into(),
    }
}
