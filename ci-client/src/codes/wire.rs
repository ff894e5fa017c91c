//! What is said on the private socket: one line of JSON each way, then the connection ends.

use countersign_core::request::CodeText;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use zeroize::Zeroizing;

use super::{pool::Spent, token::Token};

/// The version of these messages. Both ends are mostly the same program.
pub(super) const VERSION: u8 = 1;
/// Longest message, bytes.
pub(super) const MAX_MESSAGE: usize = 1024;

/// What a taker wants.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ask {
    v: u8,
    /// Shows that the taker may ask.
    pub(super) token: Token,
    /// Name of the seed in the configuration.
    pub(super) seed: String,
    pub(super) want: Want,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Want {
    /// A code with this many milliseconds left, as soon as there is one; `fresh`: one that was not handed out before.
    Code { min_life: u64, fresh: bool },
    /// What is left.
    Status,
    /// The end of the holder.
    Close,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reply {
    v: u8,
    answer: Answer,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Answer {
    Code(CodeText),
    Spent(Spent),
    Status(Status),
    /// It ends now.
    Closing,
    /// Wrong token, wrong version, or not to be understood.
    Refused,
    /// The codes are of this other seed.
    OtherSeed(String),
}

/// What a holder has left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Status {
    /// Its process id.
    pub(crate) pid: u32,
    /// Codes that can still be had.
    pub(crate) left: u8,
    /// How often a code was handed out.
    pub(crate) handed: u8,
    /// Milliseconds until the next code can be had.
    pub(crate) opens_in: u64,
    /// Milliseconds until its end.
    pub(crate) ends_in: u64,
}

impl Ask {
    pub(super) fn new(token: Token, seed: String, want: Want) -> Self {
        Self { v: VERSION, token, seed, want }
    }
}

impl Answer {
    /// The line that carries it.
    pub(super) fn into_line(self) -> Zeroizing<Vec<u8>> {
        line(&Reply { v: VERSION, answer: self })
    }
}

/// The line of a message. The buffer never moves, so nothing is left behind when it is wiped.
pub(super) fn line(message: &impl Serialize) -> Zeroizing<Vec<u8>> {
    line_within(message, MAX_MESSAGE)
}

/// The same for longer messages.
pub(super) fn line_within(message: &impl Serialize, limit: usize) -> Zeroizing<Vec<u8>> {
    let mut line = Zeroizing::new(Vec::with_capacity(limit + 1));
    // A plain structure into memory can't fail; an empty line is refused at the other end.
    if serde_json::to_writer(&mut *line, message).is_err() {
        line.clear();
    }
    line.push(b'\n');
    line
}

/// Reads a line, without its end; `None` if it is too long, cut, or can't be read.
pub(super) async fn read_line(from: &mut (impl AsyncRead + Unpin)) -> Option<Zeroizing<Vec<u8>>> {
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_MESSAGE + 1));
    let mut byte = Zeroizing::new([0]);
    loop {
        if from.read(&mut *byte).await.ok()? == 0 {
            return None;
        }
        if *byte == *b"\n" {
            return Some(line);
        }
        if line.len() == MAX_MESSAGE {
            return None;
        }
        line.extend_from_slice(&*byte);
    }
}

/// Reads what is asked.
pub(super) fn parse_ask(line: &[u8]) -> Option<Ask> {
    parse::<Ask>(line).filter(|ask| ask.v == VERSION)
}

/// Reads what is answered.
pub(super) fn parse_answer(line: &[u8]) -> Option<Answer> {
    parse::<Reply>(line).filter(|reply| reply.v == VERSION).map(|reply| reply.answer)
}

/// Reads a message.
pub(super) fn parse<T: DeserializeOwned>(line: &[u8]) -> Option<T> {
    serde_json::from_slice(line).ok()
}

/// Writes a line, all of it.
pub(super) async fn write_line(to: &mut (impl AsyncWrite + Unpin), line: &[u8]) -> std::io::Result<()> {
    to.write_all(line).await?;
    to.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code() -> CodeText {
        serde_json::from_value("482913".into()).unwrap()
    }

    #[test]
    fn messages_come_back_as_they_were() {
        let token = Token::make();
        let ask = Ask::new(token.clone(), "npm".into(), Want::Code { min_life: 10_000, fresh: false });
        let line = line(&ask);
        // The test compares what is sent.
        let expected = format!(
            "{{\"v\":1,\"token\":\"{}\",\"seed\":\"npm\",\"want\":{{\"code\":{{\"min_life\":10000,\"fresh\":false}}}}}}\n",
            token.expose()
        );
        assert_eq!(std::str::from_utf8(&line).unwrap(), expected);
        let read = parse_ask(&line).unwrap();
        assert!(read.token.is(token.expose()) && read.want == ask.want);
        let line = Answer::Code(code()).into_line();
        assert_eq!(&**line, b"{\"v\":1,\"answer\":{\"code\":\"482913\"}}\n");
        assert_eq!(parse_answer(&line), Some(Answer::Code(code())));
        for answer in [
            Answer::Spent(Spent::Over),
            Answer::Status(Status { pid: 1, left: 2, handed: 1, opens_in: 0, ends_in: 3 }),
            Answer::Closing,
            Answer::Refused,
            Answer::OtherSeed("x".repeat(64)),
        ] {
            let line = answer.into_line();
            assert!(line.len() < MAX_MESSAGE && parse_answer(&line).is_some());
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for line in ["", "{}", "482913", "{\"v\":2,\"answer\":\"closing\"}", "{\"v\":1,\"answer\":\"closing\",\"more\":1}"] {
            assert_eq!(parse_answer(line.as_bytes()), None, "{line}");
        }
        assert!(parse_ask(b"{\"v\":2,\"token\":\"a\",\"seed\":\"npm\",\"want\":\"status\"}").is_none());
        assert!(parse_ask(b"{\"v\":1,\"token\":\"a\",\"seed\":\"npm\",\"want\":\"status\"}").is_some());
    }

    #[test]
    fn lines_have_a_limit_and_an_end() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let read = |bytes: &[u8]| runtime.block_on(read_line(&mut &*bytes)).map(|line| line.len());
        assert_eq!(read(b"abc\nrest"), Some(3));
        assert_eq!(read(b"abc"), None);
        assert_eq!(read(&[b"x".repeat(MAX_MESSAGE).as_slice(), b"\n"].concat()), Some(MAX_MESSAGE));
        assert_eq!(read(&[b"x".repeat(MAX_MESSAGE + 1).as_slice(), b"\n"].concat()), None);
    }

    #[test]
    fn nothing_shows_a_secret() {
        let token = Token::make();
        let shown = format!("{:?} {:?}", Ask::new(token.clone(), "npm".into(), Want::Status), Answer::Code(code()));
        // Looked for here.
        assert!(!shown.contains(token.expose()) && !shown.contains("482913"), "{shown}");
    }
}
