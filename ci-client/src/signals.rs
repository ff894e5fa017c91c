//! Signals: before the child runs they end the request, then they are the child's.

/// The signals that a job may get. While one exists they have no other effect, and none is lost.
#[cfg(unix)]
pub(crate) use unix::Signals;

#[cfg(not(unix))]
pub(crate) use other::Signals;

#[cfg(unix)]
mod unix {
    use std::io;

    use rustix::process::Signal as Number;
    use tokio::signal::unix::{Signal, SignalKind, signal};

    pub(crate) struct Signals {
        int: Signal,
        term: Signal,
        hup: Signal,
        quit: Signal,
        usr1: Signal,
        usr2: Signal,
        ended: bool,
    }

    impl Signals {
        pub(crate) fn listen() -> io::Result<Self> {
            Ok(Self {
                int: signal(SignalKind::interrupt())?,
                term: signal(SignalKind::terminate())?,
                hup: signal(SignalKind::hangup())?,
                quit: signal(SignalKind::quit())?,
                usr1: signal(SignalKind::user_defined1())?,
                usr2: signal(SignalKind::user_defined2())?,
                ended: false,
            })
        }

        /// The next signal. Cancel-safe.
        pub(crate) async fn next(&mut self) -> Number {
            let number = tokio::select! {
                _ = self.int.recv() => Number::INT,
                _ = self.term.recv() => Number::TERM,
                _ = self.hup.recv() => Number::HUP,
                _ = self.quit.recv() => Number::QUIT,
                _ = self.usr1.recv() => Number::USR1,
                _ = self.usr2.recv() => Number::USR2,
            };
            self.ended |= !matches!(number, Number::USR1 | Number::USR2);
            number
        }

        /// Whether one came that ends programs.
        pub(crate) fn ended(&self) -> bool {
            self.ended
        }

        /// Waits for one that ends programs. Cancel-safe.
        pub(crate) async fn interrupted(&mut self) {
            while matches!(self.next().await, Number::USR1 | Number::USR2) {}
        }
    }
}

#[cfg(not(unix))]
mod other {
    use std::io;

    pub(crate) struct Signals {
        ended: bool,
    }

    impl Signals {
        pub(crate) fn listen() -> io::Result<Self> {
            Ok(Self { ended: false })
        }

        pub(crate) async fn next(&mut self) {
            self.interrupted().await;
        }

        pub(crate) async fn interrupted(&mut self) {
            // Without Ctrl-C there is nothing to wait for.
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
            self.ended = true;
        }

        pub(crate) fn ended(&self) -> bool {
            self.ended
        }
    }
}
