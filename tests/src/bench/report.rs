//! What a run found: as a table for people, as one JSON object for programs.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    cores::Cores,
    heartbeat::Heartbeat,
    idle::Idle,
    opens::Opens,
    round_trips::RoundTrips,
    server::Subject,
    statistics::Series,
    table::{Table, number, percent},
    usage::Shares,
};

/// Memory with few and with many phones on one relay.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Growth {
    /// Few.
    pub small: usize,
    /// Resident bytes of one of the few.
    pub small_cost: f64,
    /// Many.
    pub large: usize,
    /// Resident bytes of one of the many.
    pub large_cost: f64,
}

/// Everything a run found. What was not measured is missing.
#[derive(Debug, Default)]
pub struct Report {
    /// Resident memory, a value a round.
    pub idle: BTreeMap<Subject, Vec<Idle>>,
    /// Throughput, a value a round.
    pub round_trips: BTreeMap<Subject, Vec<RoundTrips>>,
    /// Latency, a value a round.
    pub latency: BTreeMap<Subject, Vec<RoundTrips>>,
    /// Whole opens, a value a round.
    pub opens: BTreeMap<Subject, Vec<Opens>>,
    /// Phones that do nothing.
    pub heartbeat: Option<Heartbeat>,
    /// Few phones and many.
    pub growth: Option<Growth>,
    /// The cores of the run.
    pub cores: Option<Cores>,
    /// What could not be measured, and what to do about it.
    pub skipped: Vec<String>,
    /// What a reader has to know.
    pub notes: Vec<String>,
}

fn series<T>(rounds: &[T], value: impl Fn(&T) -> f64) -> Series {
    Series::new(rounds.iter().map(value).collect())
}

fn rounded(value: Option<f64>, decimals: i32) -> Value {
    let scale = 10_f64.powi(decimals);
    value.map_or(Value::Null, |value| json!((value * scale).round() / scale))
}

/// `rt4k_64` for ours over ws, `rt4k_64_tcp` and so on for the others.
fn key(stem: &str, subject: Subject) -> String {
    if subject == Subject::Ws { stem.to_owned() } else { format!("{stem}_{}", subject.key()) }
}

impl Report {
    /// Every key is there in every run; what was not measured is null.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut all = Map::new();
        let mut low_high = Map::new();
        let mut cpu = Map::new();
        for subject in Subject::ALL {
            let rounds = self.idle.get(&subject);
            let stem = format!("idle_{}", subject.key());
            let touched = format!("{stem}_touched");
            all.insert(format!("{stem}_connections"), json!(rounds.and_then(|rounds| rounds.first()).map(|idle| idle.connections)));
            for (key, value) in [(stem, (|one: &Idle| one.fresh) as fn(&Idle) -> f64), (touched, |one| one.touched)] {
                let values = rounds.map(|rounds| series(rounds, value));
                all.insert(key.clone(), rounded(values.as_ref().map(Series::median), 1));
                if let Some(values) = values {
                    low_high.insert(key, spread_json(&values, 1));
                }
            }
        }
        for (stem, rows, decimals, value) in [
            ("rt4k_64", &self.round_trips, 0, (|one: &RoundTrips| one.per_second) as fn(&RoundTrips) -> f64),
            ("p50_1k", &self.latency, 2, |one: &RoundTrips| one.p50),
        ] {
            for subject in Subject::ALL {
                let rounds = rows.get(&subject).map(|rounds| series(rounds, value));
                all.insert(key(stem, subject), rounded(rounds.as_ref().map(Series::median), decimals));
                if let (Some(rounds), Some(measured)) = (rounds, rows.get(&subject)) {
                    low_high.insert(key(stem, subject), spread_json(&rounds, decimals));
                    cpu.insert(key(stem, subject), shares_json(shares(measured, |one| one.shares)));
                }
            }
        }
        for subject in Subject::ALL {
            let rounds = self.round_trips.get(&subject).map(|rounds| series(rounds, RoundTrips::per_core));
            all.insert(key("rt4k_64_per_core", subject), rounded(rounds.as_ref().map(Series::median), 0));
        }
        for subject in [Subject::Ws, Subject::Wss] {
            let rounds = self.opens.get(&subject);
            let median = |value: fn(&Opens) -> f64| rounds.map(|rounds| series(rounds, value).median());
            all.insert(key("open_per_s", subject), rounded(median(|one| one.per_second), 0));
            all.insert(key("open_per_core_s", subject), rounded(median(|one| one.per_second / one.shares.server), 0));
            if let Some(rounds) = rounds {
                low_high.insert(key("open_per_s", subject), spread_json(&series(rounds, |one| one.per_second), 0));
                cpu.insert(key("open_per_s", subject), shares_json(shares(rounds, |one| one.shares)));
            }
        }
        all.insert("heartbeat_cpu".into(), rounded(self.heartbeat.map(|beat| beat.shares.server), 6));
        all.insert("heartbeat_phones".into(), json!(self.heartbeat.map(|beat| beat.phones)));
        all.insert("heartbeat_pings".into(), json!(self.heartbeat.map(|beat| beat.pings)));
        all.insert("heartbeat_seconds".into(), rounded(self.heartbeat.map(|beat| beat.time.as_secs_f64()), 1));
        all.insert("phones_small".into(), json!(self.growth.map(|growth| growth.small)));
        all.insert("phones_small_cost".into(), rounded(self.growth.map(|growth| growth.small_cost), 1));
        all.insert("phones_large".into(), json!(self.growth.map(|growth| growth.large)));
        all.insert("phones_large_cost".into(), rounded(self.growth.map(|growth| growth.large_cost), 1));
        all.insert("spread".into(), Value::Object(low_high));
        all.insert("cpu".into(), Value::Object(cpu));
        all.insert("cores".into(), json!(self.cores.map(|cores| json!({ "server": cores.server, "load": cores.load }))));
        all.insert("skipped".into(), json!(self.skipped));
        all.insert("notes".into(), json!(self.notes));
        Value::Object(all)
    }

    /// Where a figure says less than the server can do: the load was the busier one, or something else had the cores.
    pub(super) fn doubts(&self) -> Vec<String> {
        const BUSY: f64 = 0.97;
        const IDLE: f64 = 0.9;
        let trips = self.round_trips.iter().map(|(subject, rounds)| ("4 KiB round trips", *subject, shares(rounds, |one| one.shares)));
        let opens = self.opens.iter().map(|(subject, rounds)| ("whole opens", *subject, shares(rounds, |one| one.shares)));
        trips
            .chain(opens)
            .filter_map(|(what, subject, shares)| {
                // In a closed loop with many under way, one of the two always has something to do.
                if shares.server.max(shares.load) < IDLE {
                    Some(format!("{what}, {subject}: something else ran on these cores, the figure is too low"))
                } else if shares.load > BUSY && shares.server < IDLE {
                    Some(format!("{what}, {subject}: the load was the bottleneck, the server could do more"))
                } else {
                    None
                }
            })
            .collect()
    }

    /// The table.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut tables = vec![self.idle_table()];
        tables.push(self.rounds_table("4 KiB round trips a second, 64 circuits", &self.round_trips, 0, |one| one.per_second));
        tables.push(self.rounds_table("p50 of a 1 KiB round trip, one circuit, us", &self.latency, 1, |one| one.p50));
        tables.push(self.opens_table());
        tables.push(self.phones_table());
        let mut text: String =
            tables.iter().filter(|table| !table.is_empty()).map(|table| format!("{table}\n")).collect::<Vec<_>>().concat();
        for line in &self.skipped {
            text += &format!("skipped: {line}\n");
        }
        for line in &self.notes {
            text += &format!("note: {line}\n");
        }
        text
    }

    fn idle_table(&self) -> Table {
        let heads = ["idle", "low", "high", "after 4 KiB", "low", "high", "connections", "aim"];
        let mut table = Table::new("resident bytes a connection", &heads);
        for (subject, rounds) in &self.idle {
            let aim = match subject {
                Subject::Ws => "<= 1,500",
                Subject::Wss => "<= 6,000",
                _ => "",
            };
            let mut cells = Vec::new();
            for values in [series(rounds, |one| one.fresh), series(rounds, |one| one.touched)] {
                let (low, high) = values.spread();
                cells.extend([values.median(), low, high].map(|value| number(value, 0)));
            }
            cells.push(number(rounds.first().map_or(0, |one| one.connections) as f64, 0));
            cells.push(aim.to_owned());
            table.row(&subject.to_string(), cells);
        }
        table
    }

    fn rounds_table(
        &self,
        title: &str,
        rows: &BTreeMap<Subject, Vec<RoundTrips>>,
        decimals: usize,
        value: fn(&RoundTrips) -> f64,
    ) -> Table {
        let is_latency = std::ptr::eq(rows, &self.latency);
        let mut heads = vec!["median", "low", "high", "of TCP", "a core", "server CPU", "load CPU", "aim"];
        heads.retain(|head| !is_latency || *head != "a core");
        let mut table = Table::new(title, &heads);
        let tcp = rows.get(&Subject::Tcp).map(|rounds| series(rounds, value).median());
        for (subject, rounds) in rows {
            let values = series(rounds, value);
            let (low, high) = values.spread();
            let used = shares(rounds, |one| one.shares);
            let aim = match (subject, is_latency) {
                (Subject::Ws, true) => "<= 1.10 of TCP",
                (Subject::Ws, false) => ">= 0.85 of TCP, >= haproxy",
                _ => "",
            };
            let mut cells = [values.median(), low, high].map(|value| number(value, decimals)).to_vec();
            cells.push(tcp.map_or(String::new(), |tcp| number(values.median() / tcp, 2)));
            if !is_latency {
                cells.push(number(series(rounds, RoundTrips::per_core).median(), 0));
            }
            cells.extend([percent(used.server, 0), percent(used.load, 0), aim.to_owned()]);
            table.row(&subject.to_string(), cells);
        }
        table
    }

    fn opens_table(&self) -> Table {
        let heads = ["median", "low", "high", "a core", "server CPU", "load CPU", "aim"];
        let mut table = Table::new("whole opens a second", &heads);
        for (subject, rounds) in &self.opens {
            let values = series(rounds, |one| one.per_second);
            let (low, high) = values.spread();
            let used = shares(rounds, |one| one.shares);
            table.row(
                &subject.to_string(),
                [
                    number(values.median(), 0),
                    number(low, 0),
                    number(high, 0),
                    number(series(rounds, |one| one.per_second / one.shares.server).median(), 0),
                    percent(used.server, 0),
                    percent(used.load, 0),
                    if *subject == Subject::Ws { ">= 2,000 a core".to_owned() } else { String::new() },
                ],
            );
        }
        table
    }

    fn phones_table(&self) -> Table {
        let mut table = Table::new("phones on one relay, ws", &["phones", "value", "aim"]);
        if let Some(beat) = &self.heartbeat {
            let what = format!("heartbeats: share of a core, {:.0} s, {} pings answered", beat.time.as_secs_f64(), beat.pings);
            table.row(&what, [number(beat.phones as f64, 0), percent(beat.shares.server, 3), "< 0.5 %".to_owned()]);
        }
        if let Some(growth) = &self.growth {
            let what = "resident bytes of one";
            table.row(what, [number(growth.small as f64, 0), number(growth.small_cost, 0), String::new()]);
            table.row(what, [number(growth.large as f64, 0), number(growth.large_cost, 0), "no higher".to_owned()]);
        }
        table
    }
}

/// The medians of both.
fn shares<T>(rounds: &[T], shares: impl Fn(&T) -> Shares) -> Shares {
    Shares { server: series(rounds, |one| shares(one).server).median(), load: series(rounds, |one| shares(one).load).median() }
}

fn spread_json(values: &Series, decimals: i32) -> Value {
    let (low, high) = values.spread();
    json!([rounded(Some(low), decimals), rounded(Some(high), decimals)])
}

fn shares_json(shares: Shares) -> Value {
    json!({ "server": rounded(Some(shares.server), 3), "load": rounded(Some(shares.load), 3) })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    fn report() -> Report {
        let shares = Shares { server: 0.5, load: 0.9 };
        let trips = |per_second, p50| RoundTrips { per_second, p50, shares };
        Report {
            idle: [(Subject::Ws, [1234.56, 1200.0, 1400.0].map(|fresh| Idle { connections: 10_000, fresh, touched: 1300.0 }).to_vec())]
                .into(),
            round_trips: [
                (Subject::Ws, vec![trips(900.0, 0.0), trips(1000.0, 0.0), trips(800.0, 0.0)]),
                (Subject::Tcp, vec![trips(1000.0, 0.0)]),
            ]
            .into(),
            latency: [(Subject::Ws, vec![trips(0.0, 157.123)])].into(),
            opens: [(Subject::Ws, vec![Opens { per_second: 2000.0, waited: 0, shares }])].into(),
            heartbeat: Some(Heartbeat { phones: 10_000, time: Duration::from_secs(60), pings: 20_000, shares }),
            skipped: vec!["nginx is not installed (apt-get install nginx)".to_owned()],
            ..Report::default()
        }
    }

    #[test]
    fn json_has_every_key() {
        let json = report().to_json();
        for (key, value) in [
            ("idle_ws", json!(1234.6)),
            ("idle_ws_touched", json!(1300.0)),
            ("idle_wss", Value::Null),
            ("idle_wss_touched", Value::Null),
            ("idle_tcp", Value::Null),
            ("idle_haproxy", Value::Null),
            ("rt4k_64", json!(900.0)),
            ("rt4k_64_tcp", json!(1000.0)),
            ("rt4k_64_haproxy", Value::Null),
            ("rt4k_64_per_core", json!(1800.0)),
            ("rt4k_64_per_core_haproxy", Value::Null),
            ("p50_1k", json!(157.12)),
            ("p50_1k_tcp", Value::Null),
            ("open_per_s", json!(2000.0)),
            ("open_per_core_s", json!(4000.0)),
            ("heartbeat_cpu", json!(0.5)),
        ] {
            assert_eq!(json.get(key), Some(&value), "{key}");
        }
        assert_eq!(json["spread"]["rt4k_64"], json!([800.0, 1000.0]));
        assert_eq!(json["cpu"]["rt4k_64"], json!({ "server": 0.5, "load": 0.9 }));
        let empty = Report::default().to_json();
        let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&json), keys(&empty));
    }

    #[test]
    fn doubts_are_told() {
        let mut report = report();
        report.opens.clear();
        for (server, load, doubt) in [(1.0, 0.99, None), (0.7, 0.99, Some("bottleneck")), (0.2, 0.1, Some("something else"))] {
            for rounds in report.round_trips.values_mut() {
                rounds.iter_mut().for_each(|one| one.shares = Shares { server, load });
            }
            let doubts = report.doubts();
            assert_eq!(doubts.len(), if doubt.is_some() { 2 } else { 0 });
            assert!(doubts.iter().all(|line| line.contains(doubt.unwrap())), "{doubts:?}");
        }
    }

    #[test]
    fn the_table_says_what_is_missing() {
        let text = report().to_text();
        let cells = |aim: &str| {
            let line = text.lines().find(|line| line.ends_with(aim)).unwrap();
            line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect::<Vec<_>>().join("|")
        };
        assert_eq!(cells("<= 1,500"), "countersign-relay, ws|1,235|1,200|1,400|1,300|1,300|1,300|10,000|<= 1,500");
        assert_eq!(cells(">= haproxy"), "countersign-relay, ws|900|800|1,000|0.90|1,800|50 %|90 %|>= 0.85 of TCP, >= haproxy");
        assert!(text.contains("skipped: nginx is not installed (apt-get install nginx)\n"), "{text}");
    }
}
