//! What stands before several relays: a load balancer of a few lines.

use std::{
    io,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::Duration,
};

/// How long a relay may take to accept.
const CONNECT: Duration = Duration::from_secs(1);

/// Listens on loopback and passes each connection to the first relay of its list that accepts it.
pub struct Front {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    relays: Vec<SocketAddr>,
    passed: Vec<(SocketAddr, TcpStream)>,
}

impl Front {
    /// Starts one without relays: every connection is closed at once.
    ///
    /// # Panics
    /// If it can't listen.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let front = Self { address: listener.local_addr().unwrap(), shared: Arc::default() };
        let shared = Arc::clone(&front.shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || pass(client, &shared));
            }
        });
        front
    }

    /// `ws://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// New connections go to the first of these that accepts them.
    ///
    /// # Panics
    /// If a thread of it has panicked.
    pub fn prefer(&self, relays: &[SocketAddr]) {
        self.shared.lock().unwrap().relays = relays.to_vec();
    }

    /// Ends all connections to a relay, as a load balancer does that finds it dead.
    ///
    /// # Panics
    /// As [`Front::prefer`].
    pub fn drop_all_to(&self, relay: SocketAddr) {
        for (to, client) in &self.shared.lock().unwrap().passed {
            if *to == relay {
                // It may have ended by itself.
                let _ = client.shutdown(Shutdown::Both);
            }
        }
    }

    /// How many connections went to a relay so far.
    ///
    /// # Panics
    /// As [`Front::prefer`].
    #[must_use]
    pub fn count_to(&self, relay: SocketAddr) -> usize {
        self.shared.lock().unwrap().passed.iter().filter(|(to, _)| *to == relay).count()
    }
}

fn pass(client: TcpStream, shared: &Mutex<Shared>) {
    let relays = shared.lock().unwrap().relays.clone();
    let accepted = relays.iter().find_map(|address| Some((*address, TcpStream::connect_timeout(address, CONNECT).ok()?)));
    let Some((address, relay)) = accepted else { return };
    let (_, _) = (client.set_nodelay(true), relay.set_nodelay(true));
    shared.lock().unwrap().passed.push((address, client.try_clone().unwrap()));
    let (client_too, relay_too) = (client.try_clone().unwrap(), relay.try_clone().unwrap());
    std::thread::spawn(move || copy(&client_too, &relay_too));
    copy(&relay, &client);
}

/// Until one side ends, then the other one is ended too.
fn copy(mut from: &TcpStream, mut to: &TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
