//! A device without a token waits, and is accepted by its claim code.

use ring::digest::{SHA256, digest};
use ringside_protocol::claim::{
    CODE_SECONDS, Claim, ClaimAnswer, Code, MAX_CLAIM_SECONDS, code_message, hour,
};

use super::*;
use crate::auth::scope_of_admin;
use crate::claims::{Claims, MAX_CLAIMS_PER_ADDRESS, MAX_WAITING_PER_ADDRESS};
use crate::db::claims::accept;
use crate::uplink::claim::key;

/// A cloud, and those who wait at it.
fn cloud() -> (Cloud, Arc<Claims>) {
    let mut cloud = Cloud::new();
    let claims = Arc::<Claims>::default();
    cloud.uplink = uplink_of(&cloud.db, &cloud.notebook).with_claims(Arc::clone(&claims));
    (cloud, claims)
}

impl Device {
    fn claim(&self, cloud: &Cloud) -> Claim {
        let prove = self.proof(cloud).expect("a challenge");
        let hour = hour(cloud.now);
        let code_signature = self.key.sign(&code_message(hour)).as_ref().try_into().expect("64");
        Claim { prove, hour, code_signature, wait_seconds: MAX_CLAIM_SECONDS }
    }

    fn show(&self, cloud: &Cloud, claim: &Claim) -> Answer {
        let body = envelope::seal(claim).expect("seals");
        cloud.ask("/uplink/claim", None, &body, self.peer)
    }

    /// The same claim again, after it was parked.
    fn wake(&self, cloud: &Cloud, claim: &Claim, woken: Woken, waited: u64) -> Answer {
        cloud.uplink.handle(&Request {
            path: "/uplink/claim",
            bearer: None,
            peer: self.peer,
            body: &envelope::seal(claim).expect("seals"),
            woken: Some(woken),
            waited: Duration::from_secs(waited),
            now: cloud.now,
        })
    }
}

fn code(claim: &Claim) -> Code {
    let hash: [u8; 32] =
        digest(&SHA256, &claim.code_signature).as_ref().try_into().expect("32 bytes");
    Code::of(&hash)
}

fn customer(answered: Answer) -> Result<Option<String>, Failure> {
    answer::<ClaimAnswer>(answered).map(|answer| answer.customer)
}

#[test]
fn a_device_waits_and_joins_when_it_is_accepted() {
    let (mut cloud, claims) = cloud();
    let mut device = Device::new("gate-1");
    let claim = device.claim(&cloud);
    let parked = device.show(&cloud, &claim);
    assert!(matches!(parked, Answer::Park { key: on, .. } if on == key(device.fingerprint())));
    let desk = [203, 0, 113, 9].into();
    let (found, waiting) = claims.find(code(&claim), "eva", desk, cloud.now).expect("it waits");
    assert_eq!((found, waiting.hello.name.as_str()), (device.fingerprint(), "gate-1"));
    assert_eq!(waiting.address, device.peer.ip());
    // Woken for nothing, it waits for what is left of its time.
    cloud.wait(40);
    let again = device.wake(&cloud, &claim, Woken::Yes, 40);
    assert!(matches!(again, Answer::Park { wait, .. } if wait == Duration::from_secs(5)));

    let scope = scope_of_admin(cloud.customer);
    let admin = scope.admin().expect("an administrator");
    assert!(accept(&cloud.db, &admin, &waiting.hello, cloud.now).expect("accepted"));
    assert!(!accept(&cloud.db, &admin, &waiting.hello, cloud.now).expect("once only"));
    let told = device.wake(&cloud, &claim, Woken::Yes, 41);
    assert_eq!(customer(told), Ok(Some("Acme".to_owned())));
    assert_eq!(device.connect(&cloud).map(|accepted| accepted.id_sensor), Ok(1));
}

#[test]
fn a_claim_whose_time_is_up_is_answered_and_the_device_still_waits() {
    let (mut cloud, claims) = cloud();
    let device = Device::new("gate-1");
    let claim = device.claim(&cloud);
    assert!(matches!(device.show(&cloud, &claim), Answer::Park { .. }));
    cloud.wait(MAX_CLAIM_SECONDS.into());
    let over = device.wake(&cloud, &claim, Woken::Timeout, MAX_CLAIM_SECONDS.into());
    assert_eq!(customer(over), Ok(None));
    assert!(claims.find(code(&claim), "eva", [203, 0, 113, 9].into(), cloud.now).is_ok());
}

#[test]
fn a_code_is_of_its_device_and_of_its_hour() {
    let (cloud, claims) = cloud();
    let (device, other) = (Device::new("gate-1"), Device::new("gate-2"));
    let claim = device.claim(&cloud);
    let stolen = Claim { code_signature: other.claim(&cloud).code_signature, ..claim.clone() };
    assert_eq!(customer(device.show(&cloud, &stolen)), Err(Failure::BadSignature));
    let old = Claim { hour: claim.hour - 2, ..claim.clone() };
    assert!(matches!(customer(device.show(&cloud, &old)), Err(Failure::CloudFault { .. })));
    let foreign = Claim { prove: other.proof(&cloud).expect("a challenge"), ..claim.clone() };
    assert_eq!(customer(device.show(&cloud, &foreign)), Err(Failure::BadSignature));
    let mut unproven = claim;
    unproven.prove.signature[0] ^= 1;
    assert_eq!(customer(device.show(&cloud, &unproven)), Err(Failure::BadSignature));
    assert_eq!(claims.count(), 0);
}

#[test]
fn the_next_hour_has_another_code() {
    let (mut cloud, _) = cloud();
    let device = Device::new("gate-1");
    let first = device.claim(&cloud);
    cloud.wait(CODE_SECONDS);
    let second = device.claim(&cloud);
    assert_ne!(code(&first).to_string(), code(&second).to_string());
    assert!(matches!(device.show(&cloud, &second), Answer::Park { .. }));
}

#[test]
fn one_address_can_ask_so_often_and_have_so_many_waiting() {
    let (mut cloud, claims) = cloud();
    let mut answered = Vec::new();
    for number in 0..=MAX_WAITING_PER_ADDRESS {
        let device = Device::new(&format!("box-{number}"));
        answered.push(device.show(&cloud, &device.claim(&cloud)));
    }
    let last = answered.pop().expect("answers");
    assert!(answered.iter().all(|answer| matches!(answer, Answer::Park { .. })));
    assert!(matches!(customer(last), Err(Failure::Busy { .. })));
    assert_eq!(claims.count(), MAX_WAITING_PER_ADDRESS);

    let device = Device::new("one more");
    let claim = device.claim(&cloud);
    for _ in 0..MAX_CLAIMS_PER_ADDRESS {
        let _ = device.show(&cloud, &claim);
    }
    let Err(Failure::Busy { limit }) = customer(device.show(&cloud, &claim)) else {
        panic!("the address asks too often");
    };
    assert!(limit.contains("in a minute"), "{limit}");
    cloud.wait(60);
    let elsewhere = Device { peer: SocketAddr::from(([192, 0, 2, 8], 1)), ..Device::new("b") };
    assert!(matches!(elsewhere.show(&cloud, &elsewhere.claim(&cloud)), Answer::Park { .. }));
}

#[test]
fn a_device_that_joins_by_a_token_meanwhile_is_told_at_once() {
    let (cloud, claims) = cloud();
    let device = Device::new("gate-1");
    let claim = device.claim(&cloud);
    assert!(matches!(device.show(&cloud, &claim), Answer::Park { .. }));
    cloud.notebook.take();
    device.enrol(&cloud, cloud.token()).expect("enrolled");
    assert!(cloud.notebook.take().contains(&key(device.fingerprint())));
    assert_eq!(claims.count(), 0);
    let told = device.wake(&cloud, &claim, Woken::Yes, 1);
    assert_eq!(customer(told), Ok(Some("Acme".to_owned())));
}
