//! Who may have a call's packets or its sound, and on what terms of the customer; who may upgrade
//! sensors.

use ringside_protocol::retrieval::Action;
use ringside_protocol::time::UnixMicros;

use super::customers::{Role, audit};
use super::{Customer, Db, OptionalExtension, Result, params};
use crate::auth::Scope;

/// What a person may have of calls, and do to sensors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// Packets.
    pub packets: bool,
    /// Sound.
    pub audio: bool,
    /// Sound while the call lasts.
    pub live: bool,
    /// Links that show a call to whoever has them.
    pub share: bool,
    /// A restriction: the last digits of numbers are masked. Packets show them, so there are none.
    pub masked: bool,
    /// Have sensors install a release.
    pub upgrades: bool,
}

impl Rights {
    /// What people of a role have unless somebody says otherwise.
    #[must_use]
    pub const fn of_role(role: Role) -> Self {
        let is_admin = matches!(role, Role::Admin);
        Self {
            packets: is_admin,
            audio: is_admin,
            live: false,
            share: is_admin,
            masked: false,
            upgrades: is_admin,
        }
    }

    /// Reads their names, separated by spaces or commas; `None` where one is none.
    #[must_use]
    pub fn named(names: &str) -> Option<Self> {
        let mut rights = Self::default();
        for name in names.split([' ', ',']).filter(|name| !name.is_empty()) {
            match Action::named(name) {
                Some(action) => *rights.of_mut(action) = true,
                None if name == UPGRADES => rights.upgrades = true,
                None if name == SHARE => rights.share = true,
                None if name == MASKED => rights.masked = true,
                None => return None,
            }
        }
        Some(rights)
    }

    /// Whether they have this one.
    #[must_use]
    pub const fn allow(self, action: Action) -> bool {
        match action {
            Action::Packets => self.packets && !self.masked,
            Action::Audio => self.audio,
            Action::Live => self.live,
        }
    }

    /// The names of those of calls.
    #[must_use]
    pub fn names_of_calls(self) -> Vec<&'static str> {
        let allowed = Action::ALL.into_iter().filter(|action| self.allow(*action));
        allowed.map(Action::name).collect()
    }

    /// Their names.
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        let mut names = self.names_of_calls();
        names.extend(self.upgrades.then_some(UPGRADES));
        names.extend(self.share.then_some(SHARE));
        names.extend(self.masked.then_some(MASKED));
        names
    }

    const fn of_mut(&mut self, action: Action) -> &mut bool {
        match action {
            Action::Packets => &mut self.packets,
            Action::Audio => &mut self.audio,
            Action::Live => &mut self.live,
        }
    }
}

/// The name of [`Rights::upgrades`].
const UPGRADES: &str = "upgrades";

/// The right to make links that show a call.
const SHARE: &str = "share";

/// The restriction that masks numbers.
const MASKED: &str = "masked";

/// A customer's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Each use must give a reason.
    pub asks_reason: bool,
    /// The encrypted relay may be used.
    pub relay: bool,
}

/// What the person of a session may have.
///
/// # Errors
/// The database's.
pub fn rights(db: &Db, scope: &Scope) -> Result<Rights> {
    let reader = db.reader();
    let mut statement = reader.prepare_cached(
        "SELECT rights FROM user WHERE customer = ?1 AND lower(login) = lower(?2)",
    )?;
    let names: Option<String> = statement
        .query_row(params![scope.customer().0, scope.who()], |row| row.get(0))
        .optional()?;
    // A word that is no right gives none.
    Ok(names.and_then(|names| Rights::named(&names)).unwrap_or_default())
}

/// The terms of a customer.
///
/// # Errors
/// The database's.
pub fn terms(db: &Db, customer: Customer) -> Result<Terms> {
    let reader = db.reader();
    let mut statement =
        reader.prepare_cached("SELECT asks_reason, ways FROM customer WHERE customer = ?1")?;
    statement.query_row([customer.0], |row| {
        let ways: String = row.get(1)?;
        let relay = ways.split(' ').any(|word| word == "relay");
        Ok(Terms { asks_reason: row.get(0)?, relay })
    })
}

impl Db {
    /// Gives a person these rights and no others; false where nobody has that login.
    ///
    /// # Errors
    /// The database's.
    pub fn set_rights(
        &self,
        login: &str,
        rights: Rights,
        who: &str,
        now: UnixMicros,
    ) -> Result<bool> {
        self.write(|tx| {
            let names = rights.names().join(" ");
            let customer: Option<i64> = tx
                .query_row(
                    "UPDATE user SET rights = ?2 WHERE lower(login) = lower(?1) RETURNING customer",
                    params![login, names],
                    |row| row.get(0),
                )
                .optional()?;
            let Some(customer) = customer else { return Ok(false) };
            let detail = format!("{login}: {}", if names.is_empty() { "none" } else { &names });
            audit(tx, Some(Customer(customer)), now, who, "user.rights", &detail)?;
            Ok(true)
        })
    }

    /// Changes a customer's terms.
    ///
    /// # Errors
    /// The database's.
    pub fn set_terms(
        &self,
        customer: Customer,
        terms: Terms,
        who: &str,
        now: UnixMicros,
    ) -> Result<()> {
        self.write(|tx| {
            let ways = if terms.relay { "relay" } else { "" };
            tx.execute(
                "UPDATE customer SET asks_reason = ?2, ways = ?3 WHERE customer = ?1",
                params![customer.0, terms.asks_reason, ways],
            )?;
            let reason = if terms.asks_reason { "a reason is asked for" } else { "no reason" };
            let relay = if terms.relay { "allowed" } else { "forbidden" };
            let detail = format!("{reason}; encrypted relay {relay}");
            audit(tx, Some(customer), now, who, "customer.retrieval", &detail)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::scope_of_test;
    use crate::db::tests::Folder;

    const NOW: UnixMicros = UnixMicros(1_795_420_859_000_000);

    #[test]
    fn administrators_have_packets_and_sound_and_others_what_they_are_given() {
        let folder = Folder::new();
        let db = folder.open();
        let customer = db.create_customer("Acme", NOW).expect("a customer").expect("a name");
        let scope = scope_of_test(customer);
        assert_eq!(rights(&db, &scope).expect("an answer"), Rights::default(), "nobody");
        db.create_user(customer, "test", "x", Role::Admin, NOW).expect("a user");
        let admin = rights(&db, &scope).expect("an answer");
        assert_eq!(admin.names(), ["packets", "audio", "upgrades", "share"]);
        assert_eq!(admin.names_of_calls(), ["packets", "audio"]);
        let wanted = Rights::named("live,packets,upgrades").expect("names");
        assert!(db.set_rights("test", wanted, "somebody", NOW).expect("set"));
        assert_eq!(rights(&db, &scope).expect("an answer"), wanted);
        assert!(!db.set_rights("nobody", wanted, "somebody", NOW).expect("an answer"));
        assert_eq!(Rights::named("packets, everything"), None);
    }

    #[test]
    fn a_customer_may_ask_for_reasons_and_forbid_the_relay() {
        let folder = Folder::new();
        let db = folder.open();
        let customer = db.create_customer("Acme", NOW).expect("a customer").expect("a name");
        let first = terms(&db, customer).expect("terms");
        assert_eq!(first, Terms { asks_reason: false, relay: true });
        let strict = Terms { asks_reason: true, relay: false };
        db.set_terms(customer, strict, "somebody", NOW).expect("set");
        assert_eq!(terms(&db, customer).expect("terms"), strict);
    }
}
