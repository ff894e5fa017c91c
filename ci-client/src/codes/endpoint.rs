//! The private socket where codes are taken, both ends of it.

use std::{ffi::OsString, io, path::PathBuf, time::Duration};

use countersign_core::request::CodeText;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite},
    task::JoinSet,
    time::timeout,
};

pub(crate) use super::wire::Status;
use super::{
    dispenser::Dispenser,
    local::{self, Listener},
    place::Place,
    pool::Spent,
    token::Token,
    wire::{self, Answer, Ask, Want},
};
use crate::{exit::Exit, problem::Problem};

/// Names the socket for what runs inside `exec`.
pub(crate) const SOCKET_VARIABLE: &str = "COUNTERSIGN_SOCKET";
/// Holds what lets in. Secret while the command runs.
pub(crate) const TOKEN_VARIABLE: &str = "COUNTERSIGN_TOKEN";
/// A taker says what it wants within this time, and takes the answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most takers at once; others wait to be let in.
const MAX_TAKERS: usize = 64;

/// The serving end. The socket is gone when this is dropped.
pub(crate) struct Endpoint {
    listener: Listener,
    address: PathBuf,
    token: Token,
    seed: String,
    ends_when_spent: bool,
    place: Place,
}

impl Endpoint {
    /// In a fresh private folder.
    pub(crate) fn fresh(seed: &str) -> Result<Self, Problem> {
        // Inside a command that goes on, those who ask for more are told that there is none.
        Self::at(Place::fresh()?, seed, false)
    }

    /// In this folder.
    pub(super) fn at(place: Place, seed: &str, ends_when_spent: bool) -> Result<Self, Problem> {
        let token = Token::make();
        let address = local::make_address(&place, &token)?;
        let listener = Listener::bind(&address).map_err(|error| {
            Problem::new(Exit::InUse, format!("cannot make the private socket {}: {error}", address.display()))
                .hint("set XDG_RUNTIME_DIR or TMPDIR to a folder of a local file system that can be written to")
        })?;
        Ok(Self { listener, address, token, seed: seed.to_owned(), ends_when_spent, place })
    }

    /// What the command's environment gets.
    pub(crate) fn variables(&self) -> [(&'static str, OsString); 2] {
        self.taker().variables()
    }

    /// How another process of this user reaches it.
    pub(super) fn taker(&self) -> Taker {
        Taker { address: self.address.clone(), token: self.token.clone() }
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Hands out codes until a taker asks it to close, or until all have been handed out. Dropped, it abandons who waits.
    pub(crate) async fn serve(&mut self, dispenser: &Dispenser) {
        let mut takers = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept(), if takers.len() < MAX_TAKERS => {
                    // Mostly too many open files: those who are here will go.
                    let Ok(stream) = accepted else { tokio::time::sleep(Duration::from_millis(100)).await; continue };
                    takers.spawn(attend(stream, dispenser.clone(), self.token.clone(), self.seed.clone(), self.ends_when_spent));
                }
                Some(ended) = takers.join_next() => match ended {
                    Ok(Some(Want::Close)) => return,
                    Ok(Some(Want::Code { .. })) if dispenser.is_spent() && self.ends_when_spent => {
                        // The others are being told that nothing is left.
                        let _ = timeout(PATIENCE, takers.join_all()).await;
                        return;
                    }
                    _ => {}
                }
            }
        }
    }
}

/// Serves one taker; what it wanted, if it got an answer.
async fn attend(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    dispenser: Dispenser,
    token: Token,
    seed: String,
    ends_when_spent: bool,
) -> Option<Want> {
    let line = timeout(PATIENCE, wire::read_line(&mut stream)).await.ok()??;
    let ask = wire::parse_ask(&line);
    drop(line);
    // The token of the other side is compared in constant time.
    let (want, answer) = match ask.filter(|ask| token.is(ask.token.expose())) {
        None => (None, Answer::Refused),
        Some(ask) if ask.seed != seed => (None, Answer::OtherSeed(seed)),
        Some(ask) => {
            let mut rest = [0];
            let answer = tokio::select! {
                answer = answer(ask.want, &dispenser) => answer,
                // It has no more to say: it has gone away, and no code is spent on it.
                _ = stream.read(&mut rest) => return None,
            };
            // It is about to end. Who comes a moment later finds nobody, and whoever asks is to hear the same at either moment.
            if ends_when_spent && matches!(answer, Answer::Spent(spent) if spent == Spent::HandedOut || dispenser.is_spent()) {
                return None;
            }
            (Some(ask.want), answer)
        }
    };
    let line = answer.into_line();
    timeout(PATIENCE, async move {
        wire::write_line(&mut stream, &line).await?;
        // Wiped now, however long the other side takes to go.
        drop(line);
        // Closing a pipe of Windows too early could take the answer away again.
        stream.read(&mut [0]).await
    })
    .await
    .ok()?
    .ok()?;
    want
}

async fn answer(want: Want, dispenser: &Dispenser) -> Answer {
    match want {
        Want::Code { min_life, fresh } => {
            let min_life = Duration::from_millis(min_life);
            let taken = if fresh { dispenser.take_fresh(min_life).await } else { dispenser.take(min_life).await };
            taken.map_or_else(Answer::Spent, Answer::Code)
        }
        Want::Status => Answer::Status(Status {
            pid: std::process::id(),
            left: dispenser.left(),
            handed: dispenser.handed(),
            opens_in: millis(dispenser.opens_in(Duration::ZERO)),
            ends_in: millis(dispenser.ends_in()),
        }),
        Want::Close => Answer::Closing,
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The taking end.
#[derive(Clone)]
pub(crate) struct Taker {
    pub(super) address: PathBuf,
    pub(super) token: Token,
}

impl Taker {
    /// As `exec` says in the environment.
    pub(crate) fn from_environment() -> Result<Self, Problem> {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let missing = || {
            Problem::config(format!("{SOCKET_VARIABLE} and {TOKEN_VARIABLE} are not set: nobody gives codes to this process"))
                .hint("run this inside `countersign exec --codes N SEED -- COMMAND` with N of 2 or more, or use `countersign code`")
        };
        let address = set(SOCKET_VARIABLE).ok_or_else(missing)?;
        let token = set(TOKEN_VARIABLE).and_then(|token| token.into_string().ok()).ok_or_else(missing)?;
        Ok(Self { address: address.into(), token: Token::from_text(token) })
    }

    /// What the command's environment gets, so that it can take codes itself.
    pub(crate) fn variables(&self) -> [(&'static str, OsString); 2] {
        // The child's environment is where the token is wanted.
        [(SOCKET_VARIABLE, self.address.clone().into()), (TOKEN_VARIABLE, self.token.expose().into())]
    }

    /// A code with this much life left; waits for it. Dropped while it waits, it has taken none.
    pub(crate) async fn code(&self, seed: &str, min_life: Duration, fresh: bool) -> Result<CodeText, Problem> {
        let min_life = millis(min_life);
        // It may wait for its last step, and no longer.
        let ends_in = Duration::from_millis(self.status(seed).await?.ends_in);
        match self.ask(seed, Want::Code { min_life, fresh }, ends_in.saturating_add(PATIENCE)).await? {
            Answer::Code(code) => Ok(code),
            Answer::Spent(spent) => Err(spent.into()),
            other => Err(unexpected(&other, seed)),
        }
    }

    /// What is left.
    pub(crate) async fn status(&self, seed: &str) -> Result<Status, Problem> {
        match self.ask(seed, Want::Status, PATIENCE).await? {
            Answer::Status(status) => Ok(status),
            other => Err(unexpected(&other, seed)),
        }
    }

    /// Ends the holder.
    pub(crate) async fn close(&self, seed: &str) -> Result<(), Problem> {
        match self.ask(seed, Want::Close, PATIENCE).await? {
            Answer::Closing => Ok(()),
            other => Err(unexpected(&other, seed)),
        }
    }

    /// The answer, which has this much time.
    async fn ask(&self, seed: &str, want: Want, limit: Duration) -> Result<Answer, Problem> {
        let exchange = async {
            let mut stream =
                timeout(PATIENCE, local::connect(&self.address)).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
            let line = wire::line(&Ask::new(self.token.clone(), seed.to_owned(), want));
            wire::write_line(&mut stream, &line).await?;
            let answer = timeout(limit, wire::read_line(&mut stream)).await;
            answer.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))
        };
        let line = exchange.await.map_err(|error| {
            if error.kind() == io::ErrorKind::TimedOut {
                return Problem::new(
                    Exit::Spent,
                    "the process that has the codes does not answer: it was stopped, or the machine is overloaded",
                )
                .hint("kill it (its command line ends with `countersign hold`, or is the `countersign exec` around this), then ask again");
            }
            match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                    gone()
                }
                _ => Problem::new(Exit::Spent, format!("the process that has the codes can't be reached ({error})"))
                    .hint("see that the command may reach its socket, then ask again"),
            }
        })?;
        line.and_then(|line| wire::parse_answer(&line)).ok_or_else(gone)
    }
}

/// Before it was asked, or instead of an answer: which of them is a matter of moments.
fn gone() -> Problem {
    Problem::new(Exit::Spent, "no code is left: the process that had them ended, with the last one or when their time was over")
        .hint("it was `countersign exec`, or the holder that `countersign approve` left: ask again, for more --codes or a longer --for")
}

fn unexpected(answer: &Answer, seed: &str) -> Problem {
    match answer {
        Answer::OtherSeed(other) => Problem::config(format!("the codes there are of the seed {other:?}, not {seed:?}"))
            .hint(format!("write `countersign next {other}`, or run exec with the other seed")),
        Answer::Refused => {
            Problem::new(Exit::Protocol, "the process that has the codes refused the question: wrong token or other version")
                .hint(format!("use {SOCKET_VARIABLE} and {TOKEN_VARIABLE} of the same `countersign exec`, and one version of countersign"))
        }
        _ => Problem::new(Exit::Protocol, "the process that has the codes answered something else").hint("use one version of countersign"),
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use countersign_link::Clock;
    use tokio::{io::AsyncWriteExt as _, net::UnixStream};

    use super::*;
    use crate::codes::pool::{Pool, Slot};

    /// Codes of steps that opened long ago and end in an hour: each can be had now.
    fn dispenser(codes: u64, limit: u8) -> Dispenser {
        let slot = |n: u64| Slot { opens: 0, ends: 3_600_000 + n, code: serde_json::from_value(format!("{n:06}").into()).unwrap() };
        Dispenser::new(Pool::new((0..codes).map(slot).collect(), 3_600_000, limit, false), Clock::start())
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    /// Serves while `test` runs, and says whether it was closed.
    fn while_serving<T>(dispenser: &Dispenser, test: impl AsyncFnOnce(Taker) -> T) -> (T, bool) {
        block_on(async {
            let mut endpoint = Endpoint::fresh("npm").unwrap();
            let taker = endpoint.taker();
            let socket = taker.address.clone();
            let done = tokio::select! {
                done = test(taker) => (done, false),
                () = endpoint.serve(dispenser) => panic!("closed before the test was over"),
            };
            drop(endpoint);
            assert!(!socket.exists() && !socket.parent().unwrap().exists());
            done
        })
    }

    #[test]
    fn two_at_once_get_two_codes_and_a_third_gets_none() {
        let ((one, two, three, status), _) = while_serving(&dispenser(5, 2), async |taker| {
            let take = || taker.code("npm", Duration::from_secs(10), false);
            let (one, two) = tokio::join!(take(), take());
            (one.unwrap(), two.unwrap(), take().await.unwrap_err(), taker.status("npm").await.unwrap())
        });
        assert_ne!(one, two);
        assert_eq!((three.exit, status.handed, status.left), (Exit::Spent, 2, 0));
    }

    #[test]
    fn without_the_token_or_with_another_seed_nothing_is_given() {
        let dispenser = dispenser(2, 2);
        while_serving(&dispenser, async |taker| {
            let stranger = Taker { token: Token::make(), ..taker.clone() };
            assert_eq!(stranger.code("npm", Duration::ZERO, false).await.unwrap_err().exit, Exit::Protocol);
            assert_eq!(stranger.close("npm").await.unwrap_err().exit, Exit::Protocol);
            assert_eq!(taker.code("pypi", Duration::ZERO, false).await.unwrap_err().exit, Exit::BadConfig);
            // Junk, and too much of it.
            for junk in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[b'x'; 5000], b"\n"] {
                let mut stream = UnixStream::connect(&taker.address).await.unwrap();
                // The other end may have hung up in the middle.
                let _ = stream.write_all(junk).await;
                let answer = wire::read_line(&mut stream).await;
                assert!(answer.is_none_or(|line| wire::parse_answer(&line) == Some(Answer::Refused)));
            }
        });
        assert_eq!(dispenser.handed(), 0);
    }

    #[test]
    fn who_goes_away_while_waiting_takes_no_code() {
        let clock = Clock::start();
        // The step opens in an hour.
        let slot = Slot { opens: 3_600_000, ends: 7_200_000, code: serde_json::from_value("1".into()).unwrap() };
        let dispenser = Dispenser::new(Pool::new(vec![slot], 3_600_000, 1, false), clock);
        while_serving(&dispenser, async |taker| {
            let waiting = taker.code("npm", Duration::ZERO, false);
            tokio::select! {
                _ = waiting => panic!("no code is open"),
                status = taker.status("npm") => assert_eq!(status.unwrap().left, 1),
            }
            assert_eq!(taker.status("npm").await.unwrap().left, 1);
        });
        assert_eq!(dispenser.handed(), 0);
    }

    /// The one who comes while a holder ends, and the one who comes after it.
    #[test]
    fn who_comes_too_late_hears_the_same_at_any_moment() {
        block_on(async {
            let mut endpoint = Endpoint::at(Place::fresh().unwrap(), "npm", true).unwrap();
            let taker = endpoint.taker();
            let dispenser = dispenser(2, 1);
            let take = || taker.code("npm", Duration::ZERO, true);
            let ((one, two), ()) = tokio::join!(async { tokio::join!(take(), take()) }, endpoint.serve(&dispenser));
            let during = one.and(two).unwrap_err();
            drop(endpoint);
            let after = take().await.unwrap_err();
            assert_eq!((during.exit, during.message.as_str(), &during), (Exit::Spent, gone().message.as_str(), &after));
        });
    }

    #[test]
    fn close_ends_it() {
        block_on(async {
            let mut endpoint = Endpoint::fresh("npm").unwrap();
            let taker = endpoint.taker();
            let dispenser = dispenser(1, 1);
            let (closed, ()) = tokio::join!(taker.close("npm"), endpoint.serve(&dispenser));
            closed.unwrap();
            drop(endpoint);
            assert_eq!(taker.status("npm").await.unwrap_err().exit, Exit::Spent);
        });
    }
}
