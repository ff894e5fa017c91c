//! A command's streams: through to our own unchanged, with their ends kept.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    sync::watch,
    task::unconstrained,
};
use zeroize::Zeroizing;

use crate::targets::TAIL;

/// How much is read at once, bytes: what a pipe holds.
const CHUNK: usize = 64 * 1024;

/// The last [`TAIL`] bytes of a stream, and perhaps some before. A command may print its environment, and the code with it: wiped.
pub(super) struct Tail(Zeroizing<Vec<u8>>);

impl Default for Tail {
    fn default() -> Self {
        // It never grows, so that nothing is left behind when it is wiped.
        Self(Zeroizing::new(Vec::with_capacity(TAIL + CHUNK)))
    }
}

impl Tail {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// `chunk` has at most [`CHUNK`] bytes.
    fn push(&mut self, chunk: &[u8]) {
        let over = (self.0.len() + chunk.len()).saturating_sub(self.0.capacity());
        if over > 0 {
            // To the last TAIL bytes at once, not for each chunk again.
            let cut = over.max(self.0.len().saturating_sub(TAIL)).min(self.0.len());
            self.0.drain(..cut);
        }
        self.0.extend_from_slice(chunk);
    }
}

/// How long the pipes of a command that has ended stay open. What it wrote itself is in them by then and is copied in any case; only what it
/// left running in the background can still write.
pub(super) const DRAIN: Duration = Duration::from_secs(2);

/// Ends [`DRAIN`] after `ended` has become true.
pub(super) async fn drained(mut ended: watch::Receiver<bool>) {
    // An error means that nobody will ever say it: then the stream's own end must do.
    if ended.wait_for(|ended| *ended).await.is_err() {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(DRAIN).await;
}

/// What a pipe may hold at most, bytes (Linux, unless root says otherwise).
const PIPE: usize = 1024 * 1024;

/// Copies until the stream ends. When `over` has ended, only what the pipe holds is still copied, however much a process in the background writes. Each piece goes on before the next is read, and is flushed:
/// also an unfinished line, or a prompt.
///
/// # Errors
/// Our own stream takes no more, because a disk is full, say. The command does not notice: what it writes is still read, and lost.
pub(super) async fn copy(
    from: Option<impl AsyncRead + Unpin>,
    mut to: impl AsyncWrite + Unpin,
    tail: &mut Tail,
    over: impl Future<Output = ()>,
) -> io::Result<()> {
    let Some(mut from) = from else { return Ok(()) };
    tokio::pin!(over);
    let mut chunk = Zeroizing::new(vec![0; CHUNK]);
    let mut rest = None;
    let mut written = Ok(());
    loop {
        let length = match rest {
            None => tokio::select! {
                biased;
                () = &mut over => {
                    rest = Some(PIPE);
                    continue;
                }
                read = from.read(&mut chunk) => read.unwrap_or(0),
            },
            Some(0) => return written,
            // Unconstrained: what is there is read at once, and is not taken for nothing because this task has had its turn.
            Some(_) => tokio::select! {
                biased;
                read = unconstrained(from.read(&mut chunk)) => read.unwrap_or(0),
                () = std::future::ready(()) => return written,
            },
        };
        rest = rest.map(|rest: usize| rest.saturating_sub(length));
        let Some(read) = chunk.get(..length).filter(|read| !read.is_empty()) else { return written };
        tail.push(read);
        if written.is_err() {
            continue;
        }
        written = async {
            to.write_all(read).await?;
            to.flush().await
        }
        .await;
        // Our own reader is gone. By closing the pipe the command finds it out as it would have without us.
        if written.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
            return Ok(());
        }
    }
}

/// Writes the whole of a command's standard input and closes it. A command that does not want it all harms nobody.
pub(super) async fn feed(to: Option<impl AsyncWrite + Unpin>, text: Option<Zeroizing<String>>) {
    if let (Some(mut to), Some(text)) = (to, text) {
        let _ = to.write_all(text.as_bytes()).await;
        let _ = to.shutdown().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everything_goes_through_and_the_end_is_kept() {
        let all: Vec<u8> = (0..TAIL * 5 + 17).map(|n| (n % 251) as u8).collect();
        let (mut to, mut tail) = (Vec::new(), Tail::default());
        let capacity = tail.0.capacity();
        copy(Some(all.as_slice()), &mut to, &mut tail, std::future::pending()).await.unwrap();
        assert!(to == all);
        assert!(tail.bytes().len() >= TAIL && all.ends_with(tail.bytes()));
        assert_eq!(tail.0.capacity(), capacity);
    }

    #[test]
    fn small_pieces_keep_the_end_too() {
        let (mut tail, mut all) = (Tail::default(), Vec::new());
        for n in 0..TAIL {
            let piece = [(n % 251) as u8; 3];
            tail.push(&piece);
            all.extend_from_slice(&piece);
        }
        assert!(tail.bytes().len() >= TAIL && all.ends_with(tail.bytes()));
    }

    /// A reader that goes away, like `| head`.
    struct Gone;

    impl AsyncWrite for Gone {
        fn poll_write(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>, _: &[u8]) -> std::task::Poll<std::io::Result<usize>> {
            std::task::Poll::Ready(Err(std::io::ErrorKind::BrokenPipe.into()))
        }

        fn poll_flush(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<std::io::Result<()>> {
            std::task::Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<std::io::Result<()>> {
            std::task::Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn a_reader_that_is_gone_closes_the_commands_pipe() {
        let (mut writer, reader) = tokio::io::duplex(16);
        let mut tail = Tail::default();
        let copying = copy(Some(reader), Gone, &mut tail, std::future::pending());
        let writing = async {
            writer.write_all(b"first").await.unwrap();
            // Ends only because the other end was dropped.
            while writer.write_all(b"more").await.is_ok() {}
        };
        tokio::join!(copying, writing).0.unwrap();
        assert!(tail.bytes().starts_with(b"first"));
    }

    /// A disk that is full is no reason to stop a release in the middle.
    #[tokio::test]
    async fn what_can_not_be_written_is_read_on_and_told() {
        let all = vec![7; 3 * CHUNK];
        let mut room = [0_u8; 10];
        let mut tail = Tail::default();
        let full = copy(Some(all.as_slice()), std::io::Cursor::new(&mut room[..]), &mut tail, std::future::pending()).await;
        assert_eq!(full.unwrap_err().kind(), io::ErrorKind::WriteZero);
        assert!(all.ends_with(tail.bytes()) && tail.bytes().len() >= TAIL);
    }

    #[tokio::test]
    async fn what_stays_behind_does_not_hold_up_the_end() {
        let (mut daemon, reader) = tokio::io::duplex(64);
        let (mut to, mut tail) = (Vec::new(), Tail::default());
        daemon.write_all(b"the last words").await.unwrap();
        copy(Some(reader), &mut to, &mut tail, std::future::ready(())).await.unwrap();
        assert_eq!(to, b"the last words");
        assert!(daemon.write_all(b"later").await.is_err());
    }

    /// `yes &`: there is always something to read.
    #[tokio::test]
    async fn what_stays_behind_and_never_stops_writing_does_not_either() {
        let mut tail = Tail::default();
        copy(Some(tokio::io::repeat(b'y')), tokio::io::sink(), &mut tail, std::future::ready(())).await.unwrap();
        assert!(tail.bytes().ends_with(b"yyy"));
    }
}
