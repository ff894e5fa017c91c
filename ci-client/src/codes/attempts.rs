//! Running a command again when its code was refused: how often, and with what. Pure; who runs it and where codes come from is behind [`Release`].

use countersign_core::request::CodeText;

use crate::{child::Ran, problem::Problem, targets::Verdict};

/// With codes that were approved already a command is run again this often.
pub(crate) const MAX_REPEATS: u8 = 2;

/// What [`run`] does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Stop,
    Again,
    AskAgain,
}

/// How far it has come.
#[derive(Debug)]
struct Attempts {
    retry: bool,
    repeats: u8,
    asked_again: bool,
}

impl Attempts {
    fn after(&mut self, ran: Ran) -> Then {
        // What succeeded is never run twice, whatever its output looks like.
        if !self.retry || ran.exit == 0 || ran.verdict != Verdict::WrongCode || self.asked_again {
            return Then::Stop;
        }
        if self.repeats < MAX_REPEATS {
            self.repeats += 1;
            return Then::Again;
        }
        Then::AskAgain
    }
}

/// What [`run`] needs from the world.
pub(crate) trait Release {
    /// A code that was not used before, or `None` when what was approved is used up.
    async fn code(&mut self) -> Result<Option<CodeText>, Problem>;
    /// Asks for another approval, and gives its first code.
    async fn ask_again(&mut self) -> Result<CodeText, Problem>;
    /// Runs the command.
    async fn run(&mut self, code: &CodeText) -> Result<Ran, Problem>;
    /// Tells the human.
    fn say(&mut self, text: &str);
    /// Tells the human what to do.
    fn hint(&mut self, text: &str);
    /// Tells why there is no other attempt.
    fn not_again(&mut self, problem: &Problem);
}

/// Runs the command with `code`, and again with codes of new steps while its code is refused: [`MAX_REPEATS`] times within what was approved,
/// then once with a fresh approval.
///
/// # Errors
/// [`Problem`] if the command can't be run. Once it has run, what it came to counts: a fresh approval that fails is told and changes nothing.
pub(crate) async fn run(release: &mut impl Release, code: CodeText, retry: bool, target: &str) -> Result<Ran, Problem> {
    let mut attempts = Attempts { retry, repeats: 0, asked_again: false };
    let mut code = code;
    loop {
        let ran = release.run(&code).await?;
        let mut then = attempts.after(ran);
        if then == Then::Again {
            match release.code().await {
                Ok(Some(next)) => {
                    release.say("the code was refused: running the command again with one of another step");
                    code = next;
                    continue;
                }
                Ok(None) => then = Then::AskAgain,
                Err(problem) => {
                    release.not_again(&problem);
                    return Ok(ran);
                }
            }
        }
        if then == Then::Stop {
            tell_the_end(release, &attempts, ran, target);
            return Ok(ran);
        }
        attempts.asked_again = true;
        release.say("the code was refused and no other one is left of what was approved: asking once more");
        match release.ask_again().await {
            Ok(next) => code = next,
            Err(problem) => {
                release.not_again(&problem);
                return Ok(ran);
            }
        }
    }
}

/// Why a command whose code was refused is not run again.
fn tell_the_end(release: &mut impl Release, attempts: &Attempts, ran: Ran, target: &str) {
    if ran.verdict == Verdict::WrongCode && attempts.asked_again {
        return release.say("the code of a fresh approval was refused too: giving up");
    }
    if ran.exit != 0
        && let Some((what, next)) = ran.verdict.words(target)
    {
        release.say(&what);
        release.hint(&next);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use crate::exit::Exit;

    /// Plays the world: what each run comes to, how many codes each approval gives.
    struct Script {
        runs: VecDeque<Ran>,
        approvals: VecDeque<Result<u8, Exit>>,
        left: u8,
        codes: Vec<String>,
        given: u8,
        said: Vec<String>,
    }

    fn text(code: &str) -> CodeText {
        serde_json::from_value(code.into()).unwrap()
    }

    impl Release for Script {
        async fn code(&mut self) -> Result<Option<CodeText>, Problem> {
            if self.left == 0 {
                return Ok(None);
            }
            self.left -= 1;
            self.given += 1;
            Ok(Some(text(&self.given.to_string())))
        }

        async fn ask_again(&mut self) -> Result<CodeText, Problem> {
            self.left = self.approvals.pop_front().unwrap().map_err(|exit| Problem::new(exit, "no"))?;
            self.code().await?.ok_or_else(|| Problem::new(Exit::Spent, "too late"))
        }

        async fn run(&mut self, code: &CodeText) -> Result<Ran, Problem> {
            self.codes.push(code.expose().to_owned());
            Ok(self.runs.pop_front().unwrap())
        }

        fn say(&mut self, text: &str) {
            self.said.push(text.to_owned());
        }

        fn hint(&mut self, _: &str) {}

        fn not_again(&mut self, problem: &Problem) {
            self.said.push(problem.message.clone());
        }
    }

    const WRONG: Ran = Ran { exit: 1, signal: None, verdict: Verdict::WrongCode, lost: None };
    const FINE: Ran = Ran { exit: 0, signal: None, verdict: Verdict::Fine, lost: None };

    /// The exit code and the codes that were used; every scripted run and approval must have been played.
    fn play(runs: &[Ran], left: u8, approvals: &[Result<u8, Exit>], retry: bool) -> (Ran, String, Vec<String>) {
        let mut script = Script {
            runs: runs.iter().copied().collect(),
            approvals: approvals.iter().copied().collect(),
            left,
            codes: Vec::new(),
            given: 0,
            said: Vec::new(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let ran = runtime.block_on(run(&mut script, text("0"), retry, "npm")).unwrap();
        assert!(script.runs.is_empty() && script.approvals.is_empty(), "{:?} {:?}", script.runs, script.approvals);
        (ran, script.codes.concat(), script.said)
    }

    #[test]
    fn what_succeeds_is_run_once() {
        assert_eq!(play(&[FINE], 5, &[], true), (FINE, "0".into(), vec![]));
        let odd = Ran { exit: 0, signal: None, verdict: Verdict::WrongCode, lost: None };
        assert_eq!(play(&[odd], 5, &[], true), (odd, "0".into(), vec![]));
    }

    #[test]
    fn a_refused_code_is_followed_by_new_ones_twice_and_one_fresh_approval() {
        assert_eq!(play(&[WRONG, FINE], 5, &[], true).1, "01");
        assert_eq!(play(&[WRONG, WRONG, FINE], 5, &[], true).1, "012");
        let (ran, codes, _) = play(&[WRONG, WRONG, WRONG, FINE], 5, &[Ok(5)], true);
        assert_eq!((ran, codes.as_str()), (FINE, "0123"));
        let (ran, codes, said) = play(&[WRONG, WRONG, WRONG, Ran { exit: 9, ..WRONG }], 5, &[Ok(5)], true);
        assert_eq!((ran.exit, codes.as_str()), (9, "0123"));
        assert_eq!(said.last().unwrap(), "the code of a fresh approval was refused too: giving up");
    }

    #[test]
    fn not_more_than_was_approved() {
        assert_eq!(play(&[WRONG, FINE], 0, &[Ok(1)], true).1, "01");
        assert_eq!(play(&[WRONG, WRONG, FINE], 1, &[Ok(1)], true).1, "012");
    }

    #[test]
    fn a_fresh_approval_that_fails_leaves_the_exit_code_of_the_command() {
        let (ran, codes, said) = play(&[Ran { exit: 3, ..WRONG }], 0, &[Err(Exit::Denied)], true);
        assert_eq!((ran.exit, codes.as_str(), said.last().unwrap().as_str()), (3, "0", "no"));
        // One whose codes are over before the command can run is told as well.
        let (ran, codes, said) = play(&[Ran { exit: 3, ..WRONG }], 0, &[Ok(0)], true);
        assert_eq!((ran.exit, codes.as_str(), said.last().unwrap().as_str()), (3, "0", "too late"));
    }

    #[test]
    fn nothing_else_is_tried_again() {
        for verdict in [Verdict::Limited, Verdict::Failed, Verdict::MissingCode] {
            let ran = Ran { exit: 4, signal: None, verdict, lost: None };
            assert_eq!(play(&[ran], 5, &[], true).1, "0");
            assert_eq!(play(&[WRONG, ran], 5, &[], true).1, "01");
        }
        assert_eq!(play(&[WRONG], 5, &[], false).1, "0");
    }
}
