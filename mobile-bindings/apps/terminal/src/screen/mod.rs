//! `run` on a terminal: the whole screen. [`model`] decides, [`draw`] shows, this file carries keys, news and deeds between them and the engine.

mod draw;
mod keychain;
mod model;

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
use countersign_mobile::{Authenticator, AuthenticatorError, Event, Observer, ObserverError, SeedImport};
use ratatui::crossterm::{
    event::{self, DisableBracketedPaste, EnableBracketedPaste, KeyCode, KeyEvent, KeyEventKind, KeyModifiers},
    execute,
};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::{
    app::wait,
    console::Console,
    screen::model::{Action, Key, Model, News, Secret},
    show,
    state::{StateDir, state_path},
};
pub(crate) use keychain::ScreenKeychain;

/// How often the time that is left is drawn anew.
const TICK: Duration = Duration::from_secs(1);

/// What comes to the screen.
pub(crate) enum Message {
    Key(Key),
    Pasted(Zeroizing<String>),
    Resized,
    Engine(Box<Event>),
    /// The keychain wants the passphrase.
    Passphrase {
        reason: String,
        answer: oneshot::Sender<Option<Zeroizing<String>>>,
    },
    /// What was to be done is done, or not.
    Done(Result<&'static str, AuthenticatorError>),
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
    let phone = wait(Authenticator::open(dir, keychain, Arc::new(Events(sender.clone()))))?;
    if phone.pairings()?.is_empty() {
        bail!(show::no_pairing(&phone.lost()?));
    }
    wait(phone.connect())?;
    let keys = sender.clone();
    // Ends with the program: nothing can end a read of the terminal.
    std::thread::spawn(move || {
        while let Ok(event) = event::read()
            && forward(&keys, event)
        {}
    });
    // Restores the terminal when it ends, also by a panic.
    let mut terminal = ratatui::try_init()?;
    let pasting = Pasting::begin();
    let ended =
        Screen { phone: phone.clone(), sender, answer: None, model: Model::new(news(&phone)?) }.serve(&mut terminal, &messages, &console);
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
        event::Event::Key(key) if key.kind != KeyEventKind::Release => key_of(&key).map(Message::Key),
        event::Event::Resize(..) => Some(Message::Resized),
        event::Event::Paste(text) => Some(Message::Pasted(Zeroizing::new(text))),
        _ => None,
    };
    message.is_none_or(|message| to.send(message).is_ok())
}

fn key_of(key: &KeyEvent) -> Option<Key> {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    Some(match key.code {
        KeyCode::Char('c') if control => Key::Interrupt,
        KeyCode::Char(c) if !control => Key::Char(c),
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Escape,
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        _ => return None,
    })
}

fn news(phone: &Authenticator) -> Result<News, AuthenticatorError> {
    Ok(News { name: phone.identity()?.name, requests: phone.pending()?, history: phone.history()?, connections: phone.connections()? })
}

struct Screen {
    phone: Arc<Authenticator>,
    sender: Sender<Message>,
    /// Who waits for the passphrase.
    answer: Option<oneshot::Sender<Option<Zeroizing<String>>>>,
    model: Model,
}

impl Screen {
    fn serve(mut self, terminal: &mut ratatui::DefaultTerminal, messages: &Receiver<Message>, console: &Console) -> anyhow::Result<()> {
        loop {
            if let Some(action) = self.model.update(news(&self.phone)?) {
                self.act(action);
            }
            if self.answer.as_ref().is_some_and(oneshot::Sender::is_closed) {
                self.answer = None;
                self.model.drop_passphrase();
            }
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
            terminal.draw(|frame| draw::draw(frame, &mut self.model, now))?;
            let message = match messages.recv_timeout(TICK) {
                Ok(message) => message,
                Err(RecvTimeoutError::Timeout) => Message::Resized,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            };
            if console.is_stopped() || self.take(message)? {
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
            Message::Engine(event) => {
                if let Some(line) = show::event(&event, &self.phone.pairings()?) {
                    self.model.notice(line);
                }
            }
            Message::Passphrase { reason, answer } => {
                self.answer = Some(answer);
                if let Some(action) = self.model.ask_passphrase(reason) {
                    self.act(action);
                }
            }
            Message::Done(done) => self.model.done(done.map_or_else(|error| error.to_string(), str::to_owned)),
        }
        Ok(false)
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Quit => {}
            Action::Passphrase(passphrase) => {
                if let Some(answer) = self.answer.take() {
                    // Whoever asked may have gone.
                    let _ = answer.send(passphrase.map(|secret| secret.0));
                }
            }
            Action::Reconnect => self.begin("connecting anew", |phone| wait(phone.network_changed())),
            Action::Deny { id, reason } => self.begin("denied", move |phone| wait(phone.deny(id, reason))),
            Action::Block { id } => self.begin("denied, and the pairing is taken back", move |phone| wait(phone.block(id))),
            Action::Approve { id, number, codes, grant, seed } => self.begin("approved", move |phone| {
                let seed = seed.map(|Secret(text)| SeedImport::from_text(text.to_string())).transpose()?;
                wait(phone.approve(id, number, codes, grant, seed))
            }),
        }
    }

    /// Does something that takes its time beside the screen.
    fn begin(&self, done: &'static str, deed: impl FnOnce(&Authenticator) -> Result<(), AuthenticatorError> + Send + 'static) {
        let (phone, sender) = (self.phone.clone(), self.sender.clone());
        std::thread::spawn(move || sender.send(Message::Done(deed(&phone).map(|()| done))));
    }
}
