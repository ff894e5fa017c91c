//! A phone and its jobs, which have nothing to do with the attack.

use std::{
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};

use countersign_core::{
    keys::{CiRoot, DeviceRoot, SigningKey},
    relay::{CloseReason, Frame, MailboxProof, Nonce, OpenProof, RelayUrl, Ticket},
};
use countersign_link::{Hello, Link, RootCertStore};
use tokio::{task::JoinHandle, time::timeout};

/// Only a hang takes as long.
const PATIENCE: Duration = Duration::from_secs(30);

/// As long as a request may be, so that it comes in several pieces.
const REQUEST: [u8; 12_288] = [7; 12_288];

pub(crate) struct Honest {
    url: RelayUrl,
    roots: RootCertStore,
    keys: Keys,
    phone: JoinHandle<String>,
    /// For relays that take no new connections for a while.
    kept: Option<(Link, Hello, u32)>,
}

/// A mailbox and a sender that may use it.
#[derive(Clone)]
pub(crate) struct Keys(u16);

impl Keys {
    pub(crate) fn make() -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// Nobody else's.
    fn bytes<const LENGTH: usize>(&self) -> [u8; LENGTH] {
        std::array::from_fn(|n| self.0.to_be_bytes()[n % 2])
    }

    pub(crate) fn mailbox(&self) -> SigningKey {
        DeviceRoot::from_slice(&self.bytes::<32>()).unwrap().derive_mailbox(&[1; 16])
    }

    pub(crate) fn sender(&self) -> SigningKey {
        CiRoot::from_slice(&self.bytes::<32>()).unwrap().derive_sender()
    }

    pub(crate) fn ticket(&self) -> Vec<u8> {
        let (mailbox, sender) = (self.mailbox().public(), self.sender().public());
        let ticket_id = self.bytes();
        let ticket = Ticket {
            mailbox_public: mailbox,
            ticket_id,
            sender: Some(sender),
            max_bytes: 65_536,
            opens_per_hour: u16::MAX,
            expires: 0,
            push: vec![],
        };
        ticket.sign(&self.mailbox())
    }

    pub(crate) fn prove(&self, origin: &str, nonce: &Nonce) -> Vec<u8> {
        let signature = MailboxProof { origin, nonce }.sign(&self.mailbox());
        Frame::Prove { mailbox_public: self.mailbox().public(), signature, deny: &[] }.encode()
    }

    pub(crate) fn open(&self, origin: &str, nonce: &Nonce, circuit: u32, tail: &[u8]) -> Vec<u8> {
        let ticket = self.ticket();
        let signature = OpenProof { origin, nonce, circuit, ticket: &ticket, tail }.sign(&self.sender());
        Frame::Open { circuit, ticket: &ticket, signature, tail }.encode()
    }
}

impl Honest {
    pub(crate) async fn start(url: &RelayUrl) -> Self {
        Self::start_with(url, RootCertStore::empty()).await
    }

    pub(crate) async fn start_with(url: &RelayUrl, roots: RootCertStore) -> Self {
        let keys = Keys::make();
        let (mut link, hello) = Link::connect_with(url, roots.clone()).await.unwrap();
        link.send(&keys.prove(url.origin(), &hello.nonce)).await.unwrap();
        assert!(matches!(Frame::parse(&link.recv().await.unwrap()), Ok(Frame::Proved { .. })));
        Self { url: url.clone(), roots, keys, phone: tokio::spawn(answer(link)), kept: None }
    }

    /// Whole requests, each on a connection of its own: connect, OPEN, hear the phone, hang up.
    pub(crate) async fn requests(&mut self, count: u32) {
        for n in 0..count {
            let (mut link, hello) = timeout(PATIENCE, Link::connect_with(&self.url, self.roots.clone())).await.unwrap().unwrap();
            self.request(&mut link, &hello, 1).await;
            drop(link);
            assert!(!self.phone.is_finished(), "the phone lost its connection after {n} requests");
        }
    }

    /// The same on one connection that is kept.
    pub(crate) async fn requests_on_one_connection(&mut self, count: u32) {
        let (mut link, hello, mut circuit) = match self.kept.take() {
            Some(kept) => kept,
            None => {
                let (link, hello) = Link::connect_with(&self.url, self.roots.clone()).await.unwrap();
                (link, hello, 0)
            }
        };
        for _ in 0..count {
            circuit += 1;
            self.request(&mut link, &hello, circuit).await;
        }
        self.kept = Some((link, hello, circuit));
        assert!(!self.phone.is_finished(), "the phone lost its connection");
    }

    async fn request(&self, link: &mut Link, hello: &Hello, circuit: u32) {
        link.send(&self.keys.open(self.url.origin(), &hello.nonce, circuit, &REQUEST)).await.unwrap();
        loop {
            let bytes = timeout(PATIENCE, link.recv()).await.unwrap_or_else(|_| panic!("an honest request hangs")).unwrap();
            match Frame::parse(&bytes).unwrap() {
                // A burst of requests is given to the phone over some seconds.
                Frame::Opened { .. } | Frame::Waiting { .. } => {}
                Frame::Data { tail: b"answer", .. } => break,
                other => panic!("an honest request got {other:?}"),
            }
        }
        link.send(&Frame::Close { circuit, reason: CloseReason::Done }.encode()).await.unwrap();
    }
}

impl Drop for Honest {
    fn drop(&mut self) {
        self.phone.abort();
    }
}

/// Answers every request until the connection ends, and says how it did.
async fn answer(mut link: Link) -> String {
    loop {
        let bytes = match link.recv().await {
            Ok(bytes) => bytes,
            Err(error) => return error.to_string(),
        };
        if let Ok(Frame::Incoming { circuit, .. }) = Frame::parse(&bytes)
            && let Err(error) = link.send(&Frame::Data { circuit, tail: b"answer" }.encode()).await
        {
            return error.to_string();
        }
    }
}
