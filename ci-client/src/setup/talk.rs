//! Questions to the human. Every answer is a line of standard input.

use std::future::Future;

use countersign_core::otp::MAX_URI;
use zeroize::Zeroizing;

use crate::{
    input::{self, Echo, Hidden, read_answer},
    problem::Problem,
    redact::redact,
    signals::Signals,
    ui::Ui,
};

/// Longest answer, bytes.
const MAX_ANSWER: usize = 1024;

/// What was chosen where a secret may be pasted instead.
pub(crate) enum Choice {
    Number(usize),
    Secret(Zeroizing<String>),
}

/// The one that asks.
pub(crate) struct Talk {
    pub(crate) ui: Ui,
    signals: Signals,
    /// `--yes`: what would be asked is only said.
    yes: bool,
    /// Somebody can be asked.
    pub(crate) human: bool,
}

impl Talk {
    pub(crate) fn new(ui: Ui, signals: Signals, yes: bool) -> Self {
        Self { ui, signals, yes, human: input::is_terminal() }
    }

    /// Waits for something that Ctrl-C ends.
    pub(crate) async fn until_interrupted<T>(&mut self, work: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
        tokio::select! {
            result = work => result,
            () = self.signals.interrupted() => Err(Problem::interrupted()),
        }
    }

    /// A line, without blanks around it; it may be empty.
    pub(crate) async fn line(&mut self, question: &str) -> Result<String, Problem> {
        let answer = self.answer(question, Echo::Careful).await?;
        if redact(&answer) != *answer {
            let hint = if cfg!(unix) && is_otpauth(&answer) {
                "it was not shown; an otpauth URI is asked for where the seed comes from"
            } else {
                "it was shown as you typed it: clear the screen; see that it is asked for before you paste it"
            };
            return Err(Problem::config("that looks like a secret, and this question is for something else: it was not used").hint(hint));
        }
        Ok(answer.to_string())
    }

    async fn answer(&mut self, question: &str, echo: Echo) -> Result<Zeroizing<String>, Problem> {
        if !self.human {
            return Err(Problem::config(format!("standard input is no terminal, and nobody can answer: {question}"))
                .hint("give the answer as an option; `countersign setup --help` lists them"));
        }
        let _hidden = Hidden::begin(echo);
        if self.ui.terminal {
            self.ui.ask(question);
        } else {
            self.ui.say(question);
        }
        let limit = if echo == Echo::Off { MAX_URI + 2 } else { MAX_ANSWER };
        let answer = tokio::select! {
            answer = read_answer(limit, echo) => answer,
            () = self.signals.interrupted() => return Err(Problem::interrupted()),
        };
        const HINT: &str = "give the answer as an option; `countersign setup --help` lists them";
        let answer = answer.map_err(|error| Problem::config(format!("cannot read the answer: {error}")).hint(HINT))?;
        let answer = answer.ok_or_else(|| Problem::config("standard input ended before the answer").hint(HINT))?;
        Ok(Zeroizing::new(answer.trim().to_owned()))
    }

    /// Whether to do what `intent` says. Only a clear yes is one.
    pub(crate) async fn confirm(&mut self, intent: &str) -> Result<bool, Problem> {
        if self.yes {
            self.ui.say(intent);
            return Ok(true);
        }
        let answer = self.line(&format!("{intent}; go on? [y/N]")).await?;
        Ok(is_yes(&answer))
    }

    /// The same where one might paste an otpauth URI instead: nothing typed is seen, and such an answer is none.
    pub(crate) async fn confirm_unseen(&mut self, intent: &str) -> Result<bool, Problem> {
        if self.yes {
            return self.confirm(intent).await;
        }
        loop {
            let answer = self.answer(&format!("{intent}; go on? What you type is not shown [y/N]"), Echo::Off).await?;
            if is_otpauth(&answer) {
                self.ui.say("that is an otpauth URI, which is asked for later; it was not shown, and not used");
                continue;
            }
            let yes = is_yes(&answer);
            self.ui.raw(if yes { "  yes" } else { "  no" });
            return Ok(yes);
        }
    }

    /// One of several, by number; an empty answer takes `default`.
    pub(crate) async fn choose(&mut self, question: &str, options: &[String], default: Option<usize>) -> Result<usize, Problem> {
        self.offer(question, options);
        let ask = match default {
            Some(default) => format!("which number? [{}]", default + 1),
            None => "which number?".to_owned(),
        };
        loop {
            let answer = self.line(&ask).await?;
            if let Some(choice) = parse_choice(&answer, options.len(), default) {
                return Ok(choice);
            }
            self.ui.say(&format!("type a number from 1 to {}", options.len()));
        }
    }

    /// The same where one of the options is to paste an otpauth URI, and one may do so right away: nothing typed is seen.
    pub(crate) async fn choose_or_secret(&mut self, question: &str, options: &[String], default: usize) -> Result<Choice, Problem> {
        self.offer(question, options);
        let ask = format!("which number? What you type or paste now is not shown [{}]", default + 1);
        loop {
            let answer = self.answer(&ask, Echo::Off).await?;
            if is_otpauth(&answer) {
                return Ok(Choice::Secret(answer));
            }
            if let Some(choice) = parse_choice(&answer, options.len(), Some(default)) {
                self.ui.raw(&format!("  {}", choice + 1));
                return Ok(Choice::Number(choice));
            }
            self.ui.say(&format!("type a number from 1 to {}", options.len()));
        }
    }

    fn offer(&self, question: &str, options: &[String]) {
        self.ui.say(question);
        for (number, option) in (1..).zip(options) {
            self.ui.raw(&format!("  {number}  {option}"));
        }
    }
}

fn is_otpauth(answer: &str) -> bool {
    answer.get(..7).is_some_and(|word| word.eq_ignore_ascii_case("otpauth"))
}

fn is_yes(answer: &str) -> bool {
    answer.eq_ignore_ascii_case("y") || answer.eq_ignore_ascii_case("yes")
}

fn parse_choice(answer: &str, options: usize, default: Option<usize>) -> Option<usize> {
    if answer.is_empty() {
        return default;
    }
    answer.parse::<usize>().ok()?.checked_sub(1).filter(|choice| *choice < options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_yes() {
        assert!(["y", "Y", "yes", "YES"].iter().all(|answer| is_yes(answer)));
        assert!(["", "n", "no", "ye", "yes please"].iter().all(|answer| !is_yes(answer)));
    }

    #[test]
    fn an_otpauth_uri_is_known_by_its_beginning() {
        assert!(
            is_otpauth("otpauth://totp/x") && is_otpauth("OTPAUTH-migration://offline") && !is_otpauth("otpaut") && !is_otpauth("häuser")
        );
    }

    #[test]
    fn choices_are_numbers_from_one() {
        assert_eq!(parse_choice("1", 2, None), Some(0));
        assert_eq!(parse_choice("", 2, Some(1)), Some(1));
        assert_eq!(parse_choice("", 2, None), None);
        assert_eq!((parse_choice("0", 2, Some(0)), parse_choice("3", 2, None), parse_choice("x", 2, None)), (None, None, None));
    }
}
