//! Tells channels what waits for them. Nothing is lost by a restart: what waits is in the database
//! until the receiver has it. A receiver that is away is tried again, later and later, for a day.

use std::sync::Arc;

use ringside_protocol::time::{MICROS_PER_SECOND, UnixMicros};
use serde_json::json;

use super::channel::Target;
use super::message::{Item, Message};
use super::rule::read_filter;
use super::send::{SendStep, Sender, failure};
use crate::auth::Scope;
use crate::db::alerts::StoredChannel;
use crate::db::alerts::queue::{self, Queue};
use crate::db::calls::{Calls, Stored};
use crate::db::search::{one, visible};
use crate::db::sensors::Sensor;
use crate::db::{Customer, Db, Result, people};
use crate::filter::Filter;
use crate::routes::{call_fits, call_summary};

/// Between two looks at what waits, seconds.
pub const DELIVER_EVERY_SECONDS: u64 = 5;

/// Channels that are told at once, each of another customer: one that does not answer holds up the
/// others for [`super::send::TIMEOUT`] at most.
pub const MAX_AT_ONCE: usize = 8;

/// The wait after the first failure, seconds; it doubles with each.
pub const FIRST_RETRY_SECONDS: u64 = 30;

/// The longest wait, seconds.
pub const MAX_RETRY_SECONDS: u64 = 3600;

/// What could not be told for so long is given up and counted, seconds.
pub const GIVE_UP_SECONDS: u64 = 86_400;

/// Finished calls in one webhook.
pub const MAX_CALLS_AT_ONCE: u32 = 100;

/// Tells channels.
#[derive(Clone)]
pub struct Deliverer {
    /// The database.
    pub db: Arc<Db>,
    /// Who connects.
    pub sender: Arc<Sender>,
    /// Where the pages are, without a slash at its end.
    pub pages: String,
}

impl Deliverer {
    /// Tells what is due; how many messages were tried.
    ///
    /// # Errors
    /// The database's.
    pub fn round(&self, now: UnixMicros) -> Result<usize> {
        let mut work = Vec::new();
        for queue in [Queue::Alerts, Queue::Calls] {
            for (customer, channel) in self.db.due_channels(queue, now, MAX_AT_ONCE)? {
                if queue == Queue::Alerts
                    && let Some(until) = paused_until(&channel).filter(|until| *until > now)
                {
                    self.db.put_off(queue, channel.id, until)?;
                    continue;
                }
                work.push((queue, customer, channel));
            }
        }
        let tried = work.len();
        let failed = std::thread::scope(|threads| {
            let running: Vec<_> = work
                .into_iter()
                .map(|(queue, customer, channel)| {
                    threads.spawn(move || match queue {
                        Queue::Alerts => self.tell(customer, &channel, now),
                        Queue::Calls => self.tell_calls(customer, &channel, now),
                    })
                })
                .collect();
            running.into_iter().filter_map(|thread| thread.join().ok()?.err()).next()
        });
        failed.map_or(Ok(tried), Err)
    }

    /// Tells one channel of its alerts.
    fn tell(&self, customer: Customer, channel: &StoredChannel, now: UnixMicros) -> Result<()> {
        let scope = Scope::of_service(customer);
        let (waiting, orphans) = queue::waiting(&self.db, &scope, channel.id)?;
        let (Some(first), Some(last)) = (waiting.first(), waiting.last()) else {
            return self.db.told(Queue::Alerts, channel.id, &orphans, now);
        };
        let sensors = self.db.list_sensors(Some(customer))?;
        let name = |device| {
            let found = sensors.iter().find(|sensor: &&Sensor| Some(sensor.device) == device);
            found.map(|sensor| sensor.name.clone())
        };
        let items = waiting.iter().map(|it| Item {
            alert: it.alert.clone(),
            is_opening: it.is_opening,
            sensor: name(it.alert.device),
        });
        let id = format!("alerts-{}-{}", first.id, last.id);
        let message = self.message(&scope, items.collect(), id, now)?;
        let steps = self.sender.send(&channel.target, &message);
        let tried: Vec<_> = waiting.iter().map(|it| (it.id, it.created_at, it.attempts)).collect();
        self.settle((Queue::Alerts, customer, channel), &tried, &steps, now)?;
        if !orphans.is_empty() {
            self.db.told(Queue::Alerts, channel.id, &orphans, now)?;
        }
        Ok(())
    }

    /// Tells a webhook of finished calls that fit its filter.
    fn tell_calls(
        &self,
        customer: Customer,
        channel: &StoredChannel,
        now: UnixMicros,
    ) -> Result<()> {
        let scope = Scope::of_service(customer);
        let waiting = queue::waiting_calls(&self.db, &scope, channel.id, MAX_CALLS_AT_ONCE)?;
        let tried: Vec<_> = waiting.iter().map(|it| (it.id, it.created_at, it.attempts)).collect();
        let ids: Vec<_> = waiting.iter().map(|it| it.id).collect();
        let (Target::Webhook { url, secret }, Some(filter)) = (&channel.target, &channel.calls)
        else {
            return self.db.told(Queue::Calls, channel.id, &ids, now);
        };
        let sensors = self.db.list_sensors(Some(customer))?;
        let filter = calls_filter(filter, &sensors);
        let mut calls = Vec::new();
        for one_call in &waiting {
            let span = visible(now);
            let found = one::<Calls>(&self.db, &scope, one_call.call, span, |call: &Stored| {
                call.ended_at >= span.from
            })?;
            if let Some(call) = found
                && filter.as_ref().is_none_or(|filter| call_fits(&call, filter))
            {
                calls.push(call_summary(&call, &sensors));
            }
        }
        if calls.is_empty() {
            return self.db.told(Queue::Calls, channel.id, &ids, now);
        }
        let (first, last) = (ids.first().unwrap_or(&0), ids.last().unwrap_or(&0));
        let id = format!("calls-{first}-{last}");
        let message = self.message(&scope, Vec::new(), id, now)?;
        let body = json!({
            "event": "calls",
            "id": message.id,
            "at": now.to_rfc3339(),
            "customer": message.customer,
            "calls": calls,
        });
        let steps = self.sender.post((url, secret), &message, &body);
        self.settle((Queue::Calls, customer, channel), &tried, &steps, now)
    }

    /// A message to this customer's channels.
    ///
    /// # Errors
    /// The database's.
    pub fn message(
        &self,
        scope: &Scope,
        items: Vec<Item>,
        id: String,
        at: UnixMicros,
    ) -> Result<Message> {
        let customer = people::customer(&self.db, scope)?.name;
        Ok(Message { customer, pages: self.pages.clone(), items, at, id })
    }

    fn settle(
        &self,
        (queue, customer, channel): (Queue, Customer, &StoredChannel),
        tried: &[(i64, UnixMicros, u32)],
        steps: &[SendStep],
        now: UnixMicros,
    ) -> Result<()> {
        let Some(error) = failure(steps) else {
            let ids: Vec<_> = tried.iter().map(|(id, ..)| *id).collect();
            return self.db.told(queue, channel.id, &ids, now);
        };
        let attempts = tried.iter().map(|(.., attempts)| *attempts).max().unwrap_or(0);
        let again = now.plus(retry_seconds(attempts) * MICROS_PER_SECOND);
        let is_old = |at: UnixMicros| now.since(at) >= GIVE_UP_SECONDS * MICROS_PER_SECOND;
        let given_up: Vec<_> =
            tried.iter().filter(|(_, at, _)| is_old(*at)).map(|(id, ..)| *id).collect();
        log::warn!("channel {} of customer {}: {error}", channel.id, customer.0);
        self.db.not_told(queue, (customer, channel.id), (&error, &given_up), again, now)
    }
}

/// The next message of alerts waits until then.
fn paused_until(channel: &StoredChannel) -> Option<UnixMicros> {
    let pause = channel.target.pause_seconds() * MICROS_PER_SECOND;
    channel.sent_at.map(|sent_at| sent_at.plus(pause))
}

/// The wait after a failure, seconds.
#[must_use]
pub fn retry_seconds(attempts: u32) -> u64 {
    let doubled = FIRST_RETRY_SECONDS.checked_shl(attempts.min(16)).unwrap_or(MAX_RETRY_SECONDS);
    doubled.min(MAX_RETRY_SECONDS)
}

fn calls_filter(text: &str, sensors: &[Sensor]) -> Option<Filter> {
    let device = |number: u64| {
        let numbered = sensors.iter().find(|it| it.id_sensor.map(u64::from) == Some(number));
        numbered.map(|sensor| sensor.device)
    };
    read_filter(text, &device).ok().filter(|filter| !filter.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_that_is_away_is_tried_later_and_later() {
        let waits: Vec<_> = [0, 1, 2, 6, 7, 40].into_iter().map(retry_seconds).collect();
        assert_eq!(waits, [30, 60, 120, 1920, 3600, 3600]);
    }
}
