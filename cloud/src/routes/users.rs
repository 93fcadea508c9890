//! `GET /users`, `POST /users`, `POST /users/{login}`, `POST /users/{login}/password`, `POST
//! /me/password`: people and what they may do.

use serde::Deserialize;
use serde_json::{Value, json};

use super::reply::json_response;
use super::{Answer, ApiError, Context};
use crate::auth::{Admin, Caller};
use crate::db::customers::Role;
use crate::db::rights::Rights;
use crate::db::users::{self, Added, Change, MAX_USERS, Person};
use crate::password;

/// Characters of a login.
const MAX_LOGIN_CHARS: usize = 100;

/// Wrong passwords that somebody may give who changes the own one, in [`TRY_WINDOW_SECONDS`].
pub(super) const MAX_TRIES: u32 = 5;

/// See [`MAX_TRIES`].
pub(super) const TRY_WINDOW_SECONDS: u64 = 900;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    login: String,
    #[serde(default)]
    role: Option<String>,
    #[serde(default)]
    rights: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Changed {
    #[serde(default)]
    role: Option<String>,
    #[serde(default)]
    rights: Option<Vec<String>>,
    #[serde(default)]
    is_disabled: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Passwords {
    old: String,
    new: String,
}

pub(super) fn list(context: &Context<'_>, admin: &Admin<'_>) -> Answer {
    let people = users::list(&context.app.db, admin)?;
    let people: Vec<_> = people.iter().map(|it| object(it, admin)).collect();
    Ok(json_response(200, &json!({ "users": people })))
}

/// Adds somebody with a password that is in this answer and nowhere else.
pub(super) fn add(context: &Context<'_>, admin: &Admin<'_>) -> Answer {
    let wanted: Wanted = serde_json::from_slice(&context.request.body).map_err(|_| {
        let message = "Send {\"login\": \"eva@example.net\", \"role\": \"viewer\", \"rights\": \
                       [\"packets\"]}; role and rights may be left out.";
        ApiError::new(400, "bad_body", message)
    })?;
    let login = wanted.login.trim();
    let is_login = (1..=MAX_LOGIN_CHARS).contains(&login.chars().count())
        && !login.chars().any(|letter| letter.is_control() || letter.is_whitespace());
    if !is_login {
        let allowed = format!("1 to {MAX_LOGIN_CHARS} characters without spaces");
        return Err(ApiError::parameter("login", &allowed));
    }
    let role = wanted.role.as_deref().map(role).transpose()?.unwrap_or_default();
    let rights = wanted.rights.as_deref().map(rights).transpose()?;
    let rights = rights.unwrap_or_else(|| Rights::of_role(role));
    let (password, hash) = new_password()?;
    let db = &context.app.db;
    match users::add(db, admin, login, &hash, (role, rights), context.now)? {
        Added::Here => {}
        Added::Taken => {
            let message = format!("The login {login} is taken: choose another.");
            return Err(ApiError::new(409, "login_taken", message));
        }
        Added::Full => {
            let message = format!("You have {MAX_USERS} people: that is as many as there may be.");
            return Err(ApiError::new(409, "too_many_users", message));
        }
    }
    let person = users::find(db, admin, login)?.ok_or_else(nobody)?;
    let mut body = object(&person, admin);
    body["password"] = json!(password);
    Ok(json_response(201, &body))
}

pub(super) fn change(context: &Context<'_>, admin: &Admin<'_>) -> Answer {
    let db = &context.app.db;
    let person = users::find(db, admin, &context.item)?.ok_or_else(nobody)?;
    let changed: Changed = serde_json::from_slice(&context.request.body).map_err(|_| {
        let message = "Send {\"role\": \"viewer\", \"rights\": [\"packets\"], \"is_disabled\": \
                       false}; what is left out stays.";
        ApiError::new(400, "bad_body", message)
    })?;
    let change = Change {
        role: changed.role.as_deref().map(role).transpose()?,
        rights: changed.rights.as_deref().map(rights).transpose()?,
        is_disabled: changed.is_disabled,
    };
    let loses = change.is_disabled == Some(true) || change.role.is_some_and(|it| it != Role::Admin);
    if is_self(&person, admin) && loses {
        let message = "You cannot shut yourself out: have another administrator do it.";
        return Err(ApiError::new(409, "yourself", message));
    }
    users::change(db, admin, &person, change, context.now)?;
    let person = users::find(db, admin, &person.login)?.ok_or_else(nobody)?;
    Ok(json_response(200, &object(&person, admin)))
}

/// Gives somebody a new password, which is in this answer and nowhere else.
pub(super) fn reset(context: &Context<'_>, admin: &Admin<'_>) -> Answer {
    let db = &context.app.db;
    let person = users::find(db, admin, &context.item)?.ok_or_else(nobody)?;
    if is_self(&person, admin) {
        let message = "Change your own password in the menu of your account.";
        return Err(ApiError::new(409, "yourself", message));
    }
    let (password, hash) = new_password()?;
    users::set_password(db, admin, &person.login, &hash, context.now)?;
    Ok(json_response(200, &json!({ "password": password })))
}

/// Somebody's own password. All sessions end, this one too.
pub(super) fn own_password(context: &Context<'_>, caller: &Caller) -> Answer {
    let scope = &caller.scope;
    let passwords: Passwords = serde_json::from_slice(&context.request.body)
        .map_err(|_| ApiError::new(400, "bad_body", "Send {\"old\": \"…\", \"new\": \"…\"}."))?;
    password::check(&passwords.new).map_err(|says| {
        let message = format!("The new one does not do: {says}.");
        ApiError::new(400, "bad_password", message)
    })?;
    let own = users::own_password(&context.app.db, scope)?.ok_or_else(nobody)?;
    context.app.try_password(scope.who(), context.now)?;
    if !password::verify(&passwords.old, &own) {
        let message = "The old password is wrong: write the one that you log in with.";
        return Err(ApiError::new(422, "wrong_password", message));
    }
    let hash = password::hash(&passwords.new).map_err(no_hash)?;
    users::set_password(&context.app.db, scope, scope.who(), &hash, context.now)?;
    Ok(json_response(200, &json!({})))
}

fn is_self(person: &Person, admin: &Admin<'_>) -> bool {
    person.login.eq_ignore_ascii_case(admin.who())
}

fn new_password() -> Result<(String, String), ApiError> {
    let password = password::generate().map_err(no_hash)?;
    let hash = password::hash(&password).map_err(no_hash)?;
    Ok((password, hash))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn no_hash(says: String) -> ApiError {
    ApiError::new(500, "no_password", format!("No password could be made: {says}."))
}

fn role(name: &str) -> Result<Role, ApiError> {
    Role::named(name).ok_or_else(|| ApiError::parameter("role", "admin or viewer"))
}

fn rights(names: &[String]) -> Result<Rights, ApiError> {
    let allowed = "names among packets, audio, live and upgrades";
    Rights::named(&names.join(" ")).ok_or_else(|| ApiError::parameter("rights", allowed))
}

fn nobody() -> ApiError {
    ApiError::not_found("You have nobody with this login: /api/v1/users lists those you have.")
}

fn object(person: &Person, admin: &Admin<'_>) -> Value {
    json!({
        "login": person.login,
        "role": person.role.name(),
        "rights": person.rights.names(),
        "is_disabled": person.is_disabled,
        "is_you": is_self(person, admin),
        "created_at": person.created_at.to_rfc3339(),
        "logged_in_at": person.logged_in_at.map(|at| at.to_rfc3339()),
    })
}
