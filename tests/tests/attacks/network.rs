//! Networks of a test's own, so that it can have any address and cut any cable.

use std::{
    fs::File,
    io::{self, Write as _},
    net::{Ipv4Addr, Ipv6Addr},
    os::fd::AsFd as _,
    panic::resume_unwind,
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
    thread,
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::{net::TcpSocket, runtime};

use crate::raw::socket;

/// Two network namespaces with a cable between them. What the test does and starts is [`HERE`](Self::HERE); it can have sockets that are there.
pub(crate) struct Network {
    here: File,
    there: File,
}

/// Runs a test with nothing around it but its network.
///
/// # Panics
/// If the test does, and if this machine makes no namespaces.
pub(crate) fn alone(test: impl AsyncFnOnce(Network) + Send + 'static) {
    // A namespace is a thread's. What this one starts is in it too; with the last of them it ends.
    let alone = thread::spawn(move || {
        let network = Network::make().unwrap_or_else(|why| {
            panic!("this test makes network namespaces, for which it needs Linux with IPv6, root and `ip` (apt install iproute2): {why}")
        });
        runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test(network));
    });
    alone.join().unwrap_or_else(|panic| resume_unwind(panic));
}

impl Network {
    /// This side's end of the cable.
    pub(crate) const HERE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

    /// An address of the other side, one of 200.
    pub(crate) fn there(n: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 0, 0, 2 + n)
    }

    fn make() -> Result<Self, String> {
        static LAST: Mutex<u32> = Mutex::new(0);
        let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
        *last += 1;
        let name = |side: &str| format!("countersign-{}-{last}-{side}", std::process::id());
        let (here, there) = (Name::make(name("here"))?, Name::make(name("there"))?);
        let network = Self { here: here.open()?, there: there.open()? };
        enter(&network.there).and_then(|()| enter(&network.here)).map_err(|error| format!("setns: {error}"))?;
        ip([
            "link set lo up".to_owned(),
            format!("link add cable type veth peer name cable netns {}", there.0),
            format!("addr add {}/24 dev cable", Self::HERE),
            "link set cable up".to_owned(),
        ])?;
        let addresses = (0..200).map(|n| format!("addr add {}/24 dev cable", Self::there(n)));
        network.outside(|| ip(addresses.chain(["link set cable up".to_owned()])))?;
        Ok(network)
    }

    /// Does something on the other side.
    fn outside<T>(&self, what: impl FnOnce() -> T) -> T {
        enter(&self.there).unwrap();
        let done = what();
        enter(&self.here).unwrap();
        done
    }

    /// A socket of the other side.
    pub(crate) fn socket(&self, n: u8) -> TcpSocket {
        self.outside(|| socket(Self::there(n))).unwrap()
    }

    /// Cuts the cable on the other side. Neither side's sockets are told.
    pub(crate) fn cut(&self) {
        self.outside(|| ip(["link set cable down".to_owned()])).unwrap();
    }

    /// Mends it.
    pub(crate) fn mend(&self) {
        self.outside(|| ip(["link set cable up".to_owned()])).unwrap();
    }

    /// Gives loopback of this side more addresses.
    pub(crate) fn add(&self, addresses: impl IntoIterator<Item = Ipv6Addr>) {
        ip(addresses.into_iter().map(|address| format!("addr add {address}/128 dev lo nodad"))).unwrap();
    }
}

/// Takes the thread into a namespace.
fn enter(namespace: &File) -> io::Result<()> {
    Ok(move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?)
}

/// The name of a namespace. It is given back at once: whatever becomes of the test, nothing is left behind.
struct Name(String);

impl Name {
    fn make(name: String) -> Result<Self, String> {
        let output = Command::new("ip").args(["netns", "add", &name]).output().map_err(|error| format!("ip: {error}"))?;
        if output.status.success() { Ok(Self(name)) } else { Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()) }
    }

    fn open(&self) -> Result<File, String> {
        let path = format!("/var/run/netns/{}", self.0);
        File::open(&path).map_err(|error| format!("{path}: {error}"))
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}

/// Runs lines of `ip` in the namespace that the thread is in.
fn ip(lines: impl IntoIterator<Item = String>) -> Result<(), String> {
    let mut command = Command::new("ip");
    command.args(["-batch", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("ip: {error}"))?;
    let mut stdin = child.stdin.take().unwrap();
    for line in lines {
        // Who ends early says why.
        let _ = writeln!(stdin, "{line}");
    }
    drop(stdin);
    let output = child.wait_with_output().map_err(|error| format!("ip: {error}"))?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()) }
}
