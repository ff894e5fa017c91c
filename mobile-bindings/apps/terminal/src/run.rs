//! `run`: waits for requests and asks about each one.

use std::time::{Duration, Instant};

use anyhow::bail;
use countersign_mobile::{AuthenticatorError, Event, KeychainError, PendingRequest, RequestKind, SeedImport};
use zeroize::Zeroizing;

use crate::{
    app::{App, wait},
    console::{NoAnswer, Wake},
    output::{self, note},
    show,
};

/// How long `--once` waits for what became of the answer.
const SETTLE: Duration = Duration::from_secs(600);
/// A wait without an end of its own.
const LONG: Duration = Duration::from_secs(3600);

/// How asking about one request ended.
enum Asked {
    /// The job has an answer.
    Answered,
    /// There was nothing to answer any more.
    Withdrawn,
}

/// Waits for requests until Ctrl-C; `once`: until one was answered and settled, or withdrawn.
pub(crate) fn run(app: &App, once: bool) -> anyhow::Result<()> {
    let pairings = app.authenticator.pairings()?;
    if pairings.is_empty() {
        bail!(show::no_pairing(&app.authenticator.lost()?));
    }
    wait(app.authenticator.connect())?;
    note("waiting for requests; Ctrl-C ends");
    let result = serve(app, once);
    let disconnected = wait(app.authenticator.disconnect());
    app.console.end_stray();
    disconnected?;
    match result {
        Err(error) if error.downcast_ref() == Some(&NoAnswer::Stopped) => Ok(()),
        other => other,
    }
}

fn serve(app: &App, once: bool) -> anyhow::Result<()> {
    loop {
        // Events first: they say what happened before what is asked now.
        let wait = if app.authenticator.pending()?.is_empty() { LONG } else { Duration::ZERO };
        match app.console.wait(wait) {
            Wake::Event(event) => {
                tell(app, &event)?;
                continue;
            }
            Wake::Stopped => return Ok(()),
            Wake::TimedOut => {}
        }
        let Some(request) = app.authenticator.pending()?.into_iter().next() else { continue };
        app.console.watch(&request.id);
        // It may have gone before it was watched.
        let asked =
            if app.authenticator.pending()?.iter().any(|it| it.id == request.id) { answer(app, &request)? } else { Asked::Withdrawn };
        app.console.unwatch();
        match asked {
            Asked::Answered if once => return settle(app, &request.verified.pairing_id),
            Asked::Withdrawn if once => {
                note("the request was withdrawn or has expired; nothing was answered");
                return Ok(());
            }
            Asked::Answered | Asked::Withdrawn => {}
        }
    }
}

/// Waits until the job has said what became of its answer, or has gone.
fn settle(app: &App, answered: &str) -> anyhow::Result<()> {
    let until = Instant::now() + SETTLE;
    loop {
        match app.console.wait(until.saturating_duration_since(Instant::now())) {
            Wake::Event(event) => {
                tell(app, &event)?;
                if matches!(&*event, Event::Settled { pairing_id } if pairing_id == answered) {
                    return Ok(());
                }
            }
            Wake::Stopped => return Ok(()),
            Wake::TimedOut => bail!("the answer was given, but the job never said what became of it"),
        }
    }
}

fn tell(app: &App, event: &Event) -> anyhow::Result<()> {
    if let Some(line) = show::event(event, &app.authenticator.pairings()?) {
        note(&line);
    }
    Ok(())
}

/// Asks about one request until it is answered or gone.
fn answer(app: &App, request: &PendingRequest) -> anyhow::Result<Asked> {
    note("");
    for line in show::request(request, output::width()) {
        note(&line);
    }
    match decide(app, request) {
        Ok(asked) => Ok(asked),
        Err(error) => match error.downcast_ref() {
            Some(NoAnswer::Dropped) => Ok(Asked::Withdrawn),
            _ => Err(error),
        },
    }
}

/// What the person said.
enum Said {
    Text(Zeroizing<String>),
    /// `deny [REASON]`, which was done.
    Denied(Asked),
}

macro_rules! ask {
    ($app:expr, $request:expr, $question:expr, $secret:expr) => {
        match ask_or_deny($app, $request, $question, $secret)? {
            Said::Text(text) => text,
            Said::Denied(asked) => return Ok(asked),
        }
    };
}

fn decide(app: &App, request: &PendingRequest) -> anyhow::Result<Asked> {
    let mut grant = false;
    if request.verified.first_use {
        let question = grant_question(request);
        grant = loop {
            match ask!(app, request, &question, false).trim().to_ascii_lowercase().as_str() {
                "yes" | "y" => break true,
                // A seed can be sealed for a pairing that may not use it yet; a code can't be given to one.
                "no" | "n" if request.verified.kind == RequestKind::Enroll => break false,
                "no" | "n" => return deny(app, request, "not allowed to use this seed"),
                _ => note("answer yes or no"),
            }
        };
    }
    let number = loop {
        let number = ask!(app, request, "number shown in the job's log (or: deny [reason])", false);
        // What is no number at all is a slip, not a guess.
        let digits: String = number.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
        if digits.len() == usize::from(request.digits) && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            break digits;
        }
        note(&format!("type the {} digits", request.digits));
    };
    let codes = if request.verified.codes > 1 { Some(ask_codes(app, request)?) } else { None };
    let codes = match codes {
        Some(Err(asked)) => return Ok(asked),
        Some(Ok(codes)) => Some(codes),
        None => None,
    };
    let mut seed = None;
    loop {
        if request.needs_seed && seed.is_none() {
            let uri = ask!(app, request, "otpauth URI", true);
            match SeedImport::from_text(uri.to_string()) {
                Ok(import) => seed = Some(import),
                Err(error) => {
                    note(&error.to_string());
                    continue;
                }
            }
        }
        let Err(error) = wait(app.authenticator.approve(request.id.clone(), number.to_string(), codes, grant, seed.clone())) else {
            note("approved");
            return Ok(Asked::Answered);
        };
        if let (AuthenticatorError::Unlock(_), Some(why)) = (&error, app.console.take_no_answer()) {
            return Err(why.into());
        }
        match &error {
            // The passphrase is asked for again. Whatever else is wrong with the key may come without a question.
            AuthenticatorError::Unlock(text) if *text == KeychainError::WrongPassphrase.to_string() => note(text),
            AuthenticatorError::BadInput(text) if request.needs_seed => {
                note(text);
                seed = None;
            }
            AuthenticatorError::BadInput(text) => return deny(app, request, text),
            AuthenticatorError::WrongNumber(text) | AuthenticatorError::NotAllowed(text) | AuthenticatorError::StartAgain(text) => {
                note(text);
                return Ok(Asked::Answered);
            }
            // An event says why.
            AuthenticatorError::Gone(_) => return Ok(Asked::Withdrawn),
            _ => {
                note(&show::failure(&error));
                ask!(app, request, "press Enter to try again (or: deny [reason])", false);
            }
        }
    }
}

/// Whether a pairing may use a seed from now on.
fn grant_question(request: &PendingRequest) -> String {
    let label = request.verified.seed.as_deref().or(request.claimed.new_seed.as_deref()).unwrap_or("this seed");
    // A seed is enrolled without the right.
    let no = if request.verified.kind == RequestKind::Code { " (no denies this request)" } else { "" };
    format!("allow {} to use {label} from now on?{no} [yes/no]", request.verified.pairing)
}

fn ask_codes(app: &App, request: &PendingRequest) -> anyhow::Result<Result<u8, Asked>> {
    let most = request.verified.codes;
    loop {
        let typed = match ask_or_deny(app, request, &format!("how many codes [{most}]"), false)? {
            Said::Text(text) => text,
            Said::Denied(asked) => return Ok(Err(asked)),
        };
        match typed.trim() {
            "" => return Ok(Ok(most)),
            typed => match typed.parse() {
                Ok(codes) if (1..=most).contains(&codes) => return Ok(Ok(codes)),
                _ => note(&format!("a number from 1 to {most}")),
            },
        }
    }
}

fn ask_or_deny(app: &App, request: &PendingRequest, question: &str, secret: bool) -> anyhow::Result<Said> {
    let text = app.console.ask(question, secret)?;
    match denial(&text) {
        Some(reason) => deny(app, request, reason).map(Said::Denied),
        None => Ok(Said::Text(text)),
    }
}

/// The reason in `deny [REASON]`.
fn denial(text: &str) -> Option<&str> {
    let rest = text.trim().strip_prefix("deny")?;
    (rest.is_empty() || rest.starts_with(char::is_whitespace)).then(|| rest.trim())
}

fn deny(app: &App, request: &PendingRequest, reason: &str) -> anyhow::Result<Asked> {
    match wait(app.authenticator.deny(request.id.clone(), reason.to_owned())) {
        Ok(()) => {
            note(&if reason.is_empty() { "denied".to_owned() } else { format!("denied: {reason}") });
            Ok(Asked::Answered)
        }
        Err(AuthenticatorError::Gone(text)) => {
            note(&text);
            Ok(Asked::Withdrawn)
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_means_to_a_first_use() {
        let mut request = show::tests::request("1", 1);
        assert_eq!(grant_question(&request), "allow acme/widget to use ACME:release from now on? (no denies this request) [yes/no]");
        request.verified.kind = RequestKind::Enroll;
        assert_eq!(grant_question(&request), "allow acme/widget to use ACME:release from now on? [yes/no]");
    }

    #[test]
    fn what_denies() {
        assert_eq!(denial(" deny "), Some(""));
        assert_eq!(denial("deny not ours"), Some("not ours"));
        assert_eq!(denial("denying"), None);
        assert_eq!(denial("123456"), None);
    }
}
