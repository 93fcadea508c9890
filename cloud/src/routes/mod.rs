//! The API and the GUI's files: one table of routes, and a file for each resource.
//!
//! A request comes to [`handle`]. Its route says who may ask: a handler that needs a [`Scope`] or
//! an [`Admin`] is only called with one, and the questions to the database take nothing else.

mod alerts;
mod alerts_calls;
mod alerts_channels;
mod alerts_rules;
mod api_tokens;
mod app;
mod audit;
mod calls;
mod captures;
mod changes;
mod claims;
mod csv;
mod cursor;
mod export;
mod health;
mod keep;
mod listing;
mod live;
mod login;
mod mask;
mod names;
mod openapi;
mod overview;
mod packages;
mod peers;
mod query;
mod registrations;
mod reply;
mod retention;
mod rules;
mod searches;
mod sensors;
mod shares;
mod stats;
mod stored;
mod strangers;
mod terms;
mod tokens;
mod turns;
mod upgrades;
mod users;

#[cfg(test)]
pub(crate) mod tests;

use ringside_protocol::time::UnixMicros;

pub use self::alerts::{MAX_NOTE, MAX_PAST_SHOWN, MAX_SILENCE_DAYS, MAX_SILENCES};
pub(crate) use self::alerts_calls::{call_fits, call_summary};
pub use self::alerts_channels::MAX_CHANNELS;
pub use self::alerts_rules::MAX_ALERT_RULES;
pub use self::api_tokens::{MAX_API_TOKENS, MAX_DAYS, MAX_NAME_CHARS};
pub use self::app::{App, Clock};
pub use self::audit::MAX_ENTRIES;
pub use self::captures::MAX_REASON_CHARS;
pub use self::changes::{MAX_WAIT_SECONDS, MAX_WAITING};
pub use self::listing::{DEFAULT_LIMIT, MAX_LIMIT};
pub use self::login::MAX_WAITING_AT_THE_DOOR;
pub use self::query::MAX_PARAMETERS;
pub use self::reply::ApiError;
pub use self::rules::MAX_CALLS_TRIED;
pub use self::searches::MAX_SEARCHES;
pub use self::shares::MAX_SHARES;
pub use self::stats::MAX_ROWS_COUNTED;
pub use self::tokens::MAX_OUTSTANDING_TOKENS;
pub use self::turns::{MAX_AT_WORK, MAX_EXPORTS, MAX_WAITING_FOR_A_TURN};
use crate::auth::{self, Admin, Caller, Refusal, Scope};
use crate::db::calls::Calls;
use crate::db::peers::Peers;
use crate::db::registrations::Registrations;
use crate::db::rights;
use crate::server::{Request, Response};

type Answer = Result<Response, ApiError>;

/// Who may ask, and who answers.
enum Handler {
    /// Everybody.
    Open(fn(&Context<'_>) -> Answer),
    /// This machine without more, others with a token or a session.
    Local(fn(&Context<'_>, Option<&Scope>) -> Answer),
    /// Whoever has logged in or holds a token, for what costs little; with what authentication found.
    Caller(fn(&Context<'_>, &Caller) -> Answer),
    /// The same, for handlers that only need to know the customer; in turn (`turns.rs`).
    Scope(fn(&Context<'_>, &Scope) -> Answer),
    /// Administrators, in turn.
    Admin(fn(&Context<'_>, &Admin<'_>) -> Answer),
}

/// One route. A segment in braces stands for any one segment; the last one is handed on.
struct Route {
    method: &'static str,
    path: &'static str,
    handler: Handler,
}

const fn route(method: &'static str, path: &'static str, handler: Handler) -> Route {
    Route { method, path, handler }
}

/// All routes. Everything else outside `/api/` is a page of the GUI.
const ROUTES: &[Route] = &[
    route("POST", "/api/v1/login", Handler::Open(login::log_in)),
    route("POST", "/api/v1/logout", Handler::Caller(login::log_out)),
    route("GET", "/api/v1/me", Handler::Caller(login::me)),
    route("GET", "/api/v1/sensors", Handler::Scope(sensors::list)),
    route("GET", "/api/v1/sensors/{device}", Handler::Scope(sensors::one)),
    route("POST", "/api/v1/sensors/{device}/revoke", Handler::Admin(sensors::revoke)),
    route("GET", "/api/v1/claims", Handler::Admin(claims::way)),
    route("POST", "/api/v1/claims", Handler::Admin(claims::find)),
    route("POST", "/api/v1/claims/accept", Handler::Admin(claims::accept)),
    route("GET", "/api/v1/packages", Handler::Admin(packages::list)),
    route("POST", "/api/v1/packages", Handler::Admin(packages::announce)),
    route("POST", "/api/v1/packages/{id}", Handler::Admin(packages::take_piece)),
    route("POST", "/api/v1/packages/{id}/delete", Handler::Admin(packages::delete)),
    route("GET", "/api/v1/upgrades", Handler::Admin(upgrades::list)),
    route("POST", "/api/v1/upgrades", Handler::Admin(upgrades::begin)),
    route("POST", "/api/v1/upgrades/{id}/resume", Handler::Admin(upgrades::resume)),
    route("POST", "/api/v1/upgrades/{id}/cancel", Handler::Admin(upgrades::cancel)),
    route("GET", "/api/v1/strangers", Handler::Admin(strangers::list)),
    route("GET", "/api/v1/tokens", Handler::Admin(tokens::list)),
    route("POST", "/api/v1/tokens", Handler::Admin(tokens::make)),
    route("POST", "/api/v1/tokens/{id}/revoke", Handler::Admin(tokens::revoke)),
    route("GET", "/api/v1/users", Handler::Admin(users::list)),
    route("POST", "/api/v1/users", Handler::Admin(users::add)),
    route("POST", "/api/v1/users/{login}", Handler::Admin(users::change)),
    route("POST", "/api/v1/users/{login}/password", Handler::Admin(users::reset)),
    route("POST", "/api/v1/me/password", Handler::Caller(users::own_password)),
    route("GET", "/api/v1/api_tokens", Handler::Admin(api_tokens::list)),
    route("POST", "/api/v1/api_tokens", Handler::Admin(api_tokens::make)),
    route("POST", "/api/v1/api_tokens/{id}/revoke", Handler::Admin(api_tokens::revoke)),
    route("GET", "/api/v1/audit", Handler::Admin(audit::list)),
    route("GET", "/api/v1/calls", Handler::Scope(listing::list::<Calls>)),
    route("GET", "/api/v1/calls/{id}", Handler::Scope(calls::one)),
    route("GET", "/api/v1/calls/{id}/shares", Handler::Caller(shares::list)),
    route("POST", "/api/v1/calls/{id}/shares", Handler::Caller(shares::make)),
    route("POST", "/api/v1/calls/{id}/shares/{share}/revoke", Handler::Caller(shares::revoke)),
    route("GET", "/api/v1/shared", Handler::Open(shares::shared)),
    route("GET", "/api/v1/searches", Handler::Scope(searches::list)),
    route("POST", "/api/v1/searches", Handler::Scope(searches::keep)),
    route("POST", "/api/v1/searches/{id}/delete", Handler::Scope(searches::delete)),
    route("GET", "/api/v1/captures/{call}", Handler::Caller(captures::about)),
    route("POST", "/api/v1/captures/{call}", Handler::Caller(captures::ask)),
    // Before the one with a number, which would match it.
    route("POST", "/api/v1/captures/{call}/keep", Handler::Caller(keep::keep)),
    route("GET", "/api/v1/captures/{call}/{transfer}", Handler::Caller(captures::bytes)),
    route("POST", "/api/v1/captures/{call}/{transfer}/cancel", Handler::Caller(captures::cancel)),
    route("GET", "/api/v1/retrieval", Handler::Scope(terms::show)),
    route("POST", "/api/v1/retrieval", Handler::Admin(terms::change)),
    route("GET", "/api/v1/rules", Handler::Scope(rules::list)),
    route("POST", "/api/v1/rules", Handler::Admin(rules::make)),
    // Before those with a number, which would match it.
    route("POST", "/api/v1/rules/dry_run", Handler::Admin(rules::dry_run)),
    route("POST", "/api/v1/rules/{id}", Handler::Admin(rules::change)),
    route("POST", "/api/v1/rules/{id}/delete", Handler::Admin(rules::delete)),
    route("GET", "/api/v1/alerts", Handler::Scope(alerts::list)),
    route("GET", "/api/v1/alerts/count", Handler::Caller(alerts::count)),
    route("POST", "/api/v1/alerts/{id}/acknowledge", Handler::Scope(alerts::acknowledge)),
    route("GET", "/api/v1/alert_rules", Handler::Scope(alerts_rules::list)),
    route("POST", "/api/v1/alert_rules", Handler::Admin(alerts_rules::make)),
    // Before those with a number, which would match it.
    route("POST", "/api/v1/alert_rules/dry_run", Handler::Admin(alerts_rules::dry_run)),
    route("POST", "/api/v1/alert_rules/{id}", Handler::Admin(alerts_rules::change)),
    route("POST", "/api/v1/alert_rules/{id}/delete", Handler::Admin(alerts_rules::delete)),
    route("GET", "/api/v1/alert_channels", Handler::Admin(alerts_channels::list)),
    route("POST", "/api/v1/alert_channels", Handler::Admin(alerts_channels::make)),
    route("POST", "/api/v1/alert_channels/{id}", Handler::Admin(alerts_channels::change)),
    route("POST", "/api/v1/alert_channels/{id}/delete", Handler::Admin(alerts_channels::delete)),
    route("POST", "/api/v1/alert_channels/{id}/test", Handler::Admin(alerts_channels::test)),
    route("GET", "/api/v1/alert_silences", Handler::Scope(alerts::silences)),
    route("POST", "/api/v1/alert_silences", Handler::Admin(alerts::silence)),
    route("POST", "/api/v1/alert_silences/{id}/delete", Handler::Admin(alerts::end_silence)),
    route("GET", "/api/v1/live", Handler::Scope(live::live)),
    route("GET", "/api/v1/registrations", Handler::Scope(listing::list::<Registrations>)),
    route("GET", "/api/v1/registrations/{id}", Handler::Scope(registrations::one)),
    route("GET", "/api/v1/peers", Handler::Scope(listing::list::<Peers>)),
    route("GET", "/api/v1/peers/{id}", Handler::Scope(peers::one)),
    route("GET", "/api/v1/overview", Handler::Scope(overview::overview)),
    route("GET", "/api/v1/stats", Handler::Scope(stats::stats)),
    route("GET", "/api/v1/retention", Handler::Scope(retention::proof)),
    route("POST", "/api/v1/erasures", Handler::Admin(retention::erase)),
    route("GET", "/api/v1/changes", Handler::Caller(changes::changes)),
    route("GET", "/api/v1/openapi.json", Handler::Open(openapi::openapi)),
    route("GET", "/healthz", Handler::Local(health::healthz)),
    route("GET", "/metrics", Handler::Local(health::metrics)),
];

/// One request on its way.
struct Context<'a> {
    app: &'a App,
    request: &'a Request,
    /// The segment that stood for a name in braces, decoded; empty where the route has none.
    item: String,
    now: UnixMicros,
    /// Whether whoever asks sees masked numbers.
    masks: bool,
}

/// Answers a request.
#[must_use]
pub fn handle(app: &App, request: &Request) -> Response {
    let mut response = dispatch(app, request).unwrap_or_else(ApiError::response);
    if response.park.is_none() {
        app.answers.count(response.status);
    }
    protect(app, &request.path, &mut response);
    response
}

fn dispatch(app: &App, request: &Request) -> Answer {
    let path = request.path.as_str();
    let method = if request.method == "HEAD" { "GET" } else { request.method.as_str() };
    let mut allowed = Vec::new();
    let mut pattern = None;
    for route in ROUTES {
        let Some(item) = matched(route.path, path) else {
            continue;
        };
        // The first that fits says what is there; later ones may fit with a name in its place.
        if *pattern.get_or_insert(route.path) != route.path {
            continue;
        }
        if route.method != method {
            allowed.push(route.method);
            continue;
        }
        let item = query::decode(item, false)
            .ok_or_else(|| ApiError::not_found("The address is not encoded as it should be."))?;
        return call(&route.handler, Context { app, request, item, now: app.now(), masks: false });
    }
    if !allowed.is_empty() {
        let message = format!("{path} answers {} only.", allowed.join(" and "));
        return Err(ApiError::new(405, "method", message).with("Allow", allowed.join(", ")));
    }
    if path == "/api" || path.starts_with("/api/") {
        let message = "There is nothing at this address: /api/v1/openapi.json describes the API.";
        return Err(ApiError::not_found(message));
    }
    if method != "GET" {
        let message = "The GUI's pages answer GET only.";
        return Err(ApiError::new(405, "method", message).with("Allow", "GET"));
    }
    Ok(app.site.serve(request))
}

/// The one place where a request becomes the right to ask.
fn call(handler: &Handler, mut context: Context<'_>) -> Answer {
    let (app, request, now) = (context.app, context.request, context.now);
    let authenticate = || auth::authenticate(&app.db, request, now);
    let caller = match handler {
        Handler::Open(_) => None,
        Handler::Local(_) if health::is_local(request) => None,
        Handler::Local(_) => Some(authenticate().map_err(|_| health::not_local())?),
        _ => Some(authenticate()?),
    };
    context.masks = masks(app, caller.as_ref())?;
    let answer = answered(handler, &context, caller.as_ref())?;
    Ok(if context.masks { mask::response(answer) } else { answer })
}

/// Whether somebody sees masked numbers. Programs see what an administrator does.
fn masks(app: &App, caller: Option<&Caller>) -> Result<bool, ApiError> {
    match caller.filter(|caller| caller.csrf.is_some()) {
        Some(caller) => Ok(rights::rights(&app.db, &caller.scope)?.masked),
        None => Ok(false),
    }
}

fn answered(handler: &Handler, context: &Context<'_>, caller: Option<&Caller>) -> Answer {
    match handler {
        Handler::Open(answer) => answer(context),
        Handler::Local(answer) => answer(context, caller.map(|caller| &caller.scope)),
        Handler::Caller(answer) => answer(context, caller.ok_or(Refusal::NotLoggedIn)?),
        Handler::Scope(answer) => {
            let scope = &caller.ok_or(Refusal::NotLoggedIn)?.scope;
            turns::in_turn(context, scope.customer(), || answer(context, scope))
        }
        Handler::Admin(answer) => {
            let scope = &caller.ok_or(Refusal::NotLoggedIn)?.scope;
            let admin = scope.admin().ok_or_else(|| {
                let message = "Only administrators may do this: ask one of your organisation.";
                ApiError::new(403, "not_admin", message)
            })?;
            turns::in_turn(context, admin.customer(), || answer(context, &admin))
        }
    }
}

/// Names and values of a filter as it stands in an address; `None` where it is not encoded so.
pub(crate) fn address_parameters(text: &str) -> Option<Vec<(String, String)>> {
    query::parameters(text).ok()
}

/// What stands at the place of the name in braces, if `path` fits; empty where there is none.
fn matched<'a>(pattern: &str, path: &'a str) -> Option<&'a str> {
    let mut item = "";
    let mut segments = path.split('/');
    for wanted in pattern.split('/') {
        let segment = segments.next()?;
        if wanted.starts_with('{') && !segment.is_empty() {
            item = segment;
        } else if wanted != segment {
            return None;
        }
    }
    segments.next().is_none().then_some(item)
}

/// The GUI loads nothing from elsewhere, and no script or style that stands in a page.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; \
    frame-ancestors 'none'";

/// What the API answers is never a page.
const DATA_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// One year, seconds.
const HSTS: &str = "max-age=31536000";

/// Adds the headers that every answer has.
fn protect(app: &App, path: &str, response: &mut Response) {
    let is_page = !path.starts_with("/api/") && path != "/metrics" && path != "/healthz";
    let mut add = |name: &str, value: &str| {
        if !response.headers.iter().any(|(there, _)| there.eq_ignore_ascii_case(name)) {
            response.headers.push((name.to_owned(), value.to_owned()));
        }
    };
    add("Content-Security-Policy", if is_page { PAGE_POLICY } else { DATA_POLICY });
    add("X-Content-Type-Options", "nosniff");
    add("X-Frame-Options", "DENY");
    add("Referrer-Policy", "no-referrer");
    add("Cross-Origin-Opener-Policy", "same-origin");
    add("Cross-Origin-Resource-Policy", "same-origin");
    add("Cache-Control", "no-store");
    if app.hsts {
        add("Strict-Transport-Security", HSTS);
    }
}
