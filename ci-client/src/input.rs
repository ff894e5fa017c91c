//! Reading a line from standard input without blocking the rest of the program.

#[cfg(unix)]
mod careful;

use std::io::{self, IsTerminal as _};

use tokio::sync::oneshot;
use zeroize::Zeroizing;

/// Whether typed characters are seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Echo {
    On,
    /// On a terminal, typed characters stay invisible.
    Off,
    /// They are seen, but for an otpauth URI that somebody pastes in a wrong place. (On Windows it is seen too.)
    Careful,
}

/// Reads one line of at most `limit` bytes, without the end of the line; an empty one is an error. Dropping it gives the terminal its echo back.
pub(crate) async fn read_line(limit: usize, echo: Echo) -> io::Result<Zeroizing<String>> {
    let line = read_answer(limit, echo).await?.filter(|line| !line.is_empty());
    line.ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "nothing on standard input"))
}

/// As [`read_line`], but a line may be empty; `None` at the end of the input.
pub(crate) async fn read_answer(limit: usize, echo: Echo) -> io::Result<Option<Zeroizing<String>>> {
    let hidden = Hidden::begin(echo);
    #[cfg(unix)]
    let echo = if hidden.is_none() { Echo::On } else { echo };
    let (sender, receiver) = oneshot::channel();
    // A thread of its own: it may wait for ever, and ends with the program.
    std::thread::Builder::new().name("stdin".into()).spawn(move || {
        // Nobody listens any more when the program was interrupted.
        let _ = sender.send(read(limit, echo));
    })?;
    let line = receiver.await.unwrap_or(Err(io::ErrorKind::BrokenPipe.into()));
    drop(hidden);
    line
}

#[cfg(not(windows))]
fn read(limit: usize, echo: Echo) -> io::Result<Option<Zeroizing<String>>> {
    #[cfg(unix)]
    if echo == Echo::Careful {
        return read_shown(limit);
    }
    let _ = echo;
    read_bytes(io::stdin().lock(), limit)
}

/// Shows by itself what is typed, on a terminal that does not.
#[cfg(unix)]
fn read_shown(limit: usize) -> io::Result<Option<Zeroizing<String>>> {
    use std::io::{Read as _, Write as _};

    use careful::{Line, Typed};
    // Where the terminal would have shown it, whatever became of standard error.
    let mut terminal = std::fs::File::options().write(true).open("/dev/tty").ok();
    let mut show = |bytes: &[u8]| {
        // One that is gone shows nothing.
        let _ = match &mut terminal {
            Some(terminal) => terminal.write_all(bytes),
            None => io::stderr().write_all(bytes),
        };
    };
    let (mut line, mut byte) = (Line::new(limit), Zeroizing::new([0]));
    let mut stdin = io::stdin().lock();
    loop {
        match stdin.read(&mut *byte) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        let [one] = *byte;
        match line.typed(one) {
            Typed::Show(bytes) => show(&bytes),
            Typed::Line(bytes) => {
                show(&bytes);
                show(b"\n");
                return text_of(&line.into_bytes(), limit).map(Some);
            }
            Typed::End => return Ok(None),
        }
    }
}

fn text_of(line: &[u8], limit: usize) -> io::Result<Zeroizing<String>> {
    if line.len() > limit {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the line is too long"));
    }
    let text = std::str::from_utf8(line).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not UTF-8"))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// A Windows console hides what is typed only while it is read.
#[cfg(windows)]
fn read(limit: usize, echo: Echo) -> io::Result<Option<Zeroizing<String>>> {
    if echo != Echo::Off || !is_terminal() {
        return read_bytes(io::stdin().lock(), limit);
    }
    let line = Zeroizing::new(rpassword::read_password()?);
    if line.len() > limit { Err(io::Error::new(io::ErrorKind::InvalidData, "the line is too long")) } else { Ok(Some(line)) }
}

/// Byte by byte, so that nothing after the line is taken and no buffer keeps a secret.
fn read_bytes(mut from: impl io::Read, limit: usize) -> io::Result<Option<Zeroizing<String>>> {
    let mut line = Zeroizing::new(Vec::with_capacity(limit + 1));
    let mut byte = Zeroizing::new([0]);
    loop {
        match from.read(&mut *byte) {
            Ok(0) if line.is_empty() => return Ok(None),
            Ok(0) => break,
            Ok(_) if *byte == *b"\n" => break,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        if line.len() > limit {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the line is too long"));
        }
        line.extend_from_slice(&*byte);
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    text_of(&line, limit + 1).map(Some)
}

/// Whether a human types.
pub(crate) fn is_terminal() -> bool {
    io::stdin().is_terminal()
}

/// The terminal as it was before its echo was turned off, which it is again when this is dropped. Begin it before the question: what is pasted at
/// once is not seen either.
pub(crate) struct Hidden {
    #[cfg(unix)]
    before: rustix::termios::Termios,
}

impl Hidden {
    #[cfg(unix)]
    pub(crate) fn begin(echo: Echo) -> Option<Self> {
        use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, tcgetattr, tcsetattr};
        if echo == Echo::On {
            return None;
        }
        let before = tcgetattr(io::stdin()).ok()?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        if echo == Echo::Off {
            hidden.local_modes.insert(LocalModes::ECHONL);
        } else {
            // Byte by byte; the line is edited and shown by `careful`.
            hidden.local_modes.remove(LocalModes::ICANON | LocalModes::ECHONL);
            (hidden.special_codes[SpecialCodeIndex::VMIN], hidden.special_codes[SpecialCodeIndex::VTIME]) = (1, 0);
        }
        // What was pasted before this moment counts.
        tcsetattr(io::stdin(), OptionalActions::Now, &hidden).ok()?;
        Some(Self { before })
    }

    #[cfg(not(unix))]
    pub(crate) fn begin(_: Echo) -> Option<Self> {
        None
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        #[cfg(unix)]
        {
            use rustix::termios::{OptionalActions, tcsetattr};
            // The terminal may be gone.
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_within_limits() {
        let mut input = &b"482913\r\nrest"[..];
        assert_eq!(read_bytes(&mut input, 10).unwrap().unwrap().as_str(), "482913");
        assert_eq!(input, b"rest");
        assert_eq!(read_bytes(&b"\n"[..], 10).unwrap().unwrap().as_str(), "");
        assert!(read_bytes(&b""[..], 10).unwrap().is_none());
        assert!(read_bytes(&b"12345678901234"[..], 10).is_err());
    }
}
