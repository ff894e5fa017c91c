//! Several real relays joined by the real `nats-server`, behind a front that gives every connection to one of them.
//! `tests/run` installs what this needs; without it these tests fail and say so.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{fs, net::SocketAddr, process::Command};

use countersign_tests::process::{Front, NatsServer, PhoneFolder, RelayProcess, Running, Setting, URI, own_address, program};

/// Two relays behind a front; the phone's connections go to the first of them, everybody else's to the second.
struct Cluster {
    nats: Option<NatsServer>,
    nats_args: Vec<String>,
    front: Front,
    addresses: [SocketAddr; 2],
    relays: [Option<RelayProcess>; 2],
    setting: Setting,
}

impl Cluster {
    fn relay(&self, n: usize) -> RelayProcess {
        let (listen, origin) = (self.addresses[n].to_string(), self.front.url());
        let mut args = vec!["--listen", &listen, "--origin", &origin];
        args.extend(self.nats_args.iter().map(String::as_str));
        RelayProcess::with(&args)
    }

    /// Two relays that have heard of NATS, phone and laptop not yet paired.
    fn start(nats: NatsServer, nats_args: &[&str]) -> Self {
        let front = Front::start();
        // The setting's own relay only names the front's URL to the client.
        let setting = Setting { relay: None, phone: PhoneFolder::init("pixel"), laptop: tempfile::tempdir().unwrap() };
        let nats_args = nats_args.iter().map(|&arg| arg.to_owned()).collect();
        let mut cluster =
            Self { nats: Some(nats), nats_args, front, addresses: [own_address(), own_address()], relays: [None, None], setting };
        for n in [0, 1] {
            let mut relay = cluster.relay(n);
            relay.wait_for("connected to NATS");
            cluster.relays[n] = Some(relay);
        }
        cluster
    }

    fn plain() -> Self {
        let nats = NatsServer::start(&[]);
        let url = format!("nats://{}", nats.address());
        Self::start(nats, &["--nats", &url])
    }

    /// Paired and with a seed, laptop and phone at different relays.
    fn ready() -> Self {
        let mut cluster = Self::plain();
        cluster.make_ready();
        cluster
    }

    fn make_ready(&mut self) {
        let mut laptop =
            self.client(&["pair", "--relay", &self.front.url(), "--name", "acme/widget", "--no-qr", "--key-file", "countersign.key"]);
        let code = laptop.pairing_code();
        let mut phone = self.phone(&["pair", "-"]);
        phone.say(&code);
        laptop.say(phone.wait_for_line("").trim());
        let ended = laptop.end();
        assert!(ended.status.success(), "{ended:?}\nphone: {}", phone.err_so_far());
        assert!(phone.end().status.success());

        let mut phone = self.phone_that_runs(&["run", "--once"]);
        let mut laptop = self.client(&["enroll", "npm", "--uri-stdin"]);
        laptop.say(URI);
        laptop.hush();
        let number = laptop.match_number();
        self.setting.phone.approve(&mut phone, &number, true);
        let ended = laptop.end();
        assert!(ended.status.success(), "{ended:?}");
        assert!(phone.end().status.success());
    }

    /// A command of the phone, connected to relay 0 if that is there.
    fn phone(&self, args: &[&str]) -> Running {
        let before = self.count();
        self.front.prefer(&self.addresses);
        let phone = self.setting.phone.run(args);
        if args == ["pair", "-"] {
            // It connects once it has the code; the laptop is connected already.
            return phone;
        }
        self.wait_for_connection(before);
        phone
    }

    fn phone_that_runs(&self, args: &[&str]) -> Running {
        let phone = self.phone(args);
        // Whoever connects from now on goes to the other relay.
        self.front.prefer(&[self.addresses[1], self.addresses[0]]);
        phone
    }

    /// A command of the client, connected to relay 1 if that is there.
    fn client(&self, args: &[&str]) -> Running {
        self.front.prefer(&[self.addresses[1], self.addresses[0]]);
        self.setting.client(args)
    }

    fn count(&self) -> usize {
        self.addresses.iter().map(|address| self.front.count_to(*address)).sum()
    }

    fn wait_for_connection(&self, before: usize) {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(countersign_tests::process::PATIENCE);
        while self.count() == before {
            assert!(std::time::Instant::now() < deadline, "nobody connects");
            std::thread::yield_now();
        }
    }

    fn kill_nats(&mut self) -> (String, Vec<String>) {
        let place = self.nats.take().unwrap().kill();
        for relay in self.relays.iter_mut().flatten() {
            relay.wait_for("lost NATS");
        }
        place
    }

    fn restart_nats(&mut self, (address, args): (String, Vec<String>)) {
        self.nats = Some(NatsServer::listen(&address, args));
        for relay in self.relays.iter_mut().flatten() {
            relay.wait_for("connected to NATS");
        }
    }
}

/// A job has its code, and the phone asked its owner once.
#[track_caller]
fn assert_one_prompt(job: Running, phone: &Running) {
    let ended = job.end();
    assert_eq!(ended.code(), 0, "{ended:?}\nphone: {}", phone.err_so_far());
    assert_eq!(ended.stdout.trim().len(), 6);
    assert_eq!(phone.err_so_far().matches("passphrase").count(), 1, "{}", phone.err_so_far());
}

#[test]
fn phone_on_one_relay_and_job_on_another() {
    let cluster = Cluster::ready();
    let before = cluster.addresses.map(|address| cluster.front.count_to(address));
    let mut phone = cluster.phone_that_runs(&["run"]);
    let mut job = cluster.client(&["code", "npm"]);
    let number = job.match_number();
    cluster.setting.phone.approve(&mut phone, &number, false);
    assert_one_prompt(job, &phone);
    let after = cluster.addresses.map(|address| cluster.front.count_to(address));
    assert_eq!(after, [before[0] + 1, before[1] + 1], "one connection to each relay");
}

#[test]
fn a_job_waits_until_the_phone_comes_to_another_relay() {
    let cluster = Cluster::ready();
    let mut job = cluster.client(&["code", "npm"]);
    job.wait_for("not connected");
    let mut phone = cluster.phone_that_runs(&["run"]);
    let number = job.match_number();
    cluster.setting.phone.approve(&mut phone, &number, false);
    assert_one_prompt(job, &phone);
}

#[test]
fn either_relay_may_die_while_the_human_looks() {
    for dead in [0, 1] {
        let mut cluster = Cluster::ready();
        let mut phone = cluster.phone_that_runs(&["run"]);
        let mut job = cluster.client(&["code", "npm"]);
        let number = job.match_number();
        phone.wait_for("number");
        let _ = cluster.relays[dead].take().unwrap().kill();
        // Approved while its relay is gone; whoever lost its relay comes back to the other one.
        phone.say(&number);
        phone.wait_for("passphrase");
        phone.say(cluster.setting.phone.passphrase());
        assert_one_prompt(job, &phone);
        // And a new relay in its place serves again.
        let mut relay = cluster.relay(dead);
        relay.wait_for("connected to NATS");
        cluster.relays[dead] = Some(relay);
        let mut job = cluster.client(&["code", "npm"]);
        let number = job.match_number();
        cluster.setting.phone.approve(&mut phone, &number, false);
        let ended = job.end();
        assert_eq!(ended.code(), 0, "{ended:?}");
    }
}

#[test]
fn a_relay_that_is_stopped_sends_its_clients_elsewhere() {
    let mut cluster = Cluster::ready();
    let mut phone = cluster.phone_that_runs(&["run"]);
    let mut job = cluster.client(&["code", "npm"]);
    let number = job.match_number();
    phone.wait_for("number");
    let ended = cluster.relays[0].take().unwrap().stop();
    assert!(ended.status.success(), "{ended:?}");
    phone.say(&number);
    phone.wait_for("passphrase");
    phone.say(cluster.setting.phone.passphrase());
    assert_one_prompt(job, &phone);
}

#[test]
fn nats_may_die_while_the_human_looks_and_come_back() {
    let mut cluster = Cluster::ready();
    let mut phone = cluster.phone_that_runs(&["run"]);
    let mut job = cluster.client(&["code", "npm"]);
    let number = job.match_number();
    phone.wait_for("number");
    let place = cluster.kill_nats();
    phone.say(&number);
    phone.wait_for("passphrase");
    phone.say(cluster.setting.phone.passphrase());
    phone.wait_for("approved");
    assert!(job.out_so_far().is_empty());
    cluster.restart_nats(place);
    assert_one_prompt(job, &phone);
}

#[test]
fn without_nats_each_relay_serves_its_own_and_the_rest_waits() {
    let mut cluster = Cluster::ready();
    let mut phone = cluster.phone_that_runs(&["run"]);
    let place = cluster.kill_nats();
    let mut far = cluster.client(&["code", "npm", "--reason", "far"]);
    far.wait_for("not connected");
    // A job at the phone's own relay, of the same pairing.
    cluster.front.prefer(&[cluster.addresses[0]]);
    let mut near = cluster.setting.client(&["code", "npm", "--reason", "near"]);
    let number = near.match_number();
    cluster.setting.phone.approve(&mut phone, &number, false);
    let ended = near.end();
    assert_eq!(ended.code(), 0, "{ended:?}");
    cluster.front.prefer(&[cluster.addresses[1]]);
    cluster.restart_nats(place);
    let number = far.match_number();
    cluster.setting.phone.approve(&mut phone, &number, false);
    let ended = far.end();
    assert_eq!(ended.code(), 0, "{ended:?}");
}

#[test]
fn a_relay_starts_before_nats_does() {
    // A port that is free, and stays so for the moment.
    let (address, args) = NatsServer::start(&[]).kill();
    let (listen, url) = (own_address().to_string(), format!("nats://{address}"));
    let mut relay = RelayProcess::with(&["--listen", &listen, "--nats", &url]);
    relay.wait_for("cannot reach NATS");
    let _nats = NatsServer::listen(&address, args);
    relay.wait_for("connected to NATS");
    assert!(relay.stop().status.success());
}

#[test]
fn tls_and_credentials() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) = (file("cert.pem", &made.cert.pem()), file("key.pem", &made.signing_key.serialize_pem()));
    // What docs/RELAY.md tells operators to write: `printf secret | mkpasswd -s -m bcrypt -R 5`.
    let password = "$2b$05$F3B5MwpwFJxDH7./y2FYpOSUS/k6RGE5TXHh/Lvh9DV9EWlWPHo26";
    let config = format!(
        "tls {{ cert_file: \"{cert}\", key_file: \"{key}\" }}\nauthorization {{ users = [ {{ user: relay, password: \"{password}\", \
         permissions: {{ publish: \"countersign.>\", subscribe: \"countersign.>\" }} }} ] }}\n"
    );
    let nats = NatsServer::start(&["-c", &file("nats.conf", &config)]);
    let url = format!("tls://localhost:{}", nats.address().rsplit_once(':').unwrap().1);
    let good = file("good", "relay:secret\n");
    // A wrong password, and a certificate that is not trusted.
    let bad = file("bad", "relay:wrong\n");
    let listen = own_address().to_string();
    for args in [["--nats-credentials", &bad, "--nats-ca", &cert], ["--nats-credentials", &good, "--nats-prefix", "countersign"]] {
        let mut relay = RelayProcess::with(&[&["--listen", &listen, "--nats", &url][..], &args[..]].concat());
        relay.wait_for("cannot reach NATS");
        let _ = relay.kill();
    }
    let mut cluster = Cluster::start(nats, &["--nats", &url, "--nats-credentials", &good, "--nats-ca", &cert]);
    cluster.make_ready();
    let mut phone = cluster.phone_that_runs(&["run"]);
    let mut job = cluster.client(&["code", "npm"]);
    let number = job.match_number();
    cluster.setting.phone.approve(&mut phone, &number, false);
    assert_one_prompt(job, &phone);
}

#[test]
fn a_nats_with_too_small_messages_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("nats.conf");
    fs::write(&config, "max_payload: 8000\n").unwrap();
    let nats = NatsServer::start(&["-c", config.to_str().unwrap()]);
    let (listen, url) = (own_address().to_string(), format!("nats://{}", nats.address()));
    let mut relay = RelayProcess::with(&["--listen", &listen, "--nats", &url]);
    relay.wait_for("wanted=16640");
}

#[test]
fn what_can_not_work_is_refused_at_the_start() {
    for (args, text) in [
        (["--nats", "nats://user:secret@127.0.0.1"], "--nats-credentials"),
        (["--nats", "http://127.0.0.1"], "nats://"),
        (["--nats-prefix", "a..b"], "prefix"),
    ] {
        let ended = Running::start({
            let mut command = Command::new(program("countersign-relay"));
            command.args(args);
            command
        })
        .end();
        assert_eq!(ended.code(), 2, "{ended:?}");
        assert!(ended.stderr.contains(text), "{ended:?}");
    }
}

/// A network of its own, joined to this one by a cable that can be pulled.
struct Namespace {
    name: String,
    cable: String,
    here: String,
    there: SocketAddr,
}

fn ip(args: &str) -> Result<(), String> {
    let output = Command::new("ip").args(args.split(' ')).output().map_err(|error| format!("ip: {error}"))?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()) }
}

impl Namespace {
    fn make() -> Result<Self, String> {
        let id = std::process::id();
        let [.., high, low] = id.to_be_bytes();
        let (name, cable) = (format!("countersign-{id}"), format!("cs{id}"));
        let (here, there) = (format!("10.{high}.{low}.1"), format!("10.{high}.{low}.2"));
        ip(&format!("netns add {name}"))?;
        let made = Self { name: name.clone(), cable: cable.clone(), here: here.clone(), there: format!("{there}:7700").parse().unwrap() };
        ip(&format!("link add {cable} type veth peer name {cable}p"))?;
        ip(&format!("link set {cable}p netns {name}"))?;
        ip(&format!("addr add {here}/30 dev {cable}"))?;
        ip(&format!("link set {cable} up"))?;
        ip(&format!("-n {name} addr add {there}/30 dev {cable}p"))?;
        ip(&format!("-n {name} link set {cable}p up"))?;
        ip(&format!("-n {name} link set lo up"))?;
        Ok(made)
    }

    fn pull(&self) {
        ip(&format!("link set {} down", self.cable)).unwrap();
    }

    fn plug_in(&self) {
        ip(&format!("link set {} up", self.cable)).unwrap();
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // The cable goes with it.
        let _ = ip(&format!("link del {}", self.cable));
        let _ = ip(&format!("netns del {}", self.name));
    }
}

#[test]
fn a_relay_that_is_cut_off_costs_nothing() {
    let network = Namespace::make().unwrap_or_else(|why| panic!("this test needs a network namespace, so root and `ip`: {why}"));
    let nats = NatsServer::listen(&format!("{}:-1", network.here), Vec::new());
    let url = format!("nats://{}", nats.address());
    let front = Front::start();
    let mut addresses = [network.there, own_address()];
    addresses[1].set_ip(network.here.parse().unwrap());
    let origin = front.url();
    let mut inside = Command::new("ip");
    inside.args(["netns", "exec", &network.name]).arg(program("countersign-relay"));
    inside.args(["--listen", &network.there.to_string(), "--origin", &origin, "--nats", &url]);
    let mut cut = RelayProcess::run(inside);
    cut.wait_for("connected to NATS");
    let nats_args = vec!["--nats".to_owned(), url];
    let setting = Setting { relay: None, phone: PhoneFolder::init("pixel"), laptop: tempfile::tempdir().unwrap() };
    let mut cluster = Cluster { nats: Some(nats), nats_args, front, addresses, relays: [None, None], setting };
    let mut other = cluster.relay(1);
    other.wait_for("connected to NATS");
    cluster.relays = [Some(cut), Some(other)];
    cluster.make_ready();

    let mut phone = cluster.phone_that_runs(&["run"]);
    let mut job = cluster.client(&["code", "npm"]);
    let number = job.match_number();
    phone.wait_for("number");
    network.pull();
    // What is in front notices, and sends its clients to the other relay.
    cluster.front.drop_all_to(addresses[0]);
    cluster.relays[0].as_mut().unwrap().wait_for("lost NATS");
    phone.say(&number);
    phone.wait_for("passphrase");
    phone.say(cluster.setting.phone.passphrase());
    assert_one_prompt(job, &phone);

    // It comes back with what it believed before; the phone is found where it is now.
    network.plug_in();
    cluster.relays[0].as_mut().unwrap().wait_for("connected to NATS");
    cluster.front.prefer(&[addresses[0]]);
    let mut job = cluster.setting.client(&["code", "npm"]);
    let number = job.match_number();
    cluster.setting.phone.approve(&mut phone, &number, false);
    let ended = job.end();
    assert_eq!(ended.code(), 0, "{ended:?}");
}
