//! `wake-up`: where relays may send push messages while this program does not run.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use countersign_mobile::{Attention, Event, Pairing, PushTarget, WakeUpState};
use data_encoding::BASE64URL_NOPAD;
use p256::{SecretKey, elliptic_curve::sec1::ToEncodedPoint as _};
use rand_core::{OsRng, RngCore as _};
use serde::Deserialize;

use crate::{
    app::{App, wait},
    console::Wake,
    output, show,
};

/// How long relays may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// As browsers and UnifiedPush libraries write it (W3C Push API, `PushSubscription.toJSON`).
#[derive(Deserialize)]
struct Json {
    endpoint: String,
    keys: Keys,
}

#[derive(Deserialize)]
struct Keys {
    p256dh: String,
    auth: String,
}

pub(crate) fn run(state: Option<PathBuf>, file: Option<&Path>, off: bool, key: bool, relay: Option<String>) -> anyhow::Result<()> {
    let app = App::open(state, false)?;
    if off {
        wait(app.authenticator.remove_wake_up(relay))?;
        output::note(
            "no relay is told an address any more. Tickets that are out still hold it: end the subscription at the push service, too",
        );
        return Ok(());
    }
    if let (true, Some(relay)) = (key, &relay) {
        let Some(key) = wait(app.authenticator.wake_up_key(relay.clone()))? else {
            bail!("{relay} sends no wake-ups; ask its operator, or use another relay")
        };
        return Ok(output::line(&key)?);
    }
    let text = match file {
        Some(file) if file.as_os_str() != "-" => fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?,
        _ => app.console.ask("push address", true)?.to_string(),
    };
    wait(app.authenticator.register_wake_up(relay.clone(), subscription(&text)?))?;
    register(&app, relay.as_deref())
}

/// What the text means. A bare URL gets keys of its own, whose private half nobody needs: what is sent says nothing.
fn subscription(text: &str) -> anyhow::Result<PushTarget> {
    let text = text.trim();
    if !text.starts_with('{') {
        if text.is_empty() || text.contains(char::is_whitespace) {
            bail!("this is no push address: give one line with an https URL, or a subscription as JSON");
        }
        let mut auth = [0; 16];
        OsRng.fill_bytes(&mut auth);
        let public = SecretKey::random(&mut OsRng).public_key().to_encoded_point(false);
        let (p256dh, auth) = (BASE64URL_NOPAD.encode(public.as_bytes()), BASE64URL_NOPAD.encode(&auth));
        return Ok(PushTarget::WebPush { endpoint: text.to_owned(), p256dh, auth });
    }
    // The parser's own message could show a part of it.
    let Ok(Json { endpoint, keys }) = serde_json::from_str(text) else {
        bail!(r#"this is no push subscription: {{"endpoint": ..., "keys": {{"p256dh": ..., "auth": ...}}}} is wanted"#)
    };
    Ok(PushTarget::WebPush { endpoint, p256dh: keys.p256dh, auth: keys.auth })
}

/// Connects until every relay concerned has answered.
fn register(app: &App, relay: Option<&str>) -> anyhow::Result<()> {
    let concerned = || -> anyhow::Result<Vec<Pairing>> {
        let all = app.authenticator.pairings()?.into_iter();
        Ok(all.filter(|pairing| relay.is_none_or(|relay| pairing.relay == relay.trim_end_matches('/'))).collect())
    };
    if concerned()?.is_empty() {
        output::note("kept; pairings made from now on have it in their tickets");
        return Ok(());
    }
    wait(app.authenticator.connect())?;
    let until = Instant::now() + PATIENCE;
    let mut refused = Vec::new();
    let answered = loop {
        let waits = |pairing: &&Pairing| pairing.wake_up == WakeUpState::Off && !refused.contains(&pairing.relay);
        if concerned()?.iter().filter(waits).count() == 0 {
            break true;
        }
        match app.console.wait(until.saturating_duration_since(Instant::now())) {
            Wake::Event(event) => {
                if let Event::AttentionNeeded { attention: Attention::WakeUpRefused { relay, .. } } = &*event {
                    refused.push(relay.clone());
                }
                if let Some(line) = show::event(&event, &app.authenticator.pairings()?) {
                    output::note(&line);
                }
            }
            Wake::Stopped | Wake::TimedOut => break false,
        }
    };
    wait(app.authenticator.disconnect())?;
    if !answered {
        bail!("kept, but not every relay has answered; it is registered with the next: countersign-phone run");
    }
    if !refused.is_empty() {
        bail!("not every relay will wake this authenticator; see above");
    }
    output::note("registered; now run `countersign renew` on each laptop while this authenticator runs: countersign-phone run");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_or_a_subscription() {
        let parts = |text: &str| match subscription(text).unwrap() {
            PushTarget::WebPush { endpoint, p256dh, auth } => (endpoint, p256dh, auth),
            _ => panic!("a Web Push subscription"),
        };
        let (endpoint, p256dh, auth) = parts(" https://ntfy.sh/abc?up=1\n");
        assert_eq!((endpoint.as_str(), p256dh.len(), auth.len()), ("https://ntfy.sh/abc?up=1", 87, 22));
        assert!(p256dh != parts("https://ntfy.sh/abc?up=1").1);
        let json = r#"{"endpoint": "https://push.example.org/a", "expirationTime": null, "keys": {"p256dh": "BA", "auth": "AA"}}"#;
        assert_eq!(parts(json).1, "BA");
        for bad in ["", "{}", "a b", r#"{"endpoint": "https://secret"}"#] {
            let Err(error) = subscription(bad) else { panic!("{bad}") };
            assert!(!error.to_string().contains("secret"));
        }
    }
}
