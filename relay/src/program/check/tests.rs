//! Configurations that are sound, odd or wrong.

use std::fs;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use super::*;

const DAY: u64 = 24 * 60 * 60;

/// 2026-01-01.
const NOW: u64 = 1_767_225_600;

struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    /// A certificate for relay.example.org, valid from 2025-01-01 until 2027-01-01.
    fn new() -> Self {
        let files = Self { folder: tempfile::tempdir().unwrap() };
        let mut params = CertificateParams::new(["relay.example.org".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2025, 1, 1);
        params.not_after = date_time_ymd(2027, 1, 1);
        let key = KeyPair::generate().unwrap();
        fs::write(files.folder.path().join("cert.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        files.write_key(&key.serialize_pem());
        files
    }

    fn write_key(&self, pem: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        let key = self.folder.path().join("key.pem");
        fs::write(&key, pem).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Options of a relay with TLS, and more of them.
    fn options(&self, more: &str) -> Options {
        let folder = self.folder.path().display();
        options(&format!("tls-cert = '{folder}/cert.pem'\ntls-key = '{folder}/key.pem'\nlisten = '0.0.0.0:443'\n{more}"))
    }
}

fn options(text: &str) -> Options {
    toml_edit::de::from_str(text).unwrap()
}

#[track_caller]
fn finds(options: &Options, expected: &[(Severity, &str)]) {
    let found = check(options, NOW, Some(100_000));
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (finding, (severity, part)) in found.iter().zip(expected) {
        assert!(finding.severity == *severity && finding.text.contains(part), "{finding} has no '{part}'");
    }
}

use Severity::{Problem, Warning};

#[test]
fn sound_ones() {
    finds(&Options::default(), &[]);
    finds(&Files::new().options("origin = 'wss://relay.example.org'"), &[]);
    let behind = "origin = 'wss://relay.example.org'\ntrusted-proxy = '127.0.0.1'\nproxy-protocol = true\nadmin = '127.0.0.1:9477'";
    finds(&options(behind), &[]);
    finds(&options("admin = '0.0.0.0:9477'\nadmin-remote = true"), &[]);
}

#[test]
fn everything_wrong_is_told_at_once() {
    let text =
        "listen = '0.0.0.0:7700'\ntls-cert = 'cert.pem'\nproxy-protocol = true\nadmin = '10.0.0.1:7700'\nmax-waiting = 0\ndrain = '1h'";
    let expected = [
        (Problem, "--tls-key"),
        (Problem, "cert.pem"),
        (Problem, "--origin wss://"),
        (Problem, "--trusted-proxy"),
        (Problem, "--admin-remote"),
        (Problem, "own port"),
        (Problem, "max-waiting is 0"),
        (Problem, "drain is 1h, longer than a request lives: take at most 10m"),
    ];
    finds(&options(text), &expected);
}

#[test]
fn certificates() {
    let files = Files::new();
    finds(&files.options("origin = 'wss://other.example.org'"), &[(Problem, "not for other.example.org")]);
    finds(&files.options("origin = ['wss://relay.example.org', 'ws://localhost:443']"), &[(Problem, "write wss://")]);
    let sound = files.options("origin = 'wss://relay.example.org'");
    let at = |now| check(&sound, now, None).into_iter().map(|finding| (finding.severity, finding.text)).collect::<Vec<_>>();
    let expected = |severity, part: &str, now| {
        let found = at(now);
        assert!(matches!(&found[..], [(is, text)] if *is == severity && text.contains(part)), "{found:?}");
    };
    expected(Warning, "expires in 13 days", NOW + 351 * DAY + 1);
    expected(Problem, "expired 10 days ago", NOW + 375 * DAY);
    expected(Problem, "only in 35 days", NOW - 400 * DAY);
    files.write_key(&KeyPair::generate().unwrap().serialize_pem());
    finds(&sound, &[(Problem, "issued together")]);
    files.write_key("");
    finds(&sound, &[(Problem, "key.pem")]);
    fs::remove_file(files.folder.path().join("cert.pem")).unwrap();
    finds(&sound, &[(Problem, "cert.pem"), (Problem, "key.pem")]);
    let key = files.folder.path().join("key.pem");
    files.write_key(&KeyPair::generate().unwrap().serialize_pem());
    finds(&options(&format!("tls-key = '{}'", key.display())), &[(Problem, "--tls-cert")]);
}

#[test]
fn a_key_that_everybody_reads() {
    use std::os::unix::fs::PermissionsExt as _;
    let files = Files::new();
    fs::set_permissions(files.folder.path().join("key.pem"), fs::Permissions::from_mode(0o644)).unwrap();
    finds(&files.options("origin = 'wss://relay.example.org'"), &[(Warning, "mode 644")]);
}

#[test]
fn odd_ones() {
    finds(&options("origin = 'wss://relay.example.org'"), &[(Warning, "name it with --trusted-proxy")]);
    finds(&options("origin = ['ws://localhost:7700', 'ws://localhost:7700']"), &[(Warning, "twice")]);
    finds(&options("origin = 'ws://localhost:7701'"), &[(Warning, "is it forwarded?")]);
    finds(&options("max-connections = 10"), &[(Warning, "over max-connections")]);
    assert_eq!(check(&Options::default(), NOW, Some(20_000)), []);
    let found = check(&options("max-connections = 65536"), NOW, Some(20_000));
    assert!(found.len() == 1 && found[0].text.contains("LimitNOFILE=65792") && found[0].text.contains("= 19744"), "{found:?}");
    finds(&options("max-connections = 100000"), &[(Warning, "LimitNOFILE=100256")]);
    // A quarter is kept back at most.
    assert!(check(&options("max-connections = 750"), NOW, Some(1_024)).is_empty());
    let found = check(&Options::default(), NOW, Some(100));
    assert!(found.len() == 1 && found[0].text.contains("ulimit"), "{found:?}");
}

/// One fault hides no other, wherever it is.
#[test]
fn faults_of_different_files_are_told_together() {
    let files = Files::new();
    let folder = files.folder.path().display();
    let write = |name: &str, text: &str| fs::write(files.folder.path().join(name), text).unwrap();
    files.write_key("");
    write("credentials", "");
    write("ca.pem", "");
    write("push.toml", "");
    let text = format!(
        "origin = 'wss://other.example.org'\nnats = ['http://nats', 'nats://a:b@nats', 'nats://c:d@nats']\n\
         nats-credentials = '{folder}/credentials'\nnats-ca = '{folder}/ca.pem'\npush-keys = '{folder}/push.toml'\npush-contact = 'me'\n"
    );
    std::process::Command::new("chmod")
        .arg("600")
        .args(["credentials", "push.toml"].map(|name| files.folder.path().join(name)))
        .status()
        .unwrap();
    let found = check(&files.options(&text), NOW + 375 * DAY, None);
    let expected = [
        "key.pem holds no private key",
        "has expired 10 days ago",
        "not for other.example.org",
        "--push-contact wants",
        "push.toml, line 1: ",
        "NATS credentials are one line",
        "a NATS URL looks like",
        "leave user and password out",
        "ca.pem holds no certificate",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (finding, part) in found.iter().zip(expected) {
        assert!(finding.severity == Problem && finding.text.contains(part), "{finding} has no '{part}'");
    }
}

#[test]
fn half_a_file_is_told_in_words() {
    let files = Files::new();
    let cert = files.folder.path().join("cert.pem");
    let whole = fs::read_to_string(&cert).unwrap();
    fs::write(&cert, &whole[..whole.len() / 2]).unwrap();
    finds(&files.options("origin = 'wss://relay.example.org'"), &[(Problem, "cert.pem: it ends before the END line of a PEM block: copy")]);
    let folder = format!("push-keys = '{}'\npush-contact = 'mailto:op@example.org'", files.folder.path().display());
    finds(&options(&folder), &[(Problem, "it is a folder")]);
}

#[test]
fn limits_have_limits() {
    for (name, most) in [
        ("max-connections", MOST_CONNECTIONS),
        ("max-connections-per-ip", MOST_CONNECTIONS),
        ("max-waiting", MOST_WAITING),
        ("max-rendezvous", MOST_RENDEZVOUS),
    ] {
        let problems = |value: usize| {
            let found = check(&options(&format!("{name} = {value}")), NOW, None);
            found.into_iter().filter(Finding::is_problem).map(|finding| finding.text).collect::<Vec<_>>()
        };
        assert_eq!(problems(most), [""; 0]);
        assert_eq!(problems(most + 1), [format!("{name} is {}, more than a relay can have: take at most {most}", most + 1)]);
        assert!(problems(0)[0].contains("at least 1"));
    }
    // Told once.
    finds(&options("max-connections = 99999999"), &[(Problem, "at most 1048576")]);
    let with_files = |files| check(&Options::default(), NOW, Some(files));
    assert!(with_files(FEWEST_FILES - 1)[0].is_problem() && with_files(FEWEST_FILES - 1)[0].text.contains("LimitNOFILE"));
    assert!(!with_files(FEWEST_FILES)[0].is_problem());
}

#[test]
fn lists_have_limits() {
    for (name, most) in [("origin", MOST_ORIGINS), ("trusted-proxy", MOST_TRUSTED_PROXIES), ("nats", MOST_NATS_SERVERS)] {
        let problems = |count: usize| {
            let value = |n: usize| match name {
                "origin" => format!("'ws://localhost:{}'", n + 1),
                "nats" => format!("'nats://127.0.0.1:{}'", n + 1),
                _ => format!("'10.0.{}.{}'", n / 256, n % 256),
            };
            let list = (0..count).map(value).collect::<Vec<_>>().join(", ");
            check(&options(&format!("{name} = [{list}]")), NOW, None).iter().filter(|finding| finding.is_problem()).count()
        };
        assert_eq!((problems(most), problems(most + 1)), (0, 1), "{name}");
    }
}

#[test]
fn whom_the_trusted_proxies_are() {
    for (networks, share) in [
        ("'0.0.0.0/0'", "0.0.0.0/0 are all IPv4"),
        ("'128.0.0.0/1', '10.0.0.0/8', '0.0.0.0/1'", "128.0.0.0/1 and 10.0.0.0/8 and 0.0.0.0/1 are all IPv4"),
        ("'0.0.0.0/2', '64.0.0.0/2'", "are at least half of all IPv4"),
        ("'::/0'", "::/0 are all IPv6"),
        ("'::/1', '8000::/1'", "are all IPv6"),
        ("'2000::/3'", "are all IPv6"),
        ("'2000::/4'", "are at least half of all IPv6"),
    ] {
        finds(&options(&format!("trusted-proxy = [{networks}]")), &[(Warning, share)]);
    }
    finds(&options("trusted-proxy = ['0.0.0.0/0', '::/0']"), &[(Warning, "IPv4"), (Warning, "IPv6")]);
    finds(&options("trusted-proxy = ['10.0.0.0/8', '10.0.0.1', '64.0.0.0/2', 'fd00::/8', '2001:db8::/32', '8000::/1']"), &[]);
    for (network, meant) in [
        ("10.0.0.1/8", "write 10.0.0.0/8 for the whole network, or 10.0.0.1/32 for"),
        ("2001:db8::1/32", "write 2001:db8::/32 for the whole network, or 2001:db8::1/128 for"),
        ("::ffff:10.0.0.0/104", "write 10.0.0.0/8"),
        ("::ffff:10.0.0.1", "write 10.0.0.1/32"),
    ] {
        finds(&options(&format!("trusted-proxy = '{network}'")), &[(Problem, meant)]);
    }
}

#[test]
fn what_stands_alone_is_told() {
    finds(&options("admin-remote = true"), &[(Problem, "add --admin ADDRESS")]);
    finds(&options("admin-remote = false"), &[]);
    finds(&options("nats-prefix = 'a'"), &[(Problem, "add --nats")]);
    // A proxy that is named has the origin's port.
    finds(&Files::new().options("origin = 'wss://relay.example.org:8443'\ntrusted-proxy = '10.0.0.0/8'"), &[]);
    finds(&options("origin = 'ws://localhost:7701'\ntrusted-proxy = '127.0.0.1'\nproxy-protocol = true"), &[]);
}
