//! Clients at the two ends of a pipe: one whose request's body is poured, one whose answer it is.

use std::sync::Arc;

use super::chunked::Chunked;
use super::client::{Client, Gone, Phase};
use super::event_loop::Loop;
use super::limits::PIECE_BYTES;
use super::pipes::{Drawn, Pipe, Poured, Side};
use super::refusal::Refusal;

/// What a client gets whose body was poured and drawn to its end.
const POURED_ANSWER: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

/// The last chunk (RFC 9112 §7.1).
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// A chunk's size and its line ends, at most.
const CHUNK_AROUND: usize = 16;

/// A client's end of a pipe.
pub(super) struct Flow {
    pipe: Arc<Pipe>,
    /// What this client is woken by.
    wake_key: String,
}

impl Loop {
    /// The handler has named the pipe that the body goes to.
    pub(super) fn begin_pour(&mut self, slot: usize, client: &mut Client, key: &str) {
        client.request = None;
        // A request without a chunked body pours nothing: nobody is to wait for it.
        let flow = if client.body.is_some() {
            self.attach(slot, key, Side::Pour)
        } else {
            self.pipes.find(key).iter().for_each(|pipe| pipe.break_off());
            None
        };
        match flow {
            Some(flow) => {
                client.flow = Some(flow);
                client.phase = Phase::Pouring;
                client.deadline = Some(self.now + self.limits.stall);
            }
            None => self.refuse(client, Refusal::TransferOver),
        }
    }

    /// The handler has named the pipe that the answer comes from. `head`: without the empty line.
    pub(super) fn begin_draw(&mut self, slot: usize, client: &mut Client, head: &[u8], key: &str) {
        client.request = None;
        let Some(flow) = self.attach(slot, key, Side::Draw) else {
            self.refuse(client, Refusal::TransferOver);
            return;
        };
        client.flow = Some(flow);
        client.phase = Phase::Drawing;
        client.out.extend_from_slice(head);
        client.out.extend_from_slice(b"transfer-encoding: chunked\r\n");
        if client.close {
            client.out.extend_from_slice(b"connection: close\r\n");
        }
        client.out.extend_from_slice(b"\r\n");
        self.give_time(client);
    }

    fn attach(&mut self, slot: usize, key: &str, side: Side) -> Option<Flow> {
        let pipe = self.pipes.find(key)?;
        let wake_key = format!("{side:?} {key}");
        if !pipe.attach(side, &self.wakes, &wake_key) {
            return None;
        }
        self.flows.insert(wake_key.clone(), slot);
        Some(Flow { pipe, wake_key })
    }

    /// Pours what has come: whether anything moved.
    pub(super) fn pour(&mut self, client: &mut Client) -> Result<bool, Gone> {
        let (Some(flow), Some(body)) = (&client.flow, &mut client.body) else {
            return Err(Gone::Closed);
        };
        if body.is_done() {
            return match flow.pipe.state().ended {
                Some(true) => {
                    self.end_flow(client);
                    client.body = None;
                    client.out.extend_from_slice(POURED_ANSWER);
                    client.phase = Phase::Answering(None);
                    self.give_time(client);
                    Ok(true)
                }
                Some(false) => {
                    self.end_pour(client, Refusal::TransferOver);
                    Ok(true)
                }
                None => {
                    // While somebody draws, their own pace is watched, not this client's.
                    if flow.pipe.state().is_drawn {
                        client.deadline = None;
                    }
                    Ok(false)
                }
            };
        }
        match pour_piece(&flow.pipe, body, &mut client.input) {
            Ok(Poured::Took(0)) => {
                if client.input.is_empty() && client.ended {
                    return Err(Gone::Closed);
                }
                let state = flow.pipe.state();
                if state.ended.is_some() {
                    self.end_pour(client, Refusal::TransferOver);
                    return Ok(true);
                }
                if !client.input.is_empty() && state.is_drawn {
                    client.deadline = None;
                } else if client.deadline.is_none() {
                    client.deadline = Some(self.now + self.limits.stall);
                }
                Ok(false)
            }
            Ok(Poured::Took(_)) => {
                client.deadline = Some(self.now + self.limits.stall);
                Ok(true)
            }
            Ok(Poured::Broken) => {
                self.end_pour(client, Refusal::TransferOver);
                Ok(true)
            }
            Err(refusal) => {
                self.end_pour(client, refusal);
                Ok(true)
            }
        }
    }

    /// Draws one piece: whether there was one.
    pub(super) fn draw(&mut self, client: &mut Client) -> Result<bool, Gone> {
        if !client.has_room() {
            return Ok(false);
        }
        let Some(flow) = &client.flow else { return Err(Gone::Closed) };
        if client.ended {
            return Err(Gone::Closed);
        }
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        match flow.pipe.draw(&mut piece, PIECE_BYTES) {
            Drawn::Some => {
                client.out.reserve_exact(piece.len() + CHUNK_AROUND);
                client.out.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
                client.out.extend_from_slice(&piece);
                client.out.extend_from_slice(b"\r\n");
                Ok(true)
            }
            Drawn::Wait => Ok(false),
            Drawn::Done => {
                self.end_flow(client);
                client.out.extend_from_slice(LAST_CHUNK);
                client.phase = Phase::Answering(None);
                Ok(true)
            }
            // Without a word: the client must see that this is not the end.
            Drawn::Broken => Err(Gone::Closed),
        }
    }

    /// The body cannot be taken to its end.
    pub(super) fn end_pour(&mut self, client: &mut Client, refusal: Refusal) {
        self.end_flow(client);
        self.refuse(client, refusal);
    }

    /// A client leaves its pipe; what is not whole is broken off.
    pub(super) fn end_flow(&mut self, client: &mut Client) {
        let Some(flow) = client.flow.take() else { return };
        self.flows.remove(&flow.wake_key);
        flow.pipe.break_off();
    }
}

/// Pours the data at the beginning of `input`, and drops what was used.
fn pour_piece(pipe: &Pipe, body: &mut Chunked, input: &mut Vec<u8>) -> Result<Poured, Refusal> {
    let mut used = 0;
    while used < input.len() && !body.is_done() {
        let mut after = body.clone();
        let step = after.step(&input[used..]).map_err(|_| Refusal::Chunk)?;
        if step.data.is_empty() {
            *body = after;
            used += step.consumed;
            continue;
        }
        // The data stands at the end of what was read: framing first, then as much as fits.
        let framing = step.consumed - step.data.len();
        let count = match pipe.pour(step.data) {
            Poured::Took(count) => count,
            Poured::Broken => return Ok(Poured::Broken),
        };
        let taken = framing + count;
        if count == 0 {
            break;
        }
        body.step(&input[used..used + taken]).map_err(|_| Refusal::Chunk)?;
        used += taken;
        if count < step.data.len() {
            break;
        }
    }
    input.drain(..used);
    if body.is_done() {
        pipe.finish();
    }
    Ok(Poured::Took(used))
}
