//! `GET /packages`, `POST /packages`, `POST /packages/{id}`, `POST /packages/{id}/delete`: releases of
//! the sensor, which are brought in pieces.

use data_encoding::HEXLOWER;
use ring::digest::{SHA256, digest};
use ringside_protocol::push::{MAX_PACKAGE_BYTES, MAX_SIGNATURE_BYTES, PIECE_BYTES};
use serde::Deserialize;
use serde_json::{Value, json};

use super::reply::json_response;
use super::{Answer, ApiError, Context, query};
use crate::auth::Admin;
use crate::db::packages::{self, Announced, MAX_PACKAGES, Package, Taken};
use crate::db::rights;
use crate::db::upgrades::{self, Rollout};
use crate::events::Kind;
use crate::release;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    bytes: u64,
    sha256: String,
    signature: String,
}

pub(super) fn list(context: &Context<'_>, admin: &Admin<'_>) -> Answer {
    let listed = packages::list(&context.app.db, admin)?;
    let listed: Vec<_> = listed.iter().map(object).collect();
    Ok(json_response(200, &json!({ "packages": listed })))
}

/// Says what comes: the pieces follow, from where an earlier attempt broke off.
pub(super) fn announce(context: &Context<'_>, admin: &Admin<'_>) -> Answer {
    may(context, admin)?;
    let wanted: Wanted = serde_json::from_slice(&context.request.body).map_err(|_| {
        let message = "Send {\"bytes\": 3145728, \"sha256\": \"…\", \"signature\": \"the .minisig \
                       file's text\"}.";
        ApiError::new(400, "bad_body", message)
    })?;
    if !(1..=MAX_PACKAGE_BYTES).contains(&wanted.bytes) {
        let allowed =
            format!("a length of at most {} MiB: more is no release", MAX_PACKAGE_BYTES >> 20);
        return Err(ApiError::parameter("bytes", &allowed));
    }
    let sha256 = HEXLOWER.decode(wanted.sha256.as_bytes()).ok();
    let sha256 = sha256
        .and_then(|hash| hash.try_into().ok())
        .ok_or_else(|| ApiError::parameter("sha256", "64 hexadecimal digits"))?;
    if wanted.signature.len() > MAX_SIGNATURE_BYTES {
        return Err(bad(release::ReleaseError::BadSignature));
    }
    let release::Named { version, target } = release::named(&wanted.signature).map_err(bad)?;
    let announced =
        Announced { version, target, bytes: wanted.bytes, sha256, signature: wanted.signature };
    let (db, now) = (&context.app.db, context.now);
    let id = packages::announce(db, Some(admin.customer()), admin.who(), &announced, now)?;
    let id = id.ok_or_else(|| {
        let message = format!("You have {MAX_PACKAGES} packages: delete one of them first.");
        ApiError::new(409, "too_many_packages", message)
    })?;
    let package = packages::own(db, admin, id)?.ok_or_else(no_such_package)?;
    Ok(json_response(201, &object(&package)))
}

/// The next piece of a package, as the body; the last one has the whole checked.
pub(super) fn take_piece(context: &Context<'_>, admin: &Admin<'_>) -> Answer {
    let db = &context.app.db;
    let package = packages::own(db, admin, id(context)?)?.ok_or_else(no_such_package)?;
    may(context, admin)?;
    let mut offset = None;
    for (name, value) in query::parameters(&context.request.query)? {
        match name.as_str() {
            "offset" => offset = value.parse().ok(),
            _ => return Err(ApiError::parameter(&name, "offset")),
        }
    }
    let offset: u64 = offset
        .ok_or_else(|| ApiError::parameter("offset", "where in the package the piece begins"))?;
    match packages::take_piece(db, package.id, offset, &context.request.body)? {
        Taken::Here(received) if received == package.bytes => finish(context, admin, package.id),
        Taken::Here(received) => Ok(json_response(200, &object(&Package { received, ..package }))),
        Taken::NotNext(received) => {
            let message = format!("The next piece begins at byte {received}.");
            Err(ApiError::new(409, "not_next", message))
        }
        Taken::Misfit => {
            let message =
                format!("A piece has {PIECE_BYTES} bytes, and the last one what is left.");
            Err(ApiError::new(400, "bad_piece", message))
        }
        Taken::Gone => Err(no_such_package()),
    }
}

pub(super) fn delete(context: &Context<'_>, admin: &Admin<'_>) -> Answer {
    let id = id(context)?;
    if packages::own(&context.app.db, admin, id)?.is_none() {
        return Err(no_such_package());
    }
    may(context, admin)?;
    let upgrades = upgrades::list(&context.app.db, admin)?;
    let wants =
        |it: &Rollout| it.package == id && ["running", "paused"].contains(&it.state.as_str());
    if upgrades.iter().any(wants) {
        let message =
            "Sensors are installing this package: wait for the end of that, or cancel it.";
        return Err(ApiError::new(409, "in_use", message));
    }
    packages::remove_own(&context.app.db, admin, id, context.now)?;
    context.app.events.bump(admin.customer(), Kind::Sensors);
    Ok(json_response(200, &json!({})))
}

/// All of it is here: one that is not what was announced, or not signed, leaves again.
fn finish(context: &Context<'_>, admin: &Admin<'_>, id: i64) -> Answer {
    let (db, now) = (&context.app.db, context.now);
    let package = packages::own(db, admin, id)?.ok_or_else(no_such_package)?;
    let content = packages::content(db, &package)?;
    let is_what_was_announced = digest(&SHA256, &content).as_ref() == package.sha256;
    let checked = if is_what_was_announced {
        release::check(&content, &package.signature, context.app.upgrade_key.as_deref())
    } else {
        Err(release::ReleaseError::Untrusted)
    };
    let is_checked = match checked {
        Ok(is_checked) => is_checked,
        Err(error) => {
            packages::remove(db, admin.who(), &Package { received: 0, ..package }, now)?;
            return Err(bad(error));
        }
    };
    packages::accept(db, admin.who(), &package, is_checked, now)?;
    context.app.events.bump(admin.customer(), Kind::Sensors);
    Ok(json_response(200, &object(&Package { is_checked, ..package })))
}

/// Having sensors run another program is a right of its own.
pub(super) fn may(context: &Context<'_>, admin: &Admin<'_>) -> Result<(), ApiError> {
    if rights::rights(&context.app.db, admin)?.upgrades {
        return Ok(());
    }
    let message = "You do not have the right to upgrade sensors: ask an administrator of your \
                   organisation to give it to you.";
    Err(ApiError::new(403, "forbidden", message))
}

fn bad(error: release::ReleaseError) -> ApiError {
    ApiError::new(422, "bad_release", error.to_string())
}

fn id(context: &Context<'_>) -> Result<i64, ApiError> {
    context.item.parse().map_err(|_| no_such_package())
}

pub(super) fn no_such_package() -> ApiError {
    ApiError::not_found("You have no package with this number: /api/v1/packages lists them.")
}

pub(super) fn object(package: &Package) -> Value {
    json!({
        "id": package.id,
        "version": package.version,
        "target": package.target,
        "arch": package.arch(),
        "bytes": package.bytes,
        "received": package.received,
        "piece_bytes": PIECE_BYTES,
        "is_checked": package.is_checked,
        "is_shared": package.customer.is_none(),
        "uploaded_by": package.uploaded_by,
        "uploaded_at": package.uploaded_at.to_rfc3339(),
    })
}
