//! `run` on a terminal: the whole screen. [`model`] decides, [`draw`] shows, this file carries keys, news and deeds between them and the engine.

mod draw;
mod keychain;
mod keys;
mod model;
mod rows;
#[cfg(test)]
mod samples;

use std::{
    io::IsTerminal as _,
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::bail;
use countersign_mobile::{Authenticator, AuthenticatorError, Event, LostPart, Observer, ObserverError, SeedImport};
use ratatui::crossterm::{
    event::{self, DisableBracketedPaste, EnableBracketedPaste, KeyEventKind},
    execute,
};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::{
    app::{no_unlock_key, wait, with_folder},
    console::Console,
    keychain::is_there,
    output, show,
    state::{StateDir, state_path},
};
use keychain::ScreenKeychain;
use keys::Key;
use model::{Action, Deed, Model, News, Secret};

const MINUTE: u64 = 60;

/// What comes to the screen.
enum Message {
    Key(Key),
    Pasted(Zeroizing<String>),
    Resized,
    /// SIGTERM or the like.
    Stopped,
    Engine(Box<Event>),
    /// The keychain wants the passphrase.
    Passphrase {
        reason: String,
        answer: oneshot::Sender<Option<Zeroizing<String>>>,
    },
    /// What was to be done, to a request `about` which it was, is done, or not.
    Done {
        about: Option<String>,
        done: Result<String, AuthenticatorError>,
    },
}

/// Whether there is a terminal that can show a page.
pub(crate) fn is_possible() -> bool {
    let dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal() && !dumb
}

struct Events(Sender<Message>);

impl Observer for Events {
    fn on_event(&self, event: Event) -> Result<(), ObserverError> {
        self.0.send(Message::Engine(Box::new(event))).map_err(|_| ObserverError::Failed)
    }
}

/// Shows requests until the person quits.
pub(crate) fn run(state: Option<PathBuf>) -> anyhow::Result<()> {
    let dir = Arc::new(StateDir::open(&state_path(state)?)?);
    let console = Console::new();
    console.catch_signals()?;
    let (sender, messages) = channel();
    let keychain = Arc::new(ScreenKeychain::new(dir.clone(), sender.clone()));
    let opened = wait(Authenticator::open(dir.clone(), keychain, Arc::new(Events(sender.clone()))));
    let phone = opened.map_err(|error| with_folder(error, &dir))?;
    if phone.pairings()?.is_empty() {
        bail!(show::no_pairing(&phone.lost()?));
    }
    let mut model = Model::new(news(&phone, &dir)?);
    for what in phone.lost()? {
        let warning = format!("warning: {}", show::lost(what));
        // There for who looks after the end, too.
        output::note(&warning);
        // The pages of the others say it as long as it lasts.
        if !matches!(what, LostPart::Seeds | LostPart::Pairings) {
            model.notice(warning);
        }
    }
    if let Some(warning) = no_unlock_key(&dir)? {
        output::note(&warning);
    }
    wait(phone.connect())?;
    let (keys, signals) = (sender.clone(), sender.clone());
    std::thread::spawn(move || {
        console.wait_stopped();
        // Whoever listened may have ended.
        let _ = signals.send(Message::Stopped);
    });
    // Ends with the program: nothing can end a read of the terminal.
    std::thread::spawn(move || {
        while let Ok(event) = event::read()
            && forward(&keys, event)
        {}
    });
    // Restores the terminal when it ends, also by a panic.
    let mut terminal = ratatui::try_init()?;
    let pasting = Pasting::begin();
    let ended = Screen { phone: phone.clone(), dir, sender, answer: None, model }.serve(&mut terminal, &messages);
    drop(pasting);
    ratatui::restore();
    wait(phone.disconnect())?;
    ended
}

/// While this is there the terminal marks what is pasted: without the marks it would come as keys, each a command or an answer.
struct Pasting;

impl Pasting {
    fn begin() -> Self {
        // A terminal that knows no marks ignores this.
        let _ = execute!(std::io::stdout(), EnableBracketedPaste);
        Self
    }
}

impl Drop for Pasting {
    fn drop(&mut self) {
        let _ = execute!(std::io::stdout(), DisableBracketedPaste);
    }
}

/// Whether anybody still listens.
fn forward(to: &Sender<Message>, event: event::Event) -> bool {
    let message = match event {
        event::Event::Key(key) if key.kind != KeyEventKind::Release => Key::of(&key).map(Message::Key),
        event::Event::Resize(..) => Some(Message::Resized),
        event::Event::Paste(text) => Some(Message::Pasted(Zeroizing::new(text))),
        _ => None,
    };
    message.is_none_or(|message| to.send(message).is_ok())
}

fn news(phone: &Authenticator, dir: &StateDir) -> Result<News, AuthenticatorError> {
    Ok(News {
        name: phone.identity()?.name,
        requests: phone.pending()?,
        history: phone.history()?,
        connections: phone.connections()?,
        seeds: phone.seeds()?,
        pairings: phone.pairings()?,
        lost: phone.lost()?,
        // One that can't be read is told by whatever needs it.
        no_unlock_key: is_there(dir).is_ok_and(|is_there| !is_there),
    })
}

/// The request that an event is about.
fn request_of(event: &Event) -> Option<String> {
    match event {
        Event::RequestGone { id, .. } => Some(id.clone()),
        Event::RequestChanged { request } => Some(request.id.clone()),
        _ => None,
    }
}

/// How long the page stays as it is, if nothing happens: while a request waits its seconds are counted, else only the clock goes on, by the minute.
fn until_something_changes(now: Duration, model: &Model) -> Duration {
    let step = if model.news.requests.is_empty() { MINUTE } else { 1 };
    let next = (now.as_secs() / step + 1) * step;
    Duration::from_secs(next).saturating_sub(now)
}

struct Screen {
    phone: Arc<Authenticator>,
    dir: Arc<StateDir>,
    sender: Sender<Message>,
    /// Who waits for the passphrase.
    answer: Option<oneshot::Sender<Option<Zeroizing<String>>>>,
    model: Model,
}

impl Screen {
    fn serve(mut self, terminal: &mut ratatui::DefaultTerminal, messages: &Receiver<Message>) -> anyhow::Result<()> {
        loop {
            self.model.update(news(&self.phone, &self.dir)?);
            // The engine needs it no more: what it was for is gone, and the message that says so comes after that.
            if self.answer.as_ref().is_some_and(oneshot::Sender::is_closed) {
                self.answer = None;
                self.model.drop_passphrase();
            }
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            terminal.draw(|frame| draw::draw(frame, &mut self.model, now.as_secs()))?;
            let ends = match messages.recv_timeout(until_something_changes(now, &self.model)) {
                Ok(message) => self.take(message)?,
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => true,
            };
            if ends {
                return Ok(());
            }
        }
    }

    /// Whether it is to end.
    fn take(&mut self, message: Message) -> anyhow::Result<bool> {
        match message {
            Message::Key(key) => match self.model.key(key) {
                Some(Action::Quit) => return Ok(true),
                Some(action) => self.act(action),
                None => {}
            },
            Message::Pasted(text) => self.model.paste(&text),
            Message::Resized => {}
            Message::Stopped => return Ok(true),
            Message::Engine(event) => {
                if let Some(line) = show::event(&event, &self.phone.pairings()?) {
                    let about = request_of(&event);
                    self.model.notice_about(about, self.named(&event, line));
                }
            }
            Message::Passphrase { reason, answer } => {
                self.answer = Some(answer);
                self.model.ask_passphrase(reason);
            }
            Message::Done { about, done } => self.model.done(about, done.unwrap_or_else(|error| show::failure(&error))),
        }
        Ok(false)
    }

    /// With the pairing of a request that went, if it is still known.
    fn named(&self, event: &Event, line: String) -> String {
        let Event::RequestGone { id, .. } = event else { return line };
        let request = self.model.news.requests.iter().find(|it| it.id == *id);
        request.map_or_else(|| line.clone(), |it| format!("{}: {line}", it.verified.pairing))
    }

    fn act(&mut self, action: Action) {
        let about = action.request().and_then(|id| self.model.news.requests.iter().find(|it| it.id == id));
        let about = about.map(|it| (it.id.clone(), it.verified.pairing.clone()));
        match action {
            Action::Quit => {}
            Action::Passphrase(passphrase) => {
                if let Some(answer) = self.answer.take() {
                    // Whoever asked may have gone.
                    let _ = answer.send(passphrase.map(|secret| secret.0));
                }
            }
            Action::Reconnect => self.begin(None, "connecting anew", |phone| wait(phone.network_changed())),
            Action::Deny { id, reason } => self.begin(about, "denied", move |phone| wait(phone.deny(id, reason))),
            Action::Do(deed) => self.do_deed(deed),
            Action::Block { id } => self.begin(about, "denied, and the pairing is taken back", move |phone| wait(phone.block(id))),
            Action::Approve { id, number, codes, grant, seed } => self.begin(about, "approved", move |phone| {
                let seed = seed.map(|Secret(text)| SeedImport::from_text(text.to_string())).transpose()?;
                wait(phone.approve(id, number, codes, grant, seed))
            }),
        }
    }

    fn do_deed(&self, deed: Deed) {
        match deed {
            Deed::Allow(right) => self.begin(None, "allowed", move |phone| wait(phone.allow(right.pairing.id, right.seed.id, true))),
            Deed::Deny(right) => {
                self.begin(None, "denied from now on", move |phone| wait(phone.allow(right.pairing.id, right.seed.id, false)))
            }
            Deed::Revoke(pairing) => self.begin(None, "the pairing is revoked", move |phone| wait(phone.revoke(pairing.id))),
            Deed::Remove(seed) => self.begin(None, "the seed is removed", move |phone| wait(phone.remove_seed(seed.id))),
        }
    }

    /// Does something that takes its time beside the screen; to a request of a pairing, if it is about one.
    fn begin(
        &self,
        about: Option<(String, String)>,
        done: &'static str,
        deed: impl FnOnce(&Authenticator) -> Result<(), AuthenticatorError> + Send + 'static,
    ) {
        let (phone, sender) = (self.phone.clone(), self.sender.clone());
        let done = about.as_ref().map_or_else(|| done.to_owned(), |(_, pairing)| format!("{pairing}: {done}"));
        let about = about.map(|(id, _)| id);
        std::thread::spawn(move || sender.send(Message::Done { about, done: deed(&phone).map(|()| done) }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_page_is_drawn_with_the_clocks_minute() {
        let now = Duration::from_millis(59_250);
        let mut model = Model::new(News::default());
        assert_eq!(until_something_changes(now, &model), Duration::from_millis(750));
        assert_eq!(until_something_changes(Duration::from_secs(60), &model), Duration::from_secs(60));
        model.update(samples::news(vec![show::tests::request("1", 1)]));
        assert_eq!(until_something_changes(Duration::from_millis(60_250), &model), Duration::from_millis(750));
    }
}
