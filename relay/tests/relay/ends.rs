//! A relay on a loopback socket and the two ends of it.

use countersign_core::{
    keys::{CiRoot, DeviceRoot, SigningKey},
    relay::{Circuit, Frame, Mailbox, MailboxProof, OpenProof, RelayUrl, Ticket, TicketId, mailbox_address},
};
use countersign_link::{Hello, Link, LinkError};
use countersign_relay::{Config, Relay};
use tokio::{sync::oneshot, task::JoinHandle};

pub(crate) struct Running {
    pub(crate) url: RelayUrl,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

impl Running {
    pub(crate) async fn start(config: Config) -> Self {
        let relay = Relay::bind(config).await.unwrap();
        let url = relay.origin().clone();
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(relay.serve(async {
            let _ = stopped.await;
        }));
        Self { url, stop, served }
    }

    pub(crate) fn shut_down(self) -> JoinHandle<()> {
        self.stop.send(()).unwrap();
        self.served
    }

    pub(crate) async fn end(&self) -> End {
        End::connect(&self.url).await
    }

    /// A phone that proved its mailbox and denies these tickets.
    pub(crate) async fn phone(&self, deny: &[TicketId]) -> End {
        let mut phone = self.end().await;
        phone.prove(deny).await;
        assert_eq!(phone.recv().await, Frame::Proved { mailbox: mailbox() }.encode());
        phone
    }
}

/// One end of a connection, with what it needs for proofs.
pub(crate) struct End {
    pub(crate) link: Link,
    pub(crate) hello: Hello,
    pub(crate) origin: String,
}

impl End {
    pub(crate) async fn connect(url: &RelayUrl) -> Self {
        let (link, hello) = Link::connect(url).await.unwrap();
        Self { link, hello, origin: url.origin().to_owned() }
    }

    pub(crate) async fn send(&mut self, frame: Frame<'_>) {
        self.link.send(&frame.encode()).await.unwrap();
    }

    pub(crate) async fn recv(&mut self) -> Vec<u8> {
        self.link.recv().await.unwrap()
    }

    #[track_caller]
    pub(crate) fn expect(&mut self, frame: Frame<'_>) -> impl Future<Output = ()> {
        let expected = frame.encode();
        async move {
            let got = self.recv().await;
            assert_eq!(Frame::parse(&got), Frame::parse(&expected));
        }
    }

    pub(crate) async fn expect_end(&mut self) {
        let end = self.link.recv().await;
        assert!(matches!(end, Err(LinkError::Closed | LinkError::Broken(_))), "{end:?}");
    }

    pub(crate) async fn prove(&mut self, deny: &[TicketId]) {
        let signature = MailboxProof { origin: &self.origin, nonce: &self.hello.nonce }.sign(&mailbox_key());
        self.send(Frame::Prove { mailbox_public: mailbox_key().public(), signature, deny }).await;
    }

    pub(crate) async fn open(&mut self, circuit: Circuit, ticket: &Ticket, tail: &[u8]) {
        let ticket = ticket.sign(&mailbox_key());
        let proof = OpenProof { origin: &self.origin, nonce: &self.hello.nonce, circuit, ticket: &ticket, tail };
        let signature = proof.sign(&sender_key(1));
        self.send(Frame::Open { circuit, ticket: &ticket, signature, tail }).await;
    }
}

pub(crate) fn mailbox_key() -> SigningKey {
    DeviceRoot::from_slice(&[1; 32]).unwrap().derive_mailbox(&[1; 16])
}

pub(crate) fn mailbox() -> Mailbox {
    mailbox_address(&mailbox_key().public())
}

pub(crate) fn sender_key(n: u8) -> SigningKey {
    CiRoot::from_slice(&[n; 32]).unwrap().derive_sender()
}

pub(crate) fn ticket() -> Ticket {
    Ticket {
        mailbox_public: mailbox_key().public(),
        ticket_id: [7; 16],
        sender: Some(sender_key(1).public()),
        max_bytes: 65_536,
        opens_per_hour: 120,
        expires: 0,
        push: Vec::new(),
    }
}
