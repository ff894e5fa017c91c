//! What the shell counts, and how all counts are told to Prometheus. The switch keeps its own ([`crate::switch::Stats`]).

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, text},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};

use crate::switch::Stats;

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What the shell counts.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Connections that were accepted and admitted.
    pub(crate) accepted: Counter,
    /// Connections refused because there are too many in all.
    pub(crate) refused_full: Counter,
    /// Connections refused because there are too many from one address.
    pub(crate) refused_address: Counter,
    /// Failures of `accept`, mostly for want of file descriptors.
    pub(crate) accept_errors: Counter,
    /// TLS handshakes that succeeded.
    pub(crate) tls_handshakes: Counter,
    /// TLS handshakes that failed.
    pub(crate) handshakes_tls_failed: Counter,
    /// What was no WebSocket handshake at `/v1`.
    pub(crate) handshakes_websocket_failed: Counter,
    /// Handshakes that took too long.
    pub(crate) handshakes_timed_out: Counter,
    /// Connections cut because they do not read.
    pub(crate) slow_readers: Counter,
    /// Strangers cut because there are too many.
    pub(crate) strangers_cut: Counter,
    /// Connections cut because all together hold too much.
    pub(crate) holders_cut: Counter,
    /// Connections cut because a message took too long.
    pub(crate) messages_timed_out: Counter,
    /// Pings sent.
    pub(crate) pings: Counter,
    /// Connections cut because nothing came back.
    pub(crate) ping_timeouts: Counter,
    /// Messages given to NATS.
    pub(crate) nats_sent: Counter,
    /// Messages that came from NATS.
    pub(crate) nats_received: Counter,
    /// Messages for other relays that found no place, here or at NATS.
    pub(crate) nats_dropped: Counter,
}

/// Everything that is told at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot {
    pub(crate) switch: Stats,
    pub(crate) counters: Arc<Counters>,
    /// Bytes that wait to be written, or to be whole messages.
    pub(crate) queued_bytes: u64,
    /// Whether it is to join others through NATS.
    pub(crate) has_nats: bool,
    /// Whether new connections are taken.
    pub(crate) ready: bool,
    /// Seconds since the start.
    pub(crate) uptime: u64,
    /// When the certificate ends, Unix time; `None` without TLS.
    pub(crate) certificate_ends: Option<u64>,
}

impl Snapshot {
    /// The text that Prometheus reads (OpenMetrics 1.0).
    pub(crate) fn encode(self) -> String {
        let mut registry = Registry::with_prefix("countersign_relay");
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = text::encode(&mut text, &registry);
        text
    }
}

/// Writes metrics one after the other.
struct Page<'a>(DescriptorEncoder<'a>);

type Encoded = Result<(), std::fmt::Error>;

impl Page<'_> {
    fn gauge(&mut self, name: &str, help: &str, value: u64) -> Encoded {
        ConstGauge::new(signed(value)).encode(self.0.encode_descriptor(name, help, None, MetricType::Gauge)?)
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> Encoded {
        ConstCounter::new(value).encode(self.0.encode_descriptor(name, help, None, MetricType::Counter)?)
    }

    fn counters(&mut self, name: &str, help: &str, label: &str, values: impl IntoIterator<Item = (&'static str, u64)>) -> Encoded {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (value, count) in values {
            ConstCounter::new(count).encode(family.encode_family(&[(label, value)])?)?;
        }
        Ok(())
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

impl Collector for Snapshot {
    fn encode(&self, encoder: DescriptorEncoder) -> Encoded {
        let (switch, shell) = (&self.switch, &self.counters);
        let page = &mut Page(encoder);
        page.gauge("ready", "1 while new connections are taken", self.ready.into())?;
        page.gauge("uptime_seconds", "Since the start", self.uptime)?;
        if let Some(ends) = self.certificate_ends {
            page.gauge("certificate_expires_timestamp_seconds", "When the TLS certificate ends, Unix time; only with TLS", ends)?;
        }
        page.gauge("connections", "WebSocket connections", switch.connections)?;
        page.counter("connections_accepted", "TCP connections taken", shell.accepted.value())?;
        let refused = [("full", shell.refused_full.value()), ("address", shell.refused_address.value())];
        page.counters("connections_refused", "TCP connections closed at once: limit in all, limit of an address", "reason", refused)?;
        page.counter("connections_opened", "Connections that were given HELLO", switch.connections_total)?;
        page.counters("connection_errors", "Connections ended with ERROR", "code", switch.errors.iter())?;
        page.counter("accept_errors", "Failures to accept, mostly for want of file descriptors", shell.accept_errors.value())?;
        page.counter("tls_handshakes", "TLS handshakes that succeeded", shell.tls_handshakes.value())?;
        let failures = [
            ("tls", shell.handshakes_tls_failed.value()),
            ("websocket", shell.handshakes_websocket_failed.value()),
            ("timeout", shell.handshakes_timed_out.value()),
        ];
        page.counters("handshake_failures", "Handshakes that failed", "kind", failures)?;
        page.gauge("mailboxes", "Mailboxes proven", switch.mailboxes)?;
        page.counter("evictions", "Mailboxes that a newer connection took over", switch.evictions)?;
        let proofs = [("good", switch.proofs_good), ("failed", switch.proofs_failed)];
        page.counters("proofs", "PROVEs that were good; signatures and tickets that were not", "result", proofs)?;
        page.gauge("waiting", "OPENs that wait for their phone", switch.waiting)?;
        let opens = [("delivered", switch.opens_delivered), ("waited", switch.opens_waited)];
        let opens = opens.into_iter().chain(switch.opens_refused.iter().filter(|(reason, _)| RELAY_REFUSES.contains(reason)));
        page.counters("opens", "OPENs by result; one that waits is counted again when it is delivered or refused", "result", opens)?;
        page.gauge("rendezvous", "Rendezvous in use or burnt", switch.rendezvous)?;
        let meets =
            switch.meets_refused.iter().filter(|(reason, _)| ["peer_gone", "limit", "timeout", "rendezvous_taken"].contains(reason));
        page.counters("meets", "MEETs by result", "result", std::iter::once(("met", switch.meets_met)).chain(meets))?;
        page.gauge("circuits", "Circuits joined", switch.circuits)?;
        page.counter("circuits_joined", "Circuits that were joined", switch.circuits_total)?;
        page.counters("circuit_closes", "Circuits that ended", "reason", switch.closes.iter())?;
        page.counter("forwarded_frames", "DATA frames forwarded", switch.frames_forwarded)?;
        page.counter("forwarded_bytes", "Bytes forwarded in tails", switch.bytes_forwarded)?;
        page.gauge("queued_bytes", "Bytes that wait to be written to connections, or to be whole messages", self.queued_bytes)?;
        let cut = [
            ("stranger", shell.strangers_cut.value()),
            ("memory", shell.holders_cut.value()),
            ("message", shell.messages_timed_out.value()),
        ];
        page.counters("connections_cut", "Connections cut to make room, or for a message without end", "reason", cut)?;
        page.counter("slow_readers", "Connections cut because they do not read", shell.slow_readers.value())?;
        page.counter("pings", "Pings sent", shell.pings.value())?;
        page.counter("ping_timeouts", "Connections cut because nothing came back", shell.ping_timeouts.value())?;
        page.counters("wake_ups", "Wake-ups by what came of them", "result", switch.wakes.iter())?;
        if self.has_nats {
            page.gauge("nats_connected", "1 while NATS is there; only with --nats", switch.peers.is_some().into())?;
            page.gauge("nats_relays", "Other relays that are heard through NATS; only with --nats", switch.peers.unwrap_or_default())?;
            let messages = [("sent", shell.nats_sent.value()), ("received", shell.nats_received.value())];
            page.counters("nats_messages", "Messages between relays; only with --nats", "direction", messages)?;
            page.counter(
                "nats_dropped",
                "Messages of relays that were not taken as fast as they came; only with --nats",
                shell.nats_dropped.value(),
            )?;
        }
        let mut build = page.0.encode_descriptor("build_info", "What runs", None, MetricType::Gauge)?;
        ConstGauge::new(1_i64).encode(build.encode_family(&[("version", env!("CARGO_PKG_VERSION"))])?)
    }
}

/// Why the relay itself refuses an OPEN.
const RELAY_REFUSES: [&str; 4] = ["ticket_refused", "limit", "peer_gone", "timeout"];

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> String {
        let counters = Arc::<Counters>::default();
        counters.pings.add_one();
        counters.refused_address.add_one();
        Snapshot { counters, certificate_ends: Some(1_800_000_000), has_nats: true, ..Snapshot::default() }.encode()
    }

    #[test]
    fn counts_are_told() {
        let page = page();
        for line in [
            "countersign_relay_pings_total 1",
            "countersign_relay_connections_refused_total{reason=\"address\"} 1",
            "countersign_relay_connections_refused_total{reason=\"full\"} 0",
            "countersign_relay_certificate_expires_timestamp_seconds 1800000000",
            "countersign_relay_opens_total{result=\"ticket_refused\"} 0",
            concat!("countersign_relay_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
            "# EOF",
        ] {
            assert!(page.lines().any(|other| other == line), "{line} is not in\n{page}");
        }
        assert_eq!(page.matches("rendezvous_taken").count(), 2);
    }

    /// The rows of a section of docs/RELAY.md: the name in their first column, and the second column.
    fn documented(section: &str) -> Vec<(String, String)> {
        let text = include_str!("../../docs/RELAY.md");
        let section = text.split(&format!("\n{section}\n")).nth(1).unwrap().split("\n#").next().unwrap();
        let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |")?.split_once("` | "));
        rows.map(|(name, what)| (name.to_owned(), what.to_owned())).collect()
    }

    /// docs/RELAY.md has a row for each metric that has a label, with all values of it, and no other.
    #[test]
    fn the_documentation_lists_the_values_of_labels() {
        // In backticks, each followed by what it means.
        let values = |text: &str| text.split("; ").map(|value| value.split('`').nth(1).unwrap().to_owned()).collect::<Vec<_>>();
        let rows: Vec<(String, Vec<String>)> =
            documented("#### Values of labels").into_iter().map(|(name, text)| (name, values(&text))).collect();
        let mut told: Vec<(String, Vec<String>)> = Vec::new();
        for line in page().lines().filter(|line| !line.contains("build_info")) {
            let Some((name, label)) = line.strip_prefix("countersign_relay_").and_then(|line| line.split_once('{')) else { continue };
            let (label, value) = label.split_once("=\"").unwrap();
            let (name, value) = (format!("{name}{{{label}}}"), value.split('"').next().unwrap().to_owned());
            match told.last_mut().filter(|(last, _)| *last == name) {
                Some((_, values)) => values.push(value),
                None => told.push((name, vec![value])),
            }
        }
        assert_eq!(rows, told);
    }

    /// docs/RELAY.md has a row for each metric, with its help, and no other.
    #[test]
    fn the_documentation_lists_the_same() {
        let rows: Vec<(String, String)> = documented("### Metrics")
            .into_iter()
            .map(|(name, help)| (name.split('{').next().unwrap().trim_end_matches("_total").to_owned(), help))
            .collect();
        let page = page();
        let told: Vec<(String, String)> = page
            .lines()
            .filter_map(|line| line.strip_prefix("# HELP countersign_relay_")?.split_once(' '))
            .map(|(name, help)| (name.to_owned(), help.trim_end_matches('.').to_owned()))
            .collect();
        assert_eq!(rows, told);
    }
}
