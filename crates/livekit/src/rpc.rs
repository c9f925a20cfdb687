//! RPC that a backend performs on a participant: a request packet, its acknowledgement, its answer, and the times for both.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use livekit_protocol as proto;
use proto::data_packet::Value;
use sfu::ParticipantKey;

use crate::limits::{LONGEST_NAME, LONGEST_RPC_PAYLOAD, MOST_RPCS, RPC_ACK, RPC_TIMEOUT, SHORTEST_RPC_TIMEOUT};
use crate::requests::{RequestId, RoomAnswer, RoomRefusal};
use crate::room::Room;

/// LiveKit's codes of what may go wrong between the two.
const REQUEST_TOO_LARGE: u32 = 1402;
const CONNECTION_TIMEOUT: u32 = 1501;
const RESPONSE_TIMEOUT: u32 = 1502;
const RECIPIENT_DISCONNECTED: u32 = 1503;

/// One that is under way.
#[derive(Debug)]
struct Pending {
    request: RequestId,
    participant: ParticipantKey,
    /// Until then it must be acknowledged; `None`: it was.
    acknowledged_by: Option<Instant>,
    answered_by: Instant,
}

/// Those under way, by the id in their packets.
#[derive(Debug, Default)]
pub(crate) struct Rpcs(BTreeMap<String, Pending>);

impl Rpcs {
    /// When the next one has waited long enough.
    pub fn due(&self) -> Option<Instant> {
        let dues = self.0.values().map(|one| one.acknowledged_by.map_or(one.answered_by, |at| at.min(one.answered_by)));
        dues.min()
    }
}

impl Room {
    /// Sends the request; the answer follows.
    pub(crate) fn perform_rpc(
        &mut self,
        request_id: RequestId,
        request: proto::PerformRpcRequest,
    ) -> Result<(), RoomRefusal> {
        let key = self.membership.known(&request.destination_identity)?;
        if request.method.is_empty() || request.method.len() > LONGEST_NAME {
            return Err(RoomRefusal::Invalid("method is missing or too long"));
        }
        if request.payload.len() > LONGEST_RPC_PAYLOAD {
            return Err(refusal(REQUEST_TOO_LARGE, "Request payload too large"));
        }
        if self.rpcs.0.len() >= MOST_RPCS {
            return Err(RoomRefusal::Busy);
        }
        let timeout = match request.response_timeout_ms {
            0 => RPC_TIMEOUT.0,
            ms => Duration::from_millis(ms.into()).clamp(SHORTEST_RPC_TIMEOUT, RPC_TIMEOUT.1),
        };
        let id = crate::id::sid(&mut self.rng, "RPC_");
        let packet = proto::DataPacket {
            // The answer is addressed to it.
            participant_identity: id.clone(),
            destination_identities: vec![request.destination_identity],
            value: Some(Value::RpcRequest(proto::RpcRequest {
                id: id.clone(),
                method: request.method,
                payload: request.payload,
                response_timeout_ms: u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX),
                version: 1,
                ..Default::default()
            })),
            ..Default::default()
        };
        let pending = Pending {
            request: request_id,
            participant: key,
            acknowledged_by: Some(self.now + RPC_ACK),
            answered_by: self.now + timeout,
        };
        self.rpcs.0.insert(id, pending);
        self.send_data(self.now, packet, true);
        Ok(())
    }

    /// Takes what answers an RPC of a backend. True where it was one: nobody else is to get it.
    pub(crate) fn take_rpc_answer(&mut self, from: ParticipantKey, packet: &proto::DataPacket) -> bool {
        let id = match &packet.value {
            Some(Value::RpcAck(ack)) => &ack.request_id,
            Some(Value::RpcResponse(response)) => &response.request_id,
            _ => return false,
        };
        let Some(pending) = self.rpcs.0.get_mut(id).filter(|pending| pending.participant == from) else { return false };
        let Some(Value::RpcResponse(response)) = &packet.value else {
            pending.acknowledged_by = None;
            return true;
        };
        let request = pending.request;
        let answer = match &response.value {
            Some(proto::rpc_response::Value::Error(error)) => {
                Err(RoomRefusal::Rpc { code: error.code, message: error.message.clone(), data: error.data.clone() })
            }
            Some(proto::rpc_response::Value::Payload(payload)) => Ok(RoomAnswer::Rpc(payload.clone())),
            Some(_) | None => Err(refusal(RESPONSE_TIMEOUT, "the answer cannot be read")),
        };
        self.rpcs.0.remove(id);
        self.answer(request, answer);
        true
    }

    /// Those whose time is over.
    pub(crate) fn expire_rpcs(&mut self) {
        let now = self.now;
        let unacknowledged = |one: &Pending| one.acknowledged_by.is_some_and(|at| at <= now);
        self.fail_rpcs(|one| unacknowledged(one), CONNECTION_TIMEOUT, "Connection timeout");
        self.fail_rpcs(|one| one.answered_by <= now, RESPONSE_TIMEOUT, "Response timeout");
    }

    /// Their participant is gone.
    pub(crate) fn abandon_rpcs(&mut self, key: ParticipantKey) {
        self.fail_rpcs(|one| one.participant == key, RECIPIENT_DISCONNECTED, "Recipient disconnected");
    }

    fn fail_rpcs(&mut self, fails: impl Fn(&Pending) -> bool, code: u32, message: &str) {
        let failed: Vec<String> = self.rpcs.0.iter().filter(|(_, one)| fails(one)).map(|(id, _)| id.clone()).collect();
        for id in failed {
            if let Some(pending) = self.rpcs.0.remove(&id) {
                self.answer(pending.request, Err(refusal(code, message)));
            }
        }
    }
}

fn refusal(code: u32, message: &str) -> RoomRefusal {
    RoomRefusal::Rpc { code, message: message.to_owned(), data: String::new() }
}
