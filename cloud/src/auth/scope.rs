//! Who asks, and for which customer: the key that every question to the database takes.
//!
//! Only [`crate::auth`] makes a [`Scope`], from a session or an API token that it has checked. A
//! question that takes one cannot be asked without, and answers for that customer alone.

use crate::db::Customer;
use crate::db::customers::Role;

/// The right to ask about one customer.
#[derive(Clone, Debug)]
pub struct Scope {
    customer: Customer,
    who: String,
    role: Role,
}

/// The right to change one customer's things, and to see what only administrators see.
#[derive(Clone, Copy, Debug)]
pub struct Admin<'a>(&'a Scope);

impl Scope {
    pub(super) const fn new(customer: Customer, who: String, role: Role) -> Self {
        Self { customer, who, role }
    }

    /// The service's own, which looks at a customer's alerts when nobody asks. It changes nothing
    /// that only administrators may.
    pub(crate) const fn of_service(customer: Customer) -> Self {
        Self { customer, who: String::new(), role: Role::Viewer }
    }

    /// Of whoever has a link to one call of a customer: nothing else is asked with it.
    pub(crate) fn of_share(customer: Customer, created_by: &str) -> Self {
        Self::new(customer, format!("link of {created_by}"), Role::Viewer)
    }

    /// The customer that all answers are about.
    #[must_use]
    pub const fn customer(&self) -> Customer {
        self.customer
    }

    /// A user's login, or `token NAME`.
    #[must_use]
    pub fn who(&self) -> &str {
        &self.who
    }

    /// What they may do.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// The rights of an administrator, for one who is.
    #[must_use]
    pub fn admin(&self) -> Option<Admin<'_>> {
        (self.role == Role::Admin).then_some(Admin(self))
    }
}

impl core::ops::Deref for Admin<'_> {
    type Target = Scope;

    fn deref(&self) -> &Scope {
        self.0
    }
}
