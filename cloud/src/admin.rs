//! `ringside-cloud admin …`: the first customer, the first person, and what scripts do.
//!
//! It works on the same database as the service, while that runs or not.

mod packages;

use std::io::{BufRead, Write};
use std::path::Path;

use data_encoding::HEXLOWER;
use ring::rand::{SecureRandom, SystemRandom};
use ringside_protocol::cdr::Fingerprint;
use ringside_protocol::time::UnixMicros;
use ringside_protocol::token::Token;

use crate::cli::Admin;
use crate::config::dial;
use crate::db::customers::Role;
use crate::db::rights::{self, Rights, TermsChange};
use crate::db::sensors::Sensor;
use crate::db::{Customer, Db, Place};
use crate::{identity, password};

/// Who the audit log says it was.
const WHO: &str = "command line";

/// The fewest digits by which a device can be named.
const MIN_ID_DIGITS: usize = 4;

/// Does one thing in the database at `place` or in `data`, and tells on `out`.
///
/// # Errors
/// One sentence that says what to do.
pub fn run(
    (place, data): (&Place, &Path),
    admin: Admin,
    now: UnixMicros,
    input: &mut dyn BufRead,
    out: &mut dyn Write,
) -> Result<(), String> {
    // The first customer may come before the first start; everything else would only find nothing.
    if !matches!(admin, Admin::CustomerAdd(_)) && !identity::has_database(place, data) {
        return Err(format!(
            "there is no database in {}: name the service's folder with --data, or begin with \
             `ringside-cloud admin customer add`",
            data.display()
        ));
    }
    let db = identity::open_database(place, data)?;
    let said = match admin {
        Admin::CustomerAdd(name) => add_customer(&db, &name, now)?,
        Admin::CustomerList => list_customers(&db)?,
        Admin::UserAdd { customer, login, role, from_stdin } => {
            let customer = find_customer(&db, &customer)?;
            let password = choose_password(from_stdin, input)?;
            add_user(&db, customer, &login, role, &password, now)?
        }
        Admin::UserList { customer } => list_users(&db, customer.as_deref())?,
        Admin::UserRights { login, rights } => set_rights(&db, &login, rights, now)?,
        Admin::CustomerRetrieval { customer, change } => {
            let customer = find_customer(&db, &customer)?;
            set_terms(&db, customer, change, now)?
        }
        Admin::UserPasswd { login, from_stdin } => {
            let password = choose_password(from_stdin, input)?;
            set_password(&db, &login, &password, now)?
        }
        Admin::TokenNew { customer, server } => {
            let customer = find_customer(&db, &customer)?;
            make_token(&db, data, customer, server, now)?
        }
        Admin::NumberErase { customer, number } => {
            let customer = find_customer(&db, &customer)?;
            let erased = db.erase_number(customer, &number, WHO, now).map_err(words)?;
            format!(
                "{} calls and {} records of registrations are erased\n",
                erased.calls, erased.registrations
            )
        }
        Admin::PackageAdd { file, key } => packages::add(&db, &file, key.as_deref(), now)?,
        Admin::PackageList => packages::list(&db)?,
        Admin::PackageRemove(id) => packages::remove(&db, id, now)?,
        Admin::SensorList { customer } => list_sensors(&db, customer.as_deref(), now)?,
        Admin::SensorRevoke(id) => {
            let sensor = find_sensor(&db, &id)?;
            db.revoke_sensor(sensor.device, WHO, now).map_err(words)?;
            format!("{} ({}) is shut out; a new token lets it join again\n", sensor.name, id)
        }
        Admin::SensorRemove(id) => {
            let sensor = find_sensor(&db, &id)?;
            db.remove_sensor(sensor.device, WHO, now).map_err(words)?;
            format!("{} ({}) is removed; its number and channels are free\n", sensor.name, id)
        }
    };
    out.write_all(said.as_bytes()).map_err(|error| format!("nothing can be written: {error}"))
}

fn add_customer(db: &Db, name: &str, now: UnixMicros) -> Result<String, String> {
    match db.create_customer(name, now).map_err(words)? {
        Some(_) => Ok(format!("customer {name} added\n")),
        None => Err(format!("there is a customer {name} already: choose another name")),
    }
}

fn list_customers(db: &Db) -> Result<String, String> {
    let rows = db
        .customers()
        .map_err(words)?
        .into_iter()
        .map(|row| [row.name, row.channels.to_string(), row.created_at.to_date()]);
    Ok(table(["CUSTOMER", "CHANNELS", "SINCE"], rows))
}

fn add_user(
    db: &Db,
    customer: Customer,
    login: &str,
    role: Role,
    password: &Password,
    now: UnixMicros,
) -> Result<String, String> {
    let hash = password::hash(&password.text)?;
    if !db.create_user(customer, login, &hash, role, now).map_err(words)? {
        return Err(format!("the login {login} is taken: choose another"));
    }
    Ok(format!("{} {login} added\n{}", role.name(), password.told()))
}

fn list_users(db: &Db, customer: Option<&str>) -> Result<String, String> {
    let customer = customer.map(|name| find_customer(db, name)).transpose()?;
    let rows = db
        .list_users(customer)
        .map_err(words)?
        .into_iter()
        .map(|row| [row.login, row.customer, row.role, row.created_at.to_date()]);
    Ok(table(["LOGIN", "CUSTOMER", "ROLE", "SINCE"], rows))
}

fn set_rights(db: &Db, login: &str, rights: Rights, now: UnixMicros) -> Result<String, String> {
    if !db.set_rights(login, rights, WHO, now).map_err(words)? {
        return Err(format!("there is no user {login}: `admin user list` shows them"));
    }
    let names = rights.names();
    let names = if names.is_empty() { "nothing".to_owned() } else { names.join(" and ") };
    Ok(format!("{login} has: {names}\n"))
}

fn set_terms(
    db: &Db,
    customer: Customer,
    change: TermsChange,
    now: UnixMicros,
) -> Result<String, String> {
    let terms = rights::terms(db, customer).map_err(words)?.with(change);
    db.set_terms(customer, terms, WHO, now).map_err(words)?;
    Ok(format!("{}\n", terms.sentence()))
}

fn set_password(
    db: &Db,
    login: &str,
    password: &Password,
    now: UnixMicros,
) -> Result<String, String> {
    let hash = password::hash(&password.text)?;
    if !db.set_user_password(login, &hash, now).map_err(words)? {
        return Err(format!("there is no login {login}: see `ringside-cloud admin user list`"));
    }
    Ok(format!("{login} has a new password and is logged out everywhere\n{}", password.told()))
}

fn make_token(
    db: &Db,
    data: &Path,
    customer: Customer,
    server: Option<(String, u16)>,
    now: UnixMicros,
) -> Result<String, String> {
    let known = identity::known(db, data)?;
    let (host, port) = server.unwrap_or((known.host, known.port));
    let mut secret = [0; 16];
    SystemRandom::new().fill(&mut secret).map_err(|_| "the system gives no random bytes")?;
    let expires_at = db.create_enrolment_token(customer, &secret, WHO, now).map_err(words)?;
    let ca_key_sha256 = known.ca_key_sha256;
    let server = dial(&host, port);
    let token = Token { ca_key_sha256, secret, port, host };
    Ok(format!(
        "{token}\n\non the sensor's machine, before {}:\n  ringside-sensor enrol --server {server} \
         --token {token}\n",
        expires_at.to_date()
    ))
}

fn list_sensors(db: &Db, customer: Option<&str>, now: UnixMicros) -> Result<String, String> {
    let customers = db.customers().map_err(words)?;
    let only = customer.map(|name| find_customer(db, name)).transpose()?;
    let rows = db.list_sensors(only).map_err(words)?.into_iter().map(|sensor| {
        let owner = customers.iter().find(|row| row.customer == sensor.customer);
        [
            sensor.device.to_string(),
            owner.map_or_else(String::new, |row| row.name.clone()),
            sensor.id_sensor.map_or_else(|| "-".to_owned(), |number| number.to_string()),
            state(&sensor, now),
            sensor.name,
        ]
    });
    Ok(table(["ID", "CUSTOMER", "NUMBER", "STATE", "NAME"], rows))
}

/// In one or two words; the step that failed, if one did.
fn state(sensor: &Sensor, now: UnixMicros) -> String {
    if sensor.is_revoked {
        return "revoked".to_owned();
    }
    if let Some((_, failure)) = &sensor.failure {
        return format!("failed:{}", failure.step());
    }
    match sensor.seen_at {
        None => "never connected".to_owned(),
        Some(_) if sensor.is_online(now) => "online".to_owned(),
        Some(at) if sensor.has_left() => format!("stopped {}Z", &at.to_rfc3339()[..16]),
        Some(at) => format!("offline since {}Z", &at.to_rfc3339()[..16]),
    }
}

fn find_customer(db: &Db, name: &str) -> Result<Customer, String> {
    db.customer_named(name).map_err(words)?.ok_or_else(|| {
        format!("there is no customer {name}: see `ringside-cloud admin customer list`")
    })
}

/// By its fingerprint, or the first digits of it.
fn find_sensor(db: &Db, id: &str) -> Result<Sensor, String> {
    let id = id.to_ascii_lowercase();
    let whole = HEXLOWER.decode(id.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
    if let Some(device) = whole.map(Fingerprint) {
        let found = db.find_sensor(device).map_err(words)?;
        return found.ok_or_else(|| no_sensor(&id));
    }
    if id.len() < MIN_ID_DIGITS {
        return Err(format!("give at least {MIN_ID_DIGITS} digits of the sensor's ID"));
    }
    let mut sensors = db.list_sensors(None).map_err(words)?;
    sensors.retain(|sensor| sensor.device.to_string().starts_with(&id));
    match sensors.len() {
        0 => Err(no_sensor(&id)),
        1 => Ok(sensors.remove(0)),
        several => Err(format!("{several} sensors begin with {id}: give more digits")),
    }
}

fn no_sensor(id: &str) -> String {
    format!("there is no sensor {id}: see `ringside-cloud admin sensor list`")
}

/// A password, and whether it was made here.
struct Password {
    text: String,
    is_made: bool,
}

impl Password {
    fn told(&self) -> String {
        if self.is_made { format!("password: {}\n", self.text) } else { String::new() }
    }
}

fn choose_password(from_stdin: bool, input: &mut dyn BufRead) -> Result<Password, String> {
    if !from_stdin {
        return Ok(Password { text: password::generate()?, is_made: true });
    }
    let mut line = String::new();
    input.read_line(&mut line).map_err(|error| format!("no password can be read: {error}"))?;
    let text = line.trim_end_matches(['\r', '\n']).to_owned();
    password::check(&text)?;
    Ok(Password { text, is_made: false })
}

/// Columns as wide as they need, for people; a tab would do for programs, which have the API.
fn table<const N: usize>(head: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut lines = vec![head.map(str::to_owned)];
    lines.extend(rows);
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max();
    let widths: [usize; N] = core::array::from_fn(|column| width(column).unwrap_or(0));
    let mut text = String::new();
    for line in &lines {
        let mut row = String::new();
        for (cell, width) in line.iter().zip(widths) {
            row.push_str(&format!("{cell:width$}  "));
        }
        text.push_str(row.trim_end());
        text.push('\n');
    }
    text
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn words(error: crate::db::DbError) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::tests::{Folder, is_postgres};

    const NOW: UnixMicros = UnixMicros(1_795_009_600_000_000);

    fn run_in(folder: &Folder, admin: Admin, input: &str) -> Result<String, String> {
        let mut out = Vec::new();
        run((&folder.place(), &folder.0), admin, NOW, &mut input.as_bytes(), &mut out)?;
        Ok(String::from_utf8(out).expect("UTF-8"))
    }

    fn user(login: &str, from_stdin: bool) -> Admin {
        Admin::UserAdd {
            customer: "Acme".to_owned(),
            login: login.to_owned(),
            role: Role::Admin,
            from_stdin,
        }
    }

    #[test]
    fn the_first_customer_person_and_token() {
        let folder = Folder::new();
        let refused = run_in(&folder, user("eva", false), "").expect_err("no database yet");
        assert!(is_postgres() || refused.contains("--data"), "{refused}");
        drop(folder.open());
        let refused = run_in(&folder, user("eva", false), "").expect_err("no customer yet");
        assert!(refused.contains("admin customer list"), "{refused}");
        run_in(&folder, Admin::CustomerAdd("Acme".to_owned()), "").expect("added");
        let again = run_in(&folder, Admin::CustomerAdd("Acme".to_owned()), "");
        assert!(again.expect_err("taken").contains("already"));
        let listed = run_in(&folder, Admin::CustomerList, "").expect("listed");
        assert_eq!(listed, "CUSTOMER  CHANNELS  SINCE\nAcme      2000      2026-11-18\n");

        let said = run_in(&folder, user("eva", false), "").expect("added");
        let made = said.lines().find_map(|line| line.strip_prefix("password: ")).expect("told");
        let stored = |login: &str| -> String {
            let db = folder.open();
            let reader = db.reader();
            reader
                .query_row("SELECT password FROM user WHERE login = ?1", [login], |row| row.get(0))
                .expect("a person")
        };
        assert!(password::verify(made, &stored("eva")));

        let said = run_in(&folder, user("tom", true), "correct horse\r\n").expect("added");
        assert!(!said.contains("correct horse"), "{said}");
        assert!(password::verify("correct horse", &stored("tom")));
        assert!(run_in(&folder, user("ann", true), "short\n").is_err());
        assert!(run_in(&folder, user("tom", false), "").expect_err("taken").contains("taken"));

        let passwd = |login: &str| Admin::UserPasswd { login: login.to_owned(), from_stdin: true };
        run_in(&folder, passwd("tom"), "another password\n").expect("set");
        assert!(password::verify("another password", &stored("tom")));
        assert!(run_in(&folder, passwd("nobody"), "another password\n").is_err());

        let server = Some(("cloud.example.net".to_owned(), 60023));
        let new = Admin::TokenNew { customer: "Acme".to_owned(), server };
        let said = run_in(&folder, new, "").expect("made");
        let token: Token = said.lines().next().expect("a line").parse().expect("a token");
        assert_eq!((token.host.as_str(), token.port), ("cloud.example.net", 60023));
        let command =
            format!("ringside-sensor enrol --server cloud.example.net:60023 --token {token}");
        assert!(said.contains(&command), "{said}");
    }

    #[test]
    fn a_sensor_is_named_by_its_first_digits() {
        let folder = Folder::new();
        run_in(&folder, Admin::CustomerAdd("Acme".to_owned()), "").expect("added");
        let db = folder.open();
        for (first, name) in [(0xa1, "gate-1"), (0xa2, "gate-2")] {
            let mut device = [0_u8; 16];
            device[0] = 0xab;
            device[1] = 0xcd;
            device[2] = first;
            db.writer()
                .execute(
                    "INSERT INTO sensor (device, customer, device_key, name, enrolled_at) VALUES \
                     (?1, 1, x'00', ?2, 1)",
                    crate::db::params![device, name],
                )
                .expect("a sensor");
        }
        let revoke = |id: &str| run_in(&folder, Admin::SensorRevoke(id.to_owned()), "");
        assert!(revoke("ab").expect_err("short").contains("at least 4"));
        assert!(revoke("abcd").expect_err("two").contains("more digits"));
        assert!(revoke("ffff").expect_err("none").contains("admin sensor list"));
        assert!(revoke("ABCDA1").expect("one").contains("gate-1"));
        let listed = run_in(&folder, Admin::SensorList { customer: None }, "").expect("listed");
        assert!(listed.contains("revoked          gate-1"), "{listed}");
        assert!(listed.contains("never connected  gate-2"), "{listed}");
        run_in(&folder, Admin::SensorRemove("abcda2".to_owned()), "").expect("removed");
        let listed = run_in(&folder, Admin::SensorList { customer: None }, "").expect("listed");
        assert!(!listed.contains("gate-2"), "{listed}");
    }
}
