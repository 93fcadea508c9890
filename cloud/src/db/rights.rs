//! Who may have a call's packets or its sound, and on what terms of the customer; who may upgrade
//! sensors.

use ringside_protocol::retrieval::Action;
use ringside_protocol::time::UnixMicros;

use super::customers::{Role, audit};
use super::{Customer, Db, OptionalExtension, Result, params, rules};
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
    /// People may be sent to the sensors' own pages.
    pub direct: bool,
    /// People with that right may listen to calls in progress.
    pub live: bool,
    /// Minutes for which sensors hold calls that no rule keeps; 0: not at all.
    pub recent_minutes: u16,
}

/// Minutes for which calls without a rule may be held, at most.
pub const MAX_RECENT_MINUTES: u16 = 60;

/// What is to be another way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TermsChange {
    /// [`Terms::asks_reason`].
    pub asks_reason: Option<bool>,
    /// [`Terms::relay`].
    pub relay: Option<bool>,
    /// [`Terms::direct`].
    pub direct: Option<bool>,
    /// [`Terms::live`].
    pub live: Option<bool>,
    /// [`Terms::recent_minutes`].
    pub recent_minutes: Option<u16>,
}

impl Terms {
    /// These terms, but for what changes.
    #[must_use]
    pub fn with(self, change: TermsChange) -> Self {
        let TermsChange { asks_reason, relay, direct, live, recent_minutes } = change;
        Self {
            asks_reason: asks_reason.unwrap_or(self.asks_reason),
            relay: relay.unwrap_or(self.relay),
            direct: direct.unwrap_or(self.direct),
            live: live.unwrap_or(self.live),
            recent_minutes: recent_minutes.unwrap_or(self.recent_minutes).min(MAX_RECENT_MINUTES),
        }
    }

    /// In one line, for the audit log and the command line.
    #[must_use]
    pub fn sentence(self) -> String {
        let reason =
            if self.asks_reason { "each use needs a reason" } else { "no reason is asked for" };
        let allowed = |is| if is { "allowed" } else { "forbidden" };
        let recent = match self.recent_minutes {
            0 => "calls without a rule are not held".to_owned(),
            minutes => format!("calls without a rule are held for {minutes} min"),
        };
        format!(
            "{reason}; encrypted relay {}; direct {}; calls in progress {}; {recent}",
            allowed(self.relay),
            allowed(self.direct),
            allowed(self.live)
        )
    }
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
    let mut statement = reader.prepare_cached(
        "SELECT asks_reason, ways, direct, live, recent_minutes FROM customer WHERE customer = ?1",
    )?;
    statement.query_row([customer.0], |row| {
        let ways: String = row.get(1)?;
        Ok(Terms {
            asks_reason: row.get(0)?,
            relay: ways.split(' ').any(|word| word == "relay"),
            direct: row.get(2)?,
            live: row.get(3)?,
            recent_minutes: row.get(4)?,
        })
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
            let before: u16 = tx.query_row(
                "SELECT recent_minutes FROM customer WHERE customer = ?1",
                [customer.0],
                |row| row.get(0),
            )?;
            if before != terms.recent_minutes {
                rules::count_change(tx, customer)?;
            }
            let ways = if terms.relay { "relay" } else { "" };
            tx.execute(
                "UPDATE customer SET asks_reason = ?2, ways = ?3, direct = ?4, live = ?5, \
                 recent_minutes = ?6 WHERE customer = ?1",
                params![
                    customer.0,
                    terms.asks_reason,
                    ways,
                    terms.direct,
                    terms.live,
                    terms.recent_minutes
                ],
            )?;
            audit(tx, Some(customer), now, who, "customer.retrieval", &terms.sentence())
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
    fn a_customer_may_ask_for_reasons_and_forbid_each_way() {
        let folder = Folder::new();
        let db = folder.open();
        let customer = db.create_customer("Acme", NOW).expect("a customer").expect("a name");
        let first = terms(&db, customer).expect("terms");
        let usual =
            Terms { asks_reason: false, relay: true, direct: true, live: false, recent_minutes: 0 };
        assert_eq!(first, usual);
        let change = TermsChange {
            asks_reason: Some(true),
            relay: Some(false),
            direct: Some(false),
            live: Some(true),
            recent_minutes: Some(MAX_RECENT_MINUTES + 1),
        };
        let strict = first.with(change);
        assert_eq!(strict.recent_minutes, MAX_RECENT_MINUTES);
        assert_eq!(strict.with(TermsChange::default()), strict);
        db.set_terms(customer, strict, "somebody", NOW).expect("set");
        assert_eq!(terms(&db, customer).expect("terms"), strict);
    }
}
