//! The protocol of Countersign without input or output (docs/PROTOCOL.md).
//!
//! What to use: a CI job runs [`ci::Exchange`]; a phone runs [`phone::Phone`]; both pair with [`pairing`]; [`seed::seal`] makes the file that CI may
//! hold and nobody but the phone can open; [`relay`] is the wire between them. What does not exist: a way to get a seed's file key, a way to compute a code outside
//! the phone's approval, secrets with `Debug`. What is promised: no clock, socket, file, environment, thread or global randomness (one exception, see [`seed`]), no panics
//! on any input, everything bounded before it is parsed.
//!
//! One whole approval, with a wire that only carries frames:
//!
//! ```
//! use countersign_core::{
//!     ci::{Ask, Event, Exchange, Finished, Output},
//!     keys::{DeviceRoot, UnlockRoot},
//!     otp::parse_otpauth,
//!     pairing::{AwaitP1, AwaitP2, PhoneIdentity},
//!     phone::{Context, Decision, NotSaved, Phone, PhoneOutput, Store},
//!     relay::{Frame, mailbox_address, parse_ticket},
//!     request::Operation,
//!     time::Now,
//! };
//! use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
//!
//! struct Disk;
//! impl Store for Disk {
//!     fn save(&mut self, _part: &str, _sealed: &[u8]) -> Result<(), NotSaved> {
//!         Ok(()) // a real one writes atomically
//!     }
//! }
//!
//! // Shells pass the operating system's randomness and clocks.
//! let (mut rng, mut disk) = (ChaCha20Rng::seed_from_u64(1), Disk);
//! let now = Now { unix: 1_700_000_000, mono: 0 };
//!
//! // A phone, with a seed sealed to it.
//! let (device, unlock) = (DeviceRoot::make(&mut rng), UnlockRoot::make(&mut rng));
//! let identity = PhoneIdentity::derive("pixel", &unlock)?;
//! let mut phone = Phone::create(device, &identity, &mut Context { now, rng: &mut rng, store: &mut disk })?;
//! let otpauth = parse_otpauth("otpauth://totp/ACME:release?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")?;
//! let sealed = phone.enroll(&otpauth, &[], &unlock, &mut Context { now, rng: &mut rng, store: &mut disk })?;
//!
//! // Pairing: five messages and six digits.
//! let laptop = AwaitP1::make("acme/widget", "wss://relay.example.org".parse()?, &mut rng);
//! let (on_phone, p1) = AwaitP2::start(phone.device(), laptop.code().to_text().parse()?, &mut rng)?;
//! let (laptop, p2) = laptop.receive(&p1, &mut rng)?;
//! let (on_phone, p3) = on_phone.receive(&p2, phone.device(), &identity, &mut rng)?;
//! let (laptop, p4) = laptop.receive(&p3)?.check(&on_phone.digits())?;
//! let paired = on_phone.receive(&p4)?;
//! let p5 = phone.add_pairing(paired, &mut Context { now, rng: &mut rng, store: &mut disk })?;
//! let paired = laptop.receive(&p5)?;
//!
//! // CI asks; frames are carried until the job has its code.
//! let relay = paired.pairing.relay.clone();
//! let mailbox = mailbox_address(&parse_ticket(&paired.pairing.ticket)?.mailbox_public);
//! let ask = Ask { sealed: Some(sealed), seed_name: "npm".into(), ..Ask::new(Operation::Code, 60_000) };
//! let mut job = Exchange::new(paired.pairing, paired.key, ask, now);
//! let code = 'done: loop {
//!     while let Some(output) = job.poll_output() {
//!         match output {
//!             Output::Connect => {
//!                 phone.connected(&relay, &[7; 32]);
//!                 job.connected([7; 32], now, &mut rng);
//!             }
//!             Output::Send(frame) => {
//!                 let frame = match Frame::parse(&frame)? {
//!                     Frame::Open { circuit, tail, .. } => Frame::Incoming { circuit, mailbox, ticket_id: [0; 16], tail }.encode(),
//!                     other => other.encode(),
//!                 };
//!                 phone.received(&relay, &frame, &mut Context { now, rng: &mut rng, store: &mut disk });
//!             }
//!             Output::Event(Event::Number(number)) => {
//!                 // The human reads the number in the log, types it on the phone, and unlocks.
//!                 let ctx = &mut Context { now, rng: &mut rng, store: &mut disk };
//!                 let request = phone.pending(now).remove(0);
//!                 let decision = Decision { number: number.digits().into(), codes: None, grant: true };
//!                 phone.decide(&request.request_id, &decision, ctx)?;
//!                 phone.approve(&request.request_id, &unlock, None, ctx)?;
//!             }
//!             Output::Finished(Ok(Finished::Approved(approval))) => break 'done approval.codes[0].1.clone(),
//!             _ => {}
//!         }
//!     }
//!     while let Some(output) = phone.poll_output() {
//!         if let PhoneOutput::Send { frame, .. } = output {
//!             job.received(&frame, now, &mut rng);
//!         }
//!     }
//! };
//! assert_eq!(code.expose().len(), 6);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod backoff;
pub mod channel;
pub mod ci;
pub mod keys;
mod labels;
pub mod otp;
pub mod pairing;
pub mod phone;
pub mod relay;
pub mod request;
pub mod seed;
pub mod text;
pub mod time;
#[cfg(test)]
mod vectors;
