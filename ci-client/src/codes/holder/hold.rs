//! The holder's own side.

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
};

use zeroize::Zeroizing;

use super::{
    key::{Address, Key},
    message::{Codes, KEEP, MAX_CODES_LINE, Said},
};
use crate::{
    codes::{
        endpoint::Endpoint,
        place::{NoPlace, Place},
        wire,
    },
    files::{self, Access},
    problem::Problem,
    signals::Signals,
};

/// The holder itself, from its first line to its end.
pub(crate) async fn hold() -> Result<(), Problem> {
    #[cfg(unix)]
    if let Err(error) = rustix::process::setsid() {
        return Err(Problem::config(format!("cannot leave the session: {error}")));
    }
    let mut pipe = Pipe::open().map_err(|error| Problem::config(format!("cannot read standard input: {error}")))?;
    let key = pipe
        .read(wire::MAX_MESSAGE)
        .and_then(|line| Key::parse(&line))
        .ok_or_else(|| Problem::config("`countersign hold` is run by `countersign approve`, never by hand"))?;
    let Some(mut endpoint) = open(&key, &pipe) else { return Ok(()) };
    // Now, while there is nothing to lose: the disk may be full. It counts once it has its name.
    let address = endpoint.place().address();
    let unnamed = endpoint.place().unnamed_address();
    if let Err(problem) = files::create(&unnamed, &wire::line(&Address::of(endpoint.taker())), Access::Private) {
        pipe.fail(problem);
        return Ok(());
    }
    pipe.say(&Said::Ready);
    // From here on an end of the pipe is the end of `approve`, by whatever means.
    let codes = pipe.read(MAX_CODES_LINE).and_then(|line| wire::parse::<Codes>(&line));
    let Some(dispenser) = codes.and_then(Codes::into_dispenser) else { return Ok(()) };
    pipe.say(&Said::Held);
    if pipe.read(KEEP.len()).is_none_or(|line| *line != KEEP) {
        return Ok(());
    }
    let mut signals = Signals::listen().map_err(|error| Problem::config(format!("cannot listen for signals: {error}")))?;
    if let Err(error) = std::fs::rename(&unnamed, &address) {
        pipe.fail(files::cannot("write", &address, &error));
        return Ok(());
    }
    pipe.say(&Said::Kept);
    drop(pipe);
    tokio::select! {
        () = endpoint.serve(&dispenser) => {}
        () = dispenser.over() => {}
        () = signals.interrupted() => {}
    }
    Ok(())
}

/// The holder's socket; `None` if `approve` was told why there is none.
fn open(key: &Key, pipe: &Pipe) -> Option<Endpoint> {
    let problem = match Place::claim(&key.name) {
        Ok(place) => match Endpoint::at(place, &key.seed, true) {
            Ok(endpoint) => return Some(endpoint),
            Err(problem) => problem,
        },
        Err(NoPlace::Failed(problem)) => problem,
        Err(NoPlace::Taken) => {
            pipe.say(&Said::Taken);
            return None;
        }
    };
    pipe.fail(problem);
    None
}

/// The holder's end of both pipes: no buffer of the standard library, which would keep what it has read.
struct Pipe(File);

impl Pipe {
    fn open() -> io::Result<Self> {
        #[cfg(unix)]
        let own = std::os::fd::AsFd::as_fd(&io::stdin()).try_clone_to_owned()?;
        #[cfg(windows)]
        let own = std::os::windows::io::AsHandle::as_handle(&io::stdin()).try_clone_to_owned()?;
        Ok(Self(File::from(own)))
    }

    /// One line, without its end. Nothing else goes on meanwhile.
    fn read(&mut self, limit: usize) -> Option<Zeroizing<Vec<u8>>> {
        let mut line = Zeroizing::new(Vec::with_capacity(limit));
        let mut byte = Zeroizing::new([0]);
        while self.0.read(&mut *byte).ok()? == 1 {
            if *byte == *b"\n" {
                return Some(line);
            }
            if line.len() == limit {
                return None;
            }
            line.extend_from_slice(&*byte);
        }
        None
    }

    fn say(&self, said: &Said) {
        let mut out = io::stdout().lock();
        // If nobody listens the pipe has ended, which is seen when it is read.
        let _ = out.write_all(&wire::line(said)).and_then(|()| out.flush());
    }

    fn fail(&self, problem: Problem) {
        self.say(&Said::Failed { message: problem.message, hint: problem.hint });
    }
}
