//! Every option, as command line, environment and file give it: one struct for all three.

use std::{fmt, marker::PhantomData, net::SocketAddr, path::PathBuf, str::FromStr, time::Duration};

use clap::{ArgAction, Args};
use countersign_core::relay::RelayUrl;
use ipnet::IpNet;
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, SeqAccess, Visitor},
};

use super::log::{LogFormat, LogLevel};
use crate::{
    Config, NatsConfig, NatsCredentials, NatsError, NatsPrefix, NatsUrl, PushConfig,
    limits::{self, Limits},
    proxy::Trusted,
    tls::TlsFiles,
};

/// Where a relay listens that is not told where.
pub(super) const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 7700);

macro_rules! options {
    ($($(#[$attribute:meta])* $name:ident: $kind:ty,)*) => {
        /// What was given; `None`: not given.
        #[derive(Debug, Clone, Default, Args, Deserialize)]
        #[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
        pub(super) struct Options {
            $($(#[$attribute])* pub(super) $name: Option<$kind>,)*
        }

        impl Options {
            /// These, and where one is not given, the `other` one.
            pub(super) fn or(self, other: Self) -> Self {
                Self { $($name: self.$name.or(other.$name),)* }
            }
        }
    };
}

options! {
    /// Address and port to listen on; port 0 picks a free one [default: 127.0.0.1:7700]
    #[arg(long, env = "COUNTERSIGN_RELAY_LISTEN", hide_env_values = true, value_name = "ADDRESS", value_parser = parse_address)]
    listen: SocketAddr,
    /// URL that phones and jobs use for this relay; may be repeated. Needed unless listening on loopback
    #[arg(long, env = "COUNTERSIGN_RELAY_ORIGIN", hide_env_values = true, value_name = "URL", value_delimiter = ',', value_parser = parse_origin)]
    #[serde(deserialize_with = "one_or_more")]
    origin: Vec<RelayUrl>,
    /// Certificate chain, PEM; without it, a proxy in front must speak TLS
    #[arg(long, env = "COUNTERSIGN_RELAY_TLS_CERT", hide_env_values = true, value_name = "FILE")]
    tls_cert: PathBuf,
    /// Private key of the certificate, PEM
    #[arg(long, env = "COUNTERSIGN_RELAY_TLS_KEY", hide_env_values = true, value_name = "FILE")]
    tls_key: PathBuf,
    /// Keys for waking phones that are away (Web Push); made if the file does not exist. Relays of a cluster share it
    #[arg(long, env = "COUNTERSIGN_RELAY_PUSH_KEYS", hide_env_values = true, value_name = "FILE")]
    push_keys: PathBuf,
    /// How push services reach you, like mailto:you@example.org
    #[arg(long, env = "COUNTERSIGN_RELAY_PUSH_CONTACT", hide_env_values = true, value_name = "URL")]
    push_contact: String,
    /// For tests: wake-ups may go to http and to private addresses
    #[arg(long, env = "COUNTERSIGN_RELAY_PUSH_ALLOW_PRIVATE", hide = true, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "true|false", action = ArgAction::Set)]
    push_allow_private: bool,
    /// Join other relays through this NATS server, nats://HOST:PORT or tls://HOST:PORT; may be repeated. All of them need the same origin
    #[arg(long, env = "COUNTERSIGN_RELAY_NATS", hide_env_values = true, value_name = "URL", value_delimiter = ',')]
    #[serde(deserialize_with = "one_or_more")]
    nats: Vec<NatsUrl>,
    /// What NATS knows this relay by: USER:PASSWORD, a token, or a .creds file of NATS
    #[arg(long, env = "COUNTERSIGN_RELAY_NATS_CREDENTIALS", hide_env_values = true, value_name = "FILE")]
    nats_credentials: PathBuf,
    /// Certificates to trust for tls:// instead of the system's, PEM
    #[arg(long, env = "COUNTERSIGN_RELAY_NATS_CA", hide_env_values = true, value_name = "FILE")]
    nats_ca: PathBuf,
    /// What subjects at NATS begin with; the same for all relays of a cluster [default: countersign]
    #[arg(long, env = "COUNTERSIGN_RELAY_NATS_PREFIX", hide_env_values = true, value_name = "PREFIX")]
    #[serde(deserialize_with = "prefix")]
    nats_prefix: NatsPrefix,
    /// Network whose proxies may say who their clients are (X-Forwarded-For); may be repeated
    #[arg(long, env = "COUNTERSIGN_RELAY_TRUSTED_PROXY", hide_env_values = true, value_name = "CIDR", value_delimiter = ',', value_parser = parse_network)]
    #[serde(deserialize_with = "networks")]
    trusted_proxy: Vec<IpNet>,
    /// Trusted proxies send the PROXY protocol (version 1 or 2) instead
    #[arg(long, env = "COUNTERSIGN_RELAY_PROXY_PROTOCOL", hide_env_values = true, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "true|false", action = ArgAction::Set)]
    proxy_protocol: bool,
    /// Address of /healthz, /readyz and /metrics; on loopback, like 127.0.0.1:9477
    #[arg(long, env = "COUNTERSIGN_RELAY_ADMIN", hide_env_values = true, value_name = "ADDRESS", value_parser = parse_address)]
    admin: SocketAddr,
    /// Let the admin address be one that other machines reach
    #[arg(long, env = "COUNTERSIGN_RELAY_ADMIN_REMOTE", hide_env_values = true, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "true|false", action = ArgAction::Set)]
    admin_remote: bool,
    /// How long circuits may go on after SIGTERM, like 20s or 2m, at most 10m [default: 20s]
    #[arg(long, env = "COUNTERSIGN_RELAY_DRAIN", hide_env_values = true, value_name = "TIME", value_parser = parse_time)]
    #[serde(deserialize_with = "time")]
    drain: Duration,
    /// How lines of the log look: human or json [default: human]
    #[arg(long, env = "COUNTERSIGN_RELAY_LOG_FORMAT", hide_env_values = true, hide_possible_values = true, value_name = "FORMAT")]
    log_format: LogFormat,
    /// What is worth a line: error, warn, info or debug [default: info]
    #[arg(long, env = "COUNTERSIGN_RELAY_LOG_LEVEL", hide_env_values = true, hide_possible_values = true, value_name = "LEVEL")]
    log_level: LogLevel,
    /// Most connections in all, at most 1048576 [default: 65536]
    #[arg(long, env = "COUNTERSIGN_RELAY_MAX_CONNECTIONS", hide_env_values = true, value_name = "N")]
    max_connections: usize,
    /// Most connections from one IPv4 address or IPv6 /64, at most 1048576 [default: 256]
    #[arg(long, env = "COUNTERSIGN_RELAY_MAX_CONNECTIONS_PER_IP", hide_env_values = true, value_name = "N")]
    max_connections_per_ip: usize,
    /// Most requests that wait for phones that are away, at most 65536 [default: 4096]
    #[arg(long, env = "COUNTERSIGN_RELAY_MAX_WAITING", hide_env_values = true, value_name = "N")]
    max_waiting: usize,
    /// Most pairings at a time, at most 65536 [default: 1024]
    #[arg(long, env = "COUNTERSIGN_RELAY_MAX_RENDEZVOUS", hide_env_values = true, value_name = "N")]
    max_rendezvous: usize,
}

impl Options {
    /// What a relay is started with, defaults filled in, when `files` may be open.
    ///
    /// # Errors
    /// Those of reading the credentials for NATS.
    pub(super) fn config(&self, files: usize) -> Result<Config, NatsError> {
        let pem = self.tls_cert.clone().zip(self.tls_key.clone());
        Ok(Config {
            listen: self.listen(),
            origins: self.origin.clone().unwrap_or_default(),
            tls: pem.map(|(cert, key)| TlsFiles { cert, key }),
            push: self.push(),
            nats: self.nats()?,
            limits: self.limits().within_files(files),
            proxies: Trusted::new(self.trusted_proxy.clone().unwrap_or_default(), self.proxy_protocol.unwrap_or_default()),
            admin: self.admin,
        })
    }

    pub(super) fn push(&self) -> Option<PushConfig> {
        let (keys, contact) = self.push_keys.clone().zip(self.push_contact.clone())?;
        Some(PushConfig { keys, contact, allow_private: self.push_allow_private.unwrap_or_default() })
    }

    pub(super) fn nats(&self) -> Result<Option<NatsConfig>, NatsError> {
        let Some(urls) = self.nats.clone().filter(|urls| !urls.is_empty()) else { return Ok(None) };
        let credentials = self.nats_credentials.as_deref().map(NatsCredentials::read).transpose()?;
        let prefix = self.nats_prefix.clone().unwrap_or_default();
        Ok(Some(NatsConfig { urls, prefix, credentials, roots: self.nats_ca.clone() }))
    }

    pub(super) fn listen(&self) -> SocketAddr {
        self.listen.unwrap_or(LISTEN)
    }

    pub(super) fn limits(&self) -> Limits {
        Limits {
            drain: self.drain.unwrap_or(limits::DRAIN),
            max_connections: self.max_connections.unwrap_or(limits::MAX_CONNECTIONS),
            max_waiting: self.max_waiting.unwrap_or(limits::MAX_WAITING),
            max_rendezvous: self.max_rendezvous.unwrap_or(limits::MAX_RENDEZVOUS),
            ..Limits::default().with_connections_per_ip(self.max_connections_per_ip.unwrap_or(limits::MAX_CONNECTIONS_PER_IP))
        }
    }

    pub(super) fn log_format(&self) -> LogFormat {
        self.log_format.unwrap_or_default()
    }

    pub(super) fn log_level(&self) -> LogLevel {
        self.log_level.unwrap_or_default()
    }
}

/// A time as a number and its unit: `20s`, `2m`, `1h`.
fn parse_time(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no time: write a number and s, m or h, like 20s");
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)
}

/// The same the other way round, in the largest unit that fits.
pub(super) fn spell_time(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds >= 60 * 60 && seconds % (60 * 60) == 0 => format!("{}h", seconds / (60 * 60)),
        seconds if seconds >= 60 && seconds % 60 == 0 => format!("{}m", seconds / 60),
        seconds => format!("{seconds}s"),
    }
}

fn parse_address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "write an IP address and a port, like 127.0.0.1:7700 or [::]:443")
}

/// Of a list with commas, which people write with spaces.
fn parse_origin(text: &str) -> Result<RelayUrl, countersign_core::relay::RelayUrlError> {
    text.trim().parse()
}

/// A network, or an address that stands for itself alone.
fn parse_network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    let alone = || text.parse::<std::net::IpAddr>().ok().map(IpNet::from);
    text.parse().ok().or_else(alone).ok_or_else(|| format!("`{text}` is no network: write one like 10.0.0.0/8, 2001:db8::/32 or 127.0.0.1"))
}

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_time(&text).map(Some).map_err(D::Error::custom)
}

fn prefix<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NatsPrefix>, D::Error> {
    String::deserialize(deserializer)?.parse().map(Some).map_err(D::Error::custom)
}

/// In a file, what may be repeated is a string or a list of strings.
fn strings<'de, D: Deserializer<'de>, T>(deserializer: D, parse: fn(&str) -> Result<T, String>) -> Result<Option<Vec<T>>, D::Error> {
    struct Strings<T>(fn(&str) -> Result<T, String>, PhantomData<T>);

    impl<'de, T> Visitor<'de> for Strings<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string or a list of strings")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Vec<T>, E> {
            Ok(vec![self.0(text).map_err(E::custom)?])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
            let mut values = Vec::new();
            while let Some(text) = list.next_element::<String>()? {
                values.push(self.0(&text).map_err(A::Error::custom)?);
            }
            Ok(values)
        }
    }

    deserializer.deserialize_any(Strings(parse, PhantomData)).map(Some)
}

fn one_or_more<'de, D: Deserializer<'de>, T: FromStr<Err: fmt::Display>>(deserializer: D) -> Result<Option<Vec<T>>, D::Error> {
    strings(deserializer, |text| text.parse().map_err(|error: T::Err| format!("`{text}`: {error}")))
}

fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<IpNet>>, D::Error> {
    strings(deserializer, parse_network)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_file(text: &str) -> Options {
        toml_edit::de::from_str(text).unwrap()
    }

    #[test]
    fn what_comes_first_wins() {
        let file = from_file("listen = '127.0.0.1:2'\nmax-waiting = 7\norigin = ['wss://a.example', 'wss://b.example']");
        let line = Options { listen: Some("127.0.0.1:1".parse().unwrap()), origin: None, ..Options::default() };
        let both = line.or(file);
        assert_eq!((both.listen().port(), both.limits().max_waiting), (1, 7));
        assert_eq!(both.config(usize::MAX).unwrap().origins.len(), 2);
        assert_eq!(both.limits().max_rendezvous, limits::MAX_RENDEZVOUS);
    }

    #[test]
    fn one_is_a_list_of_one() {
        let options = from_file("origin = 'wss://relay.example.org'\ntrusted-proxy = '127.0.0.1'\nproxy-protocol = true\ndrain = '2m'");
        let config = options.config(usize::MAX).unwrap();
        assert_eq!(config.origins.len(), 1);
        assert!(config.proxies.contains("127.0.0.1".parse().unwrap()) && config.proxies.proxy_protocol);
        assert_eq!(config.limits.drain, Duration::from_secs(120));
    }

    #[test]
    fn times() {
        assert_eq!(parse_time("20s"), Ok(Duration::from_secs(20)));
        assert_eq!(parse_time("1h"), Ok(Duration::from_secs(3600)));
        for text in ["0s", "59s", "1m", "61s", "10m", "1h", "90m"] {
            assert_eq!(spell_time(parse_time(text).unwrap()), text);
        }
        for wrong in ["", "s", "20", "20 s", "-1s", "1.5s", "20ms", "20é", "99999999999999999999s", "9999999999999999999h"] {
            assert!(parse_time(wrong).is_err(), "{wrong}");
        }
    }

    /// The help names the defaults; here they are those that are used.
    #[test]
    fn defaults_are_as_the_help_says() {
        let text = |name: &str| {
            let command = Options::augment_args(clap::Command::new("test"));
            command.get_arguments().find(|arg| arg.get_id() == name).unwrap().get_help().unwrap().to_string()
        };
        let help = |name: &str| text(name).split_once("[default: ").unwrap().1.trim_end_matches(']').to_owned();
        let config = Options::default().config(usize::MAX).unwrap();
        assert_eq!(help("listen"), config.listen.to_string());
        assert_eq!(parse_time(&help("drain")), Ok(config.limits.drain));
        assert_eq!(help("max_connections"), config.limits.max_connections.to_string());
        assert_eq!(help("max_connections_per_ip"), config.limits.max_connections_per_ip.to_string());
        assert_eq!(help("max_waiting"), config.limits.max_waiting.to_string());
        assert_eq!(help("nats_prefix"), NatsPrefix::default().to_string());
        assert_eq!(help("max_rendezvous"), config.limits.max_rendezvous.to_string());
        for (name, most) in [
            ("max_connections", limits::MOST_CONNECTIONS),
            ("max_connections_per_ip", limits::MOST_CONNECTIONS),
            ("max_waiting", limits::MOST_WAITING),
            ("max_rendezvous", limits::MOST_RENDEZVOUS),
        ] {
            assert!(text(name).contains(&format!(", at most {most} [")), "{name}");
        }
        assert!(text("drain").contains(&format!("at most {} [", spell_time(limits::MAX_DRAIN))));
        let level = |level| clap::ValueEnum::to_possible_value(&level).unwrap().get_name().to_owned();
        assert_eq!(help("log_level"), level(Options::default().log_level()));
        assert_eq!(help("log_format"), clap::ValueEnum::to_possible_value(&Options::default().log_format()).unwrap().get_name());
    }
}
