//! A private address on this machine: a Unix socket that only its owner reaches, or a named pipe on Windows.

pub(super) use imp::{Listener, connect, make_address};

#[cfg(unix)]
mod imp {
    use std::{
        io,
        path::{Path, PathBuf},
    };

    use tokio::net::{UnixListener, UnixStream};

    use super::super::{place::Place, token::Token};
    use crate::problem::Problem;

    /// Longest path of a socket, bytes: `sun_path` has 104 on macOS and the BSDs, 108 on Linux, with a zero at its end.
    const MAX_SOCKET_PATH: usize = 103;

    pub(in super::super) type Stream = UnixStream;

    pub(in super::super) struct Listener(UnixListener);

    /// Where the listener of this place is.
    pub(in super::super) fn make_address(place: &Place, _: &Token) -> Result<PathBuf, Problem> {
        let path = place.socket();
        let length = path.as_os_str().len();
        if length > MAX_SOCKET_PATH {
            return Err(Problem::config(format!(
                "the path of the private socket is too long ({length} bytes, at most {MAX_SOCKET_PATH}): {}",
                path.display()
            ))
            .hint("set XDG_RUNTIME_DIR or TMPDIR to a folder with a shorter path"));
        }
        Ok(path)
    }

    impl Listener {
        pub(in super::super) fn bind(address: &Path) -> io::Result<Self> {
            // Nobody else can enter the folder it is in; this is for those systems that look at the socket itself.
            let listener = UnixListener::bind(address)?;
            std::fs::set_permissions(address, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
            Ok(Self(listener))
        }

        /// The next connection of this user. Cancel-safe.
        pub(in super::super) async fn accept(&mut self) -> io::Result<Stream> {
            let own = rustix::process::geteuid().as_raw();
            loop {
                let (stream, _) = self.0.accept().await?;
                // Root could enter the folder, and is asked to be this user all the same.
                if stream.peer_cred().is_ok_and(|peer| peer.uid() == own) {
                    return Ok(stream);
                }
            }
        }
    }

    pub(in super::super) async fn connect(address: &Path) -> io::Result<Stream> {
        UnixStream::connect(address).await
    }
}

#[cfg(windows)]
mod imp {
    use std::{
        io,
        path::{Path, PathBuf},
        time::Duration,
    };

    use tokio::{
        net::windows::named_pipe::{ClientOptions, NamedPipeClient, NamedPipeServer, ServerOptions},
        time::sleep,
    };

    use super::super::{place::Place, token::Token};
    use crate::problem::Problem;

    /// `ERROR_PIPE_BUSY`: every instance is taken, another one comes at once.
    const PIPE_BUSY: i32 = 231;
    /// How often and after what pause a busy pipe is tried again.
    const TRIES: usize = 100;
    const PAUSE: Duration = Duration::from_millis(50);

    /// Either end.
    pub(in super::super) enum Stream {
        Server(NamedPipeServer),
        Client(NamedPipeClient),
    }

    pub(in super::super) struct Listener {
        address: PathBuf,
        next: NamedPipeServer,
    }

    /// A name that nobody can guess and take first. The name may be seen; the token is what lets in.
    pub(in super::super) fn make_address(_: &Place, _: &Token) -> Result<PathBuf, Problem> {
        // Another token than the one that lets in: this one is public.
        let name = Token::make();
        Ok(PathBuf::from(format!(r"\\.\pipe\countersign-{}", name.expose())))
    }

    fn instance(address: &Path, first: bool) -> io::Result<NamedPipeServer> {
        ServerOptions::new().first_pipe_instance(first).reject_remote_clients(true).create(address)
    }

    impl Listener {
        pub(in super::super) fn bind(address: &Path) -> io::Result<Self> {
            Ok(Self { address: address.to_owned(), next: instance(address, true)? })
        }

        /// The next connection. Cancel-safe.
        pub(in super::super) async fn accept(&mut self) -> io::Result<Stream> {
            self.next.connect().await?;
            let next = instance(&self.address, false)?;
            Ok(Stream::Server(std::mem::replace(&mut self.next, next)))
        }
    }

    pub(in super::super) async fn connect(address: &Path) -> io::Result<Stream> {
        for _ in 0..TRIES {
            match ClientOptions::new().open(address) {
                Err(error) if error.raw_os_error() == Some(PIPE_BUSY) => sleep(PAUSE).await,
                other => return other.map(Stream::Client),
            }
        }
        Err(io::ErrorKind::TimedOut.into())
    }

    mod io_impl {
        use std::{
            io,
            pin::Pin,
            task::{Context, Poll},
        };

        use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

        use super::Stream;

        impl AsyncRead for Stream {
            fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
                match self.get_mut() {
                    Self::Server(pipe) => Pin::new(pipe).poll_read(cx, buf),
                    Self::Client(pipe) => Pin::new(pipe).poll_read(cx, buf),
                }
            }
        }

        impl AsyncWrite for Stream {
            fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
                match self.get_mut() {
                    Self::Server(pipe) => Pin::new(pipe).poll_write(cx, buf),
                    Self::Client(pipe) => Pin::new(pipe).poll_write(cx, buf),
                }
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                match self.get_mut() {
                    Self::Server(pipe) => Pin::new(pipe).poll_flush(cx),
                    Self::Client(pipe) => Pin::new(pipe).poll_flush(cx),
                }
            }

            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                match self.get_mut() {
                    Self::Server(pipe) => Pin::new(pipe).poll_shutdown(cx),
                    Self::Client(pipe) => Pin::new(pipe).poll_shutdown(cx),
                }
            }
        }
    }
}
