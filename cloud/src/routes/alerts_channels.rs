//! `/alert_channels`: who hears of alerts. Passwords go in and never come out.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use data_encoding::BASE64URL_NOPAD;
use ringside_protocol::time::UnixMicros;
use serde::Deserialize;
use serde_json::{Value, json};

use super::alerts::{full, none, number};
use super::names::Names;
use super::reply::json_response;
use super::{Answer, ApiError, Context};
use crate::alerts::channel::{Target, check_name};
use crate::alerts::message::Message;
use crate::alerts::rule::read_filter;
use crate::alerts::send::{SendStep, failure};
use crate::auth::{Admin, random};
use crate::db::alerts::{self as stored, ChannelContent, StoredChannel, queue};
use crate::db::people::{self, note};
use crate::db::{Customer, fleet};

/// Channels of a customer.
pub const MAX_CHANNELS: usize = 16;

/// The customers that are sending a test: one at a time each.
#[derive(Debug, Default)]
pub(super) struct Tests(Mutex<HashSet<Customer>>);

/// A test that is on its way.
struct Testing<'a>(&'a Tests, Customer);

impl Tests {
    fn begin(&self, customer: Customer) -> Option<Testing<'_>> {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        running.insert(customer).then_some(Testing(self, customer))
    }
}

impl Drop for Testing<'_> {
    fn drop(&mut self) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}

pub(super) fn list(context: &Context<'_>, admin: &Admin<'_>) -> Answer {
    let db = &context.app.db;
    let waiting = queue::lengths(db, admin)?;
    let count = |name| db.counted(admin.customer(), name);
    let channels = stored::channels(db, admin)?;
    let channels: Vec<_> = channels.iter().map(|it| object(it, &waiting)).collect();
    Ok(json_response(
        200,
        &json!({
            "channels": channels,
            "has_mail_server": context.app.sender.mail.is_some(),
            "dropped": count("notifications_dropped")? + count("call_notifications_dropped")?,
            "failed": count("notifications_failed")?,
        }),
    ))
}

pub(super) fn make(context: &Context<'_>, admin: &Admin<'_>) -> Answer {
    let content = content(context, admin, None)?;
    let id = stored::add_channel(&context.app.db, admin, &content, MAX_CHANNELS, context.now)?;
    let id = id.ok_or_else(|| full("channels", MAX_CHANNELS))?;
    let mut body = one(context, admin, id)?;
    // The only time that it is shown: the receiver checks signatures with it.
    if let Target::Webhook { secret, .. } = &content.target {
        body["secret"] = json!(secret);
    }
    Ok(json_response(201, &body))
}

pub(super) fn change(context: &Context<'_>, admin: &Admin<'_>) -> Answer {
    let id = number(context, "channel", "alert_channels")?;
    let old = own(context, admin, id)?;
    let content = content(context, admin, Some(&old))?;
    stored::change_channel(&context.app.db, admin, id, &content, context.now)?;
    Ok(json_response(200, &one(context, admin, id)?))
}

pub(super) fn delete(context: &Context<'_>, admin: &Admin<'_>) -> Answer {
    let id = number(context, "channel", "alert_channels")?;
    if !stored::delete_channel(&context.app.db, admin, id, context.now)? {
        return Err(none("channel", "alert_channels"));
    }
    Ok(json_response(200, &json!({})))
}

/// Sends a test now, and says how each step went.
pub(super) fn test(context: &Context<'_>, admin: &Admin<'_>) -> Answer {
    let id = number(context, "channel", "alert_channels")?;
    let channel = own(context, admin, id)?;
    let app = context.app;
    let testing = app.tests.begin(admin.customer()).ok_or_else(|| {
        let message = "A test is on its way already: wait for what comes of it.";
        ApiError::new(429, "test_running", message).with("Retry-After", "15")
    })?;
    let detail = format!("{id}: {}", channel.target.words());
    note(&app.db, Some(admin.customer()), context.now, admin.who(), "alert_channel.test", &detail)?;
    let message = Message {
        customer: people::customer(&app.db, admin)?.name,
        pages: app.pages.clone(),
        items: Vec::new(),
        at: context.now,
        id: format!("test-{}-{}", id, context.now.0),
    };
    let steps = app.sender.send(&channel.target, &message);
    drop(testing);
    let steps_shown: Vec<_> = steps.iter().map(SendStep::object).collect();
    Ok(json_response(200, &json!({ "is_taken": failure(&steps).is_none(), "steps": steps_shown })))
}

fn own(context: &Context<'_>, admin: &Admin<'_>, id: i64) -> Result<StoredChannel, ApiError> {
    let channels = stored::channels(&context.app.db, admin)?;
    let found = channels.into_iter().find(|channel| channel.id == id);
    found.ok_or_else(|| none("channel", "alert_channels"))
}

fn one(context: &Context<'_>, admin: &Admin<'_>, id: i64) -> Result<Value, ApiError> {
    let waiting = queue::lengths(&context.app.db, admin)?;
    Ok(object(&own(context, admin, id)?, &waiting))
}

fn content(
    context: &Context<'_>,
    admin: &Admin<'_>,
    old: Option<&StoredChannel>,
) -> Result<ChannelContent, ApiError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wanted {
        name: String,
        target: Target,
        calls: Option<String>,
        is_enabled: Option<bool>,
    }
    let wanted: Wanted = serde_json::from_slice(&context.request.body).map_err(|error| {
        let message = format!(
            "The channel cannot be read: {error}. Send {{\"name\": \"NOC\", \"target\": \
             {{\"kind\": \"email\", \"to\": [\"noc@example.net\"]}}}}."
        );
        ApiError::new(400, "bad_body", message)
    })?;
    let mut target = wanted.target;
    if let Some(old) = old {
        target.keep_secrets(&old.target);
    }
    target.check()?;
    if let Target::Webhook { secret, .. } = &mut target
        && secret.is_empty()
    {
        *secret = BASE64URL_NOPAD.encode(&random::<32>()?);
    }
    if let Some(filter) = &wanted.calls {
        if target.kind() != "webhook" {
            let allowed = "left out: only webhooks are told of finished calls";
            return Err(ApiError::parameter("calls", allowed));
        }
        let names = Names::new(&fleet::sensors(&context.app.db, admin)?);
        read_filter(filter, &|number| names.device(number))
            .map_err(|allowed| ApiError::parameter("calls", &allowed))?;
    }
    Ok(ChannelContent {
        name: check_name(&wanted.name)?,
        target,
        calls: wanted.calls,
        is_enabled: wanted.is_enabled.unwrap_or(true),
    })
}

fn object(channel: &StoredChannel, waiting: &[(i64, u64)]) -> Value {
    let mut target = serde_json::to_value(&channel.target).unwrap_or_default();
    if let Value::Object(fields) = &mut target {
        fields.remove("secret");
        if let Some(Value::Object(server)) = fields.get_mut("server") {
            let had = server.remove("password").is_some_and(|password| password != "");
            server.insert("has_password".to_owned(), json!(had));
        }
    }
    let waiting = waiting.iter().find(|(id, _)| *id == channel.id).map_or(0, |(_, many)| *many);
    let time = |at: Option<UnixMicros>| at.map(UnixMicros::to_rfc3339);
    json!({
        "id": channel.id,
        "name": channel.name,
        "kind": channel.target.kind(),
        "where": channel.target.words(),
        "target": target,
        "calls": channel.calls,
        "is_enabled": channel.is_enabled,
        "changed_by": channel.changed_by,
        "changed_at": channel.changed_at.to_rfc3339(),
        "tried_at": time(channel.tried_at),
        "sent_at": time(channel.sent_at),
        "error": channel.error,
        "waiting": waiting,
    })
}
