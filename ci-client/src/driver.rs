//! One exchange over one relay connection at a time: the shell around [`Exchange`].

use std::time::Duration;

use countersign_core::{
    ci::{Ask, Event, Exchange, Failure, Finished, Output},
    relay::RelayUrl,
    request::{CancelReason, Outcome},
};
use countersign_link::{Clock, Link, LinkError};
use rand_core::OsRng;
use tokio::time::{sleep, timeout};

use crate::ask::{Note, Phone};

/// Saying goodbye takes no longer than this.
const GOODBYE: Duration = Duration::from_secs(2);

/// Something to show.
pub(crate) enum News {
    Event(Event),
    /// No connection; with the reason.
    Lost(String),
}

impl News {
    /// As a note, unless it is a match number.
    pub(crate) fn into_note(self) -> Option<Note> {
        Some(match self {
            Self::Lost(why) => Note::RelayLost(why),
            Self::Event(Event::PhoneAway) => Note::PhoneAway,
            Self::Event(Event::Woken(result)) => Note::Woken(result),
            Self::Event(Event::PhoneBusy) => Note::PhoneBusy,
            Self::Event(Event::Resumed) => Note::Resumed,
            // RelayLost was told with its reason.
            Self::Event(_) => return None,
        })
    }
}

/// Pumps one exchange.
pub(crate) struct Driver {
    exchange: Exchange,
    relay: RelayUrl,
    link: Option<Link>,
    clock: Clock,
    /// Why there was no connection the last time.
    pub(crate) lost: Option<String>,
}

impl Driver {
    pub(crate) fn new(phone: Phone, ask: Ask, clock: Clock) -> Self {
        let relay = phone.pairing.relay.clone();
        Self { exchange: Exchange::new(phone.pairing, phone.key, ask, clock.now()), relay, link: None, clock, lost: None }
    }

    /// Runs to the end. May be dropped at any await and followed by [`Driver::cancel`].
    pub(crate) async fn run(&mut self, mut news: impl FnMut(News)) -> Result<Finished, Failure> {
        loop {
            while let Some(output) = self.exchange.poll_output() {
                match output {
                    Output::Connect => self.connect(&mut news).await,
                    Output::Send(frame) => self.send(&frame, &mut news).await,
                    Output::Event(event) => news(News::Event(event)),
                    Output::Finished(end) => return end,
                    _ => {}
                }
            }
            self.wait(&mut news).await;
        }
    }

    async fn connect(&mut self, news: &mut impl FnMut(News)) {
        self.link = None;
        let left = Duration::from_millis(self.exchange.deadline().saturating_sub(self.clock.now().mono));
        match timeout(left, Link::connect(&self.relay)).await {
            Ok(Ok((link, hello))) => {
                self.link = Some(link);
                self.exchange.connected(hello.nonce, self.clock.now(), &mut OsRng);
            }
            Ok(Err(error)) => self.down(&error, news),
            Err(_) => self.exchange.tick(self.clock.now(), &mut OsRng),
        }
    }

    async fn send(&mut self, frame: &[u8], news: &mut impl FnMut(News)) {
        // Without a connection the frame is of no more use: the exchange knows and starts again.
        if let Some(link) = &mut self.link
            && let Err(error) = link.send(frame).await
        {
            self.down(&error, news);
        }
    }

    async fn wait(&mut self, news: &mut impl FnMut(News)) {
        let until = self.exchange.poll_timeout().unwrap_or(u64::MAX).saturating_sub(self.clock.now().mono);
        let received = match &mut self.link {
            Some(link) => timeout(Duration::from_millis(until), link.recv()).await.ok(),
            None => {
                sleep(Duration::from_millis(until)).await;
                None
            }
        };
        match received {
            Some(Ok(frame)) => self.exchange.received(&frame, self.clock.now(), &mut OsRng),
            Some(Err(error)) => self.down(&error, news),
            None => self.exchange.tick(self.clock.now(), &mut OsRng),
        }
    }

    fn down(&mut self, error: &LinkError, news: &mut impl FnMut(News)) {
        let why = chain(error);
        self.link = None;
        let permanent = is_permanent(error);
        self.exchange.disconnected(permanent, self.clock.now(), &mut OsRng);
        if !permanent {
            news(News::Lost(why.clone()));
        }
        self.lost = Some(why);
    }

    /// Keeps the connection alive after the answer; never ends.
    pub(crate) async fn keep_alive(&mut self) {
        while let Some(link) = &mut self.link {
            if link.recv().await.is_err() {
                self.link = None;
            }
        }
        std::future::pending().await
    }

    /// Gives up and tells the phone, if it was asked.
    pub(crate) async fn cancel(mut self, reason: CancelReason) {
        self.exchange.cancel(reason);
        self.finish().await;
    }

    /// Tells the phone what became of the code.
    pub(crate) async fn report(mut self, outcome: Outcome) {
        self.exchange.report(outcome);
        self.finish().await;
    }

    /// Sends what is left and closes the connection.
    pub(crate) async fn finish(mut self) {
        let goodbye = async {
            while let Some(output) = self.exchange.poll_output() {
                if let (Output::Send(frame), Some(link)) = (output, &mut self.link)
                    && link.send(&frame).await.is_err()
                {
                    return;
                }
            }
            if let Some(link) = self.link.take() {
                link.close().await;
            }
        };
        // Best effort: the phone also notices the end of the circuit.
        let _ = timeout(GOODBYE, goodbye).await;
    }
}

/// Whether trying again can't help.
fn is_permanent(error: &LinkError) -> bool {
    matches!(error, LinkError::Tls(_) | LinkError::Version(_) | LinkError::NotARelay(_))
}

/// An error and its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    countersign_core::text::clean(&text, 300)
}
