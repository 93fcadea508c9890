//! `GET /searches`, `POST /searches`, `POST /searches/{id}/delete`: searches kept under a name.

use data_encoding::HEXLOWER;
use serde::Deserialize;
use serde_json::{Value, json};

use super::reply::json_response;
use super::{Answer, ApiError, Context, query};
use crate::auth::{self, Scope};
use crate::db::searches::{self, Search};

/// Searches that one person, and those that the customer keeps.
pub const MAX_SEARCHES: usize = 100;

/// Characters of a search's name.
const MAX_NAME_CHARS: usize = 60;

/// Bytes of a search.
const MAX_QUERY_BYTES: usize = 4096;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    name: String,
    query: String,
    #[serde(default)]
    is_common: bool,
}

pub(super) fn list(context: &Context<'_>, scope: &Scope) -> Answer {
    let kept = searches::list(&context.app.db, scope)?;
    let kept: Vec<_> = kept.iter().map(object).collect();
    Ok(json_response(200, &json!({ "searches": kept })))
}

/// Keeps a search, in the place of one of the same name.
pub(super) fn keep(context: &Context<'_>, scope: &Scope) -> Answer {
    let wanted = wanted(&context.request.body)?;
    if wanted.is_common && scope.admin().is_none() {
        let message = "Only administrators keep searches for everybody: keep it for yourself.";
        return Err(ApiError::new(403, "not_admin", message));
    }
    let db = &context.app.db;
    let kept = searches::list(db, scope)?;
    let mine = kept.iter().filter(|it| it.is_common == wanted.is_common);
    let name = wanted.name.trim().to_owned();
    if mine.clone().count() >= MAX_SEARCHES && !mine.clone().any(|it| it.name == name) {
        let message = format!("There are {MAX_SEARCHES} searches: delete one of them first.");
        return Err(ApiError::new(409, "too_many_searches", message));
    }
    let same = mine.into_iter().find(|it| it.name == name).map(|it| it.id.clone());
    let id = match same {
        Some(id) => id,
        None => HEXLOWER.encode(&auth::random::<8>()?),
    };
    let search = Search {
        id,
        is_common: wanted.is_common,
        name,
        query: wanted.query,
        created_by: scope.who().to_owned(),
        created_at: context.now,
    };
    searches::keep(db, scope, &search)?;
    Ok(json_response(201, &object(&search)))
}

pub(super) fn delete(context: &Context<'_>, scope: &Scope) -> Answer {
    let db = &context.app.db;
    let kept = searches::list(db, scope)?;
    let found = kept.iter().find(|it| it.id == context.item).ok_or_else(|| {
        ApiError::not_found("You have no kept search with this id: /api/v1/searches lists them.")
    })?;
    if found.is_common && scope.admin().is_none() {
        let message = "Only administrators delete what is kept for everybody.";
        return Err(ApiError::new(403, "not_admin", message));
    }
    searches::forget(db, scope, found, context.now)?;
    Ok(json_response(200, &json!({})))
}

fn wanted(body: &[u8]) -> Result<Wanted, ApiError> {
    let wanted: Wanted = serde_json::from_slice(body).map_err(|_| {
        let message =
            "Send {\"name\": …, \"query\": \"status=486&range=7d\", \"is_common\": false}.";
        ApiError::new(400, "bad_body", message)
    })?;
    let chars = wanted.name.trim().chars().count();
    if !(1..=MAX_NAME_CHARS).contains(&chars) || wanted.name.chars().any(char::is_control) {
        let allowed = format!("a text of 1 to {MAX_NAME_CHARS} characters on one line");
        return Err(ApiError::parameter("name", &allowed));
    }
    let is_long = wanted.query.len() > MAX_QUERY_BYTES;
    if is_long || wanted.query.contains(['#', '?']) || query::parameters(&wanted.query).is_err() {
        let allowed = "the part of an address after the ?, of at most 4096 bytes";
        return Err(ApiError::parameter("query", allowed));
    }
    Ok(wanted)
}

fn object(search: &Search) -> Value {
    json!({
        "id": search.id,
        "is_common": search.is_common,
        "name": search.name,
        "query": search.query,
        "created_by": search.created_by,
        "created_at": search.created_at.to_rfc3339(),
    })
}
