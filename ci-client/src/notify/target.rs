//! Where a message goes, and in which form.

use std::{fmt, net::IpAddr, str::FromStr};

use hyper::Uri;

/// Longest URL, bytes.
const MAX_URL: usize = 2048;

/// The form that a service reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Slack,
    Mattermost,
    Discord,
    /// Matrix, through hookshot's generic webhooks.
    Hookshot,
    Ntfy,
    /// Our own.
    Json,
}

const FORMS: &[(&str, Form)] = &[
    ("slack", Form::Slack),
    ("mattermost", Form::Mattermost),
    ("discord", Form::Discord),
    ("hookshot", Form::Hookshot),
    ("ntfy", Form::Ntfy),
    ("json", Form::Json),
];

/// Services at hosts of their own.
const HOSTS: &[(&str, Form)] = &[
    ("hooks.slack.com", Form::Slack),
    ("hooks.slack-gov.com", Form::Slack),
    ("discord.com", Form::Discord),
    ("discordapp.com", Form::Discord),
    ("ntfy.sh", Form::Ntfy),
];

impl Form {
    pub(super) fn name(self) -> &'static str {
        FORMS.iter().find(|row| row.1 == self).map_or("json", |row| row.0)
    }
}

/// A URL that may be posted to: https, or http to this machine.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// Where it is written, for the log: never the URL.
    pub(super) origin: String,
    pub(super) form: Form,
    pub(super) tls: bool,
    pub(super) host: String,
    pub(super) port: u16,
    /// Host and port as in the URL.
    pub(super) authority: String,
    /// Path and query; they hold the token.
    pub(super) path: String,
    /// ntfy's topic, the last part of the path, which is then not in `path`.
    pub(super) topic: Option<String>,
}

/// Path and host may be what lets anybody write to the channel.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({}, ..)", self.form.name())
    }
}

/// Why a URL can't be used. Never holds any of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadTarget {
    #[error("not a URL")]
    NotAUrl,
    #[error("longer than {MAX_URL} bytes")]
    TooLong,
    #[error("no such form before the +")]
    Form,
    #[error("neither https, nor http to this machine")]
    Scheme,
    #[error("a name or password before the host; put the token into the path or the query")]
    Credentials,
    #[error("ntfy needs a topic: https://HOST/TOPIC")]
    Topic,
}

impl FromStr for Target {
    type Err = BadTarget;

    fn from_str(text: &str) -> Result<Self, BadTarget> {
        if text.len() > MAX_URL {
            return Err(BadTarget::TooLong);
        }
        let scheme = text.split("://").next().unwrap_or_default();
        let (form, url) = match scheme.split_once('+') {
            Some((form, _)) => {
                let named = FORMS.iter().find(|row| row.0 == form).ok_or(BadTarget::Form)?;
                (Some(named.1), text.get(form.len() + 1..).unwrap_or_default())
            }
            None => (None, text),
        };
        let uri: Uri = url.parse().map_err(|_| BadTarget::NotAUrl)?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(BadTarget::Scheme),
        };
        let authority = uri.authority().ok_or(BadTarget::NotAUrl)?;
        if authority.as_str().contains('@') {
            return Err(BadTarget::Credentials);
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        if host.is_empty() {
            return Err(BadTarget::NotAUrl);
        }
        if !tls && !is_this_machine(&host) {
            return Err(BadTarget::Scheme);
        }
        let known = HOSTS.iter().find(|row| row.0 == host).map(|row| row.1);
        let form = form.or(known).unwrap_or(Form::Json);
        let mut path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let mut topic = None;
        if form == Form::Ntfy {
            let (folders, last) = uri.path().rsplit_once('/').filter(|(_, last)| !last.is_empty()).ok_or(BadTarget::Topic)?;
            topic = Some(last.to_owned());
            path = uri.query().map_or_else(|| format!("{folders}/"), |query| format!("{folders}/?{query}"));
        }
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        Ok(Self { origin: String::new(), form, tls, host, port, authority: authority.as_str().to_owned(), path, topic })
    }
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Target, BadTarget> {
        text.parse()
    }

    #[test]
    fn forms_are_named_or_known_by_the_host() {
        for (text, form) in [
            ("https://hooks.slack.com/services/T/B/x", Form::Slack),
            ("https://Discord.com/api/webhooks/1/x", Form::Discord),
            ("https://ntfy.sh/topic", Form::Ntfy),
            ("https://chat.example/hooks/x", Form::Json),
            ("mattermost+https://chat.example/hooks/x", Form::Mattermost),
            ("hookshot+https://matrix.example/webhook/x", Form::Hookshot),
            ("json+https://hooks.slack.com/services/T/B/x", Form::Json),
            ("slack+http://127.0.0.1:8080/x", Form::Slack),
        ] {
            assert_eq!(parse(text).unwrap().form, form, "{text}");
        }
    }

    #[test]
    fn ntfy_has_a_topic() {
        let target = parse("ntfy+https://push.example:8443/sub/alerts?auth=abc").unwrap();
        assert_eq!((target.path.as_str(), target.topic.as_deref(), target.port), ("/sub/?auth=abc", Some("alerts"), 8443));
        assert_eq!(target.authority, "push.example:8443");
        assert_eq!(parse("https://ntfy.sh/"), Err(BadTarget::Topic));
        assert_eq!(parse("https://ntfy.sh"), Err(BadTarget::Topic));
    }

    #[test]
    fn only_https_or_this_machine() {
        for (text, why) in [
            ("http://chat.example/x", BadTarget::Scheme),
            ("http://127.0.0.1.example/x", BadTarget::Scheme),
            ("ftp://127.0.0.1/x", BadTarget::Scheme),
            ("irc+https://chat.example/x", BadTarget::Form),
            ("https://a:b@chat.example/x", BadTarget::Credentials),
            ("https:///x", BadTarget::NotAUrl),
            ("https://chat.example/a b", BadTarget::NotAUrl),
            ("chat.example", BadTarget::Scheme),
            ("", BadTarget::NotAUrl),
        ] {
            assert_eq!(parse(text), Err(why), "{text}");
        }
        assert_eq!(parse(&format!("https://a.example/{}", "x".repeat(MAX_URL))), Err(BadTarget::TooLong));
        assert!(parse("http://[::1]:9/x").is_ok_and(|target| target.host == "::1"));
        assert!(parse("http://localhost/x").is_ok());
    }

    #[test]
    fn debug_shows_no_url() {
        assert_eq!(format!("{:?}", parse("https://hooks.slack.com/services/s3cret").unwrap()), "Target(slack, ..)");
    }
}
